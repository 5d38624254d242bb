#!/usr/bin/env bash
# Our ClientHello of TLS+MLS is an ordinary one to servers that know nothing of MLS, whatever the size of its KeyPackage;
# and our server finds no MLS in the ClientHello of ordinary clients.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
# gnutls-serv listens on every address: all of it runs in a network of its own.
if [ "${1:-}" != inside ] && unshare -rn true 2>/dev/null; then exec unshare -rn bash "$0" inside; fi
[ "${1:-}" != inside ] || ip link set lo up
. "$(dirname "$0")/support/lib.bash"
hello=$TREEWIRE_BUILD/tests/e2e_tls_hello
unset http_proxy https_proxy HTTPS_PROXY ALL_PROXY all_proxy
suites=(MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519 MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87
  MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519)

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -keyout key.pem -out cert.pem 2>/dev/null

free_port() { # a port that nobody has at the moment
  local tried
  for tried in $(shuf -i 20000-60000 -n 20); do
    (exec 3<>"/dev/tcp/127.0.0.1/$tried") 2>/dev/null || { echo "$tried"; return; }
  done
  die "no free port"
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
begin() { # NAME COMMAND...: a server on $port
  start "$@"
  until_true 10 listens "$port" || die "$1 does not listen"
}
# answers WHAT HELLOS [FRAGMENT]: the server on $port answers each suite's ClientHello like any other
answers() {
  local suite said
  for suite in "${suites[@]}"; do
    said=$("$hello" client "$port" "$suite" "${3:-16384}")
    [[ $said == standard\ 130[123],\ "$2"\ ClientHello ]] || die "$1, $suite: $said"
    echo "$1, $suite, records of ${3:-16384}: $said"
  done
}

openssls=(openssl)
for own in "${TREEWIRE_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/treewire}"/openssl-*/bin/openssl; do
  [ ! -x "$own" ] || openssls+=("$own")
done

# ---- our ClientHello at their servers -------------------------------------------------------------------------------
for openssl in "${openssls[@]}"; do
  version=$("$openssl" version | cut -d' ' -f1-2)
  port=$(free_port)
  begin s_server "$openssl" s_server -accept "127.0.0.1:$port" -cert cert.pem -key key.pem -quiet -alpn http/1.1
  answers "$version" 1
  answers "$version" 1 200
  kill "$s_server"; status_of s_server
  # One that wants another group asks for it, and gets it in a second ClientHello.
  for group in P-256 P-384; do
    port=$(free_port)
    begin s_server "$openssl" s_server -accept "127.0.0.1:$port" -cert cert.pem -key key.pem -quiet -groups "$group"
    answers "$version with $group alone" 2
    kill "$s_server"; status_of s_server
  done
done

if command -v gnutls-serv >/dev/null && [ "${1:-}" = inside ]; then
  port=$(free_port)
  begin gnutls gnutls-serv --port "$port" --x509certfile cert.pem --x509keyfile key.pem --echo --quiet
  answers GnuTLS 1
  answers GnuTLS 1 1000
  kill "$gnutls"; status_of gnutls
else
  echo "no GnuTLS here"
fi

nginx=$(PATH=$PATH:/usr/sbin command -v nginx || compgen -G "${TREEWIRE_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/treewire}/nginx/usr/sbin/nginx" || true)
if [ -n "$nginx" ]; then
  port=$(free_port)
  cat >nginx.conf <<CONF
daemon off;
master_process off;
user root; # in this network there is nobody else
pid $work/nginx.pid;
error_log stderr warn;
events { worker_connections 32; }
http {
  access_log off;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $work/cert.pem;
    ssl_certificate_key $work/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { return 204; }
  }
}
CONF
  begin nginx_server "$nginx" -p "$work" -c "$work/nginx.conf" -e stderr
  answers nginx 1
  answers nginx 1 300
  kill "$nginx_server"; status_of nginx_server
else
  echo "no nginx here"
fi

# ---- their ClientHellos at our server --------------------------------------------------------------------------------
looks() { # WHAT COMMAND..., PORT in it stands for the port: our server sees no MLS in what it says
  local what=$1 said
  shift
  rm -f looked
  start looking "$hello" server >looked
  until_true 5 test -s looked || die "our server does not listen"
  port=$(head -n 1 looked)
  timeout 10 "${@//PORT/$port}" </dev/null >/dev/null 2>&1 || true
  expect 0 looking
  said=$(tail -n 1 looked)
  [[ $said == standard\ * ]] || die "$what: $said"
  echo "$what: $said bytes"
}
for openssl in "${openssls[@]}"; do
  version=$("$openssl" version | cut -d' ' -f1-2)
  looks "s_client of $version" "$openssl" s_client -connect 127.0.0.1:PORT -servername localhost
  looks "s_client of $version, TLS 1.2" "$openssl" s_client -connect 127.0.0.1:PORT -tls1_2
done
looks curl curl -sk --max-time 5 https://127.0.0.1:PORT/
if command -v gnutls-cli >/dev/null; then looks gnutls-cli gnutls-cli --insecure -p PORT 127.0.0.1; fi
# And MLS is seen where it is.
start looking "$hello" server >looked
until_true 5 test -s looked || die "our server does not listen"
"$hello" client "$(head -n 1 looked)" "${suites[0]}" >/dev/null
expect 0 looking
says looked mls
