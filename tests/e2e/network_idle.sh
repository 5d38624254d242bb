#!/usr/bin/env bash
# label: slow
# What an idle node sends: keepalives that the relay answers by UDP, and every fourth time a binding in place of one.
#
#   relay 203.0.113.10 ─┐
#   anna  203.0.113.1  ─┼─ hub, a wire that captures      inside: anna 10.7.0.1, berta 10.7.0.2
#   berta 203.0.113.2  ─┘
#
# shellcheck disable=SC2154,SC2119
support=$(realpath "$(dirname "$0")/support")
# shellcheck source-path=SCRIPTDIR source=support/network.bash
. "$support/network.bash"
nodes=(anna berta)

# Datagrams between anna and the relay, a letter each: a keepalive and its answer, a token or nonce and its challenge.
letters() {
  tell hub counters # what was captured so far is in the file
  perl "$support/letters.pl" hub.pcapng 203.0.113.1 203.0.113.10 >letters
}
says() { letters && grep -qE "$1" letters; } # PATTERN

make_keys
hosts relay "${nodes[@]}"
wire hub relay:eth0 anna:eth0 berta:eth0 capture=hub.pcapng
addresses
relay_up
configure anna "Keepalive = 1"
configure berta
for name in "${nodes[@]}"; do up "$name"; done
members "${nodes[@]}" 2
# A slow machine may answer too late at times: then the binding comes sooner.
until_true 60 says 'tct(ka){3}tct' || { cat letters; die "no three keepalives between two bindings"; }
! grep -q 'kakakaka' letters || { cat letters; die "more than three keepalives between two bindings"; }
! grep -q x letters || { cat letters; die "something else"; }

# While the relay is away, keepalives are not answered; afterwards the address is bound before anything else.
finish relay
letters
so_far=$(wc -c <letters)
goes_on() { letters && grep -qE "$1" <<<"$(tail -c "+$so_far" letters)"; } # PATTERN
until_true 60 goes_on 'k' || { cat letters; die "no keepalives while there is no relay"; }
[[ $(tail -c "+$so_far" letters) != *a* ]] || { cat letters; die "answered by nobody"; }
relay_up
until_true 60 goes_on 'tct(ka){3}tct' || { cat letters; die "not bound any more"; }
pings anna berta
