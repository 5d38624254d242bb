-- MLS (RFC 9420, draft-ietf-mls-extensions) and TwoPartyMLSMessage (docs/protocols.md, D1) as trees of fields.
-- SPDX-License-Identifier: Apache-2.0
local M = {}

M.suites = {
  [0x0001] = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
  [0x0002] = "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
  [0x0003] = "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
  [0x0004] = "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
  [0x0005] = "MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
  [0x0006] = "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
  [0x0007] = "MLS_256_DHKEMP384_AES256GCM_SHA384_P384",
  [0xF101] = "MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519",
  [0xF102] = "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
  [0xF103] = "MLS_128_MLKEM768P256_AES128GCM_SHA256_P256",
  [0xF104] = "MLS_128_MLKEM768P256_AES256GCM_SHA384_P256",
  [0xF105] = "MLS_192_MLKEM1024P384_AES256GCM_SHA384_P384",
  [0xF106] = "MLS_128_MLKEM768_AES256GCM_SHA384_Ed25519",
  [0xF107] = "MLS_128_MLKEM768_AES256GCM_SHA384_P256",
  [0xF108] = "MLS_192_MLKEM1024_AES256GCM_SHA384_P384",
  [0xF109] = "MLS_128_MLKEM768X25519_CHACHA20POLY1305_SHA384_MLDSA44",
  [0xF10A] = "MLS_192_MLKEM768_AES256GCM_SHA384_MLDSA65",
  [0xF10B] = "MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87",
}

local grease = {}
for i = 0, 14 do grease[i * 0x1010 + 0x0a0a] = "GREASE" end
local function with_grease(names)
  for value, name in pairs(grease) do names[value] = names[value] or name end
  return names
end
with_grease(M.suites)

local versions = { [1] = "mls10" }
local extensions = with_grease({
  [1] = "application_id", [2] = "ratchet_tree", [3] = "required_capabilities", [4] = "external_pub",
  [5] = "external_senders", [6] = "app_data_dictionary", [7] = "supported_wire_formats",
  [8] = "required_wire_formats", [10] = "last_resort",
})
local proposals = with_grease({
  [1] = "add", [2] = "update", [3] = "remove", [4] = "psk", [5] = "reinit", [6] = "external_init",
  [7] = "group_context_extensions", [8] = "app_data_update", [9] = "app_ephemeral", [10] = "self_remove",
})
local credentials = with_grease({ [1] = "basic", [2] = "x509" })
local components = with_grease({
  [1] = "app_components", [2] = "safe_aad", [3] = "content_media_types", [4] = "last_resort_key_package",
  [5] = "app_ack", [0x8001] = "channel_binding",
})
M.wire_formats = {
  [1] = "mls_public_message", [2] = "mls_private_message", [3] = "mls_welcome", [4] = "mls_group_info",
  [5] = "mls_key_package",
}
M.types = {
  [1] = "client_hello", [2] = "server_hello", [3] = "connection_update", [4] = "epoch_key_update",
  [5] = "resumption_request", [6] = "resumption_response",
}
local content_types = { [1] = "application", [2] = "proposal", [3] = "commit" }
local sources = { [1] = "key_package", [2] = "update", [3] = "commit" }
local senders = { [1] = "member", [2] = "external", [3] = "new_member_proposal", [4] = "new_member_commit" }
local yes = { [0] = "not taken", [1] = "taken" }

local function u8(name, title, names) return ProtoField.uint8("mlstls." .. name, title, base.DEC, names) end
local function u16(name, title, names) return ProtoField.uint16("mlstls." .. name, title, base.HEX, names) end
local function u64(name, title) return ProtoField.uint64("mlstls." .. name, title) end
local function bytes(name, title) return ProtoField.bytes("mlstls." .. name, title) end
local function text(name, title) return ProtoField.string("mlstls." .. name, title) end

