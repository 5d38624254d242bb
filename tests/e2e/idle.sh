#!/usr/bin/env bash
# label: slow
# Channels that carry nothing end after --idle-timeout, cleanly; those that carry something do not. IPv6 and names work.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
listener --forward "localhost:$target" --idle-timeout 2
connector
open_input
start client "$tcp" send "$local_port" <in >echoed 9>&-
for _ in 1 2 3 4 5 6; do
  echo hello >&9
  sleep 0.5
done
! has_event a.ev closed || die "closed although not idle"
wait_event a.ev closed '"reason":"idle"'
expect 0 client
exec 9>&-
finish connector
finish listener

if [ -e /proc/net/if_inet6 ] && grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6; then
  rm -f a.ev
  start listener "$TREEWIRE" listen --key a.key --peers peers --bind '[::1]:0' --events a.ev --forward "localhost:$target"
  port=$(port_of a.ev)
  echo six | "$TREEWIRE" connect --key b.key --peer @a.pub --stdio "[::1]:$port" >answer
  [ "$(cat answer)" = six ]
  says a.ev '"remote":"[::1]:'
  finish listener
fi
