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
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2154,SC2016
. "$(dirname "$0")/support/network.bash"
number[dora]=4

ca() { "$TREEWIRE" ca "$@" >ca.out 2>ca.err || die "ca $*: $(cat ca.err)"; }
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

stop() { on "$1" "$TREEWIRE" down "./$1.conf" >down.out 2>&1 || { cat down.out; die "down of $1"; }; expect 0 "$1"; } # NAME

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
[ "$(status_field anna 'join ",", sort map { "$_->{name} $_->{from}" } @{$s->{peers}}')" = \
  "berta.office.example certificate,carla.office.example certificate" ] || { show_status; die "anna knows others"; }

# ---- multicast ----
mkfifo anna.talk
for name in berta carla; do
  mkfifo "$name.talk"
  start_on "hears_$name" "$name" "$udp" talk 0.0.0.0 5353 "$name.talk" 239.1.2.3 "$name"
  ready "hears_$name"
done
start_on says_anna anna "$udp" talk 10.7.0.1 5353 anna.talk 239.1.2.3 anna
ready says_anna
tells_all() {
  echo "239.1.2.3 5353 to everybody" >anna.talk
  grep -qF "10.7.0.1 5353 to everybody" hears_berta.out && grep -qF "10.7.0.1 5353 to everybody" hears_carla.out
}
until_true 20 tells_all || { show_status; die "multicast does not reach both"; }

# ---- another CA ----
configure_ca dora
sed -i 's/^CA = .*/CA = both.pem/; /^CRL/d; s/^Address.*/&\nAddress = 10.7.0.44\/24/' dora.conf
up dora
wait_for 10 dora.err "dora.pem: our Address 10.7.0.44 is not in our certificate"
if grep warning anna.err; then die "anna is warned of nothing"; fi
refused() { [[ $(grep -hF "is not let in" anna.err berta.err carla.err) = *"CA that is not trusted here"* ]]; }
until_true 30 refused || { cat ./*.err; die "nobody has refused dora"; }
members anna berta carla 3
if reaches dora anna; then die "dora reaches anna"; fi

# ---- a restart keeps all ----
for name in anna carla; do stop "$name"; up "$name"; done
members anna berta carla 3
meet

# ---- a renewed certificate, with another key ----
old=$("$TREEWIRE" pubkey --fingerprint --cert berta.pem --suite "$suite")
mkdir -p renewed
ca issue ca berta.office.example 10.7.0.2 --out renewed/berta
stop berta
mv renewed/berta.* .
up berta
knows() { holds "$1" "peer('berta.office.example')->{member} && peer('berta.office.example')->{key} ne '$old'"; }
for name in anna carla; do until_true 30 knows "$name" || { show_status; cat "$name.err"; die "$name does not know the new berta"; }; done
members anna berta carla 3
meet
says anna.err "berta.office.example has a later certificate with another key"
[ "$(status_field anna 'scalar @{$s->{peers}}')" = 2 ] || die "anna knows the old berta, too"

# ---- a renewed certificate of the same key: taken up by sync, and seen by the others in the leaf ----
if openssl=$(command -v openssl); then
  "$openssl" pkey -in anna.key -pubout -out anna.public
  rm anna.pem
  ca issue ca anna.office.example 10.7.0.1 --csr anna.public --out anna
  cp anna.pem anna.new.pem # its path may be another one, too
  sed -i 's/^Certificate = .*/Certificate = anna.new.pem/' anna.conf
  on anna "$TREEWIRE" sync ./anna.conf >sync.out 2>&1 || { cat sync.out; die "anna does not take its renewed certificate"; }
  for name in berta carla; do wait_for 30 "$name.err" "anna.office.example has a later certificate"; done
  members anna berta carla 3
  reaches anna berta || pings anna berta
fi

# ---- revoked ----
ca revoke ca carla.pem
ca crl ca
cp ca/crl.pem crl.pem
for name in anna berta; do on "$name" "$TREEWIRE" sync "./$name.conf" >sync.out 2>&1 || { cat sync.out; die "$name takes no CRL"; }; done
members anna berta 2
if reaches carla anna; then die "carla reaches anna"; fi
if reaches anna carla; then die "anna reaches carla"; fi
says anna.err "carla.office.example is no peer any more"
until_true 10 reaches anna berta || pings anna berta
for name in anna berta carla dora; do stop "$name"; done

# ---- two who know each other by their certificates' names; one of them is the admin ----
nodes=(anna berta)
for name in "${nodes[@]}"; do
  configure_ca "$name" "Admins = anna.office.example"
  sed -i '/^Members/d; /^Admit/d; s/^Group = .*/Group = pair/; s/^State = .*/&.pair/' "$name.conf"
  for other in "${nodes[@]}"; do
    printf '[Peer]\nCertificate = %s.office.example\nAllowedIPs = 10.7.0.%s/32\n' "$other" "${number[$other]}"
  done >>"$name.conf"
  on "$name" "$TREEWIRE" check --online "./$name.conf" >check.out 2>&1 || { cat check.out; die "check of $name"; }
done
up anna
members anna 1
holds anna "!defined peer('berta.office.example')->{key}" || { show_status; die "anna knows berta's key"; }
if on anna "$TREEWIRE" remove ./anna.conf berta.office.example 2>remove.err; then die "anna has removed whom it does not know"; fi
says remove.err "was not seen yet"
up berta
members anna berta 2
meet
holds berta "peer('anna.office.example')->{from} eq 'file'" || die "anna is not berta's by the file"
echo "all of it holds"
