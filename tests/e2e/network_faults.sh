#!/usr/bin/env bash
# label: slow
# What a node says when something is wrong, and what it does then: why the relay is not reached, a device that is gone,
# a configuration with problems, addresses that no node can have, a removal that only admins complete, a port in use.
#
#   relay 203.0.113.10, anna .1, berta .2, carla .3 on one switch; inside 10.7.0.1 and so on
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154,SC2016
. "$(dirname "$0")/support/network.bash"
on_hub
keep_child() { # of `up`, which stays behind it: ended with the script
  local child
  for child in $(ip netns pids "$1"); do pids+=("$child"); done
}
why() { holds "$1" "(\$s->{relay}{why} // '') =~ /$2/"; } # NAME PATTERN
fails_by() { until_true 20 why "$1" "$2" || { status_field "$1" '$s->{relay}{why}'; die "$1 does not say that: $2"; }; }
notes() { grep -c "no relay: " anna.err || true; }
up_quietly() { start_on "$1" "$1" "$TREEWIRE" up --foreground "./$1.conf"; } # without --verbose

# ---- why the relay is not reached ----

for name in "${nodes[@]}"; do configure "$name"; done
up_quietly anna
fails_by anna 'Connection refused'
stands anna 'relay .*, not reached \(.*Connection refused\); it saw us at' || { cat anna.status; die "not for people"; }
grep -q "no connection of its" anna.status && die "who has a connection of the relay's is not known without it"
sleep 3 # some tries more
[ "$(notes)" = 1 ] || { cat anna.err; die "the same reason was told $(notes) times"; }
mv relay.peers all.peers
grep -v anna all.peers >relay.peers
relay_up
fails_by anna 'access_denied \(our key or name is not in its list\)'
[ "$(notes)" = 2 ] || { cat anna.err; die "another reason was not told once"; }
grep -qE '^treewire: sha256:[0-9a-f]+ at 203\.0\.113\.1:[0-9]+: ' relay.err || { cat relay.err; die "nobody knows from where"; }
wait_event relay.ev error '"remote":"203.0.113.1:'
sed -i "0,/^PublicKey = .*/s||PublicKey = $(cat carla.pub)|" berta.conf # not the relay's
run 3 berta up --wait 3 ./berta.conf
keep_child berta
says run.err "berta: no relay: credential was refused (its key or name is not what [Relay] says)"
says run.err "berta is not ready after 3 s: the relay 203.0.113.10:9420 is not reached: credential was refused (its key"
mv all.peers relay.peers
kill -HUP "$relay"
until_true 30 holds anna '$s->{relay}{up} && !defined $s->{relay}{why}' || { show_status; die "anna does not come in"; }

# ---- a device that is gone ----

ip -n anna link del anna
expect 2 anna
says anna.err "the network device anna is gone: the node ends"

# ---- a configuration with problems, and one that needs another start ----

up anna
until_true 30 holds anna '$s->{relay}{up}' || die "anna is not back"
cp anna.conf good.conf
printf 'Nonsense = 1\nAllowedIPs = 10.7.0.300\n' >>anna.conf
lines=$(wc -l <anna.conf)
run 2 anna sync ./anna.conf
says run.err "has problems: all stays as it is: line $((lines - 1)): "
says run.err "; line $lines: "
says run.err "10.7.0.300"
says run.err "(treewire check anna)"
one_line run.err
for ((i = 0; i < 30; i++)); do echo "Nonsense$i = 1"; done >>anna.conf
run 2 anna sync ./anna.conf
grep -q '; and [0-9]* more (treewire check anna)' run.err || { cat run.err; die "not all are told, and not how many are left"; }
sed 's/^\[Interface\]/&\nListenPort = 9999\nMTU = 1300/' good.conf >anna.conf
run 2 anna sync ./anna.conf
says run.err "changed: MTU, ListenPort; that takes \`treewire down\` and \`up\`"
cp anna.key renamed.key
sed 's/^Identity = .*/Identity = renamed.key/' good.conf >anna.conf
run 0 anna sync ./anna.conf # the same key from another file
(umask 077; "$TREEWIRE" genkey --suite "$suite" >another.key)
sed 's/^Identity = .*/Identity = another.key/; 0,/^AllowedIPs = 10.7.0.1/s//AllowedIPs = 10.7.0.9/' good.conf >anna.conf
run 2 anna sync ./anna.conf
says run.err "another key"
cp good.conf anna.conf
run 0 anna sync ./anna.conf

# ---- a removal by who is no admin, and its end ----

for name in "${nodes[@]}"; do
  [ "$name" = carla ] || on "$name" "$TREEWIRE" down "./$name.conf"
  configure "$name" "Admins = $(cat anna.pub)"
  up "$name"
done
members "${nodes[@]}" 3
until_true 10 reaches berta carla || die "berta does not reach carla"
for self in anna "$("$TREEWIRE" pubkey --fingerprint <anna.key)"; do
  run 2 anna remove ./anna.conf "$self"
  says run.err "'$self' is this node itself, which cannot remove itself; nothing was done: it is the only one of Admins"
done
run 2 berta remove ./berta.conf berta
says run.err "another one of the network's Admins can"
run 2 anna rekey ./anna.conf anna
says run.err "'anna' is this node itself"
run 2 anna remove ./anna.conf nobody
says run.err "anna has no peer 'nobody'"
members "${nodes[@]}" 3
run 0 berta remove ./berta.conf carla
says run.err "only the network's Admins remove it"
until_true 10 holds berta '$s->{network}{unwanted} && peer("carla")->{removed}' || { show_status; die "carla is as before"; }
if reaches berta carla; then die "berta still reaches carla"; fi
pings anna carla
cp berta.conf with.conf
perl -0pe 's/\[Peer\]\nName = carla\n.*?\n(?=\[|\z)//s' with.conf >berta.conf
grep -q carla berta.conf && die "carla is still in the file"
run 0 berta sync ./berta.conf
until_true 10 holds berta '!peer("carla")' || { show_status; die "carla is still there"; }
cp with.conf berta.conf
run 0 berta sync ./berta.conf
until_true 30 reaches berta carla || { show_status; die "carla is not back at berta"; }
until_true 20 holds berta '!$s->{network}{unwanted}' || { show_status; die "berta sends nothing to all"; }

# ---- addresses that no node can have; of another subnet's length, the node sees it ----

for address in 10.7.0.0/24 10.7.0.255/24 224.0.0.1/24 127.0.0.1/8 0.0.0.0/0 ff02::1/64; do
  run 1 anna invite ./anna.conf dora "$address"
  says run.err "invite: '$address' is "
done
run 2 anna invite ./anna.conf dora 10.7.0.255/16
says run.err "10.7.0.255/24 is its subnet's broadcast address"

# ---- a port that is taken ----

run 0 anna down ./anna.conf
start_on other anna "$TREEWIRE" relay --key anna.key --peers relay.peers --events other.ev
wait_event other.ev listening
run 3 anna up --wait 5 ./anna.conf
says run.err "Address already in use (another node or a relay? ListenPort chooses another port)"
