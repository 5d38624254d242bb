#!/usr/bin/env bash
# label: slow
# The networks that other tests stand on, proven with plain tools.
#
#   alice 10.0.0.2 ─┐                                                    ┌─ server 203.0.113.10, 203.0.113.11
#                   ├─ lan ─ 10.0.0.1 gate 203.0.113.1 ─── wan (a wire) ─┤
#   bob   10.0.0.3 ─┘             (NAT: 203.0.113.7)                     └─ other  203.0.113.20
#
# and for the wire alone:    left 192.0.2.1, 2001:db8::1 ─── line ─── right 192.0.2.2, 2001:db8::2
#
# shellcheck source-path=SCRIPTDIR source=support/netns.bash disable=SC2154
. "$(dirname "$0")/support/netns.bash"
udp=$TREEWIRE_BUILD/tests/e2e_udp
ping=(busybox ping -A -q)
for tool in busybox curl; do command -v "$tool" >/dev/null || netns_skip "there is no $tool here"; done

# `netns.sh nothing` and `netns.sh victim FILE` are what it starts to be skipped and killed.
[ "${1:-}" != nothing ] || exit 0

# ---- the victim; FILE.spaces and FILE.pids tell what there is to be gone

if [ "${1:-}" = victim ]; then
  hosts one two gate
  cable one:lan gate:lan
  wire wan gate:wan two:wan
  address gate:lan 10.0.0.1/24
  address gate:wan 203.0.113.1/24
  nat masq gate lan wan 10.0.0.0/24 203.0.113.7
  start_on idle one sleep 600
  for host in one two gate; do stat -Lc %i "/run/netns/$host"; done >"$2.spaces"
  printf '%s\n' "${pids[@]}" >"$2.pids"
  echo "$work" >"$2.work"
  touch "$2"
  on two sleep 600
  exit 1
fi

lives() { # FILE: whether any process is left in the victim's namespaces, or of those that it started
  local pid
  grep -qxFf "$1.spaces" <<<"$(stat -Lc %i /proc/[0-9]*/ns/net 2>/dev/null)" && return 0
  while read -r pid; do is_gone "$pid" || return 0; done <"$1.pids"
  return 1
}
gone() { ! lives "$1"; }

removes_all_when_killed() {
  local signal
  ip netns list >before
  for signal in TERM KILL; do
    start victim bash "$TREEWIRE_SOURCE/tests/e2e/netns.sh" victim "$work/$signal" >victim.out
    until_true 20 test -e "$signal" || { cat victim.out; die "no victim"; }
    lives "$work/$signal" || die "nothing to be seen of the victim"
    kill "-$signal" "$victim"
    until_true 10 is_gone "$victim" || die "the victim survives SIG$signal"
    until_true 10 gone "$work/$signal" || die "something survives SIG$signal"
    [ "$signal" = KILL ] || [ ! -e "$(cat "$signal.work")" ] || die "the victim's folder is left"
    rm -rf "$(cat "$signal.work")"
  done
  ip netns list | cmp - before || die "other namespaces than before"
}

# ---- skipping

skips() { # WORD COMMAND…: ends with 77 and says why
  local status=0 word=$1
  shift
  "$@" >skip.out 2>&1 || status=$?
  [ "$status" = 77 ] || { cat skip.out; die "$status instead of 77: $*"; }
  says skip.out "skipped: "
  says skip.out "$word"
}
hidden_tun='mount -t tmpfs tmpfs /dev/net && exec bash "$@"'
no_more='echo 0 >/proc/sys/user/max_net_namespaces && exec bash "$@"'

skips_without_rights() {
  local script=$TREEWIRE_SOURCE/tests/e2e/netns.sh
  mkdir -p few
  ln -s "$BASH" few/bash
  ln -s "$(command -v dirname)" few/dirname
  skips "there is no ip here" env PATH="$work/few" bash "$script" nothing
  skips "/dev/net/tun" unshare --mount bash -c "$hidden_tun" bash "$script" nothing
  unshare --user --map-root-user true 2>/dev/null || return 0
  skips "cannot be made here" unshare --user --map-root-user bash -c "$no_more" bash "$script" nothing
}

# ---- plain links

