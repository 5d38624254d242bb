#!/usr/bin/env bash
# label: slow
# TLS+MLS between two treewires: transfers and renewals, sessions over restarts, names and application protocols,
# refusals, a second hello under load; and what each side says where the other one speaks MLS-TLS.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
ca() { "$TREEWIRE" ca "$@" >ca.out 2>ca.err || die "ca $*: $(cat ca.err)"; }
ca init ca --name "Test CA"
ca issue ca localhost server.example 127.0.0.1 --out server
ca issue ca laptop.example --out laptop
server=(--cert server.pem --cert-key server.key --ca ca/ca.pem)
laptop=(--cert laptop.pem --cert-key laptop.key --ca ca/ca.pem)

# says_both STATUS LISTENER_WORDS CONNECTOR_WORDS OPTIONS...: a try of `connect --stdio` that both sides tell about
says_both() {
  local wanted=$1 here=$2 there=$3 status=0
  shift 3
  : >listener.err
  timeout 20 "$TREEWIRE" connect --stdio --events c.ev "$@" <<<hello >answer 2>connect.err || status=$?
  [ "$status" = "$wanted" ] || die "connect $*: exit $status, not $wanted: $(cat connect.err)"
  one_line connect.err
  says connect.err "$there"
  until_true 10 grep -qF -- "$here" listener.err || die "'$here' is not in listener.err: $(cat listener.err)"
  one_line listener.err
}

# ---- a transfer with renewals, both ways ----
listener --proto tls --forward "127.0.0.1:$target" --rekey-bytes 1M --rekey-after 1
connector --proto tls --rekey-bytes 2M --rekey-after 1
head -c 50000000 /dev/urandom >sent
"$tcp" send "$local_port" <sent >received
[ "$(sha256sum <sent)" = "$(sha256sum <received)" ] || die "other bytes came back"
wait_event a.ev closed '"reason":"close_notify"'
wait_event b.ev closed '"reason":"close_notify"'
[ "$(events b.ev rekeyed | wc -l)" -ge 4 ] || die "too few epochs: $(events b.ev rekeyed | wc -l)"
has_event a.ev established '"protocol":"tls-mls"' || die "not the protocol that was asked for"
finish connector
finish listener

# ---- sessions over restarts ----
port=$((20000 + RANDOM % 12000))
listen_again() {
  : >a.ev
  start listener "$TREEWIRE" listen --key a.key --peers peers --bind "127.0.0.1:$port" --events a.ev --state state-a \
    --forward "127.0.0.1:$target" "$@"
  wait_event a.ev listening
}
for round in 1 2 3; do
  : >b.ev
  listen_again --proto tls --alpn one --alpn two
  connector --proto tls --alpn two --state state-b
  [ "$(printf %s "round $round" | "$tcp" send "$local_port")" = "round $round" ] || die "no way through"
  wait_event b.ev established "\"resumed\":$([ "$round" = 1 ] && echo false || echo true)"
  has_event b.ev established '"alpn":"two"' || die "a session forgot its protocol"
  kill -KILL "$listener" "$connector"
  until_true 5 is_gone "$listener"
  until_true 5 is_gone "$connector"
done
# With another protocol it is another session.
: >b.ev
listen_again --proto tls --alpn one --alpn two
connector --proto tls --alpn one --state state-b
[ "$(printf again | "$tcp" send "$local_port")" = again ] || die "no way through"
wait_event b.ev established '"alpn":"one".*"resumed":false'
finish connector
finish listener
rm -f a.ev

# ---- names and application protocols ----
start listener "$TREEWIRE" listen "${server[@]}" --peers peers --proto tls --alpn http/1.1 --alpn echo --bind 127.0.0.1:0 \
  --events a.ev --forward "127.0.0.1:$target"
