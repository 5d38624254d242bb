#!/usr/bin/env bash
# label: slow
# A changed configuration is taken up under load: streams both ways between two nodes that have a way of their own, while
# each of them in its turn takes up another file. Nothing is lost that the sender's device or the receiver's socket can
# hold meanwhile, the way stays, and so does what status has counted.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼ hub (a switch)          inside: 10.7.0.1, 10.7.0.2, 10.7.0.3
#   berta 203.0.113.2  ─┤
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"

by() { status_field "$1" "peer('$2')->{path}{by}"; } # NAME OTHER
is_by() { [ "$(by "$1" "$2")" = "$3" ]; }

on_hub
all_up
all_hear
pings anna berta 3
until_true 20 is_by anna berta direct || die "anna and berta have no way of their own"
until_true 20 is_by berta anna direct || die "berta and anna have no way of their own"
pings anna carla 2

seconds=4 rate=4000
packets=$((seconds * rate))
for name in anna berta; do ip -n "$name" link set dev "$name" txqueuelen 10000; done # a busy machine is none of our losses
count_on() { start_on "$1" "$2" "$udp" count "$3" "$4"; ready "$1"; } # NAME HOST ADDRESS PORT
count_on to_berta berta 10.7.0.2 5001
count_on to_anna anna 10.7.0.1 5001
start_on from_anna anna "$udp" pour 10.7.0.1 6001 10.7.0.2 5001 "$packets" 400 "$rate"
start_on from_berta berta "$udp" pour 10.7.0.2 6001 10.7.0.1 5001 "$packets" 400 "$rate"
take_up() { # NAME OTHER OTHERS_WAY: its statistics of OTHER, with whom nothing is exchanged meanwhile, and its way stay
  local sent
  sent=$(status_field "$1" "peer('$2')->{sent}{packets}")
  sed -i "s/^Group = .*/&\nRekeyAfter = 1800/" "$1.conf"
  run 0 "$1" sync "./$1.conf"
  until_true 5 grep -q "the changed configuration is in use" "$1.err" || die "$1 does not take it up"
  holds "$1" "peer('$2')->{sent}{packets} == $sent && peer('$2')->{path}{by} eq '$3'" ||
    { show_status; die "$1 had sent $sent packets to $2, $3"; }
}
sleep 1
take_up anna carla direct
sleep 1
take_up berta carla relay
is_by berta anna direct || die "berta has left the way to anna"
expect 0 from_anna
expect 0 from_berta
for stream in to_berta to_anna; do
  finish "$stream"
  [ "$(flow_of "$stream" got) $(flow_of "$stream" twice) $(flow_of "$stream" damaged)" = "$packets 0 0" ] ||
    { show_status; die "$stream: $(cat "$stream.out")"; }
  echo "$stream: $packets packets, none lost, longest pause $(flow_of "$stream" longest_pause_us) us"
done

# A way that does not answer any more is left after a sync as it would be without.
ip -n anna route add prohibit 203.0.113.3/32
run 0 anna sync ./anna.conf
until_true 15 is_by anna carla relay || die "anna stays with a way that is broken"
pings anna carla 2
echo "all of it holds"
