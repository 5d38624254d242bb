# The other side of esp_packets.c, by Scapy. SPDX-License-Identifier: Apache-2.0
#
#   esp_scapy.py open ALGORITHM FILE       opens the packets that esp_packets sealed and compares what is in them
#   esp_scapy.py seal ALGORITHM FILE       seals what is in them again; prints lines for esp_packets to open
#   esp_scapy.py pcap FILE PCAP            the packets as they would be captured, in UDP
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.ipsec import ESP, IPSecIntegrityError, SecurityAssociation  # noqa: E402
from scapy.packet import Raw  # noqa: E402
from scapy.utils import wrpcap  # noqa: E402

SPI, OUTER = 0x4A4B4C4D, {"src": "198.51.100.1", "dst": "198.51.100.2"}


def lines(path):
    with open(path) as file:
        for line in file:
            number, key, packet, inner = line.split()
            yield int(number), bytes.fromhex(key), bytes.fromhex(packet), bytes.fromhex(inner)


def association(algorithm, key, number):
    return SecurityAssociation(ESP, spi=SPI, crypt_algo=algorithm, crypt_key=key, tunnel_header=IP(**OUTER),
                               esn_en=True, esn=number >> 32)


def received(packet):
    return IP(bytes(IP(**OUTER, proto=50) / Raw(packet)))


def open_all(algorithm, path):
    count = 0
    for number, key, packet, inner in lines(path):
        opened = bytes(association(algorithm, key, number).decrypt(received(packet)))
        assert opened[:len(inner)] == inner and not any(opened[len(inner):]), number
        for wrong in (number ^ 1 << 32, number ^ 1 << 63):
            try:
                association(algorithm, key, wrong).decrypt(received(packet))
            except IPSecIntegrityError:
                continue
            sys.exit("opened with the high half of %d in place of that of %d" % (wrong, number))
        count += 1
    print("opened", count)


def seal_all(algorithm, path):
    for number, key, _, inner in lines(path):
        sender = association(algorithm, key, number)
        sender.seq_num = number & 0xFFFFFFFF  # the argument of encrypt cannot be 0
        sealed = sender.encrypt(IP(inner), iv=number.to_bytes(8, "big"))
        print(number, bytes(sealed[ESP]).hex())


if sys.argv[1] == "open":
    open_all(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "seal":
    seal_all(sys.argv[2], sys.argv[3])
else:
    wrpcap(sys.argv[3], [IP(**OUTER) / UDP(sport=4500, dport=4500, chksum=0) / Raw(packet)
                         for _, _, packet, _ in lines(sys.argv[2])])
