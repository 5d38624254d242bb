#!/usr/bin/env bash
# label: slow
# Two hundred channels at once in one process on each side, each with its own bytes; nothing is left of them.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
keys
count=200
sanitized && count=60
serve echo
listener --forward "127.0.0.1:$target" --rekey-after 20
connector --rekey-after 20
descriptors() { find "/proc/${!1}/fd" -mindepth 1 | wc -l; }
a=$(descriptors listener)
b=$(descriptors connector)
"$tcp" many "$local_port" "$count" 20000
"$tcp" many "$local_port" "$count" 1
wait_event a.ev closed close_notify "$((2 * count))"
wait_event b.ev closed close_notify "$((2 * count))"
is_back() { [ "$(descriptors listener)" = "$a" ] && [ "$(descriptors connector)" = "$b" ]; }
until_true 5 is_back || die "descriptors left open: $(descriptors listener) and $(descriptors connector), not $a and $b"
finish connector
finish listener
