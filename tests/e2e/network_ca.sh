#!/usr/bin/env bash
# label: slow
# A private network of everybody whom a CA has signed: no [Peer] at all. Who comes from another CA stays out; who is
# revoked is cut off; a renewed certificate with another key takes the old one's place.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┤                           inside: anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3,
#   berta 203.0.113.2  ─┼─ hub (a switch)                   dora 10.7.0.4 (of another CA)
#   carla 203.0.113.3  ─┤
#   dora  203.0.113.4  ─┘
#
# shellcheck disable=SC2154,SC2016
support=$(realpath "$(dirname "$0")/support")
# shellcheck source-path=SCRIPTDIR source=support/netns.bash
. "$support/netns.bash"
# shellcheck source-path=SCRIPTDIR source=support/network.bash
. "$support/network.bash"
number[dora]=4

ca() { "$TREEWIRE" ca "$@" >ca.out 2>ca.err || die "ca $*: $(cat ca.err)"; }
serial_of() { "$TREEWIRE" ca show ca | awk -v name="$1" 'index($0, name) { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9a-f]{20,}$/) print $i }' | tail -n 1; }
ca init ca --name "Test CA"
ca init other --name "Other CA"
ca issue ca relay.example --out relay
for name in anna berta carla; do ca issue ca "$name.office.example" "10.7.0.${number[$name]}" --out "$name"; done
ca issue other dora.office.example 10.7.0.4 --out dora
ca crl ca
cp ca/ca.pem ca.pem
cat ca/ca.pem other/ca.pem >both.pem # the relay serves dora, too: it decides nothing
cp ca/crl.pem crl.pem

configure_ca() { # NAME [LINE_OF_NETWORK…]
  local name=$1
  shift
  {
    printf '[Interface]\nAddress = 10.7.0.%s/24\nState = state/%s\n' "${number[$name]}" "$name"
    printf 'Certificate = %s.pem\nCertificateKey = %s.key\nCA = ca.pem\nCRL = crl.pem\n' "$name" "$name"
    printf '[Relay]\nEndpoint = 203.0.113.10\nName = relay.example\n'
    printf '[Network]\nGroup = test\nSuite = %s\nMembers = certified\nAdmit = *.office.example\n' "$suite"
    [ $# = 0 ] || printf '%s\n' "$@"
  } >"$name.conf"
}

hosts relay anna berta carla dora
switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0 dora:eth0
addresses
address dora:eth0 203.0.113.4/24
: >relay.ev
start_on relay relay "$TREEWIRE" relay --cert relay.pem --cert-key relay.key --suite "$suite" --ca both.pem --state state/relay --events relay.ev --verbose
wait_event relay.ev listening
for name in anna berta carla; do configure_ca "$name"; up "$name"; done
members anna berta carla 3
meet
echo "three meet who know nobody"
