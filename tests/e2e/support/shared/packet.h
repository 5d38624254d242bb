/*
 * Packets of IPv4 as a translator looks at them: two endpoints, and the checksums over them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef E2E_PACKET_H
#define E2E_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_UDP, PACKET_TCP, PACKET_ICMP, PACKET_KINDS, PACKET_HEADER = 20 };

struct endpoint {
  uint32_t address;
  uint16_t port; /* of an ICMP query: its identifier, at both ends */
};

struct packet {
  uint8_t *ip;
  uint8_t *body; /* behind the IP header */
  uint8_t kind;
  uint8_t *source_port, *destination_port;
  uint8_t *sum; /* of the transport; NULL: it is not in what is there */
};

/* False: nothing that has endpoints. `whole`: not the piece that an ICMP error quotes, of which 8 bytes behind the IP
   header are enough. Borrows from `ip`. */
bool packet_parse(struct packet *packet, uint8_t *ip, size_t len, bool whole);

/* Whether there is an ICMP error that quotes enough; the quoted packet begins 8 bytes behind the IP header. */
bool packet_is_icmp_error(const uint8_t *ip, size_t len);

struct endpoint packet_source(const struct packet *packet);
struct endpoint packet_destination(const struct packet *packet);
void packet_set_source(const struct packet *packet, struct endpoint to);
void packet_set_destination(const struct packet *packet, struct endpoint to);

#endif
