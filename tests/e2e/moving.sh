#!/usr/bin/env bash
# label: slow
# Moving over (D12): a listener's port serves standard TLS 1.3 clients, a connector goes on with standard TLS servers,
# each where it is told so and not otherwise; certificates, names, ends of every kind, and somebody in the middle who
# takes the extension away.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
# gnutls-serv listens on every address: all of it runs in a network of its own.
if [ "${1:-}" != inside ] && unshare -rn true 2>/dev/null; then exec unshare -rn bash ${MOVING_X:+-x} "$0" inside; fi
[ "${1:-}" != inside ] || ip link set lo up
. "$(dirname "$0")/support/lib.bash"
unset http_proxy https_proxy HTTPS_PROXY ALL_PROXY all_proxy
tls_peer=$TREEWIRE_BUILD/tests/e2e_tls_peer
strip=$TREEWIRE_BUILD/tests/e2e_strip
cache=${TREEWIRE_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/treewire}

ca() { "$TREEWIRE" ca "$@" >ca.out 2>ca.err || die "ca $*: $(cat ca.err)"; }
ca init ca --name "Test CA"
ca init other --name "Other CA"
ca issue ca localhost 127.0.0.1 --out server
ca issue ca laptop.example --out laptop
ca issue ca phone.example --out phone
ca issue other localhost 127.0.0.1 --out impostor
ca issue other laptop.example --out stranger
keys
serve echo
echo_port=$target
head -c 50000000 /dev/urandom >sent
sum=$(sha256sum <sent)
listen=("$TREEWIRE" listen --cert server.pem --cert-key server.key --proto tls --bind 127.0.0.1:0 --events a.ev)
mine=(--cert laptop.pem --cert-key laptop.key --ca ca/ca.pem)

openssls=(openssl)
for own in "$cache"/openssl-*/bin/openssl; do [ ! -x "$own" ] || openssls+=("$own"); done
nginx=$(PATH=$PATH:/usr/sbin command -v nginx || compgen -G "$cache/nginx/usr/sbin/nginx" || true)

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() { # a port that nobody has, below those that the system gives to others
  local tried
  for tried in $(shuf -i 20000-32000 -n 20); do listens "$tried" || { echo "$tried"; return; }; done
  die "no free port"
}
# listener_with OPTIONS...: port in $port
listener_with() {
  rm -f a.ev
  start listener "${listen[@]}" "$@"
  port=$(port_of a.ev)
}
# begin NAME COMMAND...: a server on $port
begin() {
  start "$@"
  until_true 10 listens "$port" || die "$1 does not listen"
}
stop() { kill "${!1}" 2>/dev/null || true; status_of "$1"; }
# refuses WORDS COMMAND...: a client that the listener must not let in, and one line of it that says why
refuses() {
  local words=$1
  shift
  : >listener.err
  (sleep 0.5; echo hello) | timeout 10 "$@" >answer 2>client.err && [ -s answer ] && die "$*: was let in"
  grep -q hello answer && die "$*: got an answer"
  until_true 10 grep -qF -- "$words" listener.err || die "$*: '$words' is not in listener.err: $(cat listener.err)"
  [ "$(grep -c treewire listener.err)" = 1 ] || die "$*: more than one line: $(cat listener.err)"
}
# gets WORD COMMAND...: a client that says a word and gets it back; it is given time for that
gets() {
  local word=$1
  shift
  (echo "$word"; sleep 1) | timeout 10 "$@" >answer 2>client.err || true
  grep -q "$word" answer || die "$*: no answer: $(cat client.err)"
}
s_client() { # OPENSSL [options]
  local openssl=$1
  shift
  echo "$openssl" s_client -connect "127.0.0.1:$port" -servername localhost -CAfile ca/ca.pem -verify_return_error -quiet "$@"
}

# ==== standard clients at our listener ================================================================================

# ---- refused unless told ----
listener_with --ca ca/ca.pem --forward "127.0.0.1:$echo_port"
read -ra peer <<<"$(s_client openssl -cert laptop.pem -key laptop.key)"
refuses "(is it TLS without MLS? --tls-standard would let it in)" "${peer[@]}"
wait_event a.ev error '"class":"forbidden".*"alert":"handshake_failure"'
finish listener

# ---- with certificates of the CA ----
cp ca/crl.pem crl.pem
listener_with --ca ca/ca.pem --crl crl.pem --name laptop.example --name stranger.example --alpn echo --alpn http/1.1 \
  --forward "127.0.0.1:$echo_port" --tls-standard -v
