#!/usr/bin/env bash
# treewire relay: who is served, what is kept over a kill, SIGHUP and SIGTERM, states and ports that are held.
# Nodes are played by `connect --stdio`, whose input is the frames of docs/protocols.md "The private network: control".
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119
. "$(dirname "$0")/support/lib.bash"
keys
"$TREEWIRE" genkey >c.key
relay=(relay --key a.key --listen 127.0.0.1:0)

relay_of() { # [options]: port in $port
  rm -f a.ev
  start the_relay "$TREEWIRE" "${relay[@]}" --events a.ev "$@"
  port=$(port_of a.ev)
}
refused() { # STATUS WORDS OPTIONS...: it does not begin
  local status=0 wanted=$1 words=$2
  shift 2
  timeout 20 "$TREEWIRE" relay --key a.key "$@" 2>refused.err || status=$?
  [ "$status" = "$wanted" ] || die "relay $*: exit $status, not $wanted"
  one_line refused.err
  says refused.err "$words"
}

# A client whose frames go to descriptor 9 and whose answers come to the file $1.out
client_of() { # NAME [options]
  local name=$1
  shift
  rm -f "$name.in"
  mkfifo "$name.in"
  exec 9<>"$name.in"
  start "$name" "$TREEWIRE" connect --peer @a.pub --stdio "$@" "127.0.0.1:$port" <"$name.in" >"$name.out" 9>&-
}
hang_up() { exec 9>&-; status_of "$1"; }
answered() { [ "$(wc -c <"$1.out")" -ge "$2" ]; } # NAME BYTES
bytes() { local i; for ((i = 0; i < ${#1}; i += 2)); do printf '%b' "\\x${1:i:2}"; done; } # HEX
own_id() { "$TREEWIRE" pubkey --fingerprint <"$1" | sed 's/^sha256:\([0-9a-f]*\).*/\1/'; }
to_self() { bytes 0000003604"$1$(own_id b.key)"10; printf 'keep this, relay'; } # NUMBER, 4 bytes: `send` of 16 bytes

# ---- who is served; a kill loses nothing that was answered ----

relay_of --peers peers --state new/folder/state # what it lies in is made, too
refused 3 "cannot be bound: Address already in use" --peers peers --listen "127.0.0.1:$port"
refused 1 "rekey-after" --peers peers --listen 127.0.0.1:0 --rekey-after 2592001
refused 2 "state" --peers peers --listen 127.0.0.1:0 --state new/folder/state
refused 2 "peers: Not a directory" --peers peers --listen 127.0.0.1:0 --state peers/new/state
timeout 20 "$TREEWIRE" connect --key c.key --peer @a.pub --stdio "127.0.0.1:$port" </dev/null 2>stranger.err && die "a stranger was let in"
wait_event a.ev error refused
client_of first --key b.key
wait_event a.ev established '"name":"bob".*"clients":1'
to_self 00000001 >&9
until_true 10 answered first 10 || die "no answer"
[ "$(od -An -tx1 -N10 <first.out | tr -d ' \n')" = 00000006400000000100 ] || die "not the answer to send"
kill -KILL "$the_relay"
status_of the_relay
hang_up first
port_before=$port
relay=(relay --key a.key --listen "127.0.0.1:$port")
relay_of --peers peers --state new/folder/state --verbose
[ "$port" = "$port_before" ] || die "another port"
client_of second --key b.key
bytes 0000001109000000020000000000000000000000ff >&9
until_true 10 grep -qaF "keep this, relay" second.out || die "what was sent is not there after a kill"

# ---- SIGHUP ----

echo "no key" >bad
cp bad peers
kill -HUP "$the_relay"
wait_event a.ev reloaded error
size=$(wc -c <second.out)
bytes 000000050b00000003 >&9 # bind
until_true 10 answered second $((size + 34)) || die "a bad file has put somebody out"
"$TREEWIRE" pubkey <c.key >peers
kill -HUP "$the_relay"
wait_event a.ev reloaded '"peers":1}'
wait_event a.ev closed '"clients":0'
hang_up second
[ "$status" = 4 ] || die "who is put out is told so by status $status"
client_of third --key c.key
wait_event a.ev established . 2

# ---- SIGTERM: all in order ----

kill -TERM "$the_relay"
wait_event a.ev closed '"clients":0' 2
hang_up third
[ "$status" = 0 ] || die "a client is told of the end by status $status: $(cat third.err)"
expect 0 the_relay

# ---- anybody, and no state; one at a time ----

relay_of --allow-any --max-clients 1
says the_relay.err "without --state"
client_of any --key c.key
wait_event a.ev established
timeout 20 "$TREEWIRE" connect --key b.key --peer @a.pub --stdio "127.0.0.1:$port" </dev/null 2>other.err && die "one more than --max-clients"
finish the_relay
hang_up any

# ---- certificates ----

"$TREEWIRE" ca init ca --name CA >/dev/null
"$TREEWIRE" ca issue ca node.example --out node >/dev/null
"$TREEWIRE" ca crl ca >/dev/null
relay_of --ca ca/ca.pem --crl ca/crl.pem --name node.example
client_of fourth --cert node.pem --cert-key node.key
wait_event a.ev established '"name":"node.example"'
"$TREEWIRE" ca revoke ca node.pem >/dev/null
kill -HUP "$the_relay"
wait_event a.ev closed
hang_up fourth
[ "$status" = 4 ] || die "a revoked certificate ends with status $status"
finish the_relay

# ---- a service manager ----

if command -v python3 >/dev/null; then
  start manager python3 -c '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("notify"); s.settimeout(20)
for _ in range(2): print(s.recv(100).decode(), flush=True)' >notify.out
  until_true 10 test -S notify || die "no socket to notify"
  NOTIFY_SOCKET=$work/notify relay_of --allow-any
  until_true 10 grep -q READY=1 notify.out || die "not a word that it is ready"
  finish the_relay
  until_true 10 grep -q STOPPING=1 notify.out || die "not a word that it ends"
fi
echo "all of it holds"
