#!/usr/bin/env bash
# label: slow
# The dissector on captured conversations: what MLS messages it shows in both protocols, and what it opens with a key log.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119
: "${TREEWIRE_SOURCE:?}"
. "$(dirname "$0")/support/lib.bash"
for tool in tshark dumpcap editcap; do
  command -v "$tool" >/dev/null || { echo "no $tool here"; exit 77; }
done
mkdir home
export HOME=$work/home WIRESHARK_CONFIG_DIR=$work/home LC_ALL=C.UTF-8
script=$TREEWIRE_SOURCE/packaging/wireshark/treewire.lua
talk=$TREEWIRE_BUILD/tests/e2e_conversation

# capture NAME PORT, then captured: all that there was between. Datagrams that are seen in the file mark both ends, since
# dumpcap says that it captures before it does, and the kernel hands packets over in batches.
capture() {
  captured_to=$1.pcapng captured_port=$2
  start dumpcap dumpcap -q -i lo -f "port $2" -w "$captured_to"
  until_true 20 is_marked begin || die "no capture"
  ! is_gone "$dumpcap" || { cat dumpcap.err; echo "nothing can be captured here"; exit 77; }
}
captured() {
  until_true 20 is_marked end || die "no end of the capture"
  kill -INT "$dumpcap"
  expect 0 dumpcap
}
is_marked() {
  ! is_gone "$dumpcap" || return 0
  { echo "mark: $1" >"/dev/udp/127.0.0.1/$captured_port"; } 2>/dev/null || true
  grep -qaF "mark: $1" "$captured_to"
}

# dissect NAME [options]: NAME.all (every field) and NAME.lines (one a packet), without a Lua error. A capture may hold a
# packet behind its acknowledgement, and a port that the system chose may be one that Wireshark gives to somebody else.
dissect() {
  local name=$1
  shift
  tshark -X "lua_script:$script" -o tcp.reassemble_out_of_order:TRUE -o tcp.try_heuristic_first:TRUE -r "$name.pcapng" -Y mlstls -P -V "$@" >"$name.all" 2>tshark.err || die "tshark: exit $?"
  grep -E '^ *[0-9]+ [0-9.]+ .* → ' "$name.all" >"$name.lines" || die "nothing of ours in $name"
  if grep -iE "lua error|\.lua:[0-9]" "$name.all" tshark.err; then die "errors of the dissector in $name"; fi
}
well_formed() { if grep -i malformed "$1.lines" "$1.all"; then die "$1 is malformed"; fi; }
counts() { # FILE WORDS AT_LEAST
  [ "$(grep -cF -- "$2" "$1")" -ge "$3" ] || die "'$2' is not in $1 $3 times"
}
lacks() { if grep -F -- "$2" "$1"; then die "'$2' is in $1"; fi; }
early=6561726c7920776f726473 words=776f726473206f66207468652077616974696e672073696465

# ---- the cryptography in it

tshark -X "lua_script:$TREEWIRE_SOURCE/tests/e2e/support/known.lua" -r /dev/null >known.out 2>&1 || true
says known.out "known: 8 right"

# ---- both protocols: a fresh connection, updates of both sides, resumptions with early data taken and not taken

converse() { # NAME PROTOCOL SUITE [PIECE]
  mkfifo go
  exec 8<>go
  SSLKEYLOGFILE=$1.keys start conversation "$talk" "${@:2}" <go 8>&- >"$1.port"
  until_true 10 test -s "$1.port" || die "no conversation"
  capture "$1" "$(cat "$1.port")"
  echo >&8
  exec 8>&-
  expect 0 conversation
  captured
  rm go
}

shows_messages() { # NAME SUITE
  well_formed "$1"
  says "$1.lines" "client_hello: KeyPackage $2"
  says "$1.lines" "server_hello: Welcome $2"
  counts "$1.lines" "resumption_request: PrivateMessage, commit on epoch " 3
  counts "$1.lines" "resumption_response, early data taken: PrivateMessage, commit on epoch " 2
  counts "$1.lines" "resumption_response: PrivateMessage, commit on epoch " 1
  for field in "Identity: alice" "Not before: " "Cipher suites" "Init key: " "Component: app_components" \
    "Component: channel_binding" "KEM output: " "Encrypted GroupInfo: " "Nonce: " "Type: resumption_request (5)"; do
    says "$1.all" "$field"
  done
}

