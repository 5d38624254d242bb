#!/usr/bin/env bash
# label: slow
# A private network of three nodes, and a relay that holds no keys.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub (a switch)          inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154
. "$(dirname "$0")/support/network.bash"
on_hub
all_up "RekeyAfter = 2"
pings anna berta 3
pings berta carla 3
pings carla anna 3
echo "all of it holds"
