#!/usr/bin/env bash
# Mistakes on the command line and in files: one clear line and the documented exit code.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys

fails() { # STATUS WORDS ARGUMENTS...
  local status=0 wanted=$1 words=$2
  shift 2
  timeout 20 "$TREEWIRE" "$@" </dev/null >out 2>usage.err || status=$?
  [ "$status" = "$wanted" ] || die "treewire $*: exit $status, not $wanted"
  one_line usage.err
  grep -q '^treewire: ' usage.err || die "treewire $*: the line does not begin with treewire:"
  says usage.err "$words"
}
ok() { timeout 20 "$TREEWIRE" "$@" </dev/null >out 2>usage.err || die "treewire $*: exit $?"; }

ok --help; says out "Exit codes"
ok --version; says out treewire
for verb in genkey pubkey suites listen connect relay ca check up down status sync rekey remove invite join; do ok "$verb" --help; says out "treewire $verb"; done
ok suites; [ "$(wc -l <out)" = 18 ]; says out "(default)"

fails 1 "a verb is missing"
fails 1 "'frobnicate' is not a verb" frobnicate
fails 1 "unknown option --frob" genkey --frob
fails 1 "--suite needs a value" genkey --suite
fails 1 "not known" genkey --suite NOPE
fails 1 "takes no argument" genkey extra
fails 1 "takes no argument" suites extra
fails 2 "standard input" pubkey
listen=(listen --key a.key --peers peers)
fails 1 "--key" listen
fails 1 "--peers" listen --key a.key --stdio
fails 1 "either --forward" "${listen[@]}"
fails 1 "either --forward" "${listen[@]}" --stdio --forward 127.0.0.1:1
fails 1 "names no port" "${listen[@]}" --forward localhost
fails 1 "not an address" "${listen[@]}" --forward ::1:80
fails 1 "port" "${listen[@]}" --forward localhost:70000
fails 1 "rekey-after" "${listen[@]}" --stdio --rekey-after soon
fails 1 "rekey-bytes" "${listen[@]}" --stdio --rekey-bytes -1
fails 1 "half-open" "${listen[@]}" --stdio --half-open many
fails 1 "message-max" "${listen[@]}" --stdio --message-max 100
fails 1 "handshake-burst" "${listen[@]}" --stdio --handshake-burst 0
fails 1 "takes no value" "${listen[@]}" --stdio=yes
fails 1 "found 'extra'" "${listen[@]}" --stdio extra
fails 1 "a port without a host: write HOST:9420" "${listen[@]}" --stdio --bind 9420
relay=(relay --key a.key --peers peers)
fails 1 "--key FILE, or --cert" relay
fails 1 "--peers FILE, --ca FILE" relay --key a.key
fails 1 "goes without" "${relay[@]}" --allow-any
fails 1 "found 'extra'" "${relay[@]}" extra
fails 1 "a port without a host: write HOST:9420" "${relay[@]}" --listen 9420
fails 1 "unknown option --forward" "${relay[@]}" --forward localhost:1
fails 1 "mailbox-bytes" "${relay[@]}" --mailbox-bytes 1K
fails 1 "mailbox-messages" "${relay[@]}" --mailbox-messages 0
fails 1 "max-clients" "${relay[@]}" --max-clients 0
fails 1 "mail-days" "${relay[@]}" --mail-days 0
fails 1 "packet-rate" "${relay[@]}" --packet-rate 999
fails 1 "request-rate" "${relay[@]}" --request-rate 0
fails 1 "handshake-burst" "${relay[@]}" --handshake-burst 0
fails 1 "invites" "${relay[@]}" --invites many
fails 1 "invite needs" invite net carla
fails 1 "no ADDRESS/LEN" invite net carla 10.7.0.300/24
fails 1 "--expires" invite net carla 10.7.0.3/24 --expires 0
fails 2 "is not up" invite net carla 10.7.0.3/24
fails 1 "needs the TOKEN" join
fails 1 "no token of an invitation" join abc
fails 1 "is enough" join abc --name a --config ./b.conf
fails 1 "--name needs --ca" "${relay[@]}" --name a.example
connect=(connect --key b.key)
fails 1 "a port without a host: write HOST:8080" "${connect[@]}" --peer @a.pub --listen 8080 localhost
fails 1 "--peer" "${connect[@]}" --stdio localhost
fails 1 "HOST" "${connect[@]}" --stdio --peer @a.pub
fails 1 "either --listen" "${connect[@]}" --peer @a.pub localhost
fails 1 "one HOST" "${connect[@]}" --peer @a.pub --stdio localhost localhost
fails 1 "--peer: " "${connect[@]}" --peer rubbish --stdio localhost
fails 1 "@FILE" "${connect[@]}" --peer a.pub --stdio localhost

