-- A Wireshark dissector for MLS-TLS and TLS+MLS, the protocols of treewire (docs/protocols.md). It takes TCP port 9420,
-- other ports where a connection begins as one of these, and what "Decode As" gives it. With a key log (the
-- preference mlstls.keylog_file, else that of TLS) it shows what the records hold.
--   wireshark -X lua_script:…/treewire.lua        treewire_crypto.lua and treewire_mls.lua have to lie beside it
-- SPDX-License-Identifier: Apache-2.0
local folder = __DIR__ or debug.getinfo(1, "S").source:match("^@?(.*)[/\\]") or "."
local crypto = dofile(folder .. "/treewire_crypto.lua")
local mls = dofile(folder .. "/treewire_mls.lua")

local PORT, HEADER, RECORD_MAX = 9420, 5, 16384 + 256
local CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
local CLIENT_HELLO, SERVER_HELLO, MLS_HANDSHAKE, MLS_EXTENSION = 1, 2, 0xF4, 0xFF4D

local proto = Proto("mlstls", "MLS-TLS and TLS+MLS")

local record_types = { [CCS] = "change_cipher_spec", [ALERT] = "alert", [HANDSHAKE] = "handshake",
                       [DATA] = "application_data" }
local handshake_types = {
  [1] = "client_hello", [2] = "server_hello", [4] = "new_session_ticket", [5] = "end_of_early_data",
  [8] = "encrypted_extensions", [11] = "certificate", [13] = "certificate_request", [15] = "certificate_verify",
  [20] = "finished", [24] = "key_update", [MLS_HANDSHAKE] = "mls_handshake",
}
local alert_levels = { [1] = "warning", [2] = "fatal" }
local alerts = {
  [0] = "close_notify", [10] = "unexpected_message", [20] = "bad_record_mac", [22] = "record_overflow",
  [40] = "handshake_failure", [42] = "bad_certificate", [43] = "unsupported_certificate",
  [44] = "certificate_revoked", [45] = "certificate_expired", [46] = "certificate_unknown", [47] = "illegal_parameter",
  [48] = "unknown_ca", [49] = "access_denied", [50] = "decode_error", [51] = "decrypt_error",
  [70] = "protocol_version", [71] = "insufficient_security", [80] = "internal_error", [86] = "inappropriate_fallback",
  [90] = "user_canceled", [109] = "missing_extension", [110] = "unsupported_extension", [112] = "unrecognized_name",
  [113] = "bad_certificate_status_response", [115] = "unknown_psk_identity", [116] = "certificate_required",
  [120] = "no_application_protocol",
}

