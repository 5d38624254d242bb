#!/usr/bin/env bash
# label: slow
# Sessions go on: over applications' connections, killed processes and a listener that comes back; what is lost is told.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo

echo_once() { # TEXT: through the connector and back
  local back
  back=$(printf %s "$1" | "$tcp" send "$local_port") || die "no way through"
  [ "$back" = "$1" ] || die "'$1' came back as '$back'"
}
# At one port for all of them, below those that the system gives to others.
port=$((20000 + RANDOM % 12000))
listen_again() { # [options]
  : >a.ev
  start listener "$TREEWIRE" listen --key a.key --peers peers --bind "127.0.0.1:$port" --events a.ev "$@"
  wait_event a.ev listening
}
resumed() { has_event "$1" established '"resumed":true' "${2:-1}"; }

# TEXT: the answer takes its time, as over a satellite; meanwhile the first bytes are on their way already.
send_early() {
  kill -STOP "$listener"
  start client "$tcp" send "$local_port" < <(printf %s "$1") >echoed
  sleep 0.5
  kill -CONT "$listener"
  status_of client
}

# In memory: the second application's channel goes on with the first one's session.
listen_again --forward "127.0.0.1:$target"
connector
echo_once one
wait_event b.ev closed
has_event b.ev established '"resumed":false' || die "the first channel begins a session"
echo_once two
wait_event b.ev established '"resumed":true'
wait_event a.ev established '"resumed":true'

# Two at once need two sessions; a listener that lost them all gets new ones, and the applications notice nothing.
kill -KILL "$listener"
until_true 5 is_gone "$listener"
listen_again --forward "127.0.0.1:$target"
echo_once three
wait_event b.ev retry '"alert":"unknown_psk_identity"'
says connector.err "a new session begins"
finish connector
finish listener

# In a state directory: both sides are killed, and the session goes on. With early data it takes one flight.
state_of_a=(--state state-a --forward "127.0.0.1:$target")
: >b.ev
listen_again "${state_of_a[@]}"
connector --state state-b --early-data
echo_once four
wait_event b.ev closed
[ "$(stat -c %a state-a state-a/state.db | paste -sd' ')" = "700 600" ] || die "others can read the state"
for round in 1 2 3; do
  kill -KILL "$listener" "$connector"
  until_true 5 is_gone "$listener"
  until_true 5 is_gone "$connector"
  listen_again "${state_of_a[@]}"
  : >b.ev
  connector --state state-b --early-data
  send_early "round $round"
  [ "$status" = 0 ] || die "no way through"
  [ "$(cat echoed)" = "round $round" ] || die "'$(cat echoed)' came back"
  wait_event b.ev established '"resumed":true.*"early_bytes":7'
  wait_event a.ev established '"resumed":true'
done

# A state is one process's.
start second "$TREEWIRE" listen --key a.key --peers peers --bind 127.0.0.1:0 --state state-a --forward "127.0.0.1:$target"
expect 2 second
one_line second.err
says second.err "state-a"

# The connector waits for a listener that is away, and goes on.
kill -KILL "$listener"
until_true 5 is_gone "$listener"
: >b.ev
(sleep 1.5; exec "$TREEWIRE" listen --key a.key --peers peers --bind "127.0.0.1:$port" --events a.ev "${state_of_a[@]}" 2>late.err) &
pids+=("$!")
late=$!
echo_once "after a while"
wait_event b.ev retry '"stage":"connect"'
wait_event b.ev established '"resumed":true'
finish connector
kill -TERM "$late"
until_true 10 is_gone "$late" || die "the listener goes on"

# A state that comes back from a backup is told on both sides, and does not go on.
cp -a state-a backup
: >a.ev; : >b.ev
listen_again "${state_of_a[@]}"
connector --state state-b
echo_once "that the backup does not know of"
finish connector
finish listener
rm -rf state-a
mv backup state-a
: >b.ev
listen_again "${state_of_a[@]}"
connector --state state-b --no-fresh
printf lost | "$tcp" send "$local_port" >/dev/null 2>&1 && die "an old copy went on"
wait_event a.ev error 'do not fit together'
wait_event b.ev error '"alert":"handshake_failure"'
echo_once "with a new session" # the old one is forgotten
has_event b.ev established '"resumed":false' || die "a session that is lost went on"
finish connector
finish listener

# With early data what an application sent is lost with the listener's session, but once only.
: >b.ev
listen_again "${state_of_a[@]}"
connector --state state-b --early-data
echo_once "for both to keep"
finish listener
rm -rf state-a
: >b.ev
listen_again "${state_of_a[@]}"
send_early lost
[ "$status" != 0 ] || die "what went with the request did arrive"
wait_event b.ev error '"alert":"unknown_psk_identity"'
send_early "after that"
[ "$status" = 0 ] || die "the session is lost for good"
has_event b.ev established '"resumed":false' || die "a session that is lost went on"
finish connector
finish listener

# Nothing kept, nothing resumed.
: >b.ev
listen_again --session-lifetime 0 --forward "127.0.0.1:$target"
connector --session-lifetime 0
echo_once five
echo_once six
has_event b.ev established '"resumed":true' && die "resumed what was not to be kept"
finish connector
finish listener

# What does not fit together.
usage() { # WORDS...: exit status 1 and one line
  start wrong "$TREEWIRE" "$@"
  expect 1 wrong
  one_line wrong.err
}
usage listen --key a.key --peers peers --stdio --state-key x
usage listen --key a.key --peers peers --stdio --state s --state-key x --state-pass y
usage listen --key a.key --peers peers --stdio --state s --session-lifetime 0
usage connect --key b.key --peer @a.pub --stdio --retry never localhost
usage connect --key b.key --peer @a.pub --stdio --max-sessions 0 localhost
