#!/usr/bin/env bash
# Whoever is not expected is refused, by either side, with the right exit code and an event that says who it was.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
"$TREEWIRE" genkey >c.key
"$TREEWIRE" pubkey <c.key >c.pub
serve echo
listener --forward "127.0.0.1:$target"

# The listener does not know this key: the connector is told, exits with 4, and the listener names the key.
start stranger "$TREEWIRE" connect --key c.key --peer @a.pub --stdio --events s.ev "127.0.0.1:$port" </dev/null
expect 4 stranger
one_line stranger.err
says stranger.err access_denied
says stranger.err "not among its peers"
wait_event a.ev error '"class":"forbidden".*"refused":"'"$("$TREEWIRE" pubkey -f <c.key)"
has_event s.ev error '"alert":"access_denied"' || die "the refused side has no event"
! has_event a.ev established || die "a stranger was let in"

# The connector expects somebody else.
start wrong "$TREEWIRE" connect --key b.key --peer @c.pub --stdio --events w.ev "127.0.0.1:$port" </dev/null
expect 4 wrong
one_line wrong.err
has_event w.ev error '"class":"forbidden".*"refused":"'"$("$TREEWIRE" pubkey -f <a.key)" || die "no event at the refusing side"
wait_event a.ev error '"alert":"access_denied"'
! has_event a.ev established || die "established with a side that refuses"

# What answers there is something else.
serve source:1000
start foreign "$TREEWIRE" connect --key b.key --peer @a.pub --stdio "127.0.0.1:$target" </dev/null
expect 5 foreign
one_line foreign.err
says foreign.err "speak MLS-TLS?"

# Both by fingerprint alone: accepted.
"$TREEWIRE" pubkey -f <b.key >peers
kill -HUP "$listener"
wait_event a.ev reloaded '"peers":1'
echo hello | "$TREEWIRE" connect --key b.key --peer "$("$TREEWIRE" pubkey -f <a.key)" --stdio "127.0.0.1:$port" >answer
[ "$(cat answer)" = hello ]

# Keys of different suites: told before anything is sent, or by the listener where only a fingerprint is known.
"$TREEWIRE" genkey --suite MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 >d.key
start other "$TREEWIRE" connect --key d.key --peer @a.pub --stdio "127.0.0.1:$port" </dev/null
expect 2 other
one_line other.err
start other "$TREEWIRE" connect --key d.key --peer "$("$TREEWIRE" pubkey -f <a.key)" --stdio "127.0.0.1:$port" </dev/null
expect 5 other
one_line other.err
finish listener
