/* Code points of RFC 9420 section 17 and draft-ietf-mls-extensions. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PROTOCOL_H
#define TW_MLS_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

enum { TW_MLS10 = 1 };

/* WireFormat, section 6 */
enum tw_wire_format {
  TW_WIRE_PUBLIC_MESSAGE = 1,
  TW_WIRE_PRIVATE_MESSAGE = 2,
  TW_WIRE_WELCOME = 3,
  TW_WIRE_GROUP_INFO = 4,
  TW_WIRE_KEY_PACKAGE = 5
};

/* ContentType, section 6 */
enum tw_content_type { TW_CONTENT_APPLICATION = 1, TW_CONTENT_PROPOSAL = 2, TW_CONTENT_COMMIT = 3 };

/* SenderType, section 6 */
enum tw_sender_type {
  TW_SENDER_MEMBER = 1,
  TW_SENDER_EXTERNAL = 2,
  TW_SENDER_NEW_MEMBER_PROPOSAL = 3,
  TW_SENDER_NEW_MEMBER_COMMIT = 4
};

/* ProposalType, section 12.1 */
enum tw_proposal_type {
  TW_PROPOSAL_ADD = 1,
  TW_PROPOSAL_UPDATE = 2,
  TW_PROPOSAL_REMOVE = 3,
  TW_PROPOSAL_PSK = 4,
  TW_PROPOSAL_REINIT = 5,
  TW_PROPOSAL_EXTERNAL_INIT = 6,
  TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS = 7,
  TW_PROPOSAL_APP_DATA_UPDATE = 8,
  TW_PROPOSAL_APP_EPHEMERAL = 9,
  TW_PROPOSAL_SELF_REMOVE = 10
};

/* ExtensionType, section 17.3 and draft-ietf-mls-extensions */
enum tw_extension_type {
  TW_EXTENSION_APPLICATION_ID = 1,
  TW_EXTENSION_RATCHET_TREE = 2,
  TW_EXTENSION_REQUIRED_CAPABILITIES = 3,
  TW_EXTENSION_EXTERNAL_PUB = 4,
  TW_EXTENSION_EXTERNAL_SENDERS = 5,
  TW_EXTENSION_APP_DATA_DICTIONARY = 6,
  TW_EXTENSION_SUPPORTED_WIRE_FORMATS = 7,
  TW_EXTENSION_REQUIRED_WIRE_FORMATS = 8,
  TW_EXTENSION_LAST_RESORT = 10 /* of earlier revisions of the draft; since then a component */
};

/* CredentialType, section 5.3 */
enum tw_credential_type { TW_CREDENTIAL_BASIC = 1, TW_CREDENTIAL_X509 = 2 };

/* LeafNodeSource, section 7.2 */
enum tw_leaf_node_source { TW_LEAF_KEY_PACKAGE = 1, TW_LEAF_UPDATE = 2, TW_LEAF_COMMIT = 3 };

/* NodeType, section 7.8 */
enum tw_node_type { TW_NODE_LEAF = 1, TW_NODE_PARENT = 2 };

/* PSKType, section 8.4 and draft-ietf-mls-extensions */
enum tw_psk_type { TW_PSK_EXTERNAL = 1, TW_PSK_RESUMPTION = 2, TW_PSK_APPLICATION = 3 };

/* ResumptionPSKUsage, section 8.4 */
enum tw_resumption_usage { TW_RESUMPTION_APPLICATION = 1, TW_RESUMPTION_REINIT = 2, TW_RESUMPTION_BRANCH = 3 };

/* ProposalOrRefType, section 12.4 */
enum tw_proposal_or_ref_type { TW_COMMIT_PROPOSAL = 1, TW_COMMIT_REFERENCE = 2 };

/* AppDataUpdateOperation, draft-ietf-mls-extensions */
enum tw_app_data_operation { TW_APP_DATA_UPDATE = 1, TW_APP_DATA_REMOVE = 2 };

/* ComponentID, draft-ietf-mls-extensions */
enum tw_component {
  TW_COMPONENT_APP_COMPONENTS = 1,
  TW_COMPONENT_SAFE_AAD = 2,
  TW_COMPONENT_CONTENT_MEDIA_TYPES = 3,
  TW_COMPONENT_LAST_RESORT = 4, /* last_resort_key_package */
  TW_COMPONENT_APP_ACK = 5
};

/* GREASE values of every 16-bit registry: 0x0A0A, 0x1A1A, … 0xEAEA (section 13.5). */
static inline bool tw_is_grease(uint16_t value) {
  return (value & 0x0f0f) == 0x0a0a && (value >> 8) == (value & 0xff) && value != 0xfafa;
}

#endif
