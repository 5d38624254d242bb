#!/usr/bin/env bash
# label: slow
# A private network of three nodes, and a relay that holds no keys.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub (a switch)          inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154,SC2016
. "$(dirname "$0")/support/network.bash"
on_hub
all_up "RekeyAfter = 2"
pings anna berta 3
pings berta carla 3
pings carla anna 3

# What a system says to its links goes to nobody, so that nobody drops it.
all_hear
for name in "${nodes[@]}"; do
  [ -z "$(on "$name" ip -6 address show dev "$name" scope link)" ] || die "the device of $name has a link-local address"
done
if [ -e /proc/net/if_inet6 ]; then
  on anna ip address add fe80::1/64 dev anna nodad
  on anna busybox ping -c 2 -W 1 -I anna ff02::1 >/dev/null 2>&1 || true
fi
for name in "${nodes[@]}"; do
  holds "$name" '$s->{dropped}{not_theirs} == 0' || { show_status; die "$name was sent what is not the sender's"; }
done
echo "all of it holds"
