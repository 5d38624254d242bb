#!/usr/bin/env bash
# label: slow
# A private network whose nodes handle packets on different numbers of threads, with keys that are renewed every second:
# many flows at once, straight and by the relay, and to all, of which nothing is lost, nothing comes twice, and no packet
# passes another.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤ (4 threads)
#   berta 203.0.113.2  ─┼ (3 threads) ─ hub (a switch)          inside: 10.7.0.1, 10.7.0.2, 10.7.0.3
#   carla 203.0.113.3  ─┘ (1 thread)
#
# anna and carla do not route to each other outside: they have the relay alone.
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"

declare -A wanted=([anna]=4 [berta]=3 [carla]=1)
packet_threads() { status_field "$1" '$s->{packet_threads}'; }                                     # NAME
running() { grep -lx packets /proc/"${!1}"/task/*/comm 2>/dev/null | wc -l; }                      # NAME
keep() { sed -i "s/^State = .*/&\nPacketThreads = ${wanted[$1]}/" "$1.conf"; }                     # NAME
by() { status_field "$1" "peer('$2')->{path}{by}"; }                                               # NAME OTHER
is_by() { [ "$(by "$1" "$2")" = "$3" ]; }

on_hub
ip -n carla route add prohibit 203.0.113.1/32
ip -n anna route add prohibit 203.0.113.3/32
relay_up
for name in "${nodes[@]}"; do threads='' configure "$name" "RekeyAfter = 1"; keep "$name"; up "$name"; done
members "${nodes[@]}" 3
for name in "${nodes[@]}"; do
  [ "$(packet_threads "$name")" = "${wanted[$name]}" ] || die "$name says that it has $(packet_threads "$name") threads"
  [ "$(running "$name")" = "${wanted[$name]}" ] || die "$name has $(running "$name") threads for packets"
  ip -n "$name" link set dev "$name" txqueuelen 10000 # a busy machine is none of our losses
done
# By libipsec-mb where it was built with that, and the processor has what it takes.
aes_gcm=libcrypto
has() { [[ " $flags " = *" $1 "* ]]; } # FLAG
flags=$(grep -m 1 '^flags' /proc/cpuinfo) || true
if [[ $(ldd "$TREEWIRE") = *libIPSec_MB* ]] && has aes && has pclmulqdq && has avx2; then aes_gcm=libipsec-mb; fi
[ "$(status_field anna '$s->{aes_gcm}')" = "$aes_gcm" ] || die "packets are not sealed by $aes_gcm"
all_hear
pings anna berta 3
pings anna carla 3
pings berta carla 3
until_true 20 is_by anna berta direct || die "anna and berta have no way of their own"
is_by anna carla relay || die "anna and carla have another way than the relay"

# A second node at the same port is told so, though the first one's sockets share it.
sed 's/^State = .*/State = state\/other/' anna.conf >other.conf
run 3 anna up --foreground ./other.conf
says run.err "cannot be bound"

# ---- eight flows from anna to each of the others, four back from each, one to all ----
seconds=6 rate=60
count_on() { start_on "$1" "$2" "$udp" count "$3" "$4"; ready "$1"; } # NAME HOST ADDRESS PORT
pour_on() { start_on "$1" "$2" "$udp" pour "$3" "$4" "$5" "$6" $((seconds * rate)) 200 "$rate"; } # NAME HOST FROM PORT TO PORT
flows=()
flow() { # FROM TO PORT
  count_on "in$2$3" "$2" "10.7.0.${number[$2]}" "$3"
  flows+=("$1 $2 $3")
}
for i in 1 2 3 4 5 6 7 8; do flow anna berta "510$i"; flow anna carla "520$i"; done
for i in 1 2 3 4; do flow berta anna "530$i"; flow carla anna "540$i"; done
count_on all_berta berta 0.0.0.0 5001
count_on all_carla carla 0.0.0.0 5001
for flow in "${flows[@]}"; do
  read -r from to port <<<"$flow"
  pour_on "out$to$port" "$from" "10.7.0.${number[$from]}" "$((port + 1000))" "10.7.0.${number[$to]}" "$port"
done
pour_on to_all anna 10.7.0.1 6001 10.7.0.255 5001
for flow in "${flows[@]}"; do
  read -r from to port <<<"$flow"
  expect 0 "out$to$port"
done
expect 0 to_all
sleep 0.5
whole() { # NAME
  finish "$1"
  [ "$(flow_of "$1" got) $(flow_of "$1" twice) $(flow_of "$1" late) $(flow_of "$1" damaged)" = "$((seconds * rate)) 0 0 0" ] ||
    { show_status; die "$1: $(cat "$1.out")"; }
}
for flow in "${flows[@]}"; do
  read -r from to port <<<"$flow"
  whole "in$to$port"
done
whole all_berta
whole all_carla
echo "${#flows[@]} flows and one to all, $((seconds * rate)) packets each: none lost"

# ---- a path that breaks is left by all threads, and another number of them takes a new start ----
ip -n anna route add prohibit 203.0.113.2/32
until_true 20 is_by anna berta relay || die "anna still sends to berta straight: $(by anna berta)"
for port in 5501 5502 5503 5504; do count_on "late$port" berta 10.7.0.2 "$port"; done
for port in 5501 5502 5503 5504; do pour_on "outlate$port" anna 10.7.0.1 "$((port + 1000))" 10.7.0.2 "$port"; done
for port in 5501 5502 5503 5504; do expect 0 "outlate$port"; done
sleep 0.5
for port in 5501 5502 5503 5504; do whole "late$port"; done
sed -i 's/^PacketThreads = .*/PacketThreads = 2/' berta.conf
run 2 berta sync ./berta.conf
says run.err "changed: PacketThreads; that takes"
pings anna berta 2
echo "all of it holds"
