#!/usr/bin/env bash
# A relay whose machine has several addresses, of both families, answers from the one that was asked: nodes, and NATs in
# front of them, take nothing from another one.
#
#   anna  203.0.113.1  ─┐
#   berta 2001:db8::2  ─┼─ hub ── relay 203.0.113.10, 203.0.113.11, 2001:db8::10, 2001:db8::11
#   carla 198.51.100.3 ─┘
#                            anna asks 203.0.113.11, berta 2001:db8::11, carla 203.0.113.10; inside: 10.7.0.1, .2, .3
#
# The nodes have no ways to each other outside.
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"
[ -e /proc/net/if_inet6 ] || netns_skip "there is no IPv6 here"

begin() {
  local name
  hosts relay "${nodes[@]}"
  switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0
  address relay:eth0 203.0.113.10/24 203.0.113.11/24 2001:db8::10/64 2001:db8::11/64
  address anna:eth0 203.0.113.1/24
  address berta:eth0 2001:db8::2/64
  address carla:eth0 198.51.100.3/24
  on carla ip route add 203.0.113.10 dev eth0
  on relay ip route add 198.51.100.3 dev eth0
  make_keys
  for name in "${nodes[@]}"; do configure "$name"; done
  sed -i 's/^Endpoint = .*/Endpoint = 203.0.113.11/' anna.conf
  sed -i 's/^Endpoint = .*/Endpoint = [2001:db8::11]/' berta.conf
}

begin
relay_up
for name in "${nodes[@]}"; do up "$name"; done
members "${nodes[@]}" 3
for name in "${nodes[@]}"; do
  until_true 20 holds "$name" '$s->{relay}{packets}' || { show_status; die "$name hears nothing of the packet relay"; }
done
pings anna berta 2
pings berta carla 2
pings carla anna 2
for name in "${nodes[@]}"; do
  holds "$name" '!grep { $_->{path}{by} eq "direct" } @{$s->{peers}}' || die "a way is straight that cannot be"
done
echo "all of it holds"
