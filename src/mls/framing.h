/* FramedContent, PublicMessage, PrivateMessage, MLSMessage: RFC 9420 section 6. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_FRAMING_H
#define TW_MLS_FRAMING_H

#include "mls/group_info.h"

typedef struct tw_sender {
  uint8_t type;   /* enum tw_sender_type */
  uint32_t index; /* member: leaf index; external: index in external_senders */
} tw_sender;

typedef struct tw_framed_content {
  tw_bytes group_id;
  uint64_t epoch;
  tw_sender sender;
  tw_bytes authenticated_data;
  uint8_t content_type;      /* enum tw_content_type */
  tw_bytes body;             /* encoded: ApplicationData with its length, Proposal, or Commit */
  tw_bytes application_data; /* content_type application, without length */
  tw_commit commit;          /* content_type commit */
  tw_proposal proposal;      /* content_type proposal */
  tw_bytes encoded;
} tw_framed_content;

tw_sender tw_read_sender(tw_reader *r);
tw_framed_content tw_read_framed_content(tw_reader *r);
void tw_write_sender(tw_writer *w, tw_sender sender);

/* struct FramedContentAuthData, section 6.1 */
typedef struct tw_content_auth {
  tw_bytes signature;
  tw_bytes confirmation_tag; /* commits only, else empty */
} tw_content_auth;

tw_content_auth tw_read_content_auth(tw_reader *r, uint8_t content_type);
void tw_write_content_auth(tw_writer *w, const tw_content_auth *auth, uint8_t content_type);

/*
 * A content whose authenticity is NOT yet checked (tw_unverified_content) and one that is (tw_verified_content): the
 * group code takes only the latter, and only verification makes one.
 */
typedef struct tw_unverified_content {
  uint16_t wire_format;
  tw_framed_content content;
  tw_content_auth auth;
} tw_unverified_content;

typedef struct tw_verified_content {
  uint16_t wire_format;
  tw_framed_content content;
  tw_content_auth auth;
} tw_verified_content;

/* struct PublicMessage, section 6.2 */
typedef struct tw_public_message {
  tw_framed_content content;
  tw_content_auth auth;
  tw_bytes membership_tag; /* sender type member, else empty */
  tw_bytes authenticated;  /* encoded FramedContent and FramedContentAuthData: the end of AuthenticatedContentTBM */
} tw_public_message;

tw_public_message tw_read_public_message(tw_reader *r);

/* struct PrivateMessage, section 6.3 */
typedef struct tw_private_message {
  tw_bytes group_id;
  uint64_t epoch;
  uint8_t content_type;
  tw_bytes authenticated_data;
  tw_bytes encrypted_sender_data;
  tw_bytes ciphertext;
} tw_private_message;

tw_private_message tw_read_private_message(tw_reader *r);
void tw_write_private_message(tw_writer *w, const tw_private_message *message);

/* struct MLSMessage, section 6 */
typedef struct tw_mls_message {
  uint16_t version;
  uint16_t wire_format;
  union {
    tw_public_message public_message;
    tw_private_message private_message;
    tw_welcome welcome;
    tw_group_info group_info;
    tw_key_package_view key_package;
  } u;
} tw_mls_message;

/* TW_ERR_LIMIT above limits.message_size, TW_ERR_UNSUPPORTED for another version or wire format. */
TW_MUST_USE tw_err tw_mls_message_decode(const tw_env *env, tw_bytes encoded, tw_mls_message *out);
/* version and wire format; what follows is the body. */
void tw_write_mls_message_header(tw_writer *w, uint16_t wire_format);

#endif