local F = {
  message_version = ProtoField.uint16("mlstls.message.version", "Version", base.DEC, versions),
  message_type = ProtoField.uint16("mlstls.message.type", "Type", base.DEC, M.types),
  nonce = bytes("message.nonce", "Nonce"),
  early_data = u8("message.early_data", "Early data", yes),
  new_epoch = u64("message.epoch", "New epoch"),
  version = ProtoField.uint16("mlstls.mls.version", "Version", base.DEC, versions),
  wire_format = ProtoField.uint16("mlstls.mls.wire_format", "Wire format", base.DEC, M.wire_formats),
  suite = u16("mls.suite", "Cipher suite", M.suites),
  group_id = bytes("mls.group_id", "Group id"),
  group_label = text("mls.group_label", "Label in the group id"),
  epoch = u64("mls.epoch", "Epoch"),
  content_type = u8("mls.content_type", "Content type", content_types),
  sender_type = u8("mls.sender_type", "Sender type", senders),
  sender = ProtoField.uint32("mlstls.mls.sender", "Sender", base.DEC),
  authenticated_data = bytes("mls.authenticated_data", "Authenticated data"),
  encrypted_sender_data = bytes("mls.encrypted_sender_data", "Encrypted sender data"),
  ciphertext = bytes("mls.ciphertext", "Ciphertext"),
  rest = bytes("mls.rest", "Content and authentication"),
  init_key = bytes("mls.init_key", "Init key"),
  encryption_key = bytes("mls.encryption_key", "Encryption key"),
  signature_key = bytes("mls.signature_key", "Signature key"),
  signature = bytes("mls.signature", "Signature"),
  credential_type = ProtoField.uint16("mlstls.mls.credential_type", "Credential type", base.DEC, credentials),
  identity = text("mls.identity", "Identity"),
  certificate = bytes("mls.certificate", "Certificate"),
  source = u8("mls.leaf_node_source", "Leaf node source", sources),
  not_before = ProtoField.absolute_time("mlstls.mls.not_before", "Not before", base.UTC),
  not_after = ProtoField.absolute_time("mlstls.mls.not_after", "Not after", base.UTC),
  parent_hash = bytes("mls.parent_hash", "Parent hash"),
  capability_version = ProtoField.uint16("mlstls.mls.capability.version", "Version", base.DEC, versions),
  capability_suite = u16("mls.capability.suite", "Cipher suite", M.suites),
  capability_extension = u16("mls.capability.extension", "Extension", extensions),
  capability_proposal = u16("mls.capability.proposal", "Proposal", proposals),
  capability_credential = u16("mls.capability.credential", "Credential", credentials),
  extension_type = u16("mls.extension.type", "Extension type", extensions),
  extension_data = bytes("mls.extension.data", "Extension data"),
  component = u16("mls.component.id", "Component", components),
  component_data = bytes("mls.component.data", "Component data"),
  binding_label = text("mls.channel_binding.label", "Channel binding"),
  binding_parameters = bytes("mls.channel_binding.parameters", "Channel binding parameters"),
  new_member = bytes("mls.new_member", "New member (KeyPackageRef)"),
  kem_output = bytes("mls.kem_output", "KEM output"),
  encrypted_group_secrets = bytes("mls.encrypted_group_secrets", "Encrypted group secrets"),
  encrypted_group_info = bytes("mls.encrypted_group_info", "Encrypted GroupInfo"),
  tree_hash = bytes("mls.tree_hash", "Tree hash"),
  transcript_hash = bytes("mls.confirmed_transcript_hash", "Confirmed transcript hash"),
  confirmation_tag = bytes("mls.confirmation_tag", "Confirmation tag"),
  signer = ProtoField.uint32("mlstls.mls.signer", "Signer", base.DEC),
  left_over = bytes("mls.left_over", "Bytes left over"),
}
M.fields = F

-- ---- a reader that ends in an error where bytes are lacking; M.dissect catches it

local Reader = {}
Reader.__index = Reader

local function reader(range)
  return setmetatable({ range = range, at = 0, left = range and range:len() or 0 }, Reader)
end

function Reader:take(n)
  if n > self.left then error({ malformed = true }) end
  local out = n > 0 and self.range:range(self.at, n) or nil
  self.at, self.left = self.at + n, self.left - n
  return out
end

