#!/usr/bin/env bash
# Packets of ours are opened by Scapy, and Scapy's by us, with 64-bit numbers; tshark shows what is in ours. With the
# number between header and ciphertext a packet with an implicit IV is one of RFC 4106 or RFC 7634: nonce, additional data and
# ICV are the same.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154
: "${TREEWIRE_SOURCE:?}"
. "$(dirname "$0")/support/lib.bash"
packets=$TREEWIRE_BUILD/tests/e2e_esp_packets
scapy=$TREEWIRE_SOURCE/tests/e2e/support/esp_scapy.py
mkdir home
export HOME=$work/home XDG_CACHE_HOME=$work/home LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

python=
for candidate in /usr/bin/python3 python3; do
  if "$candidate" -c 'import scapy.layers.ipsec' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || { echo "no Scapy here"; exit 77; }

# both_ways SUITE ALGORITHM
both_ways() {
  "$packets" seal "$1" >"sealed.$1" || die "nothing was sealed by suite $1"
  "$python" "$scapy" open "$2" "sealed.$1" >opened 2>scapy.err || die "Scapy opened not all of suite $1"
  says opened "opened 42"
  "$python" "$scapy" seal "$2" "sealed.$1" >"theirs.$1" 2>scapy.err || die "Scapy sealed nothing"
  "$packets" open "$1" <"theirs.$1" >opened 2>packets.err || die "Scapy's packets do not open by suite $1"
  # Scapy pads by itself, and does not fill up: number, next header and content have to be those that we began with.
  awk '{ print $1, 4, $4 }' "sealed.$1" | diff - opened >difference || die "other content by suite $1"
}
both_ways 1 AES-GCM
both_ways 7 AES-GCM
both_ways 3 CHACHA20-POLY1305

# tshark 4.0 knows no 64-bit numbers, so that it cannot check the ICV; it decrypts. It knows AES-GCM alone.
command -v tshark >/dev/null || { echo "no tshark here: its part was left out"; exit; }
shown() { # SUITE
  local key
  key=$(head -n 1 "sealed.$1" | cut -d ' ' -f 2)
  "$python" "$scapy" pcap "sealed.$1" esp.pcap 2>scapy.err || die "no capture was written"
  tshark -r esp.pcap -o esp.enable_encryption_decode:TRUE \
    -o "uat:esp_sa:\"IPv4\",\"*\",\"*\",\"*\",\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x$key\",\"NULL\",\"\"" \
    -T fields -e esp.sequence -e ip.src -e ip.len >seen 2>tshark.err || die "tshark: exit $?"
  [ "$(grep -cE '198\.51\.100\.1,192\.0\.2\.1' seen)" = 42 ] || { cat seen; die "tshark shows no inner packets of suite $1"; }
}
shown 1
shown 7
