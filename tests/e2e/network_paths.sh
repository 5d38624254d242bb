#!/usr/bin/env bash
# label: slow
# Ways of packets between nodes: straight where NATs allow it, by the relay where they do not, while packets go all the
# time; ways that break, addresses that change, a relay that goes away and comes back.
#
#   full  192.168.1.2 ── gate1 (full cone,            203.0.113.41) ─┐
#   some  192.168.2.2 ── gate2 (restricted cone,      203.0.113.42) ─┤
#   port  192.168.3.2 ── gate3 (port-restricted cone, 203.0.113.43) ─┤        ┌─ relay 203.0.113.10, 2001:db8::10
#   same  192.168.4.2 ── gate4 (port-restricted cone, 203.0.113.44) ─┼─ wan ──┼─ open  203.0.113.7,  2001:db8::7
#   each  192.168.5.2 ── gate5 (symmetric,            203.0.113.45) ─┤        └─ six                 2001:db8::8
#   both  192.168.6.2 ── gate6 (symmetric,            203.0.113.46) ─┘
#
# Gates themselves are 203.0.113.21 to .26. Inside: 10.7.0.1 to .8 in this order, and fd07::7 and fd07::8. `open` and `six`
# reach the relay by IPv6, the others by IPv4.
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2034
. "$(dirname "$0")/support/network.bash"
! sanitized || netns_skip "its times are too short for a program under sanitizers"
command -v curl >/dev/null || netns_skip "there is no curl here"
[ -e /proc/net/if_inet6 ] || netns_skip "there is no IPv6 here"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export LC_ALL=C
nodes=(full some port same each both open six)
number=([full]=1 [some]=2 [port]=3 [same]=4 [each]=5 [both]=6 [open]=7 [six]=8)
declare -A kind=([full]=full-cone [some]=restricted-cone [port]=port-restricted-cone [same]=port-restricted-cone
  [each]=symmetric [both]=symmetric)

# ---- the network ---------------------------------------------------------------------------------------------------

build() {
  local name n gates=()
  hosts relay "${nodes[@]}" gate1 gate2 gate3 gate4 gate5 gate6
  for n in 1 2 3 4 5 6; do gates+=("gate$n:wan"); done
  switch wan relay:eth0 open:eth0 six:eth0 "${gates[@]}"
  address relay:eth0 203.0.113.10/24 2001:db8::10/64
  address open:eth0 203.0.113.7/24 2001:db8::7/64
  address six:eth0 2001:db8::8/64
  for name in "${!kind[@]}"; do
    n=${number[$name]}
    cable "$name:eth0" "gate$n:lan"
    address "$name:eth0" "192.168.$n.2/24"
    address "gate$n:lan" "192.168.$n.1/24"
    address "gate$n:wan" "203.0.113.2$n/24"
    gateway "$name" "192.168.$n.1"
    nat "nat$n" "gate$n" lan wan "192.168.$n.0/24" "203.0.113.4$n" "${kind[$name]}"
  done
}

inside_of() { case $1 in open | six) echo "10.7.0.${number[$1]}/32, fd07::${number[$1]}/128" ;; *) echo "10.7.0.${number[$1]}/32" ;; esac; }

configure_all() {
  local name other relay
  make_keys
  for name in "${nodes[@]}"; do
    relay=203.0.113.10
    case $name in open | six) relay='[2001:db8::10]' ;; esac
    {
      printf '[Interface]\nAddress = %s\nIdentity = %s.key\nState = state/%s\n' "$(inside_of "$name" | sed 's,/32,/24,;s,/128,/64,')" "$name" "$name"
      [ "$name" != open ] || echo 'ListenPort = 7000'
      printf '[Relay]\nEndpoint = %s\nPublicKey = %s\n' "$relay" "$(cat relay.pub)"
      printf '[Network]\nGroup = test\nSuite = %s\nRekeyAfter = 5\n' "$suite"
      for other in "${nodes[@]}"; do
        printf '[Peer]\nName = %s\nPublicKey = %s\nAllowedIPs = %s\n' "$other" "$(cat "$other.pub")" "$(inside_of "$other")"
        [ "$other" != open ] || [ "$name" = six ] || echo 'Endpoint = 203.0.113.7:7000'
      done
    } >"$name.conf"
  done
}

start_relay() {
  rm -f relay.ev
  start_on relayd relay "$TREEWIRE" relay --key relay.key --peers relay.peers --state state/relay --events relay.ev
  wait_event relay.ev listening
}

# ---- questions -----------------------------------------------------------------------------------------------------

