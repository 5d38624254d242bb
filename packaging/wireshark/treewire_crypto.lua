-- What the Treewire dissector needs of cryptography, in plain Lua: SHA-2, HMAC, HKDF-Expand-Label, AES-GCM and
-- ChaCha20-Poly1305, opening only. Strings in, strings out. It is slow and not free of side channels: for captures
-- of test traffic. Lua 5.2 (Wireshark 4.0) has bit32, Lua 5.3 and later have operators.
-- SPDX-License-Identifier: Apache-2.0
local M = {}

local bits = bit32
if bits == nil then
  bits = assert(load([[
    local mask = 0xffffffff
    return {
      band = function(a, b) return a & b end,
      bor = function(a, b) return a | b end,
      bxor = function(a, b) return a ~ b end,
      bnot = function(a) return ~a & mask end,
      lshift = function(a, n) return (a << n) & mask end,
      rshift = function(a, n) return a >> n end,
      rrotate = function(a, n) return ((a >> n) | (a << (32 - n))) & mask end,
      lrotate = function(a, n) return ((a << n) | (a >> (32 - n))) & mask end,
    }]]))()
end
local band, bor, bxor, bnot = bits.band, bits.bor, bits.bxor, bits.bnot
local lshift, rshift, rrotate, lrotate = bits.lshift, bits.rshift, bits.rrotate, bits.lrotate
local byte, char, floor = string.byte, string.char, math.floor
local TWO32 = 4294967296

local function u32(s, at)
  local a, b, c, d = byte(s, at, at + 3)
  return a * 16777216 + b * 65536 + c * 256 + d
end

local function text32(n) return char(rshift(n, 24), band(rshift(n, 16), 255), band(rshift(n, 8), 255), band(n, 255)) end

local function xor_bytes(a, b)
  local out = {}
  for i = 1, #a do out[i] = char(bxor(byte(a, i), byte(b, i))) end
  return table.concat(out)
end

-- ---- SHA-2: FIPS 180-4. The constants of SHA-256 are the upper halves of those of SHA-512.

