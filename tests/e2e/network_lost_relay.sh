#!/usr/bin/env bash
# label: slow
# A relay that has lost its state: whoever was let in by an invitation is let in again, without anybody's doing.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼─ hub (a switch)          inside: anna 10.7.0.1 (admin), berta 10.7.0.2, carla 10.7.0.3
#   berta 203.0.113.2  ─┤
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2119
. "$(dirname "$0")/support/network.bash"

lose() {
  finish relay
  rm -rf state/relay
  relay_up
}
told() { grep -c "the relay has lost our mailbox" "$1.err" || true; } # NAME: how often
back() {                                                              # TIMES: that the admin has been told
  until_true 60 stands carla "relay .*, up" || { tail -n 3 carla.err; die "carla is not let in again"; }
  [ "$(told anna)" = "$1" ] || die "anna was told $(told anna) times, not $1"
  members "${nodes[@]}" 3
  until_true 20 reaches carla anna || die "carla does not reach anna"
}

hosts relay anna berta carla
switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0
addresses
nodes=(anna berta) # carla comes later
make_keys
for name in "${nodes[@]}"; do configure "$name" "Admins = $(cat anna.pub)"; done
relay_options=(--invites 8)
relay_up
up anna
up berta
members anna berta 2
run 0 anna invite ./anna.conf carla 10.7.0.3/24
run 0 carla join "$(cat out)" --config ./carla.conf --wait 30
sed -i "s|^Identity = |State = $work/state/carla\n&|" carla.conf
up carla
nodes+=(carla)
members "${nodes[@]}" 3

lose
back 1

# ---- while the admin is away ----
run 0 anna down ./anna.conf
expect 0 anna
lose
until_true 20 stands berta "relay .*, up" || die "the relay is not there for berta"
up anna
back 1 # its words begin anew with each start
echo "carla is let in again both times"
