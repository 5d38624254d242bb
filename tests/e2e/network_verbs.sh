#!/usr/bin/env bash
# label: slow
# What a person does with a node: up, check, status, sync, rekey, remove, down, and what is said when that cannot be.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼─ hub (a switch)          inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   berta 203.0.113.2  ─┤
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154
. "$(dirname "$0")/support/network.bash"
on_hub
knows() { # NAME PEER…: its configuration has these peers alone
  local name=$1
  local nodes=("${@:2}")
  configure "$name"
}
knows anna berta
knows berta anna
knows carla anna berta

keep_child() { # of `up`, which stays behind it: ended with the script
  local child
  for child in $(ip netns pids "$1"); do pids+=("$child"); done
}

# No relay yet: the node stays, and says so.
run 3 anna check --online ./anna.conf
says run.err "the relay 203.0.113.10: "
run 3 anna up --wait 2 ./anna.conf
says run.err "anna is not ready after 2 s: the relay 203.0.113.10:9420 is not reached: cannot connect to 203.0.113.10:9420: Connection refused; it goes on trying"
keep_child anna
run 0 anna status ./anna.conf
says out "not reached"

relay_up
until_true 40 stands anna "relay .*, up; it sees us at 203.0.113.1:9420" || { cat anna.status; die "anna does not find the relay"; }
came=$(grep -c '"established"' relay.ev)
run 0 anna check --online ./anna.conf
says out "the node that runs is connected there"
says out "the way there has MTU 1500"
[ "$(grep -c '"established"' relay.ev)" = "$came" ] || die "the check has come to the relay in the place of the node"
run 0 berta check --online ./berta.conf
says out "answered in"
mkdir other
cp anna.key other
sed "s|^PublicKey = $(cat relay.pub)|PublicKey = $(cat carla.pub)|" anna.conf >other/anna.conf
run 3 anna check --online other/anna.conf # the node that runs knows another relay
says run.err "the relay 203.0.113.10: "

# up comes back when the node is ready; once more is no mistake.
run 0 berta up ./berta.conf
keep_child berta
run 0 berta up ./berta.conf
says run.err "berta is up already"
until_true 20 stands anna "network .*: member, .*, 2 members" || die "berta is not in"
until_true 10 reaches anna berta || die "anna does not reach berta"

# Keys on demand.
on anna "$TREEWIRE" status --json ./anna.conf >before.json
run 0 anna rekey ./anna.conf berta
run 2 anna rekey ./anna.conf nobody
says run.err "anna has no peer 'nobody'"
renewed() { on anna "$TREEWIRE" status --json ./anna.conf >after.json; grep -q '"own_updates":[1-9]' after.json; }
until_true 10 renewed || { cat after.json; die "no new keys"; }
reaches anna berta || die "anna does not reach berta with new keys"

# A file with a mistake changes nothing; one more peer drops nobody.
cp anna.conf good.conf
echo "Nonsense = 1" >>anna.conf
run 2 anna sync ./anna.conf
says run.err "all stays as it is"
knows anna berta carla
knows berta anna carla
sed -i 's/^\[Network\]/ListenPort = 9999\n[Network]/' berta.conf # in the wrong section, and one that needs a restart
run 2 berta sync ./berta.conf
knows berta anna carla
run 0 anna sync ./anna.conf
run 0 berta sync ./berta.conf
run 0 carla up ./carla.conf
keep_child carla
for name in anna berta carla; do
  until_true 30 stands "$name" "network .*: member, .*, 3 members" || { cat "$name.status"; die "$name is not in a network of 3"; }
done
until_true 10 reaches carla berta || die "carla does not reach berta"
until_true 10 reaches anna berta || die "anna lost berta"

# Cut off: at the remover at once, and at who hears of it; over restarts, too. New keys of the one who goes come first:
# the relay, which is held up meanwhile, gets both commits in this order.
kill -STOP "$relay"
run 0 carla rekey ./carla.conf
run 2 anna remove ./anna.conf "$("$TREEWIRE" pubkey --fingerprint <anna.key)"
says run.err "nothing was done: another node can"
run 0 anna remove ./anna.conf carla
kill -CONT "$relay"
if reaches carla anna; then die "carla still reaches anna"; fi
until_true 20 stands berta "peer carla \(removed\)" || { cat berta.status; die "berta has not heard of it"; }
if reaches carla berta; then die "carla still reaches berta"; fi
run 0 berta down ./berta.conf
run 0 berta up ./berta.conf
keep_child berta
stands berta "peer carla \(removed\)" || die "carla is back"
until_true 10 reaches anna berta || die "berta is not back"

# down takes the device along; what is not up is said so.
run 0 anna down ./anna.conf
if ip -n anna link show anna >/dev/null 2>&1; then die "the device is left"; fi
run 2 anna status ./anna.conf
says run.err "anna is not up"
run 0 berta down ./berta.conf
run 0 carla down ./carla.conf

# The name is taken; the state is held by nobody any more.
ip -n anna link add anna type dummy 2>/dev/null || ip -n anna link add anna type veth peer name other
run 2 anna up --wait 5 ./anna.conf
says run.err "anna"
