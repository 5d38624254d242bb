#!/usr/bin/env bash
# label: slow
# A node joins a private network by an invitation: nobody touches the relay's list or the others' files.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼─ hub (a switch)          inside: anna 10.7.0.1 (admin), berta 10.7.0.2, carla 10.7.0.3
#   berta 203.0.113.2  ─┤
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2119
. "$(dirname "$0")/support/network.bash"

hosts relay anna berta carla
switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0
addresses
nodes=(anna berta) # carla comes later
make_keys
for name in "${nodes[@]}"; do configure "$name" "Admins = $(cat anna.pub)" "[Multicast]" "Groups = 239.1.2.3, broadcast"; done
invite() { run 0 anna invite ./anna.conf "$@"; cat out; } # PEER ADDRESS…
join() { run "$1" carla join "$2" --config "./$3.conf" --wait "${4:-30}"; } # STATUS TOKEN NAME [SECONDS]

# The relay's operator has to allow it, and only Admins may.
relay_up
up anna
up berta
members anna berta 2
run 2 anna invite ./anna.conf carla 10.7.0.3/24
says run.err "its operator has to allow it"
run 2 berta invite ./berta.conf carla 10.7.0.3/24
says run.err "none of the network's Admins"
finish relay
relay_options=(--invites 8)
relay_up
members anna berta 2
until_true 20 stands anna "relay .*, up" || die "anna does not find the relay again"

# What cannot be had.
run 2 anna invite ./anna.conf berta 10.7.0.3/24
says run.err "there is a 'berta' already"
run 2 anna invite ./anna.conf carla 10.7.0.2/24
says run.err "10.7.0.2/32 is somebody's already"
run 1 carla join nonsense
says run.err "no token of an invitation"

# One that is over, and one that is withdrawn.
over=$(invite --expires 1s carla 10.7.0.3/24)
sleep 1.2
join 4 "$over" carla
says run.err "over"
withdrawn=$(invite carla 10.7.0.3/24)
run 0 anna status ./anna.conf
says out "invited carla: not used yet, good for "
run 0 anna remove ./anna.conf carla
join 4 "$withdrawn" carla
says run.err "the relay refuses"
[ ! -e carla.conf ] || die "a configuration without an answer"

# The admin is away when the joiner comes, and back later: the same command goes on, with the same key.
token=$(invite carla 10.7.0.3/24)
run 0 anna down ./anna.conf
join 3 "$token" carla 2
says run.err "no answer from the node that has invited"
[ "$(stat -c %a carla.key)" = 600 ] || die "carla's key can be read by others"
cp carla.key kept.key
up anna
# What is answered to the first try nobody reads any more; the second one gets the settings of its own time.
until_true 20 grep -q "carla is enrolled" anna.err || die "anna has not read the first request"
sed -i 's/^Groups = 239.1.2.3, broadcast/Groups = 239.1.2.3, 239.4.5.6, broadcast/' anna.conf
run 0 anna sync ./anna.conf
join 0 "$token" carla
says run.err "now: treewire up"
grep -q '^Groups = 239.4.5.6/32' carla.conf || { cat carla.conf; die "carla has the settings of before"; }
cmp -s carla.key kept.key || die "another key"
grep -q "10.7.0.3/24" carla.conf || die "no address in carla.conf"
grep -qE '^ListsAfter = sha256:[0-9a-f]{64} [1-9][0-9]*$' carla.conf || { cat carla.conf; die "carla is not told which list she begins with"; }
sed -i "s|^Identity = |State = $work/state/carla\n&|" carla.conf
run 0 carla check ./carla.conf

# The token is used: neither again nor by another key.
until_true 20 grep -q "carla is enrolled" anna.err || die "anna says nothing of carla"
join 2 "$token" carla
says run.err "is there already"
join 4 "$token" other
says run.err "the relay refuses"

# Everybody learns of it, by anna's signature; all talk to all, and multicast comes to all.
up carla
nodes+=(carla)
members anna berta carla 3
until_true 20 stands berta "by enrolment" || { cat berta.status berta.err; die "berta has not learned of carla"; }
until_true 20 reaches carla anna || die "carla does not reach anna"
until_true 20 reaches carla berta || die "carla does not reach berta"
until_true 20 reaches berta carla || die "berta does not reach carla"
grep -q "Groups = 239.1.2.3/32" carla.conf || die "carla does not know the groups"
ip -n anna route replace 239.1.2.3 dev anna
mkfifo in.talk in.say
for name in berta carla; do start_on "talk_$name" "$name" "$udp" talk 239.1.2.3 4000 in.talk 239.1.2.3 "$name"; ready "talk_$name"; done
start_on say anna "$udp" talk 10.7.0.1 4001 in.say 239.1.2.3 anna
ready say
says_it() { echo "239.1.2.3 4000 hear all" >in.say; grep -q "hear all" "talk_$1.out"; }
for name in berta carla; do until_true 20 says_it "$name" || die "$name hears no multicast"; done

# A removal takes it off the list, at the relay and over restarts.
run 0 anna remove ./anna.conf carla
members anna berta 2
until_true 20 grep -q '"closed".*"clients":2' relay.ev || { tail -3 relay.ev; die "the relay keeps carla"; }
if reaches carla anna; then die "carla still reaches anna"; fi
if reaches carla berta; then die "carla still reaches berta"; fi
run 0 anna down ./anna.conf
up anna
members anna berta 2
if stands berta "peer carla"; then die "berta still has carla"; fi
if stands anna "peer carla"; then die "anna still has carla"; fi
echo "all of it holds"
