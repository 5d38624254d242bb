#!/usr/bin/env bash
# label: slow
# A private network whose keys are renewed every second: on a calm wire that loses nothing; on a very bad one, which does
# to everything, the control connections included, what a wire can do, all goes on, and in the end all agree.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub, a wire that loses, doubles, changes and reorders     inside: 10.7.0.1, .2, .3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2015,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"
! sanitized || netns_skip "its times are too short for a program under sanitizers"
command -v curl >/dev/null || netns_skip "there is no curl here"
unset http_proxy HTTP_PROXY ALL_PROXY all_proxy

pair_epoch() { status_field "$1" "peer('$2')->{pair}{epoch}"; } # NAME OTHER
group_epoch() { status_field anna '$s->{network}{epoch}'; }

on_hub wire "seed=${TREEWIRE_SEED:-11}"
all_up "RekeyAfter = 1"
all_hear
for name in "${nodes[@]}"; do ip -n "$name" link set dev "$name" txqueuelen 10000; done # a busy machine is none of our losses
meet

# ---- a calm wire: a flow each way, and one to all, over 15 renewals and more ----
seconds=8 rate=250
count_on() { start_on "$1" "$2" "$udp" count "$3" "$4"; ready "$1"; } # NAME HOST ADDRESS PORT
pour_on() { start_on "$1" "$2" "$udp" pour "$3" "$4" "$5" "$6" $((seconds * rate)) 200 "$rate"; } # NAME HOST FROM PORT TO PORT
before=$(pair_epoch anna berta) group_before=$(group_epoch)
count_on to_berta berta 10.7.0.2 5000
count_on to_anna anna 10.7.0.1 5000
count_on all_berta berta 0.0.0.0 5001
count_on all_carla carla 0.0.0.0 5001
pour_on from_anna anna 10.7.0.1 6000 10.7.0.2 5000
pour_on from_berta berta 10.7.0.2 6000 10.7.0.1 5000
pour_on from_anna_to_all anna 10.7.0.1 6001 10.7.0.255 5001
for name in from_anna from_berta from_anna_to_all; do expect 0 "$name"; says "$name.out" "sent=$((seconds * rate)) refused=0"; done
after=$(pair_epoch anna berta) group_after=$(group_epoch)
sleep 0.3
for name in to_berta to_anna all_berta all_carla; do
  finish "$name"
  [ "$(flow_of "$name" got) $(flow_of "$name" twice) $(flow_of "$name" damaged)" = "$((seconds * rate)) 0 0" ] ||
    { show_status; die "$name on a calm wire: $(cat "$name.out")"; }
done
[ $((after - before)) -ge 15 ] || die "the pair went from epoch $before to $after only"
[ $((group_after - group_before)) -ge 5 ] || die "the network's group went from epoch $group_before to $group_after only"
echo "calm: none of $((seconds * rate)) lost by any; the pair went from epoch $before to $after, the network's group from $group_before to $group_after"

# ---- a bad one ----
mkdir www
head -c 20000 /dev/urandom >www/file
start_on web anna busybox httpd -f -p 10.7.0.1:80 -h www
until_true 10 on berta curl -sfI --max-time 2 http://10.7.0.1/file
before=$(pair_epoch anna berta)
tell hub loss=0.2 duplicate=0.1 corrupt=0.02 damage=0.02 reorder=0.2 hold=20ms
start_on ping_anna berta busybox ping -c 40 -i 0.2 -W 2 10.7.0.1
start_on ping_carla berta busybox ping -c 40 -i 0.2 -W 2 10.7.0.3
on berta curl -sf --max-time 20 -o received http://10.7.0.1/file || { show_status; die "the transfer fails"; }
cmp -s received www/file || die "what came is not what was sent"
status_of ping_anna 20
status_of ping_carla 20
for name in ping_anna ping_carla; do
  got=$(sed -nE 's/.* ([0-9]+) packets received.*/\1/p' "$name.out")
  [ "${got:-0}" -ge 10 ] || { show_status; die "$name: ${got:-0} of 40 came back"; }
  echo "bad: $name: $got of 40 came back"
done
after=$(pair_epoch anna berta)
[ "$after" -gt "$before" ] || die "the pair has stayed in epoch $before"
echo "bad: the pair went from epoch $before to $after"

# ---- and calm again ----
tell hub loss=0 duplicate=0 corrupt=0 damage=0 reorder=0
rest
echo "in the end: $epochs"
for name in "${nodes[@]}"; do holds "$name" '!$s->{network}{forks}' || die "$name has seen a fork"; done
pings anna berta 2
pings berta carla 2
pings carla anna 2
echo "all of it holds"