pings() { on "$1" "${ping[@]}" -c 3 -W 5 "$2" >ping.out || { cat ping.out; die "$1 does not reach $2"; }; }

carries_by_cable_and_switch() {
  local host number=0 listener
  hosts a b c
  cable a:direct b:direct
  address a:direct 192.0.2.1/24 2001:db8::1/64
  address b:direct 192.0.2.2/24 2001:db8::2/64
  pings a 192.0.2.2
  pings b 2001:db8::1
  switch hub a:net b:net c:net
  for host in a b c; do address "$host:net" "10.0.0.$((number += 1))/24" "fd00::$number/64"; done
  pings a 10.0.0.3
  pings c fd00::2

  # Multicast to all, by both families.
  for group in 239.1.2.3 ff15::1; do
    mkfifo in.talk
    for host in a b c; do start_on "talk_$host" "$host" "$udp" talk "$group" 4000 in.talk "$group" net; ready "talk_$host"; done
    mkfifo in.say
    listener=10.0.0.1
    [ "$group" = 239.1.2.3 ] || listener=fd00::1
    start_on say a "$udp" talk "$listener" 4001 in.say "$group" net
    ready say
    echo "$group 4000 hear $group" >in.say
    for host in a b c; do wait_for 10 "talk_$host.out" "hear $group"; done
    for host in say talk_a talk_b talk_c; do kill "${!host}"; status_of "$host"; done
    rm in.talk in.say
  done
}

# ---- the wire

value() { sed -nE "s/.*\\b$2=([0-9]+).*/\1/p" "$1" | tail -n 1; } # FILE FIELD
between() { # LEAST VALUE MOST WHAT
  if [ "$2" -lt "$1" ] || [ "$2" -gt "$3" ]; then die "$4: $2 is not in $1 … $3"; fi
}

# flow ADDRESS OF_LEFT [SIZE] [RATE]: 2,000 datagrams from left to right; what came of them in $got, $twice, $late, $damaged, $marked
flow() {
  local field
  start_on sink right "$udp" count "$1" 5000
  ready sink
  on left "$udp" pour "$2" 5001 "$1" 5000 2000 "${3:-200}" "${4:-8000}" >pour.out
  finish sink
  for field in got twice late damaged marked; do printf -v "$field" %s "$(value sink.out $field)"; done
}

