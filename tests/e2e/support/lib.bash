# shellcheck disable=SC2120
# What the scripts share. To be sourced. Addresses are on 127.0.0.1, ports are the system's choice, processes are ended by
# their ids, files are in a folder of the script's own.
# shellcheck shell=bash
set -euo pipefail
: "${TREEWIRE:?the program}" "${TREEWIRE_BUILD:?the build folder}"
tcp=$TREEWIRE_BUILD/tests/e2e_tcp
work=$(mktemp -d "${TMPDIR:-/tmp}/treewire-e2e-XXXXXX")
pids=()
cd "$work" || exit 1

# shellcheck disable=SC2329  # called by the trap
clean_up() {
  local status=$? pid
  # shellcheck disable=SC2046  # ids; those of jobs that the script began without `start`, too, or the wait would be long
  for pid in "${pids[@]:-}" $(jobs -p); do [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true; done
  if [ "$status" != 0 ] && [ "$status" != 77 ]; then
    for file in *.err *.ev; do [ ! -s "$file" ] || { echo "--- $file"; tail -n 20 "$file"; }; done
  fi
  wait 2>/dev/null || true
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

die() { echo "FAILED: $*"; exit 1; }

until_true() { # SECONDS COMMAND...: tries ten times a second
  local tries=$(($1 * 10))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ "$((tries -= 1))" -gt 0 ] || return 1
    sleep 0.1
  done
}

# start NAME COMMAND...: in the background, its id in $NAME, standard error in NAME.err
start() {
  local name=$1
  shift
  "$@" <&0 2>"$name.err" &
  printf -v "$name" %s "$!"
  pids+=("$!")
}

# status_of NAME [SECONDS]: waits for a process that `start` began; its exit status in $status
status_of() {
  local pid=${!1}
  until_true "${2:-10}" is_gone "$pid" || die "$1 goes on and on"
  status=0
  wait "$pid" || status=$?
}
# A process whose first thread has ended holds its files and locks as long as it has others.
is_gone() {
  ! kill -0 "$1" 2>/dev/null ||
    { [[ $(cat "/proc/$1/stat" 2>/dev/null) =~ ^[0-9]+\ \(.*\)\ Z ]] && [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ]; }
}

# finish NAME: SIGTERM has to end it with status 0
finish() {
  kill -TERM "${!1}"
  status_of "$1"
  [ "$status" = 0 ] || die "$1 ended with $status after SIGTERM"
}

expect() { # STATUS NAME: how a process that `start` began has to end
  status_of "$2" "${3:-20}"
  [ "$status" = "$1" ] || die "$2 ended with $status, not $1"
}

says() { grep -qF -- "$2" "$1" || die "'$2' is not in $1"; }
one_line() { [ "$(wc -l <"$1")" = 1 ] || die "$1 is not one line"; }

has_event() { # FILE NAME [PATTERN] [COUNT]
  [ "$(grep "\"event\":\"$2\"" "$1" 2>/dev/null | grep -c -- "${3:-.}")" -ge "${4:-1}" ]
}
wait_event() { until_true 20 has_event "$@" || die "no event $2 ${3:-} in $1"; }
field() { sed -n "s/.*\"$2\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p" <<<"$1"; } # LINE NAME
events() { grep "\"event\":\"$2\"" "$1" || true; }

port_of() { # FILE: where it listens
  wait_event "$1" listening
  local line
  line=$(events "$1" listening | sed -n 1p)
  line=$(field "$line" address)
  echo "${line##*:}"
}

# keys [SUITE]: a pair of them, a.key (listener) and b.key (connector), with what each side knows of the other
keys() {
  "$TREEWIRE" genkey ${1:+--suite "$1"} >a.key
  "$TREEWIRE" genkey ${1:+--suite "$1"} >b.key
  "$TREEWIRE" pubkey <a.key >a.pub
  "$TREEWIRE" pubkey <b.key >b.pub
  echo "$(cat b.pub) bob" >peers
}

serve() { # HOW: a plain server; its port in $target
  start server "$tcp" serve "$1" >server.port
  until_true 5 test -s server.port || die "no server"
  target=$(cat server.port)
}

listener() { # [options]: port in $port
  start listener "$TREEWIRE" listen --key a.key --peers peers --bind 127.0.0.1:0 --events a.ev "$@"
  port=$(port_of a.ev)
}

connector() { # [options]: `connect --listen`, port in $local_port
  start connector "$TREEWIRE" connect --key b.key --peer @a.pub --listen 127.0.0.1:0 --events b.ev "$@" "127.0.0.1:$port"
  local_port=$(port_of b.ev)
}

# stdio_connect [options]: `connect --stdio` with the caller's streams
stdio_connect() { "$TREEWIRE" connect --key b.key --peer @a.pub --stdio --events c.ev "$@" "127.0.0.1:$port"; }

# Descriptor 9 writes to the file `in` until it is closed; who is started with <in has to have it closed: <in 9>&-
open_input() {
  rm -f in echoed
  mkfifo in
  exec 9<>in
}

sanitized() { [ "${TREEWIRE_SANITIZE:-0}" = 1 ]; }
rss_kib() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
cpu_ticks() { awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