for openssl in "${openssls[@]}"; do
  read -ra peer <<<"$(s_client "$openssl" -cert laptop.pem -key laptop.key -alpn http/1.1,echo)"
  : >a.ev; : >listener.err
  gets hello "${peer[@]}"
  wait_event a.ev established '"name":"laptop.example","protocol":"tls13-standard","version":"TLSv1.3","cipher":"TLS_.*","server_name":"localhost","alpn":"echo"'
  has_event a.ev established '"subject":"CN=laptop.example","names":"DNS:laptop.example"' || die "nothing of the certificate"
  wait_event a.ev closed
  says listener.err "TLSv1.3 without MLS (TLS_"
done
finish listener
listener_with --ca ca/ca.pem --crl crl.pem --name laptop.example --name stranger.example --alpn echo --alpn http/1.1 \
  --forward "127.0.0.1:$echo_port" --tls-standard
read -ra peer <<<"$(s_client openssl)"
refuses "credential was refused: peer did not return a certificate" "${peer[@]}"
wait_event a.ev error '"alert":"certificate_required"'
read -ra peer <<<"$(s_client openssl -cert stranger.pem -key stranger.key)"
refuses "'CN=laptop.example' is from a CA that is not trusted here; its issuer is 'CN=Other CA'" "${peer[@]}"
wait_event a.ev error '"alert":"unknown_ca","refused":"sha256:.*"why":'
read -ra peer <<<"$(s_client openssl -cert phone.pem -key phone.key)"
refuses "'CN=phone.example' is for DNS:phone.example, none of the 2 names that are accepted" "${peer[@]}"
wait_event a.ev error '"alert":"bad_certificate"'
read -ra peer <<<"$(s_client openssl -cert laptop.pem -key laptop.key -alpn smtp)"
refuses "no application protocol" "${peer[@]}"
wait_event a.ev error '"alert":"no_application_protocol"'
read -ra peer <<<"$(s_client openssl -cert laptop.pem -key laptop.key -servername else.example)"
refuses "is not supported" "${peer[@]}"
wait_event a.ev error '"alert":"unrecognized_name"'
read -ra peer <<<"$(s_client openssl -cert laptop.pem -key laptop.key -tls1_2)"
refuses "is not supported" "${peer[@]}"
wait_event a.ev error '"alert":"protocol_version"'
# MLS goes on as ever on the same port.
[ "$(timeout 20 "$TREEWIRE" connect --stdio --proto tls "${mine[@]}" "localhost:$port" <<<hello)" = hello ] || die "no MLS any more"
wait_event a.ev established '"protocol":"tls-mls"'
[ "$(timeout 20 "$TREEWIRE" connect --stdio --proto tls --tls-standard "${mine[@]}" "localhost:$port" <<<hello)" = hello ] ||
  die "no MLS with a ClientHello of libssl's"
has_event a.ev established '"protocol":"tls-mls"' 2 || die "a connector that may do without MLS did"

# ---- 50 MB both ways, and half-closes ----
"$tls_peer" client "$port" ca/ca.pem laptop.pem laptop.key <sent >received
[ "$(sha256sum <received)" = "$sum" ] || die "other bytes came back"
wait_event a.ev closed '"reason":"close_notify","data_sent":50000000,"data_received":50000000'

# ---- revoked while it is there ----
open_input
start stay "$tls_peer" client "$port" ca/ca.pem laptop.pem laptop.key <in >echoed 9>&-
echo hello >&9
until_true 10 test -s echoed || die "no echo"
ca revoke ca laptop.pem
cp ca/crl.pem crl.pem
: >listener.err
kill -HUP "$listener"
expect 3 stay
exec 9>&-
until_true 10 grep -qF "'CN=laptop.example' was revoked; its issuer is 'CN=Test CA'" listener.err || die "no word about the revocation"
read -ra peer <<<"$(s_client openssl -cert laptop.pem -key laptop.key)"
refuses "'CN=laptop.example' was revoked" "${peer[@]}"
wait_event a.ev error '"stage":"handshake".*"alert":"certificate_revoked"'
finish listener
rm laptop.*
ca issue ca laptop.example --out laptop

# ---- anyone ----
listener_with --peers peers --forward "127.0.0.1:$echo_port" --tls-standard --tls-standard-anyone --idle-timeout 2
for openssl in "${openssls[@]}"; do
  read -ra peer <<<"$(s_client "$openssl")"
  : >a.ev
  gets hello "${peer[@]}"
  wait_event a.ev established '"protocol":"tls13-standard"'
  has_event a.ev established '"peer"' && die "a peer without a certificate has a name"
