#!/usr/bin/env bash
# label: slow
# A node whose State is put back from a copy: nothing of the copy's keys is used again, and it talks with all by new ones.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub      inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154
. "$(dirname "$0")/support/network.bash"
on_hub
all_up
pings anna berta
pings berta carla

stop_berta() { run 0 berta down ./berta.conf; expect 0 berta; }

stop_berta
cp -a state/berta copy
up berta
members anna berta carla 3
pings berta anna
# What the copy knows nothing of.
run 0 berta rekey ./berta.conf
sleep 2
pings berta anna
stop_berta
rm -rf state/berta
mv copy state/berta
up berta
until_true 20 grep -q 'the State is a copy' berta.err || { cat berta.err; die "the copy is not noticed"; }
members anna berta carla 3
# A pair that was begun a short while ago is begun anew a minute later.
until_true 100 reaches carla berta || { show_status; die "carla does not reach berta"; }
until_true 100 reaches berta anna || { show_status; die "berta does not reach anna"; }
pings anna berta
pings berta carla