# Nodes.
for verb in up down status sync rekey remove; do
  fails 1 "NAME" "$verb"
  fails 1 "unknown option --frob" "$verb" --frob
done
fails 1 "'more', too" up a more
fails 1 "not a number" up --wait soon a
fails 1 "one argument too many" status a b
fails 1 "needs the name of a peer" remove a
export TREEWIRE_RUN=$work/run
for verb in down status sync rekey; do fails 2 "no-such is not up" "$verb" no-such; done
fails 2 "no-such is not up" remove no-such peer
fails 2 "No such file" up --foreground ./no-such.conf

# Keys: a mode too wide, no file, no key.
[ "$(stat -c %a a.key)" = 600 ] || die "genkey left a key that others can read"
chmod 644 a.key
fails 2 "mode 0644" "${listen[@]}" --stdio
chmod 600 a.key
"$TREEWIRE" pubkey <a.key | cmp - a.pub
fails 2 "No such file" listen --key none --peers peers --stdio
(umask 077; echo rubbish >bad.key)
fails 2 "bad.key: not a private key" listen --key bad.key --peers peers --stdio
fails 2 "second key" listen --key a.key --key b.key --peers peers --stdio

fails 2 "No such file" relay --key none --peers peers
fails 2 "No such file" relay --key a.key --peers none
fails 2 "this is a private key" relay --key a.key --peers a.key
mkdir -m 0755 open
fails 2 "open" "${relay[@]}" --listen 127.0.0.1:0 --state open
fails 2 "peers" "${relay[@]}" --listen 127.0.0.1:0 --state peers
fails 2 "events" "${relay[@]}" --listen 127.0.0.1:0 --events /nowhere/events

# Certificates: what belongs together, what does not fit, what is none.
"$TREEWIRE" ca init ca --name CA >/dev/null
"$TREEWIRE" ca issue ca localhost >/dev/null
"$TREEWIRE" ca issue ca other.example --algorithm p256 >/dev/null
mine=(--cert localhost.pem --cert-key localhost.key)
fails 1 "--key FILE, or --cert" listen --peers peers --stdio
fails 1 "--peers FILE or --ca FILE" listen "${mine[@]}" --stdio
fails 1 "--cert needs --cert-key" listen --cert localhost.pem --ca ca/ca.pem --stdio
fails 1 "--cert-key needs --cert" listen --cert-key localhost.key --ca ca/ca.pem --stdio
fails 1 "--cert-key-pass needs" "${listen[@]}" --cert-key-pass pass --stdio
fails 1 "--suite needs --cert" "${listen[@]}" --suite MLKEM768X25519_AES256GCM_SHA384_Ed25519 --stdio
fails 1 "--suite NOPE: not known" listen "${mine[@]}" --ca ca/ca.pem --suite NOPE --stdio
fails 1 "--crl needs --ca" "${listen[@]}" --crl ca/crl.pem --stdio
fails 1 "--name needs --ca" "${listen[@]}" --name a.example --stdio
fails 1 "neither an IP address nor a DNS name without a wildcard" "${listen[@]}" --ca ca/ca.pem --name "*.example" --stdio
fails 1 "--key FILE, or --cert" connect --stdio --ca ca/ca.pem localhost
fails 1 "--peer PUB, the other side's public key, or --ca" "${connect[@]}" --stdio localhost
fails 1 "one --key or --cert" "${connect[@]}" "${mine[@]}" --ca ca/ca.pem --stdio localhost
fails 1 "one --name" "${connect[@]}" --ca ca/ca.pem --name a.example --name b.example --stdio localhost
fails 1 "one --suite" connect "${mine[@]}" --suite MLKEM768_AES256GCM_SHA384_Ed25519 --suite DHKEMX25519_AES128GCM_SHA256_Ed25519 --ca ca/ca.pem --stdio localhost
fails 1 "--name: 'bad_host..x'" "${connect[@]}" --ca ca/ca.pem --stdio bad_host..x
fails 1 "either mls-tls or tls" "${listen[@]}" --stdio --proto ssl
fails 1 "--alpn needs --proto tls" "${listen[@]}" --stdio --alpn h2
fails 1 "--alpn: a name has 1 to 255 bytes" "${listen[@]}" --stdio --proto tls --alpn ""
fails 1 "--retry-above needs --proto tls" "${listen[@]}" --stdio --retry-above 1
fails 1 "--tls-standard needs --proto tls" "${listen[@]}" --stdio --tls-standard
fails 1 "--tls-standard needs --cert FILE" "${listen[@]}" --stdio --proto tls --tls-standard
fails 1 "--tls-standard needs --ca FILE, whose clients are let in" listen "${mine[@]}" --peers peers --stdio --proto tls --tls-standard
fails 1 "--tls-standard-anyone needs --tls-standard" "${listen[@]}" --stdio --proto tls --tls-standard-anyone
fails 1 "--tls-standard needs --ca FILE, by which" "${connect[@]}" --peer @a.pub --stdio --proto tls --tls-standard localhost
fails 1 "unknown option --tls-standard-anyone" "${connect[@]}" --peer @a.pub --stdio --tls-standard-anyone localhost
fails 2 "--ca none: No such file" "${listen[@]}" --ca none --stdio
fails 2 "--ca peers: no certificate in it" "${listen[@]}" --ca peers --stdio
fails 2 "--crl ca/ca.pem: no CRL in it" "${listen[@]}" --ca ca/ca.pem --crl ca/ca.pem --stdio
fails 2 "--cert peers: no certificate in it" listen --cert peers --cert-key localhost.key --ca ca/ca.pem --stdio
fails 2 "--cert none: No such file" listen --cert none --cert-key localhost.key --ca ca/ca.pem --stdio
fails 2 "--cert a.key: no private key in it" listen --cert localhost.pem --cert-key a.key --ca ca/ca.pem --stdio
fails 2 "another key than other.example.key" listen --cert localhost.pem --cert-key other.example.key --ca ca/ca.pem --stdio
fails 2 "its key is not one for suite" listen "${mine[@]}" --suite DHKEMP256_AES128GCM_SHA256_P256 --ca ca/ca.pem --stdio
fails 2 "a second key of suite" listen --key a.key "${mine[@]}" --ca ca/ca.pem --stdio
chmod 640 localhost.key
fails 2 "localhost.key: its mode 0640" listen "${mine[@]}" --ca ca/ca.pem --stdio
chmod 600 localhost.key
ok pubkey --fingerprint --cert localhost.pem; grep -q '^sha256:' out || die "no fingerprint of a certificate"
fails 1 "--suite needs --cert" pubkey --suite MLKEM768_AES256GCM_SHA384_Ed25519
fails 2 "not one for suite" pubkey --cert localhost.pem --suite DHKEMP256_AES128GCM_SHA256_P256

