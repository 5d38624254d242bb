#!/usr/bin/env bash
# label: slow
# A private network in which everybody signs what goes to all: over renewals every second and ends of nodes; and one
# that does not sign any more.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub, a wire that captures      inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2015,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"

all_can_sign() { # NAME…
  local name
  for name; do
    until_true 30 holds "$name" '$s->{network}{sign} && !grep { !$_->{can_sign} } @{$s->{peers}}' ||
      { show_status; die "$name does not see a key in every leaf"; }
  done
}
count_on() { start_on "$1" "$2" "$udp" count 0.0.0.0 "$3"; ready "$1"; }                          # NAME HOST PORT
pour_from() { start_on "$1" "$2" "$udp" pour "10.7.0.${number[$2]}" 6001 10.7.0.255 "$3" "$4" 200 250; } # NAME HOST PORT COUNT
poured() { expect 0 "$1"; says "$1.out" "sent=$2 refused=0"; }                                    # NAME COUNT
got_at_least() { # NAME COUNT
  finish "$1"
  [[ $(flow_of "$1" got) -ge $2 && "$(flow_of "$1" twice) $(flow_of "$1" damaged)" = "0 0" ]] ||
    { show_status; die "$1: $(cat "$1.out")"; }
  echo "$1: $(flow_of "$1" got)"
}
dropped() { status_field "$1" "\$s->{dropped}{$2}"; }                                             # NAME WHY
# How many UDP payloads of so many bytes the relay has sent to somebody; a file that is being written to may end anywhere
captured() { # TO SIZE
  tell hub counters
  perl -MSocket -e '
    open my $in, "<:raw", $ARGV[0] or die; my $ends = inet_aton("203.0.113.10") . inet_aton($ARGV[1]); my $n = 0;
    while (read($in, my $head, 8) == 8) {
      my ($type, $length) = unpack "VV", $head;
      last if read($in, my $body, $length - 8) != $length - 8;
      my $frame = substr $body, 20;
      $n++ if $type == 6 && substr($frame, 26, 8) eq $ends && unpack("n", substr $frame, 38, 2) == 8 + $ARGV[2];
    }
    print "$n\n"' hub.pcapng "$1" "$2"
}
# 228 bytes of IP; a signature; ESP fills up to fours with 2 of its own, and has 24 around them
plain=256 signed=320

on_hub wire capture=hub.pcapng
all_up "RekeyAfter = 1" "Sign = yes"
all_can_sign "${nodes[@]}"
all_hear

# ---- a stream to all, while keys are renewed and one of the receivers ends badly: the other one loses nothing ----
epoch() { status_field anna '$s->{network}{epoch}'; }
before=$(epoch)
count_on at_berta berta 5001
count_on at_carla carla 5001
pour_from to_all anna 5001 1500
sleep 2
kill -KILL "$carla"
status_of carla 2>/dev/null
up carla
poured to_all 1500
[ $(($(epoch) - before)) -ge 5 ] || die "the network's group went from epoch $before to $(epoch) only"
sleep 0.3
got_at_least at_berta 1500
got_at_least at_carla 250
count=$(captured 203.0.113.2 $signed)
[ "$count" -ge 1000 ] && [ "$(captured 203.0.113.2 $plain)" = 0 ] || die "$count packets have the size of signed ones"
echo "on the wire: $count packets with 64 bytes more"

# ---- the sender ends, in good order and otherwise, and comes back with the key that is in its leaf, or another ----
for how in TERM KILL; do
  kill "-$how" "$anna"
  status_of anna 2>/dev/null
  up anna
  members "${nodes[@]}" 3
  all_can_sign "${nodes[@]}"
  all_hear
  count_on "berta_after_$how" berta 5002
  count_on "carla_after_$how" carla 5002
  pour_from "after_$how" anna 5002 250
  poured "after_$how" 250
  sleep 0.3
  got_at_least "berta_after_$how" 250
  got_at_least "carla_after_$how" 250
done
for name in "${nodes[@]}"; do
  [ "$(dropped "$name" not_signed) $(dropped "$name" forged)" = "0 0" ] || { show_status; die "$name has dropped what was signed"; }
done

# ---- carla does not sign any more: the others take nothing from her to all, and she understands them ----
sed -i 's/^Sign = yes/Sign = no/' carla.conf
on carla "$TREEWIRE" sync ./carla.conf >sync.out 2>&1 || { cat sync.out; die "Sign cannot be changed"; }
until_true 10 holds carla '!$s->{network}{sign}' || die "carla signs on"
members "${nodes[@]}" 3
until_true 30 holds berta '!peer("carla")->{can_sign} && peer("anna")->{can_sign}' || die "carla has a key in her leaf still"
# What is sent under keys of before her end she has not: wait for some of the newest ones.
from_anna=$(status_field carla 'peer("anna")->{received}{packets}')
start_on hum anna "$udp" pour 10.7.0.1 6002 10.7.0.255 5009 2000 100 50
until_true 20 holds carla "peer('anna')->{received}{packets} > $from_anna" || { show_status; die "carla does not hear anna"; }
count_on carla_from_anna carla 5003
pour_from by_anna anna 5003 250
poured by_anna 250
count_on berta_from_carla berta 5004
pour_from by_carla carla 5004 250
poured by_carla 250
sleep 0.3
got_at_least carla_from_anna 50
refused_more() { [ "$(dropped berta not_signed)" -ge 50 ]; }
until_true 10 refused_more || { show_status; die "berta has taken what is not signed"; }
kill -TERM "$berta_from_carla" && wait "$berta_from_carla" 2>/dev/null
! grep -q "got=[1-9]" berta_from_carla.out || die "berta has taken what is not signed"
[ "$(captured 203.0.113.2 $plain)" -ge 50 ] || die "what is not signed is not found in the capture"
on berta "$TREEWIRE" status ./berta.conf >status.out
grep -q "cannot sign what goes to all" status.out && grep -q "not_signed" status.out || { cat status.out; die "status does not tell"; }
pings berta carla 2 # what is for one needs no signature
echo "all of it holds"
