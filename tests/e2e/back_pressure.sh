#!/usr/bin/env bash
# label: slow
# Whoever is slow makes the others wait, within bounded memory, in both directions; keys are renewed meanwhile.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
limit=30000
sanitized && limit=400000

calm() { # NAME...: small, and not spinning
  local name before after
  for name in "$@"; do
    [ "$(rss_kib "${!name}")" -lt "$limit" ] || die "$name holds $(rss_kib "${!name}") KiB"
    before=$(cpu_ticks "${!name}")
    sleep 1
    after=$(cpu_ticks "${!name}")
    [ "$((after - before))" -lt 30 ] || die "$name spins: $((after - before)) ticks in a second"
  done
}

serve source:2000000000
listener --forward "127.0.0.1:$target" --rekey-after 1
connector --rekey-after 1
start reader "$tcp" slow "$local_port" 100000 5
wait_event b.ev established
sleep 1
calm listener connector
kill -KILL "$reader"
wait_event a.ev closed
finish connector
finish listener

# The other way round: a server that never reads.
serve stall
: >a.ev; : >b.ev
listener --forward "127.0.0.1:$target" --rekey-after 1
connector --rekey-after 1
start writer "$tcp" send "$local_port" < <(head -c 500000000 /dev/zero) >/dev/null
wait_event b.ev established
sleep 1
calm listener connector
kill -KILL "$writer"
finish connector
finish listener
