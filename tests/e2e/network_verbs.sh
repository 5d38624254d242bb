#!/usr/bin/env bash
# label: slow
# What a person does with a node: up, check, status, sync, rekey, remove, down, and what is said when that cannot be.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼─ hub (a switch)          inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   berta 203.0.113.2  ─┤
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/netns.bash disable=SC2154
. "$(dirname "$0")/support/netns.bash"
command -v busybox >/dev/null || netns_skip "there is no busybox here"
export TREEWIRE_RUN=$work/run
mkdir -p run state
suite=MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519
declare -A number=([anna]=1 [berta]=2 [carla]=3)
hosts relay anna berta carla
switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0
address relay:eth0 203.0.113.10/24
for name in anna berta carla; do address "$name:eth0" "203.0.113.${number[$name]}/24"; done
for name in relay anna berta carla; do
  "$TREEWIRE" genkey --suite "$suite" >"$name.key"
  "$TREEWIRE" pubkey <"$name.key" >"$name.pub"
done
for name in anna berta carla; do echo "$(cat "$name.pub") $name"; done >relay.peers

conf() { # NAME PEER…
  local name=$1 peer
  shift
  printf '[Interface]\nAddress = 10.7.0.%s/24\nIdentity = %s.key\nState = %s/state/%s\n' "${number[$name]}" "$name" "$work" "$name"
  printf '[Relay]\nEndpoint = 203.0.113.10\nPublicKey = %s\n[Network]\nGroup = test\nSuite = %s\n' "$(cat relay.pub)" "$suite"
  for peer; do
    printf '[Peer]\nName = %s\nPublicKey = %s\nAllowedIPs = 10.7.0.%s/32\n' "$peer" "$(cat "$peer.pub")" "${number[$peer]}"
  done
}
conf anna berta >anna.conf
conf berta anna >berta.conf
conf carla anna berta >carla.conf

run() { # STATUS HOST VERB…: what it says is in out and run.err
  local wanted=$1 host=$2 got=0
  shift 2
  on "$host" timeout 60 "$TREEWIRE" "$@" >out 2>run.err </dev/null || got=$?
  [ "$got" = "$wanted" ] || { cat out run.err; die "treewire $*: exit $got, not $wanted"; }
}
stands() { on "$1" "$TREEWIRE" status "./$1.conf" >"$1.status" 2>/dev/null && grep -qE -- "$2" "$1.status"; } # NAME PATTERN
reaches() { on "$1" busybox ping -c 1 -W 1 "10.7.0.${number[$2]}" >/dev/null; }
keep_child() { # of `up`, which stays behind it: ended with the script
  local child
  for child in $(ip netns pids "$1"); do pids+=("$child"); done
}

# No relay yet: the node stays, and says so.
run 3 anna check --online ./anna.conf
says run.err "the relay 203.0.113.10: "
run 3 anna up --wait 2 ./anna.conf
says run.err "anna is not ready after 2 s; it goes on trying"
keep_child anna
run 0 anna status ./anna.conf
says out "not reached"

start_on relayd relay "$TREEWIRE" relay --key relay.key --peers relay.peers --state state/relay --events relay.ev
wait_event relay.ev listening
until_true 40 stands anna "relay .*, up; it sees us at 203.0.113.1:9420" || { cat anna.status; die "anna does not find the relay"; }
run 0 anna check --online ./anna.conf
says out "answered in"
says out "the way there has MTU 1500"

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
conf anna berta carla >anna.conf
conf berta anna carla >berta.conf
sed -i 's/^\[Network\]/ListenPort = 9999\n[Network]/' berta.conf # in the wrong section, and one that needs a restart
run 2 berta sync ./berta.conf
conf berta anna carla >berta.conf
run 0 anna sync ./anna.conf
run 0 berta sync ./berta.conf
run 0 carla up ./carla.conf
keep_child carla
for name in anna berta carla; do
  until_true 30 stands "$name" "network .*: member, .*, 3 members" || { cat "$name.status"; die "$name is not in a network of 3"; }
done
until_true 10 reaches carla berta || die "carla does not reach berta"
until_true 10 reaches anna berta || die "anna lost berta"

# Cut off: at the remover at once, and at who hears of it; over restarts, too.
run 0 anna remove ./anna.conf carla
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