port=$(port_of a.ev)
tls() { timeout 20 "$TREEWIRE" connect --stdio --events c.ev --proto tls "${laptop[@]}" "$@" <<<hello 2>tls.err; }
[ "$(tls --alpn echo --alpn http/1.1 -v "localhost:$port")" = hello ] || die "no answer: $(cat tls.err)"
says tls.err ", for localhost, http/1.1, certificate of CN=localhost" # the listener's choice
has_event a.ev established '"server_name":"localhost","alpn":"http/1.1"' || die "the listener's event"
has_event c.ev established '"server_name":"localhost","alpn":"http/1.1"' || die "the connector's event"
[ "$(tls --name SERVER.example "127.0.0.1:$port")" = hello ] || die "no answer: $(cat tls.err)"
has_event a.ev established '"server_name":"server.example"' || die "not the name that was asked for"
: >a.ev
[ "$(tls "127.0.0.1:$port")" = hello ] || die "no answer: $(cat tls.err)"
wait_event a.ev established
has_event a.ev established server_name && die "an address is no server_name"
: >c.ev
says_both 5 "version, cipher suite or type is not supported (both sides need an --alpn in common)" \
  "alert no_application_protocol (both sides need an --alpn in common)" --proto tls "${laptop[@]}" --alpn smtp "localhost:$port"
says_both 5 "(it is not the name of the listener's certificate)" "alert unrecognized_name (it is not the name of the listener's certificate)" \
  --proto tls "${laptop[@]}" --name else.example "localhost:$port"

# ---- refusals ----
ca init other --name "Other CA"
ca issue other laptop.example --out stranger
says_both 4 "is from a CA that is not trusted here; its issuer is 'CN=Other CA'" unknown_ca --proto tls --cert stranger.pem \
  --cert-key stranger.key --ca ca/ca.pem "localhost:$port"
says_both 4 unknown_ca "is from a CA that is not trusted here; its issuer is 'CN=Test CA'" --proto tls --cert laptop.pem \
  --cert-key laptop.key --ca other/ca.pem "localhost:$port"
# The two protocols on each other's ports.
says_both 5 "unexpected message (does the other side speak TLS? with --proto mls-tls it does not)" \
  "alert unexpected_message (does the other side speak MLS-TLS? with --proto tls it does not)" "${laptop[@]}" "localhost:$port"
finish listener
rm -f a.ev
listener --forward "127.0.0.1:$target"
says_both 5 "unexpected message (does the other side speak MLS-TLS? with --proto tls it does not)" \
  "alert unexpected_message (does the other side speak TLS? with --proto mls-tls it does not)" --proto tls --key b.key \
  --peer @a.pub "localhost:$port"
finish listener

# ---- a second hello under load ----
rm -f a.ev
listener --proto tls --forward "127.0.0.1:$target" --retry-above 0
: >c.ev
[ "$(stdio_connect --proto tls <<<hello)" = hello ] || die "no answer"
first=$(field "$(events c.ev established)" bytes)
finish listener
rm -f a.ev
listener --proto tls --forward "127.0.0.1:$target" --retry-above 1
: >c.ev
[ "$(stdio_connect --proto tls <<<hello)" = hello ] || die "no answer"
without=$(field "$(events c.ev established)" bytes)
[ "$first" -gt $((without + 1000)) ] || die "no second hello: $first and $without bytes"
# With one handshake open, the next client is asked; with none, not any more.
start hold "$tcp" hold "$port" 20
sleep 0.3
: >c.ev
[ "$(stdio_connect --proto tls <<<hello)" = hello ] || die "no answer"
loaded=$(field "$(events c.ev established)" bytes)
[ "$loaded" -gt $((without + 1000)) ] || die "no second hello under load: $loaded and $without bytes"
kill -KILL "$hold"
wait_event a.ev closed '"channel":2'
: >c.ev
[ "$(stdio_connect --proto tls <<<hello)" = hello ] || die "no answer"
calm=$(field "$(events c.ev established)" bytes)
[ "$calm" -lt $((without + 1000)) ] || die "a second hello without load: $calm and $without bytes"
finish listener
