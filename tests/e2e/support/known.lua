-- The dissector's cryptography against published answers: FIPS 180-4's examples, RFC 4231's HMAC, the GCM
-- specification's test cases 4 and 16, RFC 8439 section 2.8.2. For `tshark -X lua_script:`; prints "known: N right".
-- SPDX-License-Identifier: Apache-2.0
local C = dofile(os.getenv("TREEWIRE_SOURCE") .. "/packaging/wireshark/treewire_crypto.lua")
local right = 0
local function same(got, expected)
  if got == nil or C.hex(got) ~= expected then error("not " .. expected, 2) end
  right = right + 1
end

same(C.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
same(C.sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
same(C.hashes[48].hash("abc"),
  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")
same(C.hashes[64].hash("abc"), "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" ..
  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
same(C.hmac(32, "Jefe", "what do ya want for nothing?"),
  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")

local plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525" ..
  "b16aedf5aa0de657ba637b39"
local function gcm(name, key, sealed)
  local aead = C.aeads[name]
  local made = aead.new(C.unhex(key))
  local nonce, aad = C.unhex("cafebabefacedbaddecaf888"), C.unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
  sealed = C.unhex(sealed)
  same(aead.open(made, nonce, aad, sealed), plain)
  for at = 1, #sealed, 7 do
    local damaged = sealed:sub(1, at - 1) .. string.char((sealed:byte(at) + 1) % 256) .. sealed:sub(at + 1)
    if aead.open(made, nonce, aad, damaged) then error("what is damaged opens") end
  end
  if aead.open(made, nonce, "", sealed) then error("without its additional data it opens") end
end
gcm("AES-128-GCM", "feffe9928665731c6d6a8f9467308308",
  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0a" ..
  "ac973d58e0915bc94fbc3221a5db94fae95ae7121a47")
gcm("AES-256-GCM", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba" ..
  "7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b")

local key = C.unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")
local nonce, aad = C.unhex("070000004041424344454647"), C.unhex("50515253c0c1c2c3c4c5c6c7")
local sealed = C.unhex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb" ..
  "69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4" ..
  "def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691")
local words = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " ..
  "sunscreen would be it."
same(C.aeads["ChaCha20-Poly1305"].open(key, nonce, aad, sealed), C.hex(words))
for at = 1, #sealed, 7 do
  local damaged = sealed:sub(1, at - 1) .. string.char((sealed:byte(at) + 1) % 256) .. sealed:sub(at + 1)
  if C.aeads["ChaCha20-Poly1305"].open(key, nonce, aad, damaged) then error("what is damaged opens") end
end
print(("known: %d right"):format(right))
