/* Extensions, capabilities, credentials: the parts of leaves and contexts. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_EXTENSION_H
#define TW_MLS_EXTENSION_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/protocol.h"

/*
 * Decoded structures of this room are views: their tw_bytes point into the bytes that were decoded, lists stay encoded
 * ("list" below is the content of a vector without its length) and are walked. Decoding allocates nothing; who keeps a
 * view keeps the bytes under it. Functions named tw_read_X take a reader inside a larger structure, tw_X_decode takes
 * a whole message and refuses trailing bytes.
 */

/* struct { ExtensionType extension_type; opaque extension_data<V>; } Extension, RFC 9420 section 7.2 */
typedef struct tw_extension {
  uint16_t type;
  tw_bytes data;
} tw_extension;

/* Extension extensions<V>: its content, checked to be well-formed and free of repeated types. */
tw_bytes tw_read_extensions(tw_reader *r);
/* The next one of a list; false at its end. `walk` is a reader over the list. */
bool tw_extension_next(tw_reader *walk, tw_extension *out);
bool tw_extension_find(tw_bytes list, uint16_t type, tw_bytes *data);
void tw_write_extension(tw_writer *w, uint16_t type, tw_bytes data);
/* Types of section 7.2 and 13.4 that need not stand in capabilities. */
bool tw_extension_is_default(uint16_t type);
bool tw_proposal_is_default(uint16_t type);

/* A list of uint16 values: whether `value` is in it. */
bool tw_u16_list_has(tw_bytes list, uint16_t value);

/* struct Capabilities, section 7.2: five lists of uint16 */
typedef struct tw_capabilities {
  tw_bytes versions;
  tw_bytes cipher_suites;
  tw_bytes extensions;
  tw_bytes proposals;
  tw_bytes credentials;
} tw_capabilities;

tw_capabilities tw_read_capabilities(tw_reader *r);
void tw_write_capabilities(tw_writer *w, const tw_capabilities *capabilities);

/* struct RequiredCapabilities, section 11.1: three lists of uint16 */
typedef struct tw_required_capabilities {
  tw_bytes extensions;
  tw_bytes proposals;
  tw_bytes credentials;
} tw_required_capabilities;

TW_MUST_USE tw_err tw_required_capabilities_decode(tw_bytes data, tw_required_capabilities *out);
/* TW_ERR_CAPABILITY unless `capabilities` (of a leaf) covers what the GroupContext extensions require and are. */
TW_MUST_USE tw_err tw_capabilities_meet(const tw_capabilities *capabilities, tw_bytes group_context_extensions);

/* struct Credential, section 5.3 */
typedef struct tw_credential_view {
  uint16_t type;
  tw_bytes identity; /* basic: identity; x509: the content of Certificate certificates<V> */
  tw_bytes encoded; /* the whole structure */
} tw_credential_view;

tw_credential_view tw_read_credential(tw_reader *r);
/* opaque cert_data<V>: the next certificate of an x509 credential's list, the end-entity one first. */
bool tw_certificate_next(tw_reader *walk, tw_bytes *certificate);

#endif