function Reader:number(tree, field, n)
  local range = self:take(n)
  if tree then tree:add(field, range) end
  if n == 8 then return range:uint64() end
  return range:uint()
end

-- opaque <V>: RFC 9420 section 2.1.2
function Reader:vector()
  local first = self:take(1):uint()
  local size = math.floor(first / 64)
  if size == 3 then error({ malformed = true }) end
  local len = first % 64
  for _ = 2, 2 ^ size do len = len * 256 + self:take(1):uint() end
  return self:take(len)
end

-- An empty vector leaves no field.
function Reader:bytes(tree, field)
  local range = self:vector()
  if range then tree:add(field, range) end
  return range
end

local function list(r, tree, title, each)
  local range = r:vector()
  if range == nil then
    tree:add(title .. ": none")
    return
  end
  local branch = tree:add(range, title)
  local inner = reader(range)
  while inner.left > 0 do each(inner, branch) end
end

local function numbers(r, tree, title, field)
  list(r, tree, title, function(inner, branch) inner:number(branch, field, 2) end)
end

-- ---- structures

local function time(r, tree, field)
  local range = r:take(8)
  local seconds = range:range(0, 4):uint() * 4294967296 + range:range(4, 4):uint()
  tree:add(field, range, NSTime.new(seconds < 2 ^ 40 and seconds or 0, 0))
end

local function printable(range)
  if range == nil then return "" end
  return (range:bytes():raw():gsub("[^ -~]", "."))
end

local function channel_binding(range, tree)
  local r = reader(range)
  local label = r:vector()
  if label then tree:add(F.binding_label, label, printable(label)) end
  r:bytes(tree, F.binding_parameters)
end

local function dictionary(range, tree)
  local r = reader(range)
  list(r, tree, "Components", function(inner, branch)
    local id = inner:number(branch, F.component, 2)
    local data = inner:vector()
    if data == nil then return end
    if id == 0x8001 then channel_binding(data, branch) else branch:add(F.component_data, data) end
  end)
end

local function extension_list(r, tree)
  list(r, tree, "Extensions", function(inner, branch)
    local start = inner.at
    local type = inner:number(nil, nil, 2)
    local data = inner:vector()
    local item = branch:add(inner.range:range(start, inner.at - start), "Extension: " ..
      (extensions[type] or ("0x%04x"):format(type)))
    item:add(F.extension_type, inner.range:range(start, 2))
    if data == nil then return end
    if type == 6 then dictionary(data, item) else item:add(F.extension_data, data) end
  end)
end

local function credential(r, tree)
  local type = r:number(tree, F.credential_type, 2)
  if type == 1 then
    local identity = r:vector()
    if identity then tree:add(F.identity, identity, printable(identity)) end
  elseif type == 2 then
    list(r, tree, "Certificates", function(inner, branch) inner:bytes(branch, F.certificate) end)
  else
    error({ malformed = true })
  end
end

local function group_id(r, tree)
  local range = r:vector()
  if range == nil then return end
  tree:add(F.group_id, range)
  if range:len() > 16 then
    local label = range:range(0, range:len() - 16)
    tree:add(F.group_label, label, printable(label)):set_generated()
  end
end

local function leaf_node(r, tree)
  local branch = tree:add("LeafNode")
  r:bytes(branch, F.encryption_key)
  r:bytes(branch, F.signature_key)
  credential(r, branch)
  local capabilities = branch:add("Capabilities")
  numbers(r, capabilities, "Versions", F.capability_version)
  numbers(r, capabilities, "Cipher suites", F.capability_suite)
  numbers(r, capabilities, "Extensions", F.capability_extension)
  numbers(r, capabilities, "Proposals", F.capability_proposal)
  numbers(r, capabilities, "Credentials", F.capability_credential)
  local source = r:number(branch, F.source, 1)
  if source == 1 then
    time(r, branch, F.not_before)
    time(r, branch, F.not_after)
  elseif source == 3 then
    r:bytes(branch, F.parent_hash)
  elseif source ~= 2 then
    error({ malformed = true })
  end
  extension_list(r, branch)
  r:bytes(branch, F.signature)
end

