#!/usr/bin/env bash
# label: slow
# treewire ca: what it makes is what others take, for every algorithm; nothing is overwritten, nothing half written.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"

fails() { # STATUS WORDS ARGUMENTS... of `ca`
  local status=0 wanted=$1 words=$2
  shift 2
  timeout 20 "$TREEWIRE" ca "$@" </dev/null >out 2>ca.err || status=$?
  [ "$status" = "$wanted" ] || die "ca $*: exit $status, not $wanted"
  one_line ca.err
  says ca.err "$words"
}
ok() { timeout 20 "$TREEWIRE" ca "$@" </dev/null >out 2>ca.err || die "ca $*: exit $?: $(cat ca.err)"; }
mode() { stat -c %a "$1"; }

# ---- the command line ----
fails 1 "needs one of: init, issue, revoke, crl, show"
fails 1 "ca frob: not known" frob
fails 1 "needs the CA's folder" issue
fails 1 "--name NAME" init ca
fails 1 "not known (ed25519" init ca --name x --algorithm rsa
fails 1 "one folder" init ca b --name x
fails 1 "not UTF-8" init ca --name $'\xff'
fails 2 "No such file" issue ca a.example
[ ! -e ca ] || die "a refused init left something"

# ---- a CA and what it issues ----
ok init ca --name "Test CA" --days 100
[ "$(mode ca) $(mode ca/ca.key) $(mode ca/index)" = "700 600 600" ] || die "modes of the folder"
sha256sum ca/* >before
fails 2 "something is there already" init ca --name again
sha256sum --quiet -c before
mkdir full; : >full/file
fails 2 "something is there already" init full --name x
! compgen -G 'ca.??????' >/dev/null || die "init left a folder of its own"

fails 1 "needs a NAME" issue ca
for name in "a b" "" "a..b" "http://a" "*" "a.*.b" "user@a.example" "[::1" "$(printf 'a\nb')"; do
  fails 1 "neither an IP address nor a DNS name" issue ca "$name"
done
ok issue ca server.example 127.0.0.1 ::1 Localhost. --days 1000
says out "server.example.pem and server.example.key: serial "
[ "$(mode server.example.key) $(mode server.example.pem)" = "600 600" ] || die "modes of what is issued"
sha256sum server.example.* ca/index >before
fails 2 "server.example.pem is there already" issue ca server.example
rm server.example.pem
fails 2 "server.example.key is there already" issue ca server.example
fails 2 "nowhere: No such file" issue ca server.example --out nowhere/server
grep ca/index before | sha256sum --quiet -c - || die "the index has what was not issued"
ok issue ca server.example --out ./second
ok issue ca "*.clients.example" --algorithm ml-dsa-44
[ -s _.clients.example.pem ] || die "no certificate with a star"
ok show ca
[ "$(wc -l <out)" -ge 3 ] || die "show: $(cat out)"
says out "server.example,127.0.0.1,::1,localhost"

# Serial numbers differ and are long; the CA's end is the end of what it issues.
[ "$(awk '!/^#/ { print $1 }' ca/index | sort -u | wc -l)" = "$(grep -vc '^#' ca/index)" ] || die "a serial number twice"
awk '!/^#/ && length($1) != 32 { exit 1 }' ca/index || die "a short serial number"
until=$(sed -n 's/^CN=Test CA, valid until //p' out)
grep -q "$until .*server.example,127" out || die "longer than the CA"

# ---- who may be at it ----
chmod 750 ca
fails 2 "chmod 700" show ca
chmod 700 ca
chmod 644 ca/ca.key
fails 2 "chmod 600" show ca
chmod 600 ca/ca.key
exec 8<ca
flock 8
fails 2 "another \`treewire ca\` is at work" show ca
exec 8<&-
cp -r ca broken
echo "rubbish" >>broken/index
fails 2 "broken/index:" show broken
cp ca/index broken/index
"$TREEWIRE" ca init strange --name Strange >/dev/null
cp strange/ca.key broken/ca.key
fails 2 "not the certificate of the key" show broken

# A disk that takes nothing leaves all as it was.
sha256sum ca/index >before
if (ulimit -f 0; trap '' XFSZ; "$TREEWIRE" ca issue ca full.example >/dev/null 2>full.err); then die "issued without room"; fi
sha256sum --quiet -c before
! compgen -G 'ca/index.*' >/dev/null || die "a piece of an index is left"
[ ! -e full.example.pem ] || die "a certificate that is in no index"

# Killed at any moment: the index is whole, and has every certificate that there is.
ok issue ca killed0.example
for i in $(seq 40); do
  "$TREEWIRE" ca issue ca "killed$i.example" >/dev/null 2>&1 &
  victim=$!
  sleep "0.0$((i % 4))$((RANDOM % 10))"
  kill -KILL $victim 2>/dev/null || true
  wait $victim 2>/dev/null || true
done
ok show ca
for file in killed*.pem; do
  [ -e "$file" ] || continue
  grep -q "  valid  .*  ${file%.pem}$" out || die "$file is in no index"
done
ok revoke ca "$(awk '/killed/ { print $1; exit }' ca/index)"

# ---- revocation ----
fails 1 "one FILE or SERIAL" revoke ca
fails 2 "neither a file nor a serial number" revoke ca nowhere.pem
fails 2 "no certificate of this CA's index" revoke ca 00ff
ok issue strange strange.example
fails 2 "not from this CA" revoke ca strange.example.pem
serial=$(awk '/127.0.0.1/ { print $1 }' ca/index)
ok revoke ca "${serial^^}"
says out "is revoked"
ok revoke ca _.clients.example.pem
ok revoke ca _.clients.example.pem
says out "was revoked before"
ok show ca
[ "$(grep -c "  revoked  " out)" = 3 ] || die "not all that are revoked"
cp ca/crl.pem first.pem
rm ca/crl.pem
ok crl ca --crl-days 3
[ -s ca/crl.pem ] || die "no CRL"

# ---- other people's keys ----
openssl=$(command -v openssl || true)
if [ -n "$openssl" ]; then
  "$openssl" req -new -newkey ed25519 -nodes -keyout csr.key -out csr.pem -subj /CN=ignored 2>/dev/null
  ok issue ca csr.example --csr csr.pem
  [ ! -e csr.example.key ] || die "a key where there was a request"
  "$openssl" pkey -in csr.key -pubout -out public.pem
  ok issue ca public.example --csr public.pem
  for made in csr public; do
    [ "$("$openssl" x509 -in $made.example.pem -noout -pubkey)" = "$(cat public.pem)" ] || die "another key in $made.example.pem"
  done
  [[ $("$openssl" x509 -in csr.example.pem -noout -subject) = *csr.example* ]] || die "the request chose the name"
  fails 1 "no --algorithm" issue ca x.example --csr csr.pem --algorithm p256
  sed '5s/./A/' csr.pem >bent.pem
  cmp -s csr.pem bent.pem || fails 2 "bent.pem: " issue ca bent.example --csr bent.pem
  "$openssl" req -new -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.pem -subj /CN=x 2>/dev/null
  fails 2 "no cipher suite can use" issue ca rsa.example --csr rsa.pem
  fails 2 "neither a certificate request nor a public key" issue ca x.example --csr csr.key

  # libcrypto's own program agrees, by its strictest rules.
  ok issue ca fresh.example
  "$openssl" verify -x509_strict -CAfile ca/ca.pem -purpose sslserver -verify_hostname fresh.example fresh.example.pem >/dev/null
  "$openssl" verify -x509_strict -CAfile ca/ca.pem -purpose sslclient fresh.example.pem >/dev/null
  "$openssl" verify -x509_strict -crl_check -CAfile ca/ca.pem -CRLfile ca/crl.pem fresh.example.pem >/dev/null
  ok revoke ca fresh.example.pem
  if "$openssl" verify -crl_check -CAfile ca/ca.pem -CRLfile ca/crl.pem fresh.example.pem >verify.out 2>&1; then die "not revoked"; fi
  says verify.out revoked
fi

# ---- every algorithm, from the CA to a transfer ----
serve echo
for algorithm in ed25519 ed448 p256 p384 p521 ml-dsa-44 ml-dsa-65 ml-dsa-87; do
  ok init "ca-$algorithm" --name "$algorithm" --algorithm "$algorithm"
  ok issue "ca-$algorithm" 127.0.0.1 --algorithm "$algorithm" --out "s-$algorithm"
  ok issue "ca-$algorithm" client.example --algorithm "$algorithm" --out "c-$algorithm"
  rm -f a.ev c.ev
  trust=(--ca "ca-$algorithm/ca.pem" --crl "ca-$algorithm/crl.pem")
  start listener "$TREEWIRE" listen --cert "s-$algorithm.pem" --cert-key "s-$algorithm.key" "${trust[@]}" \
    --bind 127.0.0.1:0 --events a.ev --forward "127.0.0.1:$target"
  port=$(port_of a.ev)
  echo hello | timeout 20 "$TREEWIRE" connect --cert "c-$algorithm.pem" --cert-key "c-$algorithm.key" "${trust[@]}" \
    --stdio --events c.ev "127.0.0.1:$port" >answer || die "$algorithm: exit $?"
  [ "$(cat answer)" = hello ] || die "$algorithm: no answer"
  case $algorithm in
    ml-dsa-*) want="MLDSA${algorithm##*-}" ;;
    *) want=${algorithm^} ; want=${want/P/P} ;;
  esac
  suite=$(field "$(events c.ev established)" suite)
  [[ ${suite,,} == *_"${want,,}" ]] || die "$algorithm: suite $suite"
  wait_event a.ev established '"name":"client.example"'
  finish listener
done

# One key for two suites, both served.
rm -f a.ev
start listener "$TREEWIRE" listen --cert s-ed25519.pem --cert-key s-ed25519.key --ca ca-ed25519/ca.pem --bind 127.0.0.1:0 \
  --suite MLKEM768X25519_AES256GCM_SHA384_Ed25519 --suite DHKEMX25519_AES128GCM_SHA256_Ed25519 --events a.ev --forward "127.0.0.1:$target"
port=$(port_of a.ev)
for suite in MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519 MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519; do
  rm -f c.ev
  echo hello | "$TREEWIRE" connect --cert c-ed25519.pem --cert-key c-ed25519.key --ca ca-ed25519/ca.pem --suite $suite \
    --stdio --events c.ev "127.0.0.1:$port" >answer
  [ "$(field "$(events c.ev established)" suite)" = $suite ] || die "not $suite"
done
finish listener