local K = [[
  428a2f98d728ae22 7137449123ef65cd b5c0fbcfec4d3b2f e9b5dba58189dbbc 3956c25bf348b538 59f111f1b605d019
  923f82a4af194f9b ab1c5ed5da6d8118 d807aa98a3030242 12835b0145706fbe 243185be4ee4b28c 550c7dc3d5ffb4e2
  72be5d74f27b896f 80deb1fe3b1696b1 9bdc06a725c71235 c19bf174cf692694 e49b69c19ef14ad2 efbe4786384f25e3
  0fc19dc68b8cd5b5 240ca1cc77ac9c65 2de92c6f592b0275 4a7484aa6ea6e483 5cb0a9dcbd41fbd4 76f988da831153b5
  983e5152ee66dfab a831c66d2db43210 b00327c898fb213f bf597fc7beef0ee4 c6e00bf33da88fc2 d5a79147930aa725
  06ca6351e003826f 142929670a0e6e70 27b70a8546d22ffc 2e1b21385c26c926 4d2c6dfc5ac42aed 53380d139d95b3df
  650a73548baf63de 766a0abb3c77b2a8 81c2c92e47edaee6 92722c851482353b a2bfe8a14cf10364 a81a664bbc423001
  c24b8b70d0f89791 c76c51a30654be30 d192e819d6ef5218 d69906245565a910 f40e35855771202a 106aa07032bbd1b8
  19a4c116b8d2d0c8 1e376c085141ab53 2748774cdf8eeb99 34b0bcb5e19b48a8 391c0cb3c5c95a63 4ed8aa4ae3418acb
  5b9cca4f7763e373 682e6ff3d6b2b8a3 748f82ee5defb2fc 78a5636f43172f60 84c87814a1f0ab72 8cc702081a6439ec
  90befffa23631e28 a4506cebde82bde9 bef9a3f7b2c67915 c67178f2e372532b ca273eceea26619c d186b8c721c0c207
  eada7dd6cde0eb1e f57d4f7fee6ed178 06f067aa72176fba 0a637dc5a2c898a6 113f9804bef90dae 1b710b35131c471b
  28db77f523047d84 32caab7b40c72493 3c9ebe0a15c9bebc 431d67c49c100d4c 4cc5d4becb3e42b6 597f299cfc657e2a
  5fcb6fab3ad6faec 6c44198c4a475817
]]
local IV = [[
  6a09e667f3bcc908 bb67ae8584caa73b 3c6ef372fe94f82b a54ff53a5f1d36f1 510e527fade682d1 9b05688c2b3e6c1f
  1f83d9abfb41bd6b 5be0cd19137e2179 cbbb9d5dc1059ed8 629a292a367cd507 9159015a3070dd17 152fecd8f70e5939
  67332667ffc00b31 8eb44a8768581511 db0c2e0d64f98fa7 47b5481dbefa4fa4
]]
local K_HIGH, K_LOW, IV_HIGH, IV_LOW = {}, {}, {}, {}
for high, low in K:gmatch("(%x%x%x%x%x%x%x%x)(%x%x%x%x%x%x%x%x)") do
  K_HIGH[#K_HIGH + 1], K_LOW[#K_LOW + 1] = tonumber(high, 16), tonumber(low, 16)
end
for high, low in IV:gmatch("(%x%x%x%x%x%x%x%x)(%x%x%x%x%x%x%x%x)") do
  IV_HIGH[#IV_HIGH + 1], IV_LOW[#IV_LOW + 1] = tonumber(high, 16), tonumber(low, 16)
end

local function padded(message, block, length_size)
  local zeros = (-(#message + 1 + length_size)) % block
  local length = #message * 8
  return message .. "\128" .. ("\0"):rep(zeros + length_size - 8) .. text32(floor(length / TWO32)) ..
    text32(length % TWO32)
end

local function sha256(message)
  local h = {}
  for i = 1, 8 do h[i] = IV_HIGH[i] end
  message = padded(message, 64, 8)
  local w = {}
  for at = 1, #message, 64 do
    for i = 1, 16 do w[i] = u32(message, at + (i - 1) * 4) end
    for i = 17, 64 do
      local x, y = w[i - 15], w[i - 2]
      local s0 = bxor(bxor(rrotate(x, 7), rrotate(x, 18)), rshift(x, 3))
      local s1 = bxor(bxor(rrotate(y, 17), rrotate(y, 19)), rshift(y, 10))
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) % TWO32
    end
    local a, b, c, d, e, f, g, k = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
    for i = 1, 64 do
      local s1 = bxor(bxor(rrotate(e, 6), rrotate(e, 11)), rrotate(e, 25))
      local t1 = k + s1 + bxor(band(e, f), band(bnot(e), g)) + K_HIGH[i] + w[i]
      local s0 = bxor(bxor(rrotate(a, 2), rrotate(a, 13)), rrotate(a, 22))
      local t2 = s0 + bxor(bxor(band(a, b), band(a, c)), band(b, c))
      k, g, f, e, d, c, b, a = g, f, e, (d + t1) % TWO32, c, b, a, (t1 + t2) % TWO32
    end
    local v = { a, b, c, d, e, f, g, k }
    for i = 1, 8 do h[i] = (h[i] + v[i]) % TWO32 end
  end
  for i = 1, 8 do h[i] = text32(h[i]) end
  return table.concat(h)
end

-- Of a 64-bit number, in halves.
local function rotate64(high, low, n)
  if n >= 32 then high, low, n = low, high, n - 32 end
  if n == 0 then return high, low end
  return bor(rshift(high, n), lshift(low, 32 - n)), bor(rshift(low, n), lshift(high, 32 - n))
end

local function sigma64(high, low, m, n, o, shifted)
  local ah, al = rotate64(high, low, m)
  local bh, bl = rotate64(high, low, n)
  local ch, cl
  if shifted then ch, cl = rshift(high, o), bor(rshift(low, o), lshift(high, 32 - o))
  else ch, cl = rotate64(high, low, o) end
  return bxor(bxor(ah, bh), ch), bxor(bxor(al, bl), cl)
end

local function carry(high, low) return (high + floor(low / TWO32)) % TWO32, low % TWO32 end

local function sha512_block(message, at, h, wh, wl)
  for i = 1, 16 do wh[i], wl[i] = u32(message, at + (i - 1) * 8), u32(message, at + (i - 1) * 8 + 4) end
  for i = 17, 80 do
    local s0h, s0l = sigma64(wh[i - 15], wl[i - 15], 1, 8, 7, true)
    local s1h, s1l = sigma64(wh[i - 2], wl[i - 2], 19, 61, 6, true)
    wh[i], wl[i] = carry(wh[i - 16] + s0h + wh[i - 7] + s1h, wl[i - 16] + s0l + wl[i - 7] + s1l)
  end
  local v = {}
  for i = 1, 16 do v[i] = h[i] end -- a … h, each high then low
  for i = 1, 80 do
    local eh, el, ah, al = v[9], v[10], v[1], v[2]
    local s1h, s1l = sigma64(eh, el, 14, 18, 41)
    local fh = bxor(band(eh, v[11]), band(bnot(eh), v[13]))
    local fl = bxor(band(el, v[12]), band(bnot(el), v[14]))
    local t1h, t1l = carry(v[15] + s1h + fh + K_HIGH[i] + wh[i], v[16] + s1l + fl + K_LOW[i] + wl[i])
    local s0h, s0l = sigma64(ah, al, 28, 34, 39)
    local mh = bxor(bxor(band(ah, v[3]), band(ah, v[5])), band(v[3], v[5]))
    local ml = bxor(bxor(band(al, v[4]), band(al, v[6])), band(v[4], v[6]))
    for k = 16, 3, -1 do v[k] = v[k - 2] end
    v[9], v[10] = carry(v[9] + t1h, v[10] + t1l)
    v[1], v[2] = carry(t1h + s0h + mh, t1l + s0l + ml)
  end
  for i = 1, 16, 2 do h[i], h[i + 1] = carry(h[i] + v[i], h[i + 1] + v[i + 1]) end
end

local function sha512(message, first, size)
  local h = {}
  for i = 0, 7 do h[2 * i + 1], h[2 * i + 2] = IV_HIGH[first + i], IV_LOW[first + i] end
  message = padded(message, 128, 16)
  local wh, wl = {}, {}
  for at = 1, #message, 128 do sha512_block(message, at, h, wh, wl) end
  for i = 1, 16 do h[i] = text32(h[i]) end
  return table.concat(h):sub(1, size)
end

-- By the size of what they give.
M.hashes = {
  [32] = { hash = sha256, block = 64 },
  [48] = { hash = function(message) return sha512(message, 9, 48) end, block = 128 },
  [64] = { hash = function(message) return sha512(message, 1, 64) end, block = 128 },
}
M.sha256 = sha256

function M.hmac(size, key, message)
  local h = M.hashes[size]
  if #key > h.block then key = h.hash(key) end
  key = key .. ("\0"):rep(h.block - #key)
  local inner = h.hash(xor_bytes(key, ("\54"):rep(h.block)) .. message)
  return h.hash(xor_bytes(key, ("\92"):rep(h.block)) .. inner)
end

-- HKDF-Expand-Label, RFC 8446 section 7.1, with an empty context and at most one block of output.
function M.expand_label(secret, label, len)
  label = "tls13 " .. label
  return M.hmac(#secret, secret, char(floor(len / 256), len % 256, #label) .. label .. "\0\1"):sub(1, len)
end

-- ---- AES: FIPS 197, by tables

local SBOX, T0, T1, T2, T3 = {}, {}, {}, {}, {}
local function double(x) return x < 128 and x * 2 or bxor(x * 2 - 256, 27) end
do
  local p, q = 1, 1
  repeat
    p = bxor(p, double(p)) -- times 3
    q = bxor(q, band(lshift(q, 1), 255)) -- divided by 3
    q = bxor(q, band(lshift(q, 2), 255))
    q = bxor(q, band(lshift(q, 4), 255))
    if q >= 128 then q = bxor(q, 9) end
    local x = q
    for i = 1, 4 do x = bxor(x, band(bor(lshift(q, i), rshift(q, 8 - i)), 255)) end
    SBOX[p] = bxor(x, 99)
  until p == 1
  SBOX[0] = 99
  for i = 0, 255 do
    local s = SBOX[i]
    local d = double(s)
    T0[i] = d * 16777216 + s * 65536 + s * 256 + bxor(d, s)
    T1[i], T2[i], T3[i] = rrotate(T0[i], 8), rrotate(T0[i], 16), rrotate(T0[i], 24)
  end
end

local function sub_word(x)
  return SBOX[rshift(x, 24)] * 16777216 + SBOX[band(rshift(x, 16), 255)] * 65536 + SBOX[band(rshift(x, 8), 255)] * 256 +
    SBOX[band(x, 255)]
end

local function aes_key(key)
  local n = #key / 4
  local rounds = n + 6
  local w = {}
  for i = 0, n - 1 do w[i] = u32(key, i * 4 + 1) end
  local constant = 1
  for i = n, 4 * (rounds + 1) - 1 do
    local t = w[i - 1]
    if i % n == 0 then
      t = bxor(sub_word(lrotate(t, 8)), constant * 16777216)
      constant = double(constant)
    elseif n == 8 and i % n == 4 then
      t = sub_word(t)
    end
    w[i] = bxor(w[i - n], t)
  end
  w.rounds = rounds
  return w
end

local function aes_block(w, a, b, c, d)
  a, b, c, d = bxor(a, w[0]), bxor(b, w[1]), bxor(c, w[2]), bxor(d, w[3])
  local k = 4
  for _ = 1, w.rounds - 1 do
    local e = bxor(bxor(T0[rshift(a, 24)], T1[band(rshift(b, 16), 255)]),
      bxor(bxor(T2[band(rshift(c, 8), 255)], T3[band(d, 255)]), w[k]))
    local f = bxor(bxor(T0[rshift(b, 24)], T1[band(rshift(c, 16), 255)]),
      bxor(bxor(T2[band(rshift(d, 8), 255)], T3[band(a, 255)]), w[k + 1]))
    local g = bxor(bxor(T0[rshift(c, 24)], T1[band(rshift(d, 16), 255)]),
      bxor(bxor(T2[band(rshift(a, 8), 255)], T3[band(b, 255)]), w[k + 2]))
    d = bxor(bxor(T0[rshift(d, 24)], T1[band(rshift(a, 16), 255)]),
      bxor(bxor(T2[band(rshift(b, 8), 255)], T3[band(c, 255)]), w[k + 3]))
    a, b, c = e, f, g
    k = k + 4
  end
  local function last(p, q, r, s, key)
    return bxor(SBOX[rshift(p, 24)] * 16777216 + SBOX[band(rshift(q, 16), 255)] * 65536 +
      SBOX[band(rshift(r, 8), 255)] * 256 + SBOX[band(s, 255)], key)
  end
  return last(a, b, c, d, w[k]), last(b, c, d, a, w[k + 1]), last(c, d, a, b, w[k + 2]), last(d, a, b, c, w[k + 3])
end

-- ---- GCM: SP 800-38D. A block is four words, its first bit the highest of the first.

-- What the eight bits that are shifted out below come back as above.
local REDUCE = {}
for i = 0, 255 do
  local x = i
  local r = 0
  for k = 0, 7 do
    if band(rshift(x, k), 1) == 1 then r = bxor(r, lshift(0xe1, 17 + k)) end
  end
  REDUCE[i] = r
end

-- H times each byte, taken as the first of a block.
local function ghash_table(h0, h1, h2, h3)
  local t = { [0] = { 0, 0, 0, 0 } }
  local a, b, c, d = h0, h1, h2, h3
  local i = 128
  while i >= 1 do
    t[i] = { a, b, c, d }
    local out = band(d, 1)
    d = bor(rshift(d, 1), lshift(c, 31))
    c = bor(rshift(c, 1), lshift(b, 31))
    b = bor(rshift(b, 1), lshift(a, 31))
    a = rshift(a, 1)
    if out == 1 then a = bxor(a, 0xe1000000) end
    i = floor(i / 2)
  end
  local top = 2
  while top <= 128 do
    for k = 1, top - 1 do
      local x, y = t[top], t[k]
      t[top + k] = { bxor(x[1], y[1]), bxor(x[2], y[2]), bxor(x[3], y[3]), bxor(x[4], y[4]) }
    end
    top = top * 2
  end
  return t
end

local function ghash(t, data)
  local y0, y1, y2, y3 = 0, 0, 0, 0
  for at = 1, #data, 16 do
    local x = { y0, y1, y2, y3 }
    for k = 0, 3 do x[k + 1] = bxor(x[k + 1], u32(data, at + 4 * k)) end
    local a, b, c, d = 0, 0, 0, 0
    for k = 4, 1, -1 do
      for shift = 0, 24, 8 do
        local out = band(d, 255)
        d = bor(rshift(d, 8), lshift(c, 24))
        c = bor(rshift(c, 8), lshift(b, 24))
        b = bor(rshift(b, 8), lshift(a, 24))
        local e = t[band(rshift(x[k], shift), 255)]
        a = bxor(bxor(rshift(a, 8), REDUCE[out]), e[1])
        b, c, d = bxor(b, e[2]), bxor(c, e[3]), bxor(d, e[4])
      end
    end
    y0, y1, y2, y3 = a, b, c, d
  end
  return y0, y1, y2, y3
end

local function zeros_to(len, block) return ("\0"):rep((-len) % block) end

local function gcm_new(key)
  local w = aes_key(key)
  return { w = w, t = ghash_table(aes_block(w, 0, 0, 0, 0)) }
end

-- nonce of 12 bytes; nil where the tag is not right.
local function gcm_open(key, nonce, aad, sealed)
  if #sealed < 16 then return nil end
  local text, tag = sealed:sub(1, -17), sealed:sub(-16)
  local n0, n1, n2 = u32(nonce, 1), u32(nonce, 5), u32(nonce, 9)
  local a, b, c, d = ghash(key.t, aad .. zeros_to(#aad, 16) .. text .. zeros_to(#text, 16) .. text32(0) ..
    text32(#aad * 8) .. text32(0) .. text32(#text * 8))
  local e, f, g, h = aes_block(key.w, n0, n1, n2, 1)
  if text32(bxor(a, e)) .. text32(bxor(b, f)) .. text32(bxor(c, g)) .. text32(bxor(d, h)) ~= tag then return nil end
  local out = {}
  local whole = text .. zeros_to(#text, 16)
  for i = 0, #whole / 16 - 1 do
    e, f, g, h = aes_block(key.w, n0, n1, n2, i + 2)
    local at = i * 16 + 1
    out[i + 1] = text32(bxor(e, u32(whole, at))) .. text32(bxor(f, u32(whole, at + 4))) ..
      text32(bxor(g, u32(whole, at + 8))) .. text32(bxor(h, u32(whole, at + 12)))
  end
  return table.concat(out):sub(1, #text)
end

-- ---- ChaCha20-Poly1305: RFC 8439

local function le32(s, at)
  local a, b, c, d = byte(s, at, at + 3)
  return d * 16777216 + c * 65536 + b * 256 + a
end
local function le_text(n) return text32(n):reverse() end

local function quarter(x, a, b, c, d)
  x[a] = (x[a] + x[b]) % TWO32; x[d] = lrotate(bxor(x[d], x[a]), 16)
  x[c] = (x[c] + x[d]) % TWO32; x[b] = lrotate(bxor(x[b], x[c]), 12)
  x[a] = (x[a] + x[b]) % TWO32; x[d] = lrotate(bxor(x[d], x[a]), 8)
  x[c] = (x[c] + x[d]) % TWO32; x[b] = lrotate(bxor(x[b], x[c]), 7)
end

local function chacha_block(key, counter, nonce)
  local s = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }
  for i = 0, 7 do s[5 + i] = le32(key, 4 * i + 1) end
  s[13] = counter
  for i = 0, 2 do s[14 + i] = le32(nonce, 4 * i + 1) end
  local x = {}
  for i = 1, 16 do x[i] = s[i] end
  for _ = 1, 10 do
    quarter(x, 1, 5, 9, 13); quarter(x, 2, 6, 10, 14); quarter(x, 3, 7, 11, 15); quarter(x, 4, 8, 12, 16)
    quarter(x, 1, 6, 11, 16); quarter(x, 2, 7, 12, 13); quarter(x, 3, 8, 9, 14); quarter(x, 4, 5, 10, 15)
  end
  for i = 1, 16 do x[i] = le_text((x[i] + s[i]) % TWO32) end
  return table.concat(x)
end

-- Numbers below 2^130 as ten limbs of 13 bits, so that no sum of products leaves what a double holds exactly.
local function limbs(s)
  local out = {}
  local value, have, at = 0, 0, 1
  for i = 1, 10 do
    while have < 13 and at <= #s do
      value = value + byte(s, at) * 2 ^ have
      have, at = have + 8, at + 1
    end
    out[i] = value % 8192
    value = floor(value / 8192)
    have = have > 13 and have - 13 or 0
  end
  return out
end

local function carry_limbs(h)
  local over = 0
  for i = 1, 10 do
    h[i] = h[i] + over
    over = floor(h[i] / 8192)
    h[i] = h[i] % 8192
  end
  h[1] = h[1] + over * 5 -- 2^130 is 5
end

local function limbs_text(h)
  local out = {}
  local value, have, at = 0, 0, 1
  for i = 1, 16 do
    while have < 8 and at <= 10 do
      value = value + h[at] * 2 ^ have
      have, at = have + 13, at + 1
    end
    out[i] = char(floor(value % 256))
    value = floor(value / 256)
    have = have - 8
  end
  return table.concat(out)
end

local function poly1305(key, message)
  local clamped = {}
  for i = 1, 16 do
    local x = byte(key, i)
    if i % 4 == 0 then x = band(x, 15) elseif i > 4 and i % 4 == 1 then x = band(x, 252) end
    clamped[i] = char(x)
  end
  local r = limbs(table.concat(clamped))
  local h = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  for at = 1, #message, 16 do
    local block = limbs(message:sub(at, at + 15) .. "\1")
    local product = {}
    for i = 1, 10 do h[i] = h[i] + block[i] end
    for i = 1, 10 do
      local sum = 0
      for k = 1, 10 do
        if k <= i then sum = sum + h[k] * r[i - k + 1] else sum = sum + 5 * h[k] * r[i - k + 11] end
      end
      product[i] = sum
    end
    carry_limbs(product)
    carry_limbs(product)
    h = product
  end
  carry_limbs(h)
  -- Less the prime 2^130 - 5 if it is not below it: whether adding 5 gives 2^130.
  local g, over = {}, 5
  for i = 1, 10 do
    g[i] = h[i] + over
    over = floor(g[i] / 8192)
    g[i] = g[i] % 8192
  end
  if over > 0 then h = g end
  local s = limbs(key:sub(17))
  over = 0
  for i = 1, 10 do
    h[i] = h[i] + s[i] + over
    over = floor(h[i] / 8192)
    h[i] = h[i] % 8192
  end
  return limbs_text(h)
end

local function chacha_open(key, nonce, aad, sealed)
  if #sealed < 16 then return nil end
  local text, tag = sealed:sub(1, -17), sealed:sub(-16)
  local mac_data = aad .. zeros_to(#aad, 16) .. text .. zeros_to(#text, 16) .. le_text(#aad) .. le_text(0) ..
    le_text(#text) .. le_text(0)
  if poly1305(chacha_block(key, 0, nonce):sub(1, 32), mac_data) ~= tag then return nil end
  local out = {}
  for i = 0, floor((#text - 1) / 64) do
    local piece = text:sub(i * 64 + 1, i * 64 + 64)
    out[i + 1] = xor_bytes(piece, chacha_block(key, i + 1, nonce))
  end
  return table.concat(out)
end

-- ---- records: RFC 8446 sections 5.2, 5.3 and 7.3

M.aeads = {
  ["AES-128-GCM"] = { size = 16, new = gcm_new, open = gcm_open },
  ["AES-256-GCM"] = { size = 32, new = gcm_new, open = gcm_open },
  ["ChaCha20-Poly1305"] = { size = 32, new = function(key) return key end, open = chacha_open },
}

-- A traffic secret does not say what it is for: the AEADs that go with its size, the likely one first.
M.aeads_of = {
  [32] = { "AES-128-GCM", "ChaCha20-Poly1305" },
  [48] = { "AES-256-GCM", "ChaCha20-Poly1305" },
  [64] = { "AES-256-GCM", "ChaCha20-Poly1305" },
}

function M.record_key(secret, aead)
  local a = M.aeads[aead]
  return { aead = a, name = aead, key = a.new(M.expand_label(secret, "key", a.size)),
           iv = M.expand_label(secret, "iv", 12) }
end

-- The TLSInnerPlaintext of a whole record, or nil.
function M.open_record(key, sequence, record)
  local number = ("\0"):rep(4) .. text32(floor(sequence / TWO32)) .. text32(sequence % TWO32)
  return key.aead.open(key.key, xor_bytes(key.iv, number), record:sub(1, 5), record:sub(6))
end

function M.hex(s) return (s:gsub(".", function(c) return ("%02x"):format(byte(c)) end)) end
function M.unhex(s) return (s:gsub("%x%x", function(h) return char(tonumber(h, 16)) end)) end

return M
