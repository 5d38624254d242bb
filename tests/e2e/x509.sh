#!/usr/bin/env bash
# label: slow
# Channels by certificates: every combination of keys, pins and CAs; refusals with their words, alerts and exit codes;
# revocation by SIGHUP, and the end of a certificate while a channel is up.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"

ca() { "$TREEWIRE" ca "$@" >ca.out 2>ca.err || die "ca $*: $(cat ca.err)"; }
ca init ca --name "Test CA"
ca init other --name "Other CA"
ca issue ca localhost 127.0.0.1 server.example --out server
ca issue ca laptop.example --out laptop
ca issue ca phone.example --out phone
ca issue other laptop.example --out stranger
ca issue other 127.0.0.1 --out impostor
keys
serve echo
"$TREEWIRE" pubkey --cert server.pem >server.pub
"$TREEWIRE" pubkey --cert laptop.pem >laptop.pub

# listen_with OPTIONS...: as `listener` does, but with nothing decided
listen_with() {
  rm -f a.ev
  start listener "$TREEWIRE" listen --bind 127.0.0.1:0 --events a.ev --forward "127.0.0.1:$target" "$@"
  port=$(port_of a.ev)
}
# connect_with OPTIONS...: one exchange; its exit status in $status
connect_with() {
  rm -f c.ev
  status=0
  timeout 20 "$TREEWIRE" connect --stdio --events c.ev "$@" "127.0.0.1:$port" <<<hello >answer 2>connect.err || status=$?
}
accepted() {
  connect_with "$@"
  [ "$status$(cat answer)" = 0hello ] || die "connect $*: $status: $(cat connect.err)"
}
refused() { # STATUS WORDS OPTIONS...
  local wanted=$1 words=$2
  shift 2
  connect_with "$@"
  [ "$status" = "$wanted" ] || die "connect $*: exit $status, not $wanted: $(cat connect.err)"
  one_line connect.err
  says connect.err "$words"
}
cert() { echo "--cert $1.pem --cert-key $1.key"; }

# ---- who is who, in all combinations ----
read -ra server_cert <<<"$(cert server)"
read -ra laptop_cert <<<"$(cert laptop)"
read -ra phone_cert <<<"$(cert phone)"
read -ra stranger_cert <<<"$(cert stranger)"
# shellcheck disable=SC2034  # by its name
server_key=(--key a.key)
laptop_key=(--key b.key)
cat b.pub laptop.pub >both.peers

for server in cert key; do
  for accept in ca peers both; do
    declare -n ours="server_$server"
    case $accept in
      ca) listen_with "${ours[@]}" --ca ca/ca.pem ;;
      peers) listen_with "${ours[@]}" --peers peers ;;
      both) listen_with "${ours[@]}" --peers peers --ca ca/ca.pem ;;
    esac
    pin=@a.pub
    [ "$server" = key ] || pin=@server.pub
    for client in cert key; do
      declare -n theirs="laptop_$client"
      good=yes
      [ "$accept$client" != cakey ] || good=no
      [ "$accept$client" != peerscert ] || good=no
      for expect in ca pin both; do
        case $expect in
          ca) wants=(--ca ca/ca.pem) ;;
          pin) wants=(--peer "$pin") ;;
          both) wants=(--peer "$pin" --ca ca/ca.pem) ;;
        esac
        if [ "$server$expect" = keyca ] || [ "$server$expect" = keyboth ]; then
          # A listener without a certificate is not what --ca wants.
          connect_with "${theirs[@]}" "${wants[@]}"
          [ "$status" = 4 ] || die "$server/$accept/$client/$expect: $status"
        elif [ $good = yes ]; then
          accepted "${theirs[@]}" "${wants[@]}"
        else
          refused 4 access_denied "${theirs[@]}" "${wants[@]}"
        fi
      done
    done
    finish listener
  done
done

# ---- what the events say ----
listen_with "${server_cert[@]}" --ca ca/ca.pem -v
accepted "${laptop_cert[@]}" --ca ca/ca.pem -v
wait_event a.ev established '"name":"laptop.example".*"subject":"CN=laptop.example","names":"DNS:laptop.example","serial":"[0-9a-f]*","valid_until":"20'
has_event c.ev established '"name":"127.0.0.1".*"subject":"CN=localhost","names":"DNS:localhost, IP:127.0.0.1, DNS:server.example"' || die "the connector's event"
says connect.err "established"
says connect.err "certificate of CN=localhost for DNS:localhost, IP:127.0.0.1"
says listener.err "with laptop.example at"