calm=(loss=0 duplicate=0 corrupt=0 damage=0 reorder=0 mark=0 delay=0 jitter=0 rate=0 mtu=0)
impairs_as_it_is_told() {
  local first sum
  hosts left right
  wire line left:eth0 right:eth0 seed=7 capture=line.pcapng
  address left:eth0 192.0.2.1/24 2001:db8::1/64
  address right:eth0 192.0.2.2/24 2001:db8::2/64
  pings left 192.0.2.2
  pings right 2001:db8::1
  flow 192.0.2.2 192.0.2.1
  [ "$got $twice $late $damaged $marked" = "2000 0 0 0 0" ] || die "a calm wire: $(cat sink.out)"

  # Within four standard deviations, and that for a seed that stays the same.
  tell line left.loss=0.2
  flow 192.0.2.2 192.0.2.1
  between 1528 "$got" 1672 "one in five lost"
  [ "$(counter line lost left)" = "$((2000 - got))" ] || die "other losses than those that are counted"
  tell line "${calm[@]}" duplicate=0.1 mark=0.5
  flow 2001:db8::2 2001:db8::1
  between 146 "$twice" 254 "one in ten doubled"
  between 1011 "$marked" 1189 "half of them marked"
  [ "$got" = 2000 ] || die "lost besides: $got"
  tell line "${calm[@]}" damage=0.1
  flow 192.0.2.2 192.0.2.1
  between 146 "$damaged" 254 "one in ten damaged"
  [ "$((got + damaged))" = 2000 ] || die "lost besides: $got"
  tell line "${calm[@]}" corrupt=0.1
  flow 2001:db8::2 2001:db8::1
  [ "$damaged" = 0 ] || die "corrupted, and no checksum noticed"
  between 1746 "$got" 1990 "one in ten corrupted"
  tell line "${calm[@]}" reorder=0.1 hold=2ms
  flow 192.0.2.2 192.0.2.1
  between 100 "$late" 254 "one in ten held back"
  [ "$got" = 2000 ] || die "lost besides: $got"

  # A line of 4 Mbit/s, on which nothing waits for longer than 10 ms, and 8,000 × 242 bytes a second for it.
  tell line "${calm[@]}" rate=4M queue=10ms
  flow 192.0.2.2 192.0.2.1
  [ "$(counter line queue_full left)" = "$((2000 - got))" ] || die "other losses than those of the queue"
  between 1 "$got" 1999 "too much for the line"
  tell line "${calm[@]}" delay=20
  pings left 192.0.2.2
  between 40 "$(sed -nE 's/^round-trip .* = ([0-9]+)\..*/\1/p' ping.out)" 10000 "there and back with 20 ms each"
  tell line "${calm[@]}" mtu=1000
  on left "$udp" pour 192.0.2.1 5001 192.0.2.2 5000 5 1000 0 >pour.out
  pings left 192.0.2.2
  [ "$(counter line too_big left)" = 5 ] || die "larger ones pass"

  tell line "${calm[@]}" right.up=0
  until_true 5 no_carrier right || die "the host sees no cable pulled"
  on left "$udp" pour 192.0.2.1 5001 192.0.2.2 5000 5 100 0 >pour.out
  until_true 5 has_counted line unplugged right 5 || die "it goes on without a cable"
  tell line up=1
  pings left 192.0.2.2

  # All that came is accounted for.
  finish line
  for side in left right; do grep "^counters $side " line.out | tail -n 1 >"$side.end"; done
  sum=0
  for first in lost too_big queue_full; do sum=$((sum + $(value left.end "$first"))); done
  sum=$((sum + $(value right.end unplugged) + $(value right.end delivered)))
  [ "$(($(value left.end packets) + $(value left.end housekeeping) + $(value left.end duplicated)))" = "$sum" ] ||
    die "not all is accounted for: $(cat left.end right.end)"
  is_captured
}
no_carrier() { [[ $(ip -n "$1" link show eth0) = *NO-CARRIER* ]]; }
has_counted() { [ "$(counter "$1" "$2" "$3")" -ge "$4" ]; } # NAME FIELD END AT_LEAST

is_captured() {
  command -v tshark >/dev/null || return 0
  HOME=$work tshark -r line.pcapng -T fields -e frame.interface_name -e frame.comment -Y "udp.dstport == 5000" >frames 2>tshark.err
  between 12000 "$(grep -c '^left' frames)" 16100 "datagrams in the capture"
  for first in lost duplicated damaged corrupted "held back" marked "queue full" "too big"; do says frames "$first"; done
}

# The same seed, the same fates; another, others.
repeats_itself() {
  local seed
  for seed in 5 5 6; do
    hosts left right
    wire line left:eth0 right:eth0 "seed=$seed" loss=0.3
    address left:eth0 192.0.2.1/24
    address right:eth0 192.0.2.2/24
    flow 192.0.2.2 192.0.2.1
    echo "$got $(value sink.out last)"
    finish line
    ip netns del left
    ip netns del right
  done >fates
  [ "$(sed -n 1p fates)" = "$(sed -n 2p fates)" ] || die "the same seed gives others: $(cat fates)"
  [ "$(sed -n 2p fates)" != "$(sed -n 3p fates)" ] || die "all seeds give the same: $(cat fates)"
}

# ---- NATs

make_homes() {
  hosts alice bob gate server other
  switch lan alice:eth0 bob:eth0 gate:lan
  wire wan gate:wan server:eth0 other:eth0 capture=wan.pcapng
  address alice:eth0 10.0.0.2/24
  address bob:eth0 10.0.0.3/24
  address gate:lan 10.0.0.1/24
  address gate:wan 203.0.113.1/24
  address server:eth0 203.0.113.10/24 203.0.113.11/24
  address other:eth0 203.0.113.20/24
  gateway alice 10.0.0.1
  gateway bob 10.0.0.1
  nat masq gate lan wan 10.0.0.0/24 203.0.113.7 full-cone capture=masq.pcapng
  start_on reflect_10 server "$udp" reflect 203.0.113.10 4000 4001
  start_on reflect_11 server "$udp" reflect 203.0.113.11 4000
  talker alice_talk alice 10.0.0.2 5000
  talker bob_talk bob 10.0.0.3 5000
  talker same_address server 203.0.113.10 6000
  talker other_address server 203.0.113.11 6000
  ready reflect_10
  ready reflect_11
}

