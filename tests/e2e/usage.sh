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
for verb in genkey pubkey suites listen connect; do ok "$verb" --help; says out "treewire $verb"; done
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
fails 1 "takes no value" "${listen[@]}" --stdio=yes
fails 1 "found 'extra'" "${listen[@]}" --stdio extra
fails 1 "a port without a host: write HOST:9420" "${listen[@]}" --stdio --bind 9420
connect=(connect --key b.key)
fails 1 "a port without a host: write HOST:8080" "${connect[@]}" --peer @a.pub --listen 8080 localhost
fails 1 "--peer" "${connect[@]}" --stdio localhost
fails 1 "HOST" "${connect[@]}" --stdio --peer @a.pub
fails 1 "either --listen" "${connect[@]}" --peer @a.pub localhost
fails 1 "one HOST" "${connect[@]}" --peer @a.pub --stdio localhost localhost
fails 1 "--peer: " "${connect[@]}" --peer rubbish --stdio localhost
fails 1 "@FILE" "${connect[@]}" --peer a.pub --stdio localhost

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

# Nobody is let in yet: not an error, but said.
start lonely "$TREEWIRE" listen --key a.key --peers /dev/null --bind 127.0.0.1:0 --stdio
until_true 10 grep -qF "nobody can connect" lonely.err || die "not a word about a peers file without peers"
finish lonely

# The network.
serve sink
fails 3 "cannot bind" "${listen[@]}" --stdio --bind "127.0.0.1:$target"
fails 3 "cannot bind" "${connect[@]}" --peer @a.pub --listen "127.0.0.1:$target" localhost
fails 3 "cannot connect" "${connect[@]}" --peer @a.pub --stdio 127.0.0.1:1
fails 3 "cannot connect" "${connect[@]}" --peer @a.pub --stdio no-such-host.invalid
