#!/usr/bin/env bash
# A target that does not answer: an event on both sides, no end that looks like success, and the listener serves on.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
kill -KILL "$server"
until_true 5 is_gone "$server"
listener --forward "127.0.0.1:$target"
start stdio stdio_connect </dev/null >out
expect 3 stdio
[ ! -s out ]
says stdio.err "cannot be reached"
wait_event c.ev error '"alert":"internal_error"'
wait_event a.ev error '"stage":"target"'
wait_event a.ev closed '"reason":"target unreachable"'
says listener.err "Connection refused"
# One whose application does not end by itself is not kept for ever.
open_input
start stdio stdio_connect <in >out 9>&-
wait_event a.ev closed '"reason":"target unreachable"' 2
expect 3 stdio
exec 9>&-
finish listener

: >a.ev
listener --forward "no-such-host.invalid:80"
start stdio stdio_connect </dev/null >out
expect 3 stdio
wait_event a.ev error '"stage":"target"'
finish listener

# No listener behind `connect --listen`, and no patience: the application is put off at once, and the next one, too.
port=1
connector --retry 0
for _ in 1 2; do
  start client "$tcp" send "$local_port" </dev/null
  expect 3 client
done
wait_event b.ev error '"stage":"connect"' 2
finish connector
