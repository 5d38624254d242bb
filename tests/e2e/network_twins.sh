#!/usr/bin/env bash
# label: slow
# Two machines with one identity take turns at the relay: it says so, and so does each of them, which then waits for longer.
# A node that moves, that is cut off, or that is killed and begun again, again and again, is not taken for two.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub      inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┤
#   clone 203.0.113.4  ─┘           a copy of berta: the same key and configuration, a State of its own
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154,SC2016
. "$(dirname "$0")/support/network.bash"
make_keys
hosts relay "${nodes[@]}" clone
switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0 clone:eth0
addresses
address clone:eth0 203.0.113.4/24
all_up

connections() { grep '"established"' relay.ev | grep -c '"name":"berta"' || true; }
has_more_than() { [ "$(connections)" -gt "$1" ]; } # COUNT: the relay has seen more of berta's
is_up() { holds "$1" '$s->{relay}{up}'; }          # NAME
twins_told() { grep -c '"event":"twins"' relay.ev || true; }

# ---- one machine ----
before=$(connections)
for place in 22 23 2 22 2; do # from here to there and back
  was=$(connections)
  on berta ip address flush dev eth0
  address "berta:eth0" "203.0.113.$place/24"
  until_true 10 has_more_than "$was" || { cat relay.err berta.err; die "berta does not come back from 203.0.113.$place"; }
done
for place in 24 2; do # nothing says that the connection of before is over
  was=$(connections)
  unplug berta:eth0
  sleep 1
  on berta ip address flush dev eth0
  address "berta:eth0" "203.0.113.$place/24"
  plug berta:eth0
  until_true 10 has_more_than "$was" || { cat relay.err berta.err; die "berta does not come back from a cut link"; }
done
for _ in 1 2 3 4; do
  was=$(connections)
  kill -KILL "$berta"
  status_of berta 2>/dev/null
  up berta
  until_true 10 has_more_than "$was" || { cat relay.err berta.err; die "berta does not come back after a kill"; }
done
[ "$(connections)" -ge $((before + 11)) ] || die "berta has come $(connections) times only"
members anna berta carla 3
[ "$(twins_told)" = 0 ] || { cat relay.err; die "one machine is taken for two"; }
! grep -q 'another machine' berta.err || { cat berta.err; die "berta is told of another machine"; }
holds berta '!defined $s->{relay}{twin_told} && !defined $s->{relay}{twin_at}' || die "berta's status has another machine"

# ---- two ----
sed 's,state/berta,state/clone,' berta.conf >clone.conf
up clone
until_true 20 grep -q '"event":"twins"' relay.ev || { cat relay.err berta.err clone.err; die "the relay does not see two machines"; }
grep -Eq 'berta: two machines use this identity, at 203\.0\.113\.[24]:[0-9]+ and at 203\.0\.113\.[24]:[0-9]+' relay.err ||
  { cat relay.err; die "the relay does not tell of two machines"; }
was=$(connections)
told() { grep -Eq "no relay: another machine uses this identity \(at $2:" "$1.err"; } # NAME ADDRESS
first_told() { told berta 203.0.113.4 || told clone 203.0.113.2; }
until_true 5 first_told || { cat berta.err clone.err; die "neither is told"; }
sleep 8
[ "$(connections)" -le $((was + 1)) ] || { cat relay.err; die "they go on fighting"; }
both_told() { told berta 203.0.113.4 && told clone 203.0.113.2; }
until_true 35 both_told || { cat berta.err clone.err; die "one of them is not told"; }
[ "$(twins_told)" = 1 ] || { cat relay.err; die "the relay tells it too often"; }
for name in berta clone; do
  holds "$name" '$s->{relay}{twin_told} <= 45 && $s->{relay}{twin_at} =~ /^203\.0\.113\.[24]:\d+$/' ||
    { on "$name" "$TREEWIRE" status --json "./$name.conf"; die "$name does not say so in its status"; }
  stands "$name" '^  identity   another machine uses it, too, at 203\.0\.113\.[24]:' || { cat "$name.status"; die "nor for people"; }
  if is_up "$name"; then up_one=$name; else down_one=$name; fi
done
grep -q '^  relay .* not reached (another machine uses this identity (at 203' "$down_one.status" ||
  { cat "$down_one.status"; die "$down_one does not say why"; }

# ---- the one that is taken away leaves the other in peace, at the latest after its wait ----
run 0 "$up_one" down "./$up_one.conf"
run 0 "$down_one" sync "./$down_one.conf"
until_true 10 is_up "$down_one" || { cat "$down_one.err"; die "$down_one does not come back"; }
echo "all in $SECONDS s"