done
if command -v gnutls-cli >/dev/null; then
  : >a.ev
  gets hello gnutls-cli --x509cafile ca/ca.pem --sni-hostname localhost --verify-hostname localhost -p "$port" 127.0.0.1
  wait_event a.ev established '"version":"TLSv1.3"'
fi
# MLS asks who it is all the same.
status=0
timeout 20 "$TREEWIRE" connect --stdio --proto tls "${mine[@]}" "localhost:$port" <<<hello >answer 2>connect.err || status=$?
[ "$status" = 4 ] || die "MLS let in a stranger: $status"
# Nothing goes on: the end is in good order.
: >a.ev
open_input
start idle "$tls_peer" client "$port" ca/ca.pem <in >echoed 9>&-
echo hello >&9
until_true 10 test -s echoed || die "no echo"
expect 0 idle
exec 9>&-
wait_event a.ev closed '"reason":"idle"'
finish listener

# ---- ends ----
listener_with --forward "127.0.0.1:$echo_port" --ca ca/ca.pem --tls-standard
for victim in client listener; do
  [ "$victim" = client ] || listener_with --forward "127.0.0.1:$echo_port" --ca ca/ca.pem --tls-standard
  open_input
  start client "$tls_peer" client "$port" ca/ca.pem laptop.pem laptop.key <in >echoed 9>&-
  echo hello >&9
  until_true 10 test -s echoed || die "no echo"
  kill -KILL "${!victim}"
  exec 9>&-
  if [ "$victim" = client ]; then
    wait_event a.ev error '"stage":"channel","class":"resync"'
    finish listener
  else
    expect 3 client
  fi
done
serve reset
listener_with --forward "127.0.0.1:$target" --ca ca/ca.pem --tls-standard
start client "$tls_peer" client "$port" ca/ca.pem laptop.pem laptop.key < <(echo hello; sleep 5) >/dev/null
expect 3 client # libssl has no alert for it: a reset
wait_event a.ev error '"stage":"application"'
finish listener
listener_with --forward 127.0.0.1:1 --ca ca/ca.pem --tls-standard
start client "$tls_peer" client "$port" ca/ca.pem laptop.pem laptop.key < <(sleep 5) >/dev/null
expect 3 client
wait_event a.ev error '"stage":"target"'
finish listener

# ---- back-pressure ----
limit=30000
sanitized && limit=400000
calm() { # NAME: small, and not spinning
  local before after
  [ "$(rss_kib "${!1}")" -lt "$limit" ] || die "$1 holds $(rss_kib "${!1}") KiB"
  before=$(cpu_ticks "${!1}")
  sleep 1
  after=$(cpu_ticks "${!1}")
  [ "$((after - before))" -lt 30 ] || die "$1 spins: $((after - before)) ticks in a second"
}
serve source:2000000000
listener_with --forward "127.0.0.1:$target" --ca ca/ca.pem --tls-standard
mkfifo slow
exec 8<>slow
start client "$tls_peer" client "$port" ca/ca.pem laptop.pem laptop.key < <(sleep 20) >slow 8<&-
head -c 1000 <&8 >/dev/null
sleep 1
calm listener
exec 8<&-
kill -KILL "$client"
wait_event a.ev closed
finish listener
serve stall
listener_with --forward "127.0.0.1:$target" --ca ca/ca.pem --tls-standard
start client "$tls_peer" client "$port" ca/ca.pem laptop.pem laptop.key < <(head -c 500000000 /dev/zero) >/dev/null
wait_event a.ev established
sleep 1
calm listener
kill -KILL "$client"
finish listener

# ==== our connector at standard servers ===============================================================================

# connects OPTIONS...: a word to the server on $port and back; with --tls-standard alone
connects() {
  rm -f c.ev
  (echo hello; sleep "${linger:-1}") | timeout 20 "$TREEWIRE" connect --stdio --events c.ev --proto tls --tls-standard "${mine[@]}" "$@" \
    "localhost:$port" >answer 2>connect.err || true
  grep -qE 'hello|olleh' answer || die "connect $*: no answer: $(cat connect.err)"
  has_event c.ev established '"protocol":"tls13-standard","version":"TLSv1.3"' || die "connect $*: $(cat c.ev)"
}
# rejects STATUS WORDS OPTIONS...
rejects() {
  local wanted=$1 words=$2 status=0
  shift 2
  rm -f c.ev
  timeout 20 "$TREEWIRE" connect --stdio --events c.ev --proto tls "$@" <<<hello >answer 2>connect.err || status=$?
  [ "$status" = "$wanted" ] || die "connect $*: exit $status, not $wanted: $(cat connect.err)"
  [ ! -s answer ] || die "connect $*: there was an answer"
  one_line connect.err
  says connect.err "$words"
  has_event c.ev established && die "connect $*: established"
  return 0
}

