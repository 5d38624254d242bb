#!/usr/bin/env bash
# label: slow
# Out of descriptors: new connections wait, nothing spins, and those that come later are served.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
(ulimit -n 40; exec "$TREEWIRE" listen --key a.key --peers peers --bind 127.0.0.1:0 --events a.ev --forward "127.0.0.1:$target" 2>listener.err) &
listener=$!
pids+=("$listener")
port=$(port_of a.ev)
holders=()
for _ in $(seq 60); do
  start holder "$tcp" hold "$port" 30
  holders+=("$holder")
done
wait_event a.ev paused
says listener.err "new connections wait"
before=$(cpu_ticks "$listener")
sleep 2
after=$(cpu_ticks "$listener")
[ "$((after - before))" -lt 50 ] || die "spins: $((after - before)) ticks in two seconds"
for pid in "${holders[@]}"; do kill -KILL "$pid"; done
echo hello | stdio_connect >answer
[ "$(cat answer)" = hello ]
finish listener
