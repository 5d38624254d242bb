#!/usr/bin/env bash
# label: slow
# A relay that is put back to an older copy of its state: the members bring it to where they are, and go on. Who has been
# removed since the copy was made stays out.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub      inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"

epoch() { status_field "$1" '$s->{network}{epoch}'; } # NAME
further() { [ "$(epoch anna)" -ge "$1" ]; }           # EPOCH
goes_on() {                                           # FROM: anna's and berta's commits are both taken again
  until_true 60 further $(($1 + 4)) || { show_status; die "the network's group does not go on"; }
}
end_relay() {
  kill -KILL "$relay"
  status_of relay 2>/dev/null
}
copy() { rm -rf "$2" && cp -a "$1" "$2"; } # FROM TO

on_hub
all_up "RekeyAfter = 1"
meet

end_relay
copy state/relay older
relay_up
goes_on "$(epoch anna)"
meet

# ---- with all who were members then ----
end_relay
copy older state/relay
before=$(epoch anna)
relay_up
goes_on "$before"
rest # all of them: who lacks mail puts itself back first
members "${nodes[@]}" 3
meet

# ---- one of them was removed since ----
on anna "$TREEWIRE" remove ./anna.conf carla
nodes=(anna berta)
members "${nodes[@]}" 2
end_relay
copy older state/relay
before=$(epoch anna)
relay_up
for name in "${nodes[@]}"; do
  until_true 20 holds "$name" '$s->{relay}{up}' || die "the relay is not there for $name"
  on "$name" "$TREEWIRE" rekey "./$name.conf"
done
until_true 60 further $((before + 2)) || { show_status; die "the network's group does not go on"; }
members "${nodes[@]}" 2
until_true 60 agree || { show_status; die "they do not agree"; }
pings anna berta
holds carla '$s->{network}{state} ne "member" || $s->{network}{members} < 3' || die "carla is in again"
reaches carla anna && die "carla reaches anna"
echo "all of it holds: $epochs"
