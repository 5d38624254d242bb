#!/usr/bin/env bash
# Standard input and output on both sides, as pipes and as files; what is empty stays empty.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
head -c 3000000 /dev/urandom >forth
head -c 2000000 /dev/urandom >back

stdio_listener() {
  rm -f a.ev
  start listener "$TREEWIRE" listen --key a.key --peers peers --bind 127.0.0.1:0 --events a.ev --stdio
  port=$(port_of a.ev)
}

stdio_listener <back >got-forth
stdio_connect <forth >got-back
expect 0 listener
cmp forth got-forth
cmp back got-back

stdio_listener < <(cat back) > >(cat >got-forth2)
cat forth | stdio_connect | cat >got-back2
expect 0 listener
until_true 5 cmp forth got-forth2 || die "pipes, forth"
cmp back got-back2

stdio_listener </dev/null >empty
stdio_connect </dev/null >empty2
expect 0 listener
[ ! -s empty ] && [ ! -s empty2 ]

# A reader that goes away early ends the channel; nobody waits for ever.
serve source:100000000
rm -f a.ev
listener --forward "127.0.0.1:$target"
set +o pipefail
stdio_connect </dev/null 2>head.err | head -c 1000 | wc -c >count
set -o pipefail
[ "$(cat count)" = 1000 ]
wait_event a.ev closed
finish listener

# A terminal, or whatever else is both input and output, is left as it was found, however the channel ends.
is_blocking() { [ $((0$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$$/fdinfo/$1") & 04000)) = 0 ]; }
serve echo
: >a.ev
listener --forward "127.0.0.1:$target"
mkfifo both
exec 8<>both
: >c.ev
start stdio stdio_connect <&8 >&8
wait_event c.ev established
until_true 5 eval '! is_blocking 8' || die "not at work"
kill -KILL "$listener"
expect 3 stdio
is_blocking 8 || die "left non-blocking"
exec 8>&-
