/* Extensions of TLS messages: RFC 8446 section 4.2. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_EXTENSION_H
#define TW_TLS_EXTENSION_H

#include <treewire/env.h>

#include "tls/message.h"

/* ---- the block (extension.c) ---- */

typedef struct tw_tls_extension {
  uint16_t type;
  tw_bytes data;
} tw_tls_extension;

/* `Extension extensions<0..2^16-1>` without its length: each has to be whole (malformed), none twice (FORBIDDEN). */
TW_MUST_USE tw_err tw_tls_extensions_check(tw_bytes block);
/* One after the other from a block that was checked; false at its end. */
bool tw_tls_next_extension(tw_reader *r, tw_tls_extension *out);
/* The data of `type` in a block that was checked; false when there is none. */
bool tw_tls_find_extension(tw_bytes block, uint16_t type, tw_bytes *data);
void tw_tls_write_extension(tw_writer *w, uint16_t type, tw_bytes data);
/* An extension whose data is written between open and close. */
tw_vector_mark tw_tls_open_extension(tw_writer *w, uint16_t type);

/* The messages that extensions are looked at in. */
typedef enum tw_tls_place {
  TW_TLS_IN_CLIENT_HELLO = 1,
  TW_TLS_IN_SERVER_HELLO = 2,
  TW_TLS_IN_RETRY = 4,
  TW_TLS_IN_ENCRYPTED = 8
} tw_tls_place;

typedef enum tw_tls_place_of {
  TW_TLS_PLACE_UNKNOWN = 0, /* an extension that is not known here */
  TW_TLS_PLACE_RIGHT = 1,
  TW_TLS_PLACE_WRONG = 2 /* known, and not for this message: illegal_parameter */
} tw_tls_place_of;

/* Whether an extension belongs there, by the table of section 4.2. */
tw_tls_place_of tw_tls_extension_place(const tw_env *env, uint16_t type, tw_tls_place place);

/* ---- what is in them: readers take extension_data, all of it; writers append the whole extension ---- */

/* Lists of uint16 (extension_list.c): without their length, not empty; empty where malformed. */
TW_MUST_USE tw_err tw_tls_read_versions(tw_bytes data, tw_bytes *versions);
/* supported_groups, signature_algorithms */
TW_MUST_USE tw_err tw_tls_read_u16_list(tw_bytes data, tw_bytes *list);
/* supported_versions in ServerHello; record_size_limit */
TW_MUST_USE tw_err tw_tls_read_one_u16(tw_bytes data, uint16_t *value);
bool tw_tls_list_has(tw_bytes list, uint16_t value);
void tw_tls_write_versions(tw_writer *w, const uint16_t *versions, size_t count);
void tw_tls_write_u16_list(tw_writer *w, uint16_t type, const uint16_t *values, size_t count);
void tw_tls_write_one_u16(tw_writer *w, uint16_t type, uint16_t value);

/* server_name and ALPN (extension_name.c). */
enum { TW_TLS_NAME_MAX = 255 };
/*
 * The one host_name. TW_ERR_FORBIDDEN: none, two, or one that cannot be a host's (longer than TW_TLS_NAME_MAX, or bytes
 * that are not printable ASCII).
 */
TW_MUST_USE tw_err tw_tls_read_server_name(tw_bytes data, tw_bytes *name);
void tw_tls_write_server_name(tw_writer *w, tw_bytes name);
/* Whether it can be sent and taken as one. */
bool tw_tls_name_valid(tw_bytes name);
/* Letters' case ignored, and nothing else. */
bool tw_tls_names_equal(tw_bytes a, tw_bytes b);
/* ProtocolNameList without its length: not empty, no empty name. */
TW_MUST_USE tw_err tw_tls_read_protocols(tw_bytes data, tw_bytes *protocols);
bool tw_tls_next_protocol(tw_reader *r, tw_bytes *name);
bool tw_tls_protocols_have(tw_bytes protocols, tw_bytes name);
void tw_tls_write_protocols(tw_writer *w, const tw_bytes *names, size_t count);

/* key_share and cookie (extension_share.c). */
typedef struct tw_tls_share {
  uint16_t group;
  tw_bytes key_exchange;
} tw_tls_share;
/* KeyShareClientHello without its length, maybe empty. TW_ERR_FORBIDDEN: a group twice. */
TW_MUST_USE tw_err tw_tls_read_shares(tw_bytes data, tw_bytes *shares);
bool tw_tls_next_share(tw_reader *r, tw_tls_share *share);
bool tw_tls_shares_have(tw_bytes shares, uint16_t group);
void tw_tls_write_shares(tw_writer *w, const tw_tls_share *shares, size_t count);
TW_MUST_USE tw_err tw_tls_read_cookie(tw_bytes data, tw_bytes *cookie);
void tw_tls_write_cookie(tw_writer *w, tw_bytes cookie);

#endif