talker() { # NAME HOST ADDRESS PORT
  mkfifo "$1.in"
  start_on "$1" "$2" "$udp" talk "$3" "$4" "$1.in"
  ready "$1"
}

# The port by which alice (or another talker) is known to ADDRESS PORT, in $mapped; external addresses in $seen.
ask() { # ADDRESS PORT [TALKER]
  local who=${3:-alice_talk} lines
  lines=$(wc -l <"$who.out")
  echo "$1 $2 who am I" >"$who.in"
  until_true 10 has_lines "$who.out" "$((lines + 1))" || die "no answer of $1 $2"
  read -r _ _ seen mapped < <(tail -n 1 "$who.out")
}
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# How the three answers of a mapping compare: alike or another, to another port and to another address.
mapping_is() { # EXPECTED
  local first port address
  ask 203.0.113.10 4000; first=$mapped
  ask 203.0.113.10 4001; port=$([ "$mapped" = "$first" ] && echo alike || echo another)
  ask 203.0.113.11 4000; address=$([ "$mapped" = "$first" ] && echo alike || echo another)
  [ "$port $address" = "$1" ] || die "mapping: $port $address instead of $1"
  ask 203.0.113.10 4000
  [ "$mapped $seen" = "$first 203.0.113.7" ] || die "the mapping does not stay"
}

# Whether datagrams to alice's external port come in from the same address (but another port), and from another address.
filtering_is() { # EXPECTED
  local said so_far so_far_in lines which
  tell masq forget
  ask 203.0.113.10 4000
  so_far=$(passed) so_far_in=$(counter masq in) lines=$(wc -l <alice_talk.out)
  for which in same_address other_address; do echo "203.0.113.7 $mapped from $which $so_far" >"$which.in"; done
  until_true 10 has_passed "$((so_far + 2))" || die "datagrams are gone"
  until_true 10 has_lines alice_talk.out "$((lines + $(counter masq in) - so_far_in))" || die "what was let in has not come"
  said=$(for which in same_address other_address; do
    grep -qF "from $which $so_far" alice_talk.out && echo in || echo out
  done | paste -sd' ')
  [ "$said" = "$1" ] || die "filtering: $said instead of $1"
}
passed() { echo $(($(counter masq in) + $(counter masq filtered))); }
has_passed() { [ "$(passed)" -ge "$1" ]; }

translates_as_rfc_4787_says() {
  local mapping filtering want_mapping want_filtering
  for mapping in "ei alike alike" "ad alike another" "apd another another"; do
    read -r mapping want_mapping <<<"$mapping"
    tell masq forget mapping="$mapping" filtering=ei port=random
    mapping_is "$want_mapping"
    for filtering in "ei in in" "ad in out" "apd out out"; do
      read -r filtering want_filtering <<<"$filtering"
      tell masq filtering="$filtering"
      filtering_is "$want_filtering"
    done
  done
}

chooses_ports_and_forgets() {
  local first
  tell masq forget mapping=apd filtering=apd port=sequential
  ask 203.0.113.10 4000; first=$mapped
  ask 203.0.113.10 4001
  [ "$mapped" = $((first + 1)) ] || die "not in sequence: $first, $mapped"
  tell masq forget mapping=ei port=preserve
  ask 203.0.113.10 4000
  [ "$mapped" = 5000 ] || die "not preserved: $mapped"
  ask 203.0.113.10 4000 bob_talk
  [ "$mapped" != 5000 ] || die "a port of two hosts"

  # Mappings are over after their time, and not before as long as they are in use.
  tell masq forget port=random lifetime=60s
  ask 203.0.113.10 4000; first=$mapped
  ask 203.0.113.10 4000
  [ "$mapped" = "$first" ] || die "forgotten before its time"
  tell masq lifetime=50ms
  until_true 10 nothing_mapped || die "remembered for ever"
  tell masq lifetime=60s
  ask 203.0.113.10 4000
  [ "$mapped" != "$first" ] || die "the old port"

  # Another address of the whole.
  renumber masq 203.0.113.8
  ask 203.0.113.10 4000
  [ "$seen" = 203.0.113.8 ] || die "renumbered, and known by $seen"
  renumber masq 203.0.113.7
}
nothing_mapped() { tell masq mappings counters && [ "$(grep '^counters' masq.out | tail -n 1 | sed -E 's/.*mappings=([0-9]+).*/\1/')" = 0 ]; }