for openssl in "${openssls[@]}"; do
  for group in X25519 P-256; do # with P-256 it asks for a second ClientHello
    port=$(free_port)
    begin s_server "$openssl" s_server -accept "127.0.0.1:$port" -cert server.pem -key server.key -quiet -rev -alpn echo \
      -groups "$group"
    connects --alpn echo
    has_event c.ev established '"server_name":"localhost","alpn":"echo"' || die "neither name nor protocol"
    has_event c.ev established '"name":"localhost".*"subject":"CN=localhost"' || die "nothing of the certificate"
    rejects 5 "(is it TLS without MLS? --tls-standard would go on with that)" "${mine[@]}" "localhost:$port"
    stop s_server
  done
  port=$(free_port)
  begin s_server "$openssl" s_server -accept "127.0.0.1:$port" -cert server.pem -key server.key -quiet -rev -tls1_2
  rejects 5 "alert protocol_version" --tls-standard "${mine[@]}" "localhost:$port"
  rejects 5 "alert protocol_version" "${mine[@]}" "localhost:$port"
  stop s_server
  port=$(free_port) # it wants our certificate
  begin s_server "$openssl" s_server -accept "127.0.0.1:$port" -cert server.pem -key server.key -quiet -rev -Verify 1 \
    -CAfile ca/ca.pem -verify_return_error
  connects
  stop s_server
done

# ---- certificates, names, pins ----
port=$(free_port)
begin s_server openssl s_server -accept "127.0.0.1:$port" -cert server.pem -key server.key -quiet -rev
rejects 4 "'CN=localhost' is from a CA that is not trusted here; its issuer is 'CN=Test CA'" --tls-standard --cert laptop.pem \
  --cert-key laptop.key --ca other/ca.pem "localhost:$port"
