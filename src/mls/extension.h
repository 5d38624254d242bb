/* Extensions, capabilities, credentials: the parts of leaves and contexts. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_EXTENSION_H
#define TW_MLS_EXTENSION_H

#include <treewire/mls.h>

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
/* The check of tw_read_extensions for a list that came otherwise: malformed, or TW_ERR_ENCODING for a repeated type. */
TW_MUST_USE tw_err tw_extensions_check(tw_bytes list);
void tw_write_extension(tw_writer *w, uint16_t type, tw_bytes data);
/* `list` with an extension's data replaced in its place, or the extension added at the end; appended to `out`. */
TW_MUST_USE tw_err tw_extensions_put(tw_bytes list, uint16_t type, tw_bytes data, tw_buf *out);
/* `list` without the extension (which need not be there); appended to `out`. */
TW_MUST_USE tw_err tw_extensions_drop(tw_bytes list, uint16_t type, tw_buf *out);
/* Types of section 7.2 and 13.4 that need not stand in capabilities. */
bool tw_extension_is_default(uint16_t type);
bool tw_proposal_is_default(uint16_t type);

/* uint16 values<V>: its content, of an even number of bytes. */
tw_bytes tw_read_u16_list(tw_reader *r);
/* The same as the whole of `data`: WireFormats and ComponentsList of draft-ietf-mls-extensions. */
TW_MUST_USE tw_err tw_u16_list_decode(tw_bytes data, tw_bytes *list);
/* A list of uint16 values: whether `value` is in it. */
bool tw_u16_list_has(tw_bytes list, uint16_t value);
/* Whether `have` holds all `values`, or all types of `extensions`, but the default ones. Linear for long lists. */
bool tw_u16_list_covers(tw_bytes have, tw_bytes values, bool (*is_default)(uint16_t value));
bool tw_u16_list_covers_extensions(tw_bytes have, tw_bytes extensions);

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
void tw_write_required_capabilities(tw_writer *w, const tw_required_capabilities *required);
/* TW_ERR_CAPABILITY unless `capabilities` (of a leaf) covers what the GroupContext extensions require and are. */
TW_MUST_USE tw_err tw_capabilities_meet(const tw_capabilities *capabilities, tw_bytes group_context_extensions);

/* struct Credential, section 5.3 */
typedef struct tw_credential_view {
  uint16_t type;
  tw_bytes identity; /* basic: identity; x509: the content of Certificate certificates<V> */
  tw_bytes encoded;  /* the whole structure */
} tw_credential_view;

tw_credential_view tw_read_credential(tw_reader *r);
/* opaque cert_data<V>: the next certificate of an x509 credential's list, the end-entity one first. */
bool tw_certificate_next(tw_reader *walk, tw_bytes *certificate);
void tw_write_credential(tw_writer *w, uint16_t type, tw_bytes identity);

/* struct ExternalSender, section 12.1.8.1 */
typedef struct tw_external_sender {
  tw_bytes signature_key;
  tw_credential_view credential;
} tw_external_sender;

/* The external_senders extension: a list, checked to be well-formed. */
TW_MUST_USE tw_err tw_external_senders_decode(tw_bytes data, tw_bytes *list);
bool tw_external_sender_next(tw_reader *walk, tw_external_sender *out);
void tw_write_external_sender(tw_writer *w, const tw_external_sender *sender);

#endif
