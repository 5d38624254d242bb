#!/usr/bin/env bash
# label: slow
# A side that is killed: the other reports a truncated stream, and no application takes what it has for all there is.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
for side in listener connector; do
  : >a.ev; : >b.ev
  listener --forward "127.0.0.1:$target"
  connector
  open_input
  start client "$tcp" send "$local_port" <in >echoed 9>&-
  echo hello >&9
  until_true 10 test -s echoed || die "no echo"
  kill -KILL "${!side}"
  exec 9>&-
  if [ "$side" = listener ]; then
    wait_event b.ev error '"class":"resync"'
    expect 3 client # a reset
    finish connector
  else
    wait_event a.ev error '"class":"resync"'
    finish listener
  fi
done

# Over standard streams: exit code 3 and one line.
: >a.ev
listener --forward "127.0.0.1:$target"
open_input
start stdio stdio_connect <in >echoed 9>&-
echo hello >&9
until_true 10 test -s echoed || die "no echo"
kill -KILL "$listener"
expect 3 stdio
exec 9>&-
one_line stdio.err
says stdio.err "without close_notify"

# An application that resets its connection: an alert, and a reset at the other end.
serve reset
: >a.ev; : >b.ev
listener --forward "127.0.0.1:$target"
connector
open_input
start client "$tcp" send "$local_port" <in >/dev/null 9>&-
echo hello >&9
expect 3 client
exec 9>&-
wait_event a.ev error '"stage":"application"'
wait_event b.ev error '"alert":"'
finish connector
start stdio stdio_connect < <(echo hello; sleep 5) >/dev/null
expect 3 stdio
finish listener