local F = {
  record_type = ProtoField.uint8("mlstls.record.type", "Content type", base.DEC, record_types),
  record_version = ProtoField.uint16("mlstls.record.version", "Version", base.HEX),
  record_length = ProtoField.uint16("mlstls.record.length", "Length", base.DEC),
  encrypted = ProtoField.bytes("mlstls.record.encrypted", "Encrypted"),
  key = ProtoField.string("mlstls.record.key", "Opened with"),
  aead = ProtoField.string("mlstls.record.aead", "AEAD"),
  epoch = ProtoField.uint64("mlstls.record.epoch", "Epoch of the key"),
  sequence = ProtoField.uint64("mlstls.record.sequence", "Record number"),
  padding = ProtoField.uint32("mlstls.record.padding", "Padding", base.DEC),
  inner_type = ProtoField.uint8("mlstls.record.inner_type", "Inner content type", base.DEC, record_types),
  side = ProtoField.string("mlstls.side", "From"),
  connection = ProtoField.string("mlstls.connection", "Name in the key log"),
  handshake_type = ProtoField.uint8("mlstls.handshake.type", "Handshake type", base.DEC, handshake_types),
  handshake_length = ProtoField.uint24("mlstls.handshake.length", "Length", base.DEC),
  handshake_body = ProtoField.bytes("mlstls.handshake.body", "Body"),
  handshake_piece = ProtoField.bytes("mlstls.handshake.fragment", "Part of a handshake message"),
  alert_level = ProtoField.uint8("mlstls.alert.level", "Level", base.DEC, alert_levels),
  alert = ProtoField.uint8("mlstls.alert.description", "Description", base.DEC, alerts),
  data = ProtoField.bytes("mlstls.data", "Application data"),
  data_length = ProtoField.uint32("mlstls.data.length", "Application data length", base.DEC),
}
local all = {}
for _, field in pairs(F) do all[#all + 1] = field end
for _, field in pairs(mls.fields) do all[#all + 1] = field end
proto.fields = all

local E = {
  malformed = ProtoExpert.new("mlstls.malformed", "Malformed message", expert.group.MALFORMED, expert.severity.ERROR),
  no_key = ProtoExpert.new("mlstls.not_opened", "No key in the key log opens this record", expert.group.DECRYPTION,
    expert.severity.NOTE),
}
proto.experts = { E.malformed, E.no_key }

proto.prefs.keylog_file = Pref.string("Key log file", "", "As SSLKEYLOGFILE; empty: the one of TLS's preferences")
proto.prefs.heuristics = Pref.bool("Find it on all TCP ports", true, "By how a connection begins")

local stream_field = Field.new("tcp.stream")
local tls = Dissector.get("tls")

-- ---- the key log: id -> side -> secrets in the order of the file

local key_log = { path = nil, size = -1, ids = {} }

local function label_of(text)
  local n = text:match("^MLS_TLS_CLIENT_EARLY_TRAFFIC_SECRET_(%d+)$") or
    text:match("^MLS_TLS_CLIENT_TRAFFIC_SECRET_(%d+)$")
  if n then return "client", tonumber(n) end
  n = text:match("^MLS_TLS_SERVER_TRAFFIC_SECRET_(%d+)$")
  if n then return "server", tonumber(n) end
  if text == "CLIENT_HANDSHAKE_TRAFFIC_SECRET" then return "client", 1 end
  if text == "SERVER_HANDSHAKE_TRAFFIC_SECRET" then return "server", 1 end
  n = text:match("^CLIENT_TRAFFIC_SECRET_(%d+)$")
  if n then return "client", tonumber(n) + 1 end
  n = text:match("^SERVER_TRAFFIC_SECRET_(%d+)$")
  if n then return "server", tonumber(n) + 1 end
end

local function take_line(line)
  local label, id, secret = line:match("^([%w_]+) (%x+) (%x+)%s*$")
  if label == nil or #id ~= 64 then return end
  local side, epoch = label_of(label)
  if side == nil or crypto.aeads_of[#secret / 2] == nil then return end
  id, secret = id:lower(), crypto.unhex(secret)
  local of = key_log.ids[id] or { client = {}, server = {}, seen = {} }
  key_log.ids[id] = of
  if of.seen[label .. secret] then return end -- both sides may write to one file
  of.seen[label .. secret] = true
  table.insert(of[side], { label = label, epoch = epoch, secret = secret, keys = {} })
end

-- Reads what has come since the last time; true if anything has.
local function read_key_log()
  local path = proto.prefs.keylog_file
  if path == "" then
    local ok, of_tls = pcall(get_preference, "tls.keylog_file")
    path = ok and of_tls or ""
  end
  if path ~= key_log.path then key_log = { path = path, size = -1, ids = {} } end
  local file = path ~= "" and io.open(path, "rb") or nil
  if file == nil then return false end
  local size = file:seek("end")
  local grown = size ~= key_log.size
  if grown then
    file:seek("set")
    for line in file:lines() do take_line(line) end
    key_log.size = size
  end
  file:close()
  return grown
end

-- ---- connections: what is known of each by its first pass

local connections, records = {}, {}

function proto.init()
  connections, records = {}, {}
  key_log = { path = nil, size = -1, ids = {} }
end

local function endpoint(address, port) return tostring(address) .. " " .. port end

local function connection_of(pinfo)
  local stream = stream_field()
  local name = stream and stream.value or 0
  if connections[name] == nil then
    connections[name] = {
      client_at = endpoint(pinfo.src, pinfo.src_port),
      client = { side = "client", next = 1, sequence = 0, pending = "" },
      server = { side = "server", next = 1, sequence = 0, pending = "" },
    }
  end
  return connections[name]
end

local function direction_of(connection, pinfo)
  return endpoint(pinfo.src, pinfo.src_port) == connection.client_at and connection.client or connection.server
end

-- Whether a ClientHello has the extension. It may be cut short: its head is enough.
local function offers_mls(hello)
  local at = 1 + 4 + 2 + 32
  local function number(n)
    if at + n - 1 > #hello then return nil end
    local out = 0
    for i = at, at + n - 1 do out = out * 256 + hello:byte(i) end
    at = at + n
    return out
  end
  local function skip(n)
    local len = number(n)
    if len then at = at + len end
    return len
  end
  if not (skip(1) and skip(2) and skip(1) and number(2)) then return false end
  while true do
    local type = number(2)
    if type == nil then return false end
    if type == MLS_EXTENSION then return true end
    if not skip(2) then return false end
  end
end

-- The label in the group id of a resumption_request: whose session it is. Before it stand the handshake header,
-- version, type, nonce, and version and wire format of a PrivateMessage.
local function resumed_label(message)
  if #message < 30 or message:byte(8) ~= 5 then return nil end
  return message:sub(30, 29 + message:byte(29) - 16)
end

-- By the first handshake message of a connection.
local function begin(connection, message)
  if connection.kind ~= nil then return end
  local type = message:byte(1)
  if type == MLS_HANDSHAKE then
    connection.kind = resumed_label(message) == "tls13" and "TLS+MLS" or "MLS-TLS"
    connection.id = crypto.hex(crypto.sha256(message:sub(5)))
  elseif type == CLIENT_HELLO then
    connection.kind = offers_mls(message) and "TLS+MLS" or "TLS"
    connection.tls = true
    connection.id = crypto.hex(message:sub(7, 38))
  end
end

-- ---- opening records

local function try(secret, aead, sequence, record)
  if secret.keys[aead] == nil then secret.keys[aead] = crypto.record_key(secret.secret, aead) end
  return crypto.open_record(secret.keys[aead], sequence, record)
end

local function try_all(connection, secret, sequence, record)
  for _, aead in ipairs(crypto.aeads_of[#secret.secret]) do
    if connection.aead == nil or connection.aead == aead then
      local inner = try(secret, aead, sequence, record)
      if inner then
        connection.aead = aead
        return inner
      end
    end
  end
end

-- The key in force comes first; then those after it, since changes of keys have no mark (D4, D6), numbered on or anew.
local function open_with(connection, direction, secrets, record)
  for at = direction.next > 1 and direction.next - 1 or 1, #secrets do
    local anew = at >= direction.next and direction.sequence > 0
    for _, sequence in ipairs(anew and { direction.sequence, 0 } or { direction.sequence }) do
      local inner = try_all(connection, secrets[at], sequence, record)
      if inner then
        direction.next, direction.sequence = at + 1, sequence + 1
        return { inner = inner, label = secrets[at].label, epoch = secrets[at].epoch, sequence = sequence,
                 aead = connection.aead }
      end
    end
  end
end

local function open(connection, direction, record)
  if connection.id == nil then return nil end
  for _ = 1, 2 do
    local secrets = key_log.ids[connection.id]
    local opened = secrets and open_with(connection, direction, secrets[direction.side], record)
    if opened then return opened end
    if not read_key_log() then break end
  end
  direction.sequence = direction.sequence + 1
end

-- TLSInnerPlaintext: content, type, zeros
local function strip(opened)
  local last = #opened.inner
  while last > 0 and opened.inner:byte(last) == 0 do last = last - 1 end
  opened.padding = #opened.inner - last
  opened.type = last > 0 and opened.inner:byte(last) or 0
  opened.content = opened.inner:sub(1, last - 1)
  opened.inner = nil
end

-- Handshake messages in a record's content: where whole ones lie in it, which ended here, and what is left over.
local function split(connection, direction, content)
  local out = {}
  local bytes = direction.pending .. content
  local before = #direction.pending
  local at = 1
  while #bytes - at + 1 >= 4 do
    local _, a, b, c = bytes:byte(at, at + 3)
    local size = 4 + a * 65536 + b * 256 + c
    if at + size - 1 > #bytes then break end
    local message = bytes:sub(at, at + size - 1)
    begin(connection, message)
    if at > before then out[#out + 1] = { at = at - 1 - before, size = size }
    else out[#out + 1] = { whole = message } end
    at = at + size
  end
  direction.pending = bytes:sub(at)
  out.left = #direction.pending
  return out
end

-- What a record is, found out once, in the order in which they were sent.
local function look(connection, direction, raw)
  local type = raw:byte(1)
  local found = { type = type }
  if type == DATA then
    found.opened = open(connection, direction, raw)
    if found.opened == nil then return found end
    strip(found.opened)
    if found.opened.type == HANDSHAKE then found.messages = split(connection, direction, found.opened.content) end
  elseif type == HANDSHAKE then
    found.messages = split(connection, direction, raw:sub(HEADER + 1))
  end
  return found
end

-- ---- showing

local function show_mls_extension(range, tree, type, said)
  -- The extensions of a hello: version, random, session id, suites or suite, compression.
  local body = range:bytes():raw()
  local at = 4 + 2 + 32
  local function number(n)
    local out = 0
    for i = at + 1, at + n do out = out * 256 + (body:byte(i) or 0) end
    at = at + n
    return out
  end
  at = at + number(1)
  if type == CLIENT_HELLO then
    at = at + number(2)
    at = at + number(1)
  else
    at = at + 3
  end
  local last = number(2)
  last = math.min(at + last, #body)
  while at + 4 <= last do
    local start = at
    local extension, len = number(2), number(2)
    if extension == MLS_EXTENSION and at + len <= last and len > 0 then
      local branch = tree:add(range:range(start, 4 + len), "Extension: tls_using_mls_handshake")
      branch:add(mls.fields.extension_type, range:range(start, 2)):set_text("Type: tls_using_mls_handshake (0xff4d)")
      local kind = type == CLIENT_HELLO and "key_package" or "welcome"
      local line = mls.dissect(kind, range:range(start + 4, len), branch, E.malformed)
      return said .. (line and ": " .. line or ": [Malformed]")
    end
    at = at + len
  end
  return said
end

local function show_message(range, tree, is_tls)
  local type = range:range(0, 1):uint()
  local name = handshake_types[type] or ("handshake type %d"):format(type)
  local branch = tree:add(range, "Handshake: " .. name)
  branch:add(F.handshake_type, range:range(0, 1))
  branch:add(F.handshake_length, range:range(1, 3))
  if range:len() == 4 then return name end
  local body = range:range(4)
  if type == MLS_HANDSHAKE then
    local said = mls.dissect("message", body, branch, E.malformed)
    branch:append_text(said and ": " .. said or " [Malformed]")
    return said or name .. " [Malformed]"
  end
  if is_tls and (type == CLIENT_HELLO or type == SERVER_HELLO) then
    return show_mls_extension(range, branch, type, name)
  end
  branch:add(F.handshake_body, body)
  return name
end

local function show_handshake(found, content, tree, is_tls)
  local said = {}
  for _, message in ipairs(found.messages) do
    local range
    if message.whole then range = ByteArray.new(message.whole, true):tvb("Reassembled handshake message"):range()
    else range = content:range(message.at, message.size) end
    said[#said + 1] = show_message(range, tree, is_tls)
  end
  local left = math.min(found.messages.left, content:len())
  if left > 0 then
    tree:add(F.handshake_piece, content:range(content:len() - left, left))
    said[#said + 1] = "part of a handshake message"
  end
  return table.concat(said, ", ")
end

local function show_alert(content, tree)
  if content == nil or content:len() ~= 2 then
    tree:add_proto_expert_info(E.malformed)
    return "alert [Malformed]"
  end
  tree:add(F.alert_level, content:range(0, 1))
  tree:add(F.alert, content:range(1, 1))
  return "alert " .. (alerts[content:range(1, 1):uint()] or "unknown")
end

local function show_data(content, tree)
  local len = content and content:len() or 0
  local item = content and tree:add(F.data_length, content, len) or tree:add(F.data_length, len)
  item:set_generated()
  if content then tree:add(F.data, content) end
  return ("application data, %d bytes"):format(len)
end

local function show_content(type, content, found, tree, is_tls)
  if type == ALERT then return show_alert(content, tree) end
  if type == HANDSHAKE and content then return show_handshake(found, content, tree, is_tls) end
  if type == DATA then return show_data(content, tree) end
  if type == CCS then return "change_cipher_spec" end
  tree:add_proto_expert_info(E.malformed)
  return "[Malformed]"
end

local function show_opened(opened, found, tree, is_tls)
  tree:add(F.key, opened.label):set_generated()
  tree:add(F.aead, opened.aead):set_generated()
  tree:add(F.epoch, UInt64.new(opened.epoch)):set_generated()
  tree:add(F.sequence, UInt64.new(opened.sequence)):set_generated()
  tree:add(F.inner_type, opened.type):set_generated()
  if opened.padding > 0 then tree:add(F.padding, opened.padding):set_generated() end
  local content = #opened.content > 0 and ByteArray.new(opened.content, true):tvb("Opened record"):range() or nil
  return show_content(opened.type, content, found, tree, is_tls)
end

local function show_record(found, connection, direction, tvb, root)
  local tree = root:add(proto, tvb(), (connection.kind or "MLS-TLS") .. " record")
  tree:add(F.record_type, tvb(0, 1))
  tree:add(F.record_version, tvb(1, 2))
  tree:add(F.record_length, tvb(3, 2))
  tree:add(F.side, direction.side):set_generated()
  if connection.id then tree:add(F.connection, connection.id):set_generated() end
  local said
  if found.opened then
    said = show_opened(found.opened, found, tree, connection.tls)
  elseif found.type == DATA then
    tree:add(F.encrypted, tvb(HEADER))
    if key_log.size >= 0 then tree:add_proto_expert_info(E.no_key) end
    said = ("encrypted, %d bytes"):format(tvb:len() - HEADER)
  else
    said = show_content(found.type, tvb:len() > HEADER and tvb(HEADER) or nil, found, tree, connection.tls)
  end
  tree:append_text((": %s, %s"):format(direction.side, said))
  return said
end

-- ---- the way in

local function record_key(tvb, pinfo)
  local start = tvb(0, math.min(24, tvb:len())):bytes()
  return ("%d:%d:%d:%s"):format(pinfo.number, tvb:offset(), tvb:len(), tostring(start))
end

-- A packet's line has what each record in it says. It may be dissected in several calls, and again later.
local function say(connection, pinfo, name, words)
  if connection.said_of ~= pinfo.number then
    connection.said_of, connection.said, connection.said_at = pinfo.number, {}, {}
  end
  local at = connection.said_at[name] or #connection.said + 1
  connection.said_at[name], connection.said[at] = at, words
  pinfo.cols.info:clear_fence()
  pinfo.cols.info = table.concat(connection.said, " | ")
end

-- One whole record.
local function dissect_record(tvb, pinfo, root)
  local connection = connection_of(pinfo)
  local direction = direction_of(connection, pinfo)
  local name = record_key(tvb, pinfo)
  if records[name] == nil then records[name] = look(connection, direction, tvb():bytes():raw()) end
  -- Wireshark's own view, as far as it goes; what is malformed to it is an error here.
  if connection.tls and not pcall(function() tls:call(tvb, pinfo, root) end) then
    root:add_proto_expert_info(E.malformed)
  end
  if connection.kind == "TLS" then return tvb:len() end
  say(connection, pinfo, name, show_record(records[name], connection, direction, tvb, root))
  pinfo.cols.protocol = connection.kind or "MLS-TLS"
  return tvb:len()
end

local function record_length(tvb, _, offset) return HEADER + tvb(offset + 3, 2):uint() end

local function is_record(tvb)
  if tvb:len() < HEADER then return tvb:len() > 0 and record_types[tvb(0, 1):uint()] ~= nil end
  local type, major, length = tvb(0, 1):uint(), tvb(1, 1):uint(), tvb(3, 2):uint()
  return record_types[type] ~= nil and major == 3 and length > 0 and length <= RECORD_MAX
end

function proto.dissector(tvb, _, root)
  if not is_record(tvb) then return 0 end
  dissect_tcp_pdus(tvb, root, HEADER, record_length, dissect_record)
  return tvb:len()
end

-- A first record that is a hello or a resumption_request of 2PMLS, or a ClientHello with our extension.
proto:register_heuristic("tcp", function(tvb, pinfo, root)
  if not proto.prefs.heuristics or tvb:len() < HEADER + 6 or not is_record(tvb) then return false end
  if tvb(0, 1):uint() ~= HANDSHAKE then return false end
  local type, high = tvb(HEADER, 1):uint(), tvb(HEADER + 1, 1):uint()
  if high ~= 0 then return false end
  local ours = type == MLS_HANDSHAKE and tvb:len() >= HEADER + 8 and tvb(HEADER + 4, 2):uint() == 1
  if type == CLIENT_HELLO then ours = offers_mls(tvb(HEADER):bytes():raw()) end
  if not ours then return false end
  pinfo.conversation = proto
  proto.dissector(tvb, pinfo, root)
  return true
end)

DissectorTable.get("tcp.port"):add(PORT, proto)
