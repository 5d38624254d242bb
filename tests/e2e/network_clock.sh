#!/usr/bin/env bash
# label: slow
# A node whose clock is set while it runs, a day on and a day back: it takes all up anew, and loses nothing.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤      inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   berta 203.0.113.2  ─┼─ hub (a switch)
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154
support=$(realpath "$(dirname "$0")/support")
. "$support/network.bash"
command -v cc >/dev/null || netns_skip "there is no compiler here"
cc -D_GNU_SOURCE -shared -fPIC -o clock.so "$support/../preload/clock.c" -ldl
export CLOCK_OFF=$work/clock ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
echo 0 >clock
on_hub
relay_up
for name in "${nodes[@]}"; do configure "$name"; done
start_on anna anna env LD_PRELOAD="$work/clock.so" "$TREEWIRE" up --foreground ./anna.conf
up berta
up carla
members anna berta carla 3
pings anna berta
pings carla anna

notices() { [ "$(grep -c 'the clock has been set' anna.err)" = "$1" ]; } # COUNT
count=0
for off in 86400 0 -86400; do
  echo $off >clock
  count=$((count + 1))
  until_true 20 notices $count || { cat anna.err; die "the clock was set, and anna does not notice"; }
  pings anna berta 20
  pings carla anna 20
done
members anna berta carla 3
