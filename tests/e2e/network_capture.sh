#!/usr/bin/env bash
# label: slow
# What is seen of a private network from outside of its nodes: on every wire, in the relay's memory, in what it stores,
# and by a third member, for what goes between two others. Each search finds, too, what it has to find.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub, a wire that captures what comes from each end      inside: 10.7.0.1, .2, .3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2015,SC2016,SC2119
. "$(dirname "$0")/support/network.bash"
command -v curl >/dev/null || netns_skip "there is no curl here"
unset http_proxy HTTP_PROXY ALL_PROXY all_proxy
export LC_ALL=C

hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
raw() { base64 -d <<<"$1" | od -An -v -tx1 | tr -d ' \n'; } # BASE64
key_of() { raw "$(cut -d ' ' -f 3 "$1.key")"; }             # NAME
memory_of() { perl "$support/memory.pl" "$@"; }                                    # PID HEX…
ping_bytes=$(printf '\x5a%.0s' {1..32})
words_of_ping=$(hex "$ping_bytes")
words_of_tcp="what anna has to say to berta by TCP, and to nobody else"
words_to_all="what anna has to say to everybody in her own network"
words_outside="what anna says where everybody hears it, without a network"

on_hub wire capture=hub.pcapng
all_up "RekeyAfter = 1"
all_hear
meet

# ---- traffic: by ping, TCP and broadcast inside; and outside, for the search's own sake ----
talk() { # NAME HOST ADDRESS PORT
  mkfifo "$1.talk"
  start_on "$1" "$2" "$udp" talk "$3" "$4" "$1.talk"
  ready "$1"
}
on anna busybox ping -c 20 -i 0.1 -p 5a -s 400 10.7.0.2 >ping.out || die "no ping"
mkdir www
for ((i = 0; i < 400; i++)); do echo "$i $words_of_tcp"; done >www/said
start_on web anna busybox httpd -f -p 10.7.0.1:80 -h www
until_true 10 on berta curl -sf --max-time 5 -o heard http://10.7.0.1/said
cmp -s www/said heard || die "the TCP connection brings something else"
talk all_anna anna 10.7.0.1 6000
talk all_carla carla 0.0.0.0 6000
for ((i = 0; i < 20; i++)); do echo "10.7.0.255 6000 $i $words_to_all" >all_anna.talk; done
wait_for 5 all_carla.out "19 $words_to_all"
talk outside anna 203.0.113.1 6001
echo "203.0.113.2 6000 $words_outside" >outside.talk

# ---- the relay's memory, while it has all of that behind it ----
if sanitized; then
  echo "memory: not looked at, under sanitizers it is too large"
else
  read -r pinged tcp_words broadcast anna_key berta_key carla_key relay_key anna_id < <(
    memory_of "$relay" "$words_of_ping" "$(hex "$words_of_tcp")" "$(hex "$words_to_all")" "$(key_of anna)" \
      "$(key_of berta)" "$(key_of carla)" "$(key_of relay)" "$(raw "$(cut -d: -f2 anna.pub)")"
  ) || netns_skip "the relay's memory cannot be read here"
  [ "$relay_key" -gt 0 ] && [ "$anna_id" -gt 0 ] || die "the relay's own key, or whom it knows, is not found: $relay_key $anna_id"
  [ "$pinged $tcp_words $broadcast" = "0 0 0" ] || die "the relay has plaintext: $pinged $tcp_words $broadcast"
  [ "$anna_key $berta_key $carla_key" = "0 0 0" ] || die "the relay has keys: $anna_key $berta_key $carla_key"
  read -r own_key < <(memory_of "$anna" "$(key_of anna)")
  [ "$own_key" -gt 0 ] || die "a node's key is not found in its own memory either"
  echo "memory: the relay has its own key, and nobody else's, and no plaintext"
fi

# ---- what it has stored, deleted entries included: the members' messages are PrivateMessages (RFC 9420 section 6) ----
# struct { 1; wire_format; opaque group_id<V>; …: but for GroupInfo, in which a GroupContext comes next, whose suite is 1.
read -r public private pairs < <(cat state/relay/* | perl -0777 -ne '
  print scalar(() = /(?<!\x00\x01\x00\x04)\x00\x01\x00\x01(?:\x20treewire network|\x1dtreewire pair)/g), " ",
    scalar(() = /\x00\x01\x00\x02\x20treewire network/g), " ", scalar(() = /\x00\x01\x00\x02\x1dtreewire pair/g), "\n"')
[ "$private" -gt 0 ] && [ "$pairs" -gt 0 ] || die "the messages of groups and pairs are not found: $private, $pairs"
[ "$public" = 0 ] || die "$public messages are PublicMessages"
for pattern in "$ping_bytes" "$words_of_tcp" "$words_to_all"; do
  ! grep -qaF "$pattern" state/relay/* || die "the relay has stored plaintext"
done
echo "store: $private PrivateMessages of the network's group, $pairs of pairs; no PublicMessage"

# ---- a member with the packets of two others: it has no keys for them; those to all it knows, and takes but once ----
received() { on carla awk -v d=carla: '$1 == d { print $3 }' /proc/net/dev; }
dropped() { status_field carla "\$s->{dropped}{$1}"; }
dropped_more() { [ "$(dropped "$1")" -ge "$2" ]; } # WHY THAN
replay() { on relay perl "$support/replay.pl" hub.pcapng "$1" "$2" 203.0.113.3 9420; } # FROM TO
tell hub counters # what was captured is in the file
before=$(received) unknown=$(dropped unknown) replayed=$(dropped replayed)
count=$(replay 203.0.113.1 203.0.113.2)
[ "$count" -ge 20 ] || die "only $count packets from anna to berta were captured"
until_true 10 dropped_more unknown $((unknown + 1)) || die "carla knows the packets between anna and berta"
[ $(($(received) - before)) -lt 5 ] || die "carla has opened packets between anna and berta" # its kernel may hear others'
echo "a third member: none of $count packets between two others opens: unknown $unknown, then $(dropped unknown)"
for ((i = 0; i < 10; i++)); do echo "10.7.0.255 6000 again $i $words_to_all" >all_anna.talk; done
wait_for 5 all_carla.out "again 9 $words_to_all"
before=$(grep -c again all_carla.out)
count=$(replay 203.0.113.10 203.0.113.3)
until_true 10 dropped_more replayed $((replayed + 1)) || die "carla does not know the packets to all either"
[ "$(grep -c again all_carla.out)" = "$before" ] || die "a packet to all was delivered twice"
echo "packets to all: none of $count is delivered twice: replayed $replayed, then $(dropped replayed)"

# ---- every wire ----
finish hub
[ "$(stat -c %s hub.pcapng)" -gt 100000 ] || die "hardly anything was captured"
grep -qaF "$words_outside" hub.pcapng || die "what was sent in clear is not found in the capture"
for pattern in "$ping_bytes" "$words_of_tcp" "$words_to_all" "GET /said"; do
  ! grep -qaF "$pattern" hub.pcapng || die "it is in clear on a wire: $pattern"
done
echo "wires: nothing in clear"
