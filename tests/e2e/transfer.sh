#!/usr/bin/env bash
# label: slow
# Bytes arrive as they were, both ways, while keys are renewed by bytes and by time; and a half-closed connection works.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
serve echo
listener --forward "127.0.0.1:$target" --rekey-bytes 1M --rekey-after 1
connector --rekey-bytes 2M --rekey-after 1
head -c 30000000 /dev/urandom >sent

# Through `connect --listen`: the echo ends only after our end of file, so a half-close has to get through both ways.
"$tcp" send "$local_port" <sent >received
cmp sent received
wait_event a.ev closed '"reason":"close_notify"'
wait_event b.ev closed '"reason":"close_notify"'
[ "$(events b.ev rekeyed | wc -l)" -ge 4 ] || die "too few epochs: $(events b.ev rekeyed | wc -l)"
epoch=1
while read -r line; do
  next=$(field "$line" epoch)
  [ "$next" -gt "$epoch" ] || die "epoch $next after $epoch"
  [ "$(field "$line" bytes)" -gt 0 ] || die "an epoch without bytes: $line"
  epoch=$next
done < <(events b.ev rekeyed)
apart=$(($(field "$(events a.ev closed)" epoch) - $(field "$(events b.ev closed)" epoch)))
[ "${apart#-}" -le 1 ] || die "the sides end $apart epochs apart"
[ "$(field "$(events a.ev closed)" data_received)" = 30000000 ] || die "wrong count of bytes"
[ "$(field "$(events b.ev established)" peer)" = "$("$TREEWIRE" pubkey --fingerprint <a.key)" ] || die "wrong peer in the event"
[ "$(field "$(events a.ev established)" name)" = bob ] || die "no name in the event"

# By time alone, slowly.
(for _ in 1 2 3 4 5 6; do head -c 1000 sent; sleep 0.5; done) | "$tcp" send "$local_port" >slow
cmp -n 1000 sent slow
wait_event b.ev rekeyed '"channel":2.*"cause":"time"'

finish connector
finish listener