# ---- refusals by the connecting side ----
refused 4 "'CN=localhost' is for DNS:localhost, IP:127.0.0.1, DNS:server.example, not for else.example" "${laptop_cert[@]}" --ca ca/ca.pem --name else.example
wait_event a.ev error '"alert":"bad_certificate"'
accepted "${laptop_cert[@]}" --ca ca/ca.pem --name SERVER.example.
refused 4 "is from a CA that is not trusted here; its issuer is 'CN=Test CA'" "${laptop_cert[@]}" --ca other/ca.pem
wait_event a.ev error '"alert":"unknown_ca"'
# The pin and the certificate both have to be right.
refused 4 "credential was refused" "${laptop_cert[@]}" --ca ca/ca.pem --peer @b.pub
refused 4 "CA that is not trusted" "${laptop_cert[@]}" --ca other/ca.pem --peer @server.pub
refused 4 "not for else.example" "${laptop_cert[@]}" --ca ca/ca.pem --peer @server.pub --name else.example

# ---- and by the listening side ----
refused 4 unknown_ca "${stranger_cert[@]}" --ca ca/ca.pem
wait_event a.ev error "\"class\":\"forbidden\".*\"alert\":\"unknown_ca\",\"refused\":\"sha256:.*\"why\":\"'CN=laptop.example' is from a CA that is not trusted here"
refused 4 access_denied "${laptop_key[@]}" --ca ca/ca.pem
wait_event a.ev error '"why":"it has no certificate, and its key is not among the peers"'
finish listener

# Names that may connect.
listen_with "${server_cert[@]}" --ca ca/ca.pem --name laptop.example --name tablet.example
accepted "${laptop_cert[@]}" --ca ca/ca.pem
refused 4 access_denied "${phone_cert[@]}" --ca ca/ca.pem
wait_event a.ev error "'CN=phone.example' is for DNS:phone.example, none of the 2 names that are accepted"
finish listener

# ---- certificates out of time, for another use, of a CA ----
ca issue ca localhost 127.0.0.1 --seconds 1 --out brief
openssl=$(command -v openssl || true)
sleep 1.1
read -ra brief_cert <<<"$(cert brief)"
listen_with "${brief_cert[@]}" --ca ca/ca.pem
says listener.err "brief.pem: our certificate has expired"
refused 4 "'CN=localhost' expired at 20" "${laptop_cert[@]}" --ca ca/ca.pem
wait_event a.ev error '"alert":"certificate_expired"'
finish listener

if [ -n "$openssl" ]; then
  # What others make is taken, too: an ECDSA CA, a chain with a CA between, a certificate for clients alone.
  conf() { # NAME EXTENSIONS...
    local name=$1
    shift
    printf '%s\n' "$@" >"$name.ext"
  }
  issue() { # NAME ISSUER SUBJECT
    "$openssl" req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$3" 2>/dev/null
    if [ "$2" = "$1" ]; then "$openssl" x509 -req -in "$1.csr" -signkey "$1.key" -days 9 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    else "$openssl" x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 9 -extfile "$1.ext" -out "$1.pem" 2>/dev/null; fi
    chmod 600 "$1.key"
  }
  conf root basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign,cRLSign
  conf sub basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign
  conf ec subjectAltName=IP:127.0.0.1 keyUsage=digitalSignature
  conf client subjectAltName=DNS:laptop.example extendedKeyUsage=clientAuth
  issue root root "Root"
  issue sub root "Sub"
  issue ec sub "ec"
  issue client sub "client"
  cat ec.pem sub.pem >ec-chain.pem
  cat client.pem sub.pem >client-chain.pem
  "$openssl" verify -CAfile root.pem -untrusted sub.pem ec.pem client.pem >/dev/null
  listen_with --cert ec-chain.pem --cert-key ec.key --ca root.pem
  accepted --cert client-chain.pem --cert-key client.key --ca root.pem
  [ "$(field "$(events c.ev established)" suite)" = MLS_128_MLKEM768P256_AES256GCM_SHA384_P256 ] || die "another suite than the default for P-256"
  refused 4 unknown_ca --cert client.pem --cert-key client.key --ca root.pem # the CA between is missing
  finish listener
  listen_with --cert client-chain.pem --cert-key client.key --ca root.pem
  refused 4 "'CN=client' is not for a server" --cert ec-chain.pem --cert-key ec.key --ca root.pem
  wait_event a.ev error '"alert":"unsupported_certificate"'
  finish listener
  # A key with a passphrase.
  "$openssl" pkcs8 -topk8 -in ec.key -out locked.key -v2 aes-256-cbc -passout pass:sesame
  echo sesame >pass; echo barley >wrong
  chmod 600 locked.key pass wrong
  listen_with --cert ec-chain.pem --cert-key locked.key --cert-key-pass pass --ca root.pem
  accepted --cert client-chain.pem --cert-key client.key --ca root.pem
  finish listener
  status=0
  "$TREEWIRE" listen --cert ec-chain.pem --cert-key locked.key --cert-key-pass wrong --ca root.pem --stdio 2>pass.err </dev/null || status=$?
  [ "$status" = 2 ] || die "a wrong passphrase: $status"
  says pass.err "the passphrase does not open it"
  # Typed at a terminal: the right one is seen by the next thing that goes wrong, a port in use.
  typed() { # STATUS PASSPHRASE
    rm -f typed.out keyboard
    mkfifo keyboard
    exec 7<>keyboard
    start typing script -qefc "$TREEWIRE listen --cert ec-chain.pem --cert-key locked.key --ca root.pem --stdio --bind 127.0.0.1:$target" typed.out <keyboard >/dev/null
    until_true 10 grep -q "Passphrase of locked.key" typed.out || die "nobody asks for the passphrase"
    echo "$2" >&7
    expect "$1" typing
    exec 7<&-
    ! grep -q "$2" typed.out || die "a passphrase is shown"
  }
  if [ -n "$(command -v script)" ]; then typed 3 sesame; typed 2 barley; fi
  status=0
  setsid "$TREEWIRE" listen --cert ec-chain.pem --cert-key locked.key --ca root.pem --stdio 2>pass.err </dev/null || status=$?
  [ "$status" = 2 ] || die "no passphrase: $status"
  says pass.err "no terminal is there to ask at (see --cert-key-pass)"
