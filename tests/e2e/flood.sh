#!/usr/bin/env bash
# label: slow
# A flood of half-open connections: an established channel goes on as before, which is measured, others can still get
# in, memory and the log stay small.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
flood=$TREEWIRE_BUILD/tests/e2e_flood
keys
# A client_hello of a peer that is let in, as anybody on the way can have it.
start capture "$flood" capture hello >capture.port
until_true 5 test -s capture.port || die "no port"
port=$(cat capture.port)
timeout 5 "$TREEWIRE" connect --key b.key --peer @a.pub --stdio "127.0.0.1:$port" </dev/null >/dev/null 2>&1 || true
status_of capture
[ "$(stat -c %s hello)" -gt 1000 ] || die "no client_hello"

serve echo
listener --forward "127.0.0.1:$target" --half-open 300 --half-open-per-address 100 --handshake-rate 50 \
  --handshake-burst 100 --handshakes-in-all 200 --stranger-lines 10 --handshake-timeout 5
connector
# One channel, which is there before the flood and measured all the time.
mkfifo go
exec 8<>go
start meter "$flood" meter "$local_port" <go >figures 8>&-
until_true 10 grep -q ready figures || die "no channel"
measure() { # NAME: sets NAME_ping, NAME_late and NAME_pour
  local lines
  lines=$(wc -l <figures)
  echo >&8
  until_true 60 more_than "$lines" || die "the channel stands still"
  read -r "$1_ping" "$1_late" "$1_pour" < <(tail -n 1 figures)
}
more_than() { [ "$(wc -l <figures)" -gt "$1" ]; }
measure calm

under() { # NAME, how many new ones are to get in meanwhile, then what `flood` takes after its port
  local name=$1 guests=$2
  shift 2
  start flooder "$flood" flood "$port" "$@" 60 >flooded
  sleep 0.5
  measure "$name"
  for i in $(seq "$guests"); do
    echo "hello $i" | stdio_connect >answer || die "$name: nobody new gets in"
    [ "$(cat answer)" = "hello $i" ] || die "$name: no answer"
  done
  ! is_gone "$flooder" || die "$name: the flood was over before the measuring"
  [ "$(rss_kib "$listener")" -lt "$memory" ] || die "$name: $(rss_kib "$listener") KiB"
  finish flooder
  local ping=${name}_ping late=${name}_late pour=${name}_pour
  echo "$name: $(cat flooded); ping $calm_ping -> ${!ping} us, 99 % $calm_late -> ${!late} us, $calm_pour -> ${!pour} MB/s"
  # The flood takes its share of the processors, and others may be at work beside: what is refused here is starving.
  awk -v a="$calm_pour" -v b="${!pour}" 'BEGIN { exit !(b > a / 50) }' || die "$name: the channel starves"
  [ "${!ping}" -lt $((calm_ping * 10 + 5000)) ] || die "$name: the channel answers late"
}
memory=$(($(rss_kib "$listener") + $(sanitized && echo 600000 || echo 40000)))
under silent 3 127.0.0.2 1 -
under hellos 3 127.0.0.2 1 hello
# From a thousand addresses: who is new waits in one queue with them.
under many 0 127.1.0.1 1000 hello

# The channel of before is the same one, to its end in good order.
exec 8>&-
expect 0 meter
! grep -q '"event":"error".*"stage":"channel"' a.ev || die "a channel ended"
# Ten lines a minute, each with an error and an end, and what is added up.
strangers=$(events a.ev error | wc -l)
[ "$strangers" -le 25 ] || die "$strangers lines about strangers"
wait_event a.ev strangers '"over_share":[1-9]'
wait_event a.ev strangers '"over_rate":[1-9]'
wait_event a.ev strangers '"pushed_out":[1-9]'
says listener.err "more connections like this came to nothing"
finish connector
finish listener