status_text() { on "$1" "$TREEWIRE" status "./$1.conf" >"$1.status" 2>/dev/null; }                       # NAME
of_peer() { sed -n "/^peer $2\$/,/^\$/s/^  $3  *//p" "$1.status"; }                                        # NAME PEER FIELD
goes() { status_text "$1" && [[ $(of_peer "$1" "$2" way) = *$3* ]]; }                                     # NAME PEER WORD
goes_straight() { goes "$1" "$2" straight && goes "$2" "$1" straight; }                                  # NAME PEER
goes_by_relay() { goes "$1" "$2" 'by relay' && goes "$2" "$1" 'by relay'; }                              # NAME PEER
epoch_of() { status_text "$1" && of_peer "$1" "$2" pair | sed -E 's/.*epoch ([0-9]+);.*/\1/'; }          # NAME PEER
complain() { for name in "${nodes[@]}"; do status_text "$name" && cat "$name.status"; done; die "$@"; }
becomes_straight() { until_true "$3" goes_straight "$1" "$2" || complain "$1 and $2 do not find each other in $3 s"; }
becomes_relayed() { until_true "$3" goes_by_relay "$1" "$2" || complain "$1 and $2 do not go by the relay after $3 s"; }

# ---- pings all the time ----------------------------------------------------------------------------------------------

# What of TO's answers has come to FROM so far; the pings go on four times a second.
begin_ping() { start_on "ping_$1_$2" "$1" busybox ping -i 0.25 "10.7.0.${number[$2]}"; } # FROM TO
answers_to() { grep -c 'bytes from' "ping_$1_$2.out" || true; }                             # FROM TO
comes_again() { [ "$(answers_to "$1" "$2")" -gt "$3" ]; }                                   # FROM TO SO_FAR
# Answers come now, both ways.
talk() { # FROM TO SECONDS
  local there back
  there=$(($(answers_to "$1" "$2") + 2))
  back=$(($(answers_to "$2" "$1") + 2))
  until_true "$3" comes_again "$1" "$2" "$there" || complain "$1 does not hear $2"
  until_true "$3" comes_again "$2" "$1" "$back" || complain "$2 does not hear $1"
}
silence() { # FROM TO: the longest time between two answers so far, in seconds
  sed -nE 's/.*seq=([0-9]+).*/\1/p' "ping_$1_$2.out" | awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { print most / 4 }'
}

