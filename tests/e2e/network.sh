#!/usr/bin/env bash
# label: slow
# A private network of three nodes, and a relay that holds no keys.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤
#   berta 203.0.113.2  ─┼─ hub (a switch)          inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/netns.bash disable=SC2154
. "$(dirname "$0")/support/netns.bash"
command -v busybox >/dev/null || netns_skip "there is no busybox here"
nodes=(anna berta carla)
export TREEWIRE_RUN=$work/run

number_of() { case $1 in anna) echo 1 ;; berta) echo 2 ;; carla) echo 3 ;; esac; }

make_keys() {
  local name
  for name in relay "${nodes[@]}"; do
    "$TREEWIRE" genkey "$@" >"$name.key"
    "$TREEWIRE" pubkey <"$name.key" >"$name.pub"
  done
  for name in "${nodes[@]}"; do echo "$(cat "$name.pub") $name"; done >relay.peers
}

configure() { # NAME [LINE_OF_NETWORK…]: the same list of peers at all
  local name=$1 other
  shift
  {
    printf '[Interface]\nAddress = 10.7.0.%s/24\nIdentity = %s.key\nState = state/%s\n' "$(number_of "$name")" "$name" "$name"
    printf '[Relay]\nEndpoint = 203.0.113.10\nPublicKey = %s\n' "$(cat relay.pub)"
    printf '[Network]\nGroup = test\n'
    [ $# = 0 ] || printf '%s\n' "$@"
    for other in "${nodes[@]}"; do
      printf '[Peer]\nName = %s\nPublicKey = %s\nAllowedIPs = 10.7.0.%s/32\n' "$other" "$(cat "$other.pub")" "$(number_of "$other")"
    done
  } >"$name.conf"
}

up() { start_on "$1" "$1" "$TREEWIRE" up --foreground --verbose "./$1.conf"; } # NAME
status_text() { on "$1" "$TREEWIRE" status "./$1.conf" >"$1.status"; } # NAME
stands() { status_text "$1" && grep -qE -- "$2" "$1.status"; }            # NAME PATTERN
all_ready() { # MEMBERS
  local name
  for name in "${nodes[@]}"; do
    until_true 30 stands "$name" "network .*: member, .*, $1 members" || { cat "$name.err"; die "$name is no member of $1"; }
  done
}
pings() { on "$1" busybox ping -c "${3:-3}" -i 0.2 -W 5 "10.7.0.$(number_of "$2")" >ping.out || { cat ping.out; on "$1" "$TREEWIRE" status "./$1.conf"; on "$2" "$TREEWIRE" status "./$2.conf"; die "$1 does not reach $2"; }; }

begin() {
  hosts relay "${nodes[@]}"
  switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0
  address relay:eth0 203.0.113.10/24
  local name
  for name in "${nodes[@]}"; do address "$name:eth0" "203.0.113.$(number_of "$name")/24"; done
  mkdir -p state run
  start_relay
}
start_relay() { start_on relay relay "$TREEWIRE" relay --key relay.key --peers relay.peers --state state/relay --events relay.ev --verbose; wait_event relay.ev listening; }

make_keys --suite MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519
begin
for name in "${nodes[@]}"; do configure "$name" "Suite = MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519" "RekeyAfter = 2"; up "$name"; done
all_ready 3
pings anna berta
pings berta carla
pings carla anna
echo "all of it holds"