local function key_package(r, tree)
  r:number(tree, F.version, 2)
  local suite = r:number(tree, F.suite, 2)
  r:bytes(tree, F.init_key)
  leaf_node(r, tree)
  extension_list(r, tree)
  r:bytes(tree, F.signature)
  return "KeyPackage " .. (M.suites[suite] or ("suite 0x%04x"):format(suite))
end

local function welcome(r, tree)
  local suite = r:number(tree, F.suite, 2)
  list(r, tree, "Secrets", function(inner, branch)
    inner:bytes(branch, F.new_member)
    inner:bytes(branch, F.kem_output)
    inner:bytes(branch, F.encrypted_group_secrets)
  end)
  r:bytes(tree, F.encrypted_group_info)
  return "Welcome " .. (M.suites[suite] or ("suite 0x%04x"):format(suite))
end

local function group_info(r, tree)
  r:number(tree, F.version, 2)
  r:number(tree, F.suite, 2)
  group_id(r, tree)
  local epoch = r:number(tree, F.epoch, 8)
  r:bytes(tree, F.tree_hash)
  r:bytes(tree, F.transcript_hash)
  extension_list(r, tree)
  extension_list(r, tree)
  r:bytes(tree, F.confirmation_tag)
  r:number(tree, F.signer, 4)
  r:bytes(tree, F.signature)
  return "GroupInfo, epoch " .. tostring(epoch)
end

local function private_message(r, tree)
  group_id(r, tree)
  local epoch = r:number(tree, F.epoch, 8)
  local type = r:number(tree, F.content_type, 1)
  r:bytes(tree, F.authenticated_data)
  r:bytes(tree, F.encrypted_sender_data)
  r:bytes(tree, F.ciphertext)
  return ("PrivateMessage, %s on epoch %s"):format(content_types[type] or "?", tostring(epoch))
end

local function public_message(r, tree)
  group_id(r, tree)
  local epoch = r:number(tree, F.epoch, 8)
  local sender = r:number(tree, F.sender_type, 1)
  if sender == 1 or sender == 2 then r:number(tree, F.sender, 4) end
  r:bytes(tree, F.authenticated_data)
  local type = r:number(tree, F.content_type, 1)
  if r.left > 0 then tree:add(F.rest, r:take(r.left)) end
  return ("PublicMessage, %s on epoch %s"):format(content_types[type] or "?", tostring(epoch))
end

local by_format = { public_message, private_message, welcome, group_info, key_package }

local function mls_message(r, tree)
  local branch = tree:add("MLSMessage")
  r:number(branch, F.version, 2)
  local format = r:number(branch, F.wire_format, 2)
  if by_format[format] == nil then error({ malformed = true }) end
  local said = by_format[format](r, branch)
  branch:append_text(": " .. said)
  return said
end

local function two_party_message(r, tree)
  r:number(tree, F.message_version, 2)
  local type = r:number(tree, F.message_type, 2)
  local name = M.types[type]
  if name == nil then error({ malformed = true }) end
  if type == 4 then return ("%s %s"):format(name, tostring(r:number(tree, F.new_epoch, 8))) end
  if type >= 5 then tree:add(F.nonce, r:take(16)) end
  if type == 6 and r:number(tree, F.early_data, 1) == 1 then name = name .. ", early data taken" end
  return name .. ": " .. mls_message(r, tree)
end

local kinds = {
  message = { two_party_message, "TwoPartyMLSMessage" },
  key_package = { key_package, "KeyPackage" },
  welcome = { welcome, "Welcome" },
}

-- Show what is in `range`, of one of these kinds: what it says in a line, or nil where it is malformed.
function M.dissect(kind, range, tree, malformed)
  local how, title = kinds[kind][1], kinds[kind][2]
  local branch = tree:add(range, title)
  local r = reader(range)
  local ok, said = pcall(how, r, branch)
  if not ok and type(said) ~= "table" then error(said, 0) end
  if ok and r.left > 0 then
    branch:add(F.left_over, r:take(r.left))
    ok = false
  end
  if not ok then
    branch:add_proto_expert_info(malformed)
    return nil
  end
  branch:append_text(": " .. said)
  return said
end

return M
