#!/usr/bin/env bash
# label: slow
# A private network whose nodes and relay are killed at random, come back without their state, with one that is old, or
# not at all: afterwards all is well, nothing is delivered twice, and who was removed stays out.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub, a wire that captures      inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# TREEWIRE_SEED=number: other moments to be killed at.
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2015,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"
RANDOM=${TREEWIRE_SEED:-7}
echo "seed ${TREEWIRE_SEED:-7}"

end() { # NAME: as a power failure would
  kill -KILL "${!1}"
  status_of "$1" 2>/dev/null
}
begin() { if [ "$1" = relay ]; then relay_up; else up "$1"; fi; } # NAME
all_well() { # MEMBERS
  members "${nodes[@]}" "$1"
  meet
}
epoch() { status_field "$1" '$s->{network}{epoch}'; } # NAME
a_moment() { sleep "0.$((RANDOM % 900 + 100))"; }
report() { echo "$SECONDS s: $*"; }

on_hub wire capture=hub.pcapng
all_up "RekeyAfter = 1"
meet
report "all is well"

# ---- killed at random, while numbered datagrams go two ways; each number is sent once ----
stream() { start_on "$1" "$2" "$udp" pour 0.0.0.0 6000 "$3" 5000 1000 200 100; } # NAME HOST TO
for name in berta carla; do start_on "count_$name" "$name" "$udp" count 0.0.0.0 5000; done
for name in berta carla; do ready "count_$name"; done
stream to_berta anna 10.7.0.2
stream to_carla berta 10.7.0.3
victims=(relay "${nodes[@]}")
for ((round = 0; round < 6; round++)); do
  victim=${victims[RANDOM % 4]}
  a_moment
  end "$victim"
  [ $((RANDOM % 2)) = 0 ] || a_moment
  begin "$victim"
  report "$victim was killed"
done
for name in relay "${nodes[@]}"; do kill -0 "${!name}" || die "$name has ended"; done
all_well 3
for name in to_berta to_carla; do expect 0 "$name"; done
report "all is well again"

# ---- what was sent before comes once more, after an end of either kind: nothing of it is taken ----
tell hub counters # what was captured so far is in the file
cp hub.pcapng before.pcapng
replay() { # what berta was sent, straight and by the relay
  for from in 1 10; do on relay perl "$support/replay.pl" before.pcapng "203.0.113.$from" 203.0.113.2 203.0.113.2 9420; done
}
knows() { on "$1" "$TREEWIRE" status "./$1.conf"; } # NAME
for how in KILL TERM; do
  kill "-$how" "$berta"
  status_of berta 2>/dev/null
  up berta
  until_true 10 knows berta
  replay >replayed.1
  members berta 3
  replay >replayed.2
  report "after SIG$how: $(tr '\n' ' ' <replayed.1) and $(tr '\n' ' ' <replayed.2) packets once more"
done
all_well 3
for name in berta carla; do
  finish "count_$name"
  report "$name: $(tail -n 1 "count_$name.out")"
  [ "$(flow_of "count_$name" twice)" = 0 ] || die "$name was given something twice: $(cat "count_$name.out")"
  [ "$(flow_of "count_$name" got)" -gt 100 ] || die "$name got hardly anything: $(cat "count_$name.out")"
done

# ---- away for many epochs; and back without its state ----
finish carla
before=$(epoch anna)
far_away() { [ "$(epoch anna)" -ge $((before + 10)) ]; }
until_true 15 far_away || die "the network does not go on without carla"
begin carla
all_well 3
report "carla is back after $(($(epoch anna) - before)) epochs"
end berta
rm -rf state/berta
begin berta
all_well 3
report "berta is back without its state"

# ---- the relay without its state ----
end relay
rm -rf state/relay
begin relay
before=$(epoch anna)
goes_on() { [ "$(epoch anna)" -gt "$before" ]; }
until_true 20 goes_on || { show_status; die "the network's group does not go on with a relay that has lost everything"; }
all_well 3
report "the relay is back without its state"
rest
report "in the end: $epochs"

# ---- who is removed stays so ----
on anna "$TREEWIRE" remove ./anna.conf carla
nodes=(anna berta)
members "${nodes[@]}" 2
for name in relay anna berta carla; do end "$name"; done
for name in relay anna berta carla; do begin "$name"; done
all_well 2
for name in anna berta; do holds "$name" 'peer("carla")->{removed} && !peer("carla")->{member}' || die "carla is back at $name"; done
hears() { on "$1" busybox ping -c 1 -W 1 "10.7.0.${number[$2]}" >ping.out 2>&1; }
if hears anna carla || hears carla anna || hears carla berta; then die "carla is not deaf"; fi
report "all of it holds"