turns_hairpins() {
  local port
  tell masq forget mapping=ei filtering=ei hairpin=1
  ask 203.0.113.10 4000 bob_talk; port=$mapped
  ask 203.0.113.10 4000
  echo "203.0.113.7 $port by a hairpin" >alice_talk.in
  wait_for 10 bob_talk.out "203.0.113.7 $mapped by a hairpin"
  tell masq hairpin=0
  port_filtered=$(counter masq filtered)
  echo "203.0.113.7 $port none" >alice_talk.in
  until_true 10 more_filtered || die "neither came nor filtered"
  if grep -q none bob_talk.out; then die "a hairpin that should not be"; fi
}
more_filtered() { [ "$(counter masq filtered)" -gt "$port_filtered" ]; }

# TCP both ways, with a smaller MTU on either side that only ICMP tells of; ping; an error about a datagram.
carries_tcp_and_icmp() {
  tell masq forget mapping=ei filtering=apd hairpin=1
  pings alice 203.0.113.10
  head -c 300000 /dev/urandom >file
  mkdir -p www
  cp file www/
  start_on web server busybox httpd -f -p 203.0.113.10:8080 -h "$work/www"
  mkfifo never
  start_on taker server sh -c 'exec busybox nc -l -p 7000 <>never' # it would close at the end of its own input
  until_true 10 listens 8080 || die "no web server"
  until_true 10 listens 7000 || die "no listener"
  ip -n gate link set wan mtu 1300
  on alice curl -sS -m 20 -o got.down http://203.0.113.10:8080/file || die "no download"
  cmp file got.down || die "another file"
  start_on giver alice busybox nc 203.0.113.10 7000 <file
  until_true 20 cmp -s file taker.out || die "no upload, or another file"
  [ "$(counter masq errors)" -ge 1 ] || die "no ICMP error has been translated"
  ip -n gate link set wan mtu 1500
  ip -n gate link set masq mtu 1300
  on bob curl -sS -m 20 -o got.down http://203.0.113.10:8080/file || die "no download through a narrow inside"
  cmp file got.down || die "another file"
  ip -n gate link set masq mtu 1500
  on alice busybox traceroute -n -q 1 -w 5 -m 5 203.0.113.10 >route || die "no route"
  says route "203.0.113.10  "
}
listens() { on server grep -q "$(printf ':%04X .* 0A ' "$1")" /proc/net/tcp /proc/net/tcp6; }

is_seen_on_both_sides() {
  command -v tshark >/dev/null || return 0
  HOME=$work tshark -r masq.pcapng -T fields -e frame.interface_name -e frame.comment -e ip.src -e ip.dst >both 2>tshark.err
  for line in "inside		10.0.0.2	203.0.113.10" "outside	translated	203.0.113.7	203.0.113.10" \
    "outside	filtered	203.0.113.11	203.0.113.7"; do says both "$line"; done
  HOME=$work tshark -r wan.pcapng -Y "ip.addr == 10.0.0.0/24" >inside.seen 2>tshark.err
  [ ! -s inside.seen ] || { head inside.seen; die "inside addresses on the outside"; }
}

part() { # FUNCTION
  local began=$EPOCHREALTIME
  "$1"
  echo "$1: $(((${EPOCHREALTIME/[.,]/} - ${began/[.,]/}) / 1000)) ms"
}

part skips_without_rights
part removes_all_when_killed
part carries_by_cable_and_switch
part repeats_itself
part impairs_as_it_is_told
part make_homes
for what in translates_as_rfc_4787_says chooses_ports_and_forgets turns_hairpins carries_tcp_and_icmp; do part "$what"; done
finish masq
finish wan
part is_seen_on_both_sides