pairs_of() { # COMMAND: with each two nodes
  local i j
  for ((i = 0; i < ${#nodes[@]}; i++)); do
    for ((j = i + 1; j < ${#nodes[@]}; j++)); do "$1" "${nodes[i]}" "${nodes[j]}" || return 1; done
  done
}

# ---- NATs of each kind -------------------------------------------------------------------------------------------------

# A symmetric NAT shows a port to each that no other knows: only who lets in any port of an address, or is told by its
# packets, reaches what is behind it. `six` sees IPv6 alone.
can_be_straight() { # A B
  case $1-$2 in
    *-six) [ "$1" = open ] ;;
    port-each | port-both | same-each | same-both | each-both) return 1 ;;
    *) return 0 ;;
  esac
}
begin_both() { begin_ping "$1" "$2"; begin_ping "$2" "$1"; }
wishes() { # for each two nodes, each way: how it goes, when it is as it can be
  local how=relay
  if can_be_straight "$1" "$2"; then how=straight; fi
  echo "$1 $2 $how"
  echo "$2 $1 $how"
}
ways_of() { awk -v me="$1" '/^peer/ { peer = $2 } /^  way/ { print me, peer, $2 == "straight" ? "straight" : $3 }' "$1.status"; } # NAME
# Few processes, since it is asked again and again: what is missing is in `missing`.
all_are_as_they_can_be() {
  local name
  for name in "${nodes[@]}"; do status_text "$name" || return 1; done
  for name in "${nodes[@]}"; do ways_of "$name"; done | sort >ways
  grep -c 'bytes from' ping_*.out | sed -nE 's/^ping_(.*)_(.*)\.out:[0-3]$/\1 does not hear \2/p' >missing
  comm -13 ways wished >>missing
  [ ! -s missing ]
}

nats_of_each_kind() {
  local name
  for name in "${nodes[@]}"; do up "$name"; done
  for name in "${nodes[@]}"; do until_true 30 stands "$name" ': member, .*, 8 members' || complain "$name is no member"; done
  echo "$SECONDS s: all are members"
  pairs_of begin_both
  pairs_of wishes | sort >wished
  until_true 15 all_are_as_they_can_be || { cat missing; complain "that is missing"; }
  on open busybox ping -6 -c 2 -i 0.2 -W 2 fd07::8 >ping6.out || complain "no IPv6 between open and six"
  on six busybox ping -6 -c 2 -i 0.2 -W 2 fd07::7 >ping6.out || complain "no IPv6 between six and open"
  echo "$SECONDS s: all ways are as the NATs allow"
}

# ---- ways that break -----------------------------------------------------------------------------------------------------

# Nothing goes straight between `full` and `open` any more, and nobody is told; `some` and `port` have their NATs forget them.
ways_that_break() {
  local before
  ip -n gate1 route add blackhole 203.0.113.7/32
  before=$SECONDS
  tell nat2 forget
  tell nat3 forget
  talk some open 25
  talk port some 25
  talk full open 25
  becomes_relayed full open 25
  echo "$SECONDS s: by the relay after $((SECONDS - before)) s"
  ip -n gate1 route del blackhole 203.0.113.7/32
  becomes_straight some open 25
  becomes_straight port some 25
  becomes_straight full open 25
  echo "$SECONDS s: straight again"
}

# ---- addresses that change -----------------------------------------------------------------------------------------------

keep_epochs() { epoch_before=$(epoch_of "$1" "$2"); }
check_epochs() { # FROM TO: the pair is the same
  local now
  now=$(epoch_of "$1" "$2")
  [ "$epoch_before" -gt 1 ] || complain "the pair of $1 and $2 has had no renewal"
  [ "$now" -ge "$epoch_before" ] || complain "the pair of $1 and $2 has begun anew: $epoch_before, then $now"
}

downloads() { # TO: 3 MB from `full`
  on "$1" curl -sf --limit-rate 600k --max-time 60 -o "$1.file" http://10.7.0.1/file || { echo "curl: $?"; return 1; }
  cmp "$1.file" www/file
}
serve() {
  mkdir -p www
  head -c 3000000 /dev/urandom >www/file
  start_on web full busybox httpd -f -p 10.7.0.1:80 -h www
  until_true 10 on open curl -sfI --max-time 2 http://10.7.0.1/file
}
wait_pid() { until_true "$2" is_gone "$1" || complain "a download goes on and on"; wait "$1" || complain "a download has failed"; }

addresses_that_change() {
  local one other
  serve
  keep_epochs full open
  downloads open &
  one=$!
  downloads port &
  other=$!
  sleep 1
  # `open` gets another address, of both families.
  unplug open:eth0
  ip -n open addr del 203.0.113.7/24 dev eth0
  ip -n open addr del 2001:db8::7/64 dev eth0
  address open:eth0 203.0.113.17/24 2001:db8::17/64
  plug open:eth0
  # The NAT before `port` does.
  renumber nat3 203.0.113.53
  talk full open 15
  echo "$SECONDS s: open is heard again"
  talk full port 25
  talk each port 25
  echo "$SECONDS s: port is heard again"
  wait_pid "$one" 40
  wait_pid "$other" 40
  becomes_straight full open 25
  becomes_straight some port 25
  check_epochs full open
  check_epochs full port
  echo "$SECONDS s: addresses have changed; silence $(silence full open) s and $(silence full port) s"
}

# ---- a relay that goes away ------------------------------------------------------------------------------------------------

relay_that_goes_away() {
  local before lost
  becomes_straight full same 10
  status_text full
  before=$(sed -nE 's/.*network .*epoch ([0-9]+),.*/\1/p' full.status)
  lost=$(silence full same)
  finish relayd
  sleep 2
  talk full same 2
  stands full 'not reached' || complain "full has not noticed"
  start_relay
  for name in "${nodes[@]}"; do until_true 25 stands "$name" ', up; it sees' || complain "$name does not come back"; done
  talk each both 15
  [ "$(silence full same)" = "$lost" ] || complain "straight packets were lost without a relay: $(silence full same) s instead of $lost s"
  until_true 15 epoch_beyond full "$before" || complain "the network does not go on"
  ! grep -q 'lost our mailbox' ./*.err || die "the relay has lost mail"
  echo "$SECONDS s: the relay was away"
}
epoch_beyond() { status_text "$1" && [ "$(sed -nE 's/.*network .*epoch ([0-9]+),.*/\1/p' "$1.status")" -gt "$2" ]; }

make_run() { build; configure_all; start_relay; echo "$SECONDS s: built"; }

make_run
nats_of_each_kind
ways_that_break
addresses_that_change
relay_that_goes_away
echo "all of it holds"
