#!/usr/bin/env bash
# label: slow
# A node that has nothing to do rests: how often its threads wake up.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼─ hub (a switch)      inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   berta 203.0.113.2  ─┤
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154
. "$(dirname "$0")/support/network.bash"
on_hub
all_up
sleep 5 # what belongs to the beginning

# Of all threads, so far: each time that one of them went to sleep.
sleeps() { cat "/proc/$1/task"/*/status | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'; } # PROCESS

# A tick a second, and nothing else: 10 or 11; a keepalive, of which there may be one, is looked after for some seconds.
readonly seconds=10 most=90
for name in "${nodes[@]}"; do
  before=$(sleeps "${!name}")
  sleep $seconds
  after=$(sleeps "${!name}")
  echo "$name: $((after - before)) times in $seconds s"
  [ $((after - before)) -gt 0 ] || die "$name does not tick at all"
  [ $((after - before)) -le $most ] || die "$name does not rest"
done

# What comes then is not late.
pings anna berta
pings berta anna