opens_all() { # NAME
  lacks "$1.lines" "encrypted, "
  lacks "$1.all" "No key in the key log"
  counts "$1.lines" "connection_update: PrivateMessage, commit on epoch " 3
  says "$1.lines" "connection_update: PrivateMessage, commit on epoch 1"
  says "$1.lines" "epoch_key_update 2"
  says "$1.lines" "epoch_key_update 3"
  says "$1.lines" "epoch_key_update 6"
  counts "$1.lines" "alert close_notify" 6
  counts "$1.all" "Application data: $early" 2
  counts "$1.all" "Application data: $words" 6
  counts "$1.lines" "application data, 16384 bytes | application data, 16384 bytes" "${2:-6}"
  for epoch in 1 2 3 4 5 6 8; do says "$1.all" "Epoch of the key: $epoch]"; done
  says "$1.all" "_EARLY_TRAFFIC_SECRET_4]"
}

opens_nothing() { # NAME
  for secret in "$early" "$words" connection_update epoch_key_update "Opened with"; do lacks "$1.all" "$secret"; done
  says "$1.lines" "encrypted, "
}

pq=MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519
for protocol in mls-tls tls; do
  converse "$protocol" "$protocol" "$pq"
  port=$(cat "$protocol.port")
  dissect "$protocol"
  shows_messages "$protocol" "$pq"
  opens_nothing "$protocol"

  dissect "$protocol" -o "mlstls.keylog_file:$protocol.keys"
  shows_messages "$protocol" "$pq"
  opens_all "$protocol"
  says "$protocol.all" "AEAD: AES-256-GCM"

  # By TLS's preference, in two passes, on a port that is given to us or to TLS: the same.
  given=(-d "tcp.port==$port,mlstls")
  [ "$protocol" = mls-tls ] || given=(-o "http.tls.port:$port")
  cp "$protocol.lines" once
  dissect "$protocol" -2 "${given[@]}" -o "tls.keylog_file:$protocol.keys"
  cmp once "$protocol.lines" || die "another view by port"

  # Another's keys are no good, and say so.
  awk '{ $2 = substr($2, 2) "0"; print }' "$protocol.keys" >wrong.ids
  sed -E 's/[0-9a-f]{8}$/00000000/' "$protocol.keys" >wrong.keys
  dissect "$protocol" -o "mlstls.keylog_file:wrong.$([ "$protocol" = tls ] && echo keys || echo ids)"
  opens_nothing "$protocol"
  says "$protocol.all" "No key in the key log"
done
says mls-tls.all "MLS-TLS record: client, "
says tls.all "TLS+MLS record: client, "
says tls.all "Extension: tls_using_mls_handshake"
says tls.all "Handshake Protocol: Client Hello" # Wireshark's own view of it
says tls.all "channel_binding"

# In small pieces, and with the other AEADs and hashes.
x25519=MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519
for protocol in mls-tls tls; do
  converse pieces "$protocol" "$x25519" 700
  dissect pieces -o mlstls.keylog_file:pieces.keys
  shows_messages pieces "$x25519"
  opens_all pieces 0
  says pieces.all "AEAD: ChaCha20-Poly1305"
  rm pieces.*
done
converse large mls-tls MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448 3000
dissect large -o mlstls.keylog_file:large.keys
shows_messages large MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448
opens_all large 0

# Fields by name, for scripts.
tshark -X "lua_script:$script" -r mls-tls.pcapng -o mlstls.keylog_file:mls-tls.keys -Y "mlstls.message.type == 4" \
  -T fields -e mlstls.message.epoch -e mlstls.record.epoch 2>/dev/null >epochs
printf '%s\t%s\n' 2 1 3 2 6 5 | cmp - epochs || die "other epochs"

# Damage is shown, and nothing more happens.
for protocol in mls-tls tls; do
  editcap -E 0.01 -o 70 --seed 1 "$protocol.pcapng" damaged.pcapng 2>editcap.err
  dissect damaged -d "tcp.port==$(cat "$protocol.port"),mlstls" -o "mlstls.keylog_file:$protocol.keys"
done

# So is a capture that begins in the middle.
editcap mls-tls.pcapng middle.pcapng "1-$(awk '/server_hello/ { print $1; exit }' mls-tls.lines)"
dissect middle -d "tcp.port==$(cat mls-tls.port),mlstls" -o mlstls.keylog_file:mls-tls.keys
well_formed middle
says middle.lines "encrypted, "
lacks middle.lines client_hello

# ---- the program, with one key log for both sides

keys
serve echo
export SSLKEYLOGFILE=$work/both.keys
listener --forward "127.0.0.1:$target" --keylog
says listener.err "whoever reads $SSLKEYLOGFILE reads all"
capture program "$port"
connector --keylog --rekey-after 0
head -c 1000 /dev/zero | tr '\0' w | timeout 20 "$tcp" send "$local_port" >echoed
[ "$(stat -c %a both.keys)" = 600 ] || die "the key log is for others, too"
finish connector
finish listener
captured
dissect program -o mlstls.keylog_file:both.keys
well_formed program
lacks program.lines "encrypted, "
counts program.all "Application data: 7777777777" 2