# Peers: the file and the line.
{ echo "# who"; cat b.pub; echo "nonsense here"; } >bad.peers
fails 2 "bad.peers:3: " listen --key a.key --peers bad.peers --stdio
{ cat b.pub b.pub; } >bad.peers
fails 2 "bad.peers:2: the same key as in line 1" listen --key a.key --peers bad.peers --stdio
fails 2 "this is a private key" listen --key a.key --peers a.key --stdio
fails 2 "No such file" listen --key a.key --peers none --stdio
{ cat a.pub b.pub; } >two.peers
fails 2 "two.peers: holds 2" "${connect[@]}" --peer @two.peers --stdio localhost
fails 2 "events" "${listen[@]}" --stdio --events /nowhere/events

# The key log: only when both the option and the environment ask for it, and not where others could read it.
fails 1 "SSLKEYLOGFILE" "${listen[@]}" --stdio --keylog
export SSLKEYLOGFILE=$work/log.keys
fails 1 "takes no value" "${listen[@]}" --stdio --keylog=log.keys
(umask 022; : >log.keys)
fails 2 "log.keys: its mode 0644" "${listen[@]}" --stdio --keylog
fails 2 "log.keys: its mode 0644" connect --key b.key --peer @a.pub --stdio --keylog 127.0.0.1:1
rm log.keys
SSLKEYLOGFILE=/dev/null fails 2 "not a file" "${listen[@]}" --stdio --keylog
SSLKEYLOGFILE=/nowhere/keys fails 2 "No such file" "${listen[@]}" --stdio --keylog
SSLKEYLOGFILE='' fails 1 "SSLKEYLOGFILE" "${listen[@]}" --stdio --keylog
serve sink
listener --forward "127.0.0.1:$target"
echo words | timeout 20 "$TREEWIRE" connect --key b.key --peer @a.pub --stdio "127.0.0.1:$port" >/dev/null
finish listener
[ ! -e log.keys ] || die "a key log that nobody asked for"
unset SSLKEYLOGFILE

# Nobody is let in yet: not an error, but said.
start lonely "$TREEWIRE" listen --key a.key --peers /dev/null --bind 127.0.0.1:0 --stdio
until_true 10 grep -qF "nobody can connect" lonely.err || die "not a word about a peers file without peers"
finish lonely

# The network.
serve sink
fails 3 "cannot bind" "${listen[@]}" --stdio --bind "127.0.0.1:$target"
fails 3 "cannot bind" "${relay[@]}" --state state --listen "127.0.0.1:$target"
fails 3 "cannot bind" "${connect[@]}" --peer @a.pub --listen "127.0.0.1:$target" localhost
fails 3 "cannot connect" "${connect[@]}" --peer @a.pub --stdio 127.0.0.1:1
fails 3 "cannot connect" "${connect[@]}" --peer @a.pub --stdio no-such-host.invalid
