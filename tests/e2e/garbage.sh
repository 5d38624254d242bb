#!/usr/bin/env bash
# label: slow
# What is not treewire is refused, whatever it is; who says nothing is put out; the listener serves on and loses nothing.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
listener --forward "127.0.0.1:$target" --handshake-timeout 2
descriptors() { find "/proc/$listener/fd" -mindepth 1 | wc -l; }
before=$(descriptors)
count=0
throw() { # a file at the listener
  count=$((count + 1))
  timeout 10 "$tcp" send "$port" <"$1" >answer 2>/dev/null || [ $? != 124 ] || die "$1: still waiting"
  wait_event a.ev error '"stage":"handshake"' "$count"
}
printf 'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n' >http
throw http
printf 'SSH-2.0-OpenSSH_9.2\r\n' >ssh
throw ssh
# A TLS 1.3 ClientHello, as far as it matters.
{ printf '\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03'; head -c 32 /dev/zero; printf '\x00\x00\x02\x13\x01\x01\x00\x00\x00'; } >tls
throw tls
printf '\x16\x03\x03\xff\xff' >long
throw long
printf '\x16\x03\x03\x40\x00\xf4\xff\xff\xff' >huge
head -c 100000 /dev/zero >>huge
throw huge
: >nothing
throw nothing
for size in 1 4 5 6 20 1000 70000; do
  head -c "$size" /dev/urandom >random
  throw random
  { printf '\x16\x03\x03'; cat random; } >record
  throw record
  { printf '\x16\x03\x03\x03\xe8\xf4\x00\x03\xe4\x00\x01\x00\x01'; cat random; } >hello
  throw hello
done

# A handshake cut off, and one that never goes on.
start silent "$tcp" hold "$port" 20
wait_event a.ev error 'did not answer in time'
kill -KILL "$silent"
! has_event a.ev established || die "established with garbage"

echo hello | stdio_connect >answer
[ "$(cat answer)" = hello ]
is_back() { [ "$(descriptors)" = "$before" ]; }
until_true 5 is_back || die "descriptors left open: $(descriptors), not $before"
finish listener

# The same at the connecting side.
serve source:100000
port=$target
start stdio stdio_connect </dev/null >/dev/null
expect 5 stdio
serve echo
port=$target
start stdio stdio_connect </dev/null >/dev/null
expect 5 stdio
serve stall
port=$target
start stdio stdio_connect --handshake-timeout 1 </dev/null >/dev/null
expect 3 stdio
