#!/usr/bin/env bash
# label: slow
# A private network of three nodes, and a relay that holds no keys.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub (a switch)          inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# shellcheck disable=SC2119,SC2154  # relay_up takes options, but needs none
support=$(realpath "$(dirname "$0")/support")
# shellcheck source-path=SCRIPTDIR source=support/netns.bash
. "$support/netns.bash"
# shellcheck source-path=SCRIPTDIR source=support/network.bash
. "$support/network.bash"
hosts relay "${nodes[@]}"
switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0
addresses
make_keys
relay_up
for name in "${nodes[@]}"; do configure "$name" "RekeyAfter = 2"; up "$name"; done
members "${nodes[@]}" 3
pings anna berta 3
pings berta carla 3
pings carla anna 3
echo "all of it holds"