fi

# ---- SIGHUP ----
# stay NAME: a channel of `laptop` that stays; its input is open at descriptor 9
stay() {
  open_input
  rm -f stay.ev
  start stay "$TREEWIRE" connect --stdio --events stay.ev "${laptop_cert[@]}" --ca ca/ca.pem "127.0.0.1:$port" <in >echoed 9>&-
  echo hello >&9
  until_true 10 test -s echoed || die "no echo"
}
cp ca/crl.pem crl.pem
cp ca/ca.pem cas.pem
listen_with "${server_cert[@]}" --ca cas.pem --crl crl.pem
stay
kill -HUP "$listener"
wait_event a.ev reloaded '"peers":0,"cas":1,"crls":1'
# A CRL that is no good changes nothing: a forged one, and rubbish.
ca revoke ca laptop.pem
cp other/crl.pem forged.pem
sed -i 1d forged.pem
cp forged.pem crl.pem
kill -HUP "$listener"
wait_event a.ev reloaded '"error":"--crl crl.pem: '
says listener.err "peers, CAs and CRLs stay as they were"
echo again >&9
until_true 10 grep -q again echoed || die "the channel did not survive a bad CRL"
# The real one ends the channel, and tells the peer why.
cp ca/crl.pem crl.pem
kill -HUP "$listener"
expect 4 stay
says stay.err certificate_revoked
exec 9>&-
wait_event a.ev error "\"stage\":\"channel\".*\"alert\":\"certificate_revoked\".*'CN=laptop.example' was revoked; its issuer is 'CN=Test CA'"
refused 4 certificate_revoked "${laptop_cert[@]}" --ca ca/ca.pem
accepted "${phone_cert[@]}" --ca ca/ca.pem
# The connecting side looks at CRLs, too.
ca revoke ca server.pem
refused 4 "'CN=localhost' was revoked" "${phone_cert[@]}" --ca ca/ca.pem --crl ca/crl.pem
wait_event a.ev error '"alert":"certificate_revoked"' 2
# A CA that goes ends who was let in by it.
laptop_cert=("${phone_cert[@]}")
stay
cp other/ca.pem cas.pem
cp other/crl.pem crl.pem
kill -HUP "$listener"
expect 4 stay
says stay.err unknown_ca
exec 9>&-
finish listener
# Without --peers and --crl, SIGHUP reads the CAs.
cp ca/ca.pem cas.pem
listen_with --key a.key --ca cas.pem
kill -HUP "$listener"
wait_event a.ev reloaded '"cas":1'
finish listener

# ---- a certificate that ends while its channel is up ----
for side in connector listener; do
  ca issue ca 127.0.0.1 --seconds 8 --out "short-$side"
  read -ra short_cert <<<"$(cert "short-$side")"
  laptop_cert=("${phone_cert[@]}")
  if [ "$side" = listener ]; then
    listen_with "${short_cert[@]}" --ca ca/ca.pem
  else
    listen_with "${server_cert[@]}" --ca ca/ca.pem
    laptop_cert=("${short_cert[@]}")
  fi
  stay
  expect 4 stay 20
  if [ "$side" = listener ]; then
    says stay.err "'CN=127.0.0.1' expired at"
  else
    says stay.err "certificate_expired"
    wait_event a.ev error "\"alert\":\"certificate_expired\".*'CN=127.0.0.1' expired at"
  fi
  exec 9>&-
  finish listener
done
