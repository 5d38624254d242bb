#!/usr/bin/env bash
# label: slow
# A node joins by an invitation where members are known by a CA: it gets that CA, and so knows who is certified later.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼─ hub (a switch)          inside: anna 10.7.0.1 (certified, admin), berta 10.7.0.2 (by a token),
#   berta 203.0.113.2  ─┤                                  carla 10.7.0.3 (certified, and nobody lists it)
#   carla 203.0.113.3  ─┘
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2016
. "$(dirname "$0")/support/network.bash"

ca() { "$TREEWIRE" ca "$@" >ca.out 2>ca.err || die "ca $*: $(cat ca.err)"; }
ca init ca --name "Test CA"
ca issue ca relay.example --out relay
for name in anna carla; do ca issue ca "$name.office.example" "10.7.0.${number[$name]}" --out "$name"; done
cp ca/ca.pem ca.pem
relay_key=$("$TREEWIRE" pubkey --fingerprint --cert relay.pem --suite "$suite")
anna_key=$("$TREEWIRE" pubkey --fingerprint --cert anna.pem --suite "$suite")

configure_ca() { # NAME
  {
    printf '[Interface]\nAddress = 10.7.0.%s/24\nState = state/%s\n' "${number[$1]}" "$1"
    printf 'Certificate = %s.pem\nCertificateKey = %s.key\nCA = ca.pem\n' "$1" "$1"
    printf '[Relay]\nEndpoint = 203.0.113.10\nName = relay.example\nPublicKey = %s\n' "$relay_key"
    printf '[Network]\nGroup = test\nSuite = %s\nMembers = certified\nAdmit = *.office.example\nAdmins = %s\n' "$suite" "$anna_key"
  } >"$1.conf"
}

hosts relay anna berta carla
switch hub relay:eth0 anna:eth0 berta:eth0 carla:eth0
addresses
: >relay.ev
start_on relay relay "$TREEWIRE" relay --cert relay.pem --cert-key relay.key --suite "$suite" --ca ca.pem --state state/relay --events relay.ev --verbose --invites 8
wait_event relay.ev listening
configure_ca anna
up anna
members anna 1

# ---- too many CAs to send ----
cp ca.pem one.pem
for _ in {1..60}; do rm -rf more && ca init more --name "More" && cat more/ca.pem >>ca.pem; done
run 0 anna sync ./anna.conf
until_true 20 holds anna "\$s->{network}{state} eq 'member' && \$s->{relay}{up}" || die "anna is not there after a sync"
run 2 anna invite ./anna.conf berta 10.7.0.2/24
says run.err "more than the 16384 bytes"
cp one.pem ca.pem
run 0 anna sync ./anna.conf
until_true 20 holds anna "\$s->{network}{state} eq 'member' && \$s->{relay}{up}" || die "anna is not there after a sync"

# ---- another file of that name is not replaced, and then there is no configuration either; the same command goes on ----
run 0 anna invite ./anna.conf berta 10.7.0.2/24
token=$(cat out)
echo "somebody's" >berta.ca.pem
run 2 berta join "$token" --config ./berta.conf --wait 30
says run.err "berta.ca.pem is there already"
[ ! -e berta.conf ] || die "a configuration without its CA"
[ "$(cat berta.ca.pem)" = "somebody's" ] || die "a file was replaced"
rm berta.ca.pem
run 0 berta join "$token" --config ./berta.conf --wait 30
says run.err "No CRL comes with them"
cmp -s berta.ca.pem ca.pem || die "not the CA"
[ "$(stat -c %a berta.ca.pem berta.conf berta.key | sort -u)" = 600 ] || die "berta's files can be read by others"
for line in "CA = berta.ca.pem" "Members = certified" "Admit = *.office.example" "Admins = $anna_key"; do
  grep -qxF "$line" berta.conf || { cat berta.conf; die "berta's configuration lacks '$line'"; }
done
grep -qE "^ListsAfter = $anna_key [1-9][0-9]*\$" berta.conf || { cat berta.conf; die "berta is not told which list she begins with"; }
sed -i "s|^Identity = |State = $work/state/berta\n&|" berta.conf
run 0 berta check ./berta.conf
up berta
members anna berta 2

# ---- who is certified comes after it: each two talk, and multicast comes to all ----
configure_ca carla
up carla
members anna berta carla 3
meet
for other in anna berta; do until_true 10 reaches carla "$other" || pings carla "$other"; done
holds berta "peer('carla.office.example')->{from} eq 'certificate'" || { show_status; die "berta does not know carla by its certificate"; }
holds carla "peer('berta')->{from} eq 'enrolment'" || { show_status; die "carla does not know berta by anna's list"; }
if grep -q carla berta.conf; then die "berta's file lists carla"; fi
all_hear
for name in "${nodes[@]}"; do
  mkfifo "$name.talk"
  start_on "talk_$name" "$name" "$udp" talk 0.0.0.0 5353 "$name.talk" 239.1.2.3 "$name"
  ready "talk_$name"
done
tell_all() { # FROM: the other two hear it
  local name
  echo "239.1.2.3 5353 from $1 to all" >"$1.talk"
  for name in "${nodes[@]}"; do [ "$name" = "$1" ] || grep -qF "10.7.0.${number[$1]} 5353 from $1 to all" "talk_$name.out" || return 1; done
}
for name in "${nodes[@]}"; do until_true 20 tell_all "$name" || { show_status; die "what $name sends to all does not reach both"; }; done

# ---- revoked: berta has no CRL, and cuts carla off since the admin has removed it ----
ca revoke ca carla.pem
ca crl ca
cp ca/crl.pem crl.pem
sed -i 's/^CA = .*/&\nCRL = crl.pem/' anna.conf
run 0 anna sync ./anna.conf
members anna berta 2
wait_for 10 berta.err "carla.office.example is cut off"
if reaches berta carla; then die "berta reaches carla"; fi
if reaches carla berta; then die "carla reaches berta"; fi
until_true 10 reaches berta anna || pings berta anna
echo "all of it holds"