has_event c.ev error '"alert":"unknown_ca"' || die "not the alert: $(cat c.ev)"
rejects 4 "'CN=localhost' is for DNS:localhost, IP:127.0.0.1, not for else.example" --tls-standard "${mine[@]}" --name else.example "localhost:$port"
"$TREEWIRE" pubkey --cert server.pem >server.pub
connects --peer @server.pub
rejects 4 "credential was refused" --tls-standard "${mine[@]}" --peer @a.pub "localhost:$port"
"$TREEWIRE" connect --stdio --proto tls --tls-standard --key b.key --peer @a.pub "localhost:$port" </dev/null 2>usage.err && die "--peer alone"
says usage.err "--tls-standard needs --ca FILE"
stop s_server
# RSA keys, which no suite has; by its fingerprint, too.
if openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=rsa -addext subjectAltName=DNS:localhost \
  -addext basicConstraints=critical,CA:FALSE -addext keyUsage=digitalSignature -keyout rsa.key -out rsa.pem 2>/dev/null; then
  port=$(free_port)
  begin s_server openssl s_server -accept "127.0.0.1:$port" -cert rsa.pem -key rsa.key -quiet -rev
  connects --ca rsa.pem
  spki=$(openssl x509 -in rsa.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
  connects --ca rsa.pem --peer "sha256:$spki"
  stop s_server
fi

# ---- 50 MB both ways, half-closes, killed servers ----
start echo_tls "$tls_peer" echo server.pem server.key >echo.port
until_true 5 test -s echo.port || die "no TLS echo"
port=$(cat echo.port)
rm -f b.ev
start connector "$TREEWIRE" connect --proto tls --tls-standard "${mine[@]}" --listen 127.0.0.1:0 --events b.ev "localhost:$port"
local_port=$(port_of b.ev)
"$tcp" send "$local_port" <sent >received
[ "$(sha256sum <received)" = "$sum" ] || die "other bytes came back"
wait_event b.ev closed '"reason":"close_notify","data_sent":50000000,"data_received":50000000'
open_input
start client "$tcp" send "$local_port" <in >echoed 9>&-
echo hello >&9
until_true 10 test -s echoed || die "no echo"
pkill_child=$(pgrep -P "$echo_tls" | tail -n 1)
kill -KILL "$pkill_child"
expect 3 client # a reset
exec 9>&-
wait_event b.ev error '"stage":"channel","class":"resync"'
finish connector
stop echo_tls

# ---- other servers ----
if command -v gnutls-serv >/dev/null && [ "${1:-}" = inside ]; then
  port=$(free_port)
  begin gnutls gnutls-serv --port "$port" --x509certfile server.pem --x509keyfile server.key --echo --quiet --disable-client-cert
  connects
  rejects 5 "--tls-standard would go on with that" "${mine[@]}" "localhost:$port"
  stop gnutls
else
  echo "no GnuTLS here"
fi
if [ -n "$nginx" ]; then
  plain=$(free_port)
  port=$(free_port)
  cp sent file
  chmod a+rx . && chmod a+r file server.pem server.key
  cat >nginx.conf <<CONF
daemon off;
master_process off;
user root; # in this network there is nobody else
pid $work/nginx.pid;
error_log stderr warn;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server { listen 127.0.0.1:$plain; root $work; location /hello { return 200 "hello plain\n"; } }
  server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $work/server.pem;
    ssl_certificate_key $work/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { return 200 "hello nginx\n"; }
  }
}
CONF
  begin nginx_server "$nginx" -p "$work" -c "$work/nginx.conf" -e stderr
  rm -f b.ev
  start connector "$TREEWIRE" connect --proto tls --tls-standard "${mine[@]}" --alpn http/1.1 --listen 127.0.0.1:0 --events b.ev "localhost:$port"
  [ "$(curl -s --max-time 10 "http://127.0.0.1:$(port_of b.ev)/")" = "hello nginx" ] || die "no page from nginx: $(cat connector.err)"
  has_event b.ev established '"alpn":"http/1.1"' || die "no ALPN with nginx"
  finish connector
  # And curl, with https, at our listener in front of it.
  chmod 600 server.key
  listener_with --ca ca/ca.pem --tls-standard --tls-standard-anyone --alpn http/1.1 --forward "127.0.0.1:$plain"
  https=(curl -s --max-time 60 --tlsv1.3 --cacert ca/ca.pem)
  [ "$("${https[@]}" "https://localhost:$port/hello")" = "hello plain" ] || die "curl got no page"
  [ "$("${https[@]}" "https://localhost:$port/file" | sha256sum)" = "$sum" ] || die "curl got another file"
  "${https[@]}" --cacert other/ca.pem "https://localhost:$port/hello" >/dev/null && die "curl took any certificate"
  finish listener
  listener_with --ca ca/ca.pem --tls-standard --forward "127.0.0.1:$plain"
  [ "$("${https[@]}" --cert laptop.pem --key laptop.key "https://localhost:$port/hello")" = "hello plain" ] || die "curl with a certificate got no page"
  "${https[@]}" "https://localhost:$port/hello" >/dev/null && die "curl without a certificate got a page"
  finish listener
  stop nginx_server
else
  echo "no nginx here"
fi

# ==== somebody in the middle ==========================================================================================

# Both sides would do with standard TLS, and both can do MLS: taking the extension away must not get them to.
for place in hello answer; do
  for side in without with; do
    for ours in without with; do
      options=(--ca ca/ca.pem --forward "127.0.0.1:$echo_port")
      [ "$side" = without ] || options+=(--tls-standard)
      listener_with "${options[@]}"
      rm -f strip.port
      start middle "$strip" "$place" "$port" >strip.port
      until_true 5 test -s strip.port || die "nobody in the middle"
      allowed=()
      [ "$ours" = without ] || allowed=(--tls-standard)
      status=0
      rm -f c.ev
      timeout 20 "$TREEWIRE" connect --stdio --events c.ev --proto tls "${allowed[@]}" "${mine[@]}" "localhost:$(cat strip.port)" \
        <<<hello >answer 2>connect.err || status=$?
      [ "$status" = 5 ] || die "stripped $place, listener $side, connector $ours: exit $status: $(cat connect.err)"
      [ ! -s answer ] || die "stripped $place, listener $side, connector $ours: there was an answer"
      one_line connect.err
      has_event c.ev established && die "stripped $place, listener $side, connector $ours: established at the connector"
      has_event a.ev established && die "stripped $place, listener $side, connector $ours: established at the listener"
      echo "stripped $place, listener $side, connector $ours: $(cat connect.err)"
      status_of middle
      [ "$status" = 0 ] || die "nothing was taken out"
      finish listener
    done
  done
done
