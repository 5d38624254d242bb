#!/usr/bin/env bash
# label: slow
# SIGTERM and SIGINT: close_notify on all channels, exit 0. SIGHUP: peers read anew, who is gone from the file is put out.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
for signal in TERM INT; do
  for side in listener connector; do
    : >a.ev; : >b.ev
    listener --forward "127.0.0.1:$target"
    connector
    open_input
    start client "$tcp" send "$local_port" <in >echoed 9>&-
    echo hello >&9
    until_true 10 test -s echoed || die "no echo"
    kill "-$signal" "${!side}"
    expect 0 "$side"
    expect 0 client # a clean end, no reset
    exec 9>&-
    wait_event a.ev closed
    wait_event b.ev closed
    ! has_event a.ev error || die "$signal to $side: an error at the listener"
    ! has_event b.ev error || die "$signal to $side: an error at the connector"
    if [ "$side" = listener ]; then finish connector; else finish listener; fi
  done
done

# The connecting end over standard streams sees a clean end, too.
: >a.ev
listener --forward "127.0.0.1:$target"
open_input
start stdio stdio_connect <in >echoed 9>&-
echo hello >&9
until_true 10 test -s echoed || die "no echo"

# Nobody is left hanging who does not end by himself: what he might say yet goes nowhere, which is no success.
kill -TERM "$listener"
expect 0 listener
expect 3 stdio
says stdio.err "is gone"
exec 9>&-
: >a.ev
listener --forward "127.0.0.1:$target"
open_input
start stdio stdio_connect <in >echoed 9>&-
echo hello >&9
until_true 10 test -s echoed || die "no echo"

# A peers file with a mistake changes nothing.
echo "rubbish" >>peers
kill -HUP "$listener"
wait_event a.ev reloaded '"error"'
says listener.err "peers:2:"
echo again >&9
until_true 10 grep -q again echoed || die "the channel did not survive a bad peers file"

# One without bob puts bob out.
echo "# nobody" >peers
kill -HUP "$listener"
wait_event a.ev reloaded '"peers":0'
expect 4 stdio
exec 9>&-
start stdio stdio_connect </dev/null
expect 4 stdio

# Who is in the middle of the handshake when that happens does not slip in.
echo "$(cat b.pub) bob" >peers
kill -HUP "$listener"
wait_event a.ev reloaded '"peers":1'
start gate "$tcp" gate "$port" opened >gate.port
until_true 5 test -s gate.port || die "no gate"
port=$(cat gate.port)
: >c.ev
start stdio stdio_connect < <(echo hello; sleep 10) >slipped
until_true 10 has_event c.ev established || die "the connector did not get its answer"
: >a.ev
echo "# nobody" >peers
kill -HUP "$listener"
wait_event a.ev reloaded '"peers":0'
: >opened
expect 4 stdio
[ ! -s slipped ] || die "a peer that was taken out got in"
! has_event a.ev established || die "a peer that was taken out is established"
finish listener
