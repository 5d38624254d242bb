/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include "mls/app_data.h"
#include "reencode.h"

#define KEY TW_LITERAL("a public key of some thirty bytes")
#define NONCE TW_LITERAL("a nonce of the hash's size")
#define GROUP TW_LITERAL("group")

static void write_u16s(tw_writer *w, const uint16_t *values, size_t count) {
  const tw_vector_mark mark = tw_write_open(w);
  for (size_t i = 0; i < count; i++) tw_write_u16(w, values[i]);
  tw_write_close(w, mark);
}

static void put_capabilities(tw_writer *w) {
  static const uint16_t versions[] = {TW_MLS10};
  static const uint16_t suites[] = {1, 2, 0x3a3a};
  static const uint16_t extensions[] = {TW_EXTENSION_APP_DATA_DICTIONARY, 0x1a1a};
  static const uint16_t proposals[] = {8, 9, 10};
  static const uint16_t credentials[] = {1, 2};
  write_u16s(w, versions, 1);
  write_u16s(w, suites, 3);
  write_u16s(w, extensions, 2);
  write_u16s(w, proposals, 3);
  write_u16s(w, credentials, 2);
}

static void put_dictionary(tw_writer *w) {
  static const uint16_t components[] = {1, 2, 0x8001};
  const tw_vector_mark list = tw_write_open(w);
  tw_write_u16(w, TW_COMPONENT_APP_COMPONENTS);
  const tw_vector_mark data = tw_write_open(w);
  write_u16s(w, components, 3);
  tw_write_close(w, data);
  tw_write_component(w, 0x8001, TW_LITERAL("binding"));
  tw_write_close(w, list);
}

static void put_extensions(tw_writer *w) {
  const tw_vector_mark list = tw_write_open(w);
  tw_write_extension(w, TW_EXTENSION_APPLICATION_ID, TW_LITERAL("\5ident"));
  tw_write_u16(w, TW_EXTENSION_APP_DATA_DICTIONARY);
  const tw_vector_mark data = tw_write_open(w);
  put_dictionary(w);
  tw_write_close(w, data);
  tw_write_extension(w, 0x1a1a, TW_NO_BYTES);
  tw_write_close(w, list);
}

static void put_certificates(tw_writer *w) {
  tw_write_u16(w, TW_CREDENTIAL_X509);
  const tw_vector_mark list = tw_write_open(w);
  tw_write_vector(w, TW_LITERAL("end-entity certificate"));
  tw_write_vector(w, TW_LITERAL("issuer"));
  tw_write_close(w, list);
}

static void put_leaf(tw_writer *w, uint8_t source) {
  tw_write_vector(w, KEY);
  tw_write_vector(w, KEY);
  if (source == TW_LEAF_UPDATE) {
    put_certificates(w);
  } else {
    tw_write_credential(w, TW_CREDENTIAL_BASIC, TW_LITERAL("alice"));
  }
  put_capabilities(w);
  tw_write_u8(w, source);
  if (source == TW_LEAF_KEY_PACKAGE) {
    tw_write_u64(w, 1700000000);
    tw_write_u64(w, 1800000000);
  }
  if (source == TW_LEAF_COMMIT) tw_write_vector(w, TW_LITERAL("parent hash"));
  put_extensions(w);
  tw_write_vector(w, TW_LITERAL("signature"));
}

static void put_key_package(tw_writer *w) {
  tw_write_u16(w, TW_MLS10);
  tw_write_u16(w, 1);
  tw_write_vector(w, TW_LITERAL("init key"));
  put_leaf(w, TW_LEAF_KEY_PACKAGE);
  put_extensions(w);
  tw_write_vector(w, TW_LITERAL("signature"));
}

static void put_ciphertext(tw_writer *w) {
  const tw_hpke_ciphertext ciphertext = {TW_LITERAL("kem output"), TW_LITERAL("ciphertext")};
  tw_write_hpke_ciphertext(w, &ciphertext);
}

static void put_update_path(tw_writer *w) {
  put_leaf(w, TW_LEAF_COMMIT);
  const tw_vector_mark nodes = tw_write_open(w);
  for (int i = 0; i < 2; i++) {
    tw_write_vector(w, KEY);
    const tw_vector_mark secrets = tw_write_open(w);
    put_ciphertext(w);
    put_ciphertext(w);
    tw_write_close(w, secrets);
  }
  tw_write_close(w, nodes);
}

static const tw_psk_id psk_external = {
    .type = TW_PSK_EXTERNAL, .id = {(const uint8_t *)"psk", 3}, .nonce = {(const uint8_t *)"n", 1}};
static const tw_psk_id psk_resumption = {.type = TW_PSK_RESUMPTION,
                                         .usage = TW_RESUMPTION_BRANCH,
                                         .group_id = {(const uint8_t *)"g", 1},
                                         .epoch = 7,
                                         .nonce = {(const uint8_t *)"n", 1}};
static const tw_psk_id psk_application = {.type = TW_PSK_APPLICATION,
                                          .component_id = 6,
                                          .id = {(const uint8_t *)"psk", 3},
                                          .nonce = {(const uint8_t *)"n", 1}};

static tw_bytes leaf_bytes(tw_buf *scratch, uint8_t source) {
  tw_writer w = tw_writer_to(scratch);
  put_leaf(&w, source);
  return tw_writer_end(&w) == TW_OK ? tw_buf_bytes(scratch) : TW_NO_BYTES;
}

static void put_proposal(tw_writer *w, uint16_t type) {
  tw_buf scratch = {0};
  tw_writer inner = tw_writer_to(&scratch);
  switch (type) {
  case TW_PROPOSAL_ADD:
    put_key_package(&inner);
    if (tw_writer_end(&inner) == TW_OK) tw_write_proposal_add(w, tw_buf_bytes(&scratch));
    break;
  case TW_PROPOSAL_UPDATE: tw_write_proposal_update(w, leaf_bytes(&scratch, TW_LEAF_UPDATE)); break;
  case TW_PROPOSAL_REMOVE: tw_write_proposal_remove(w, 3); break;
  case TW_PROPOSAL_PSK: tw_write_proposal_psk(w, &psk_external); break;
  case TW_PROPOSAL_REINIT: tw_write_proposal_reinit(w, TW_LITERAL("next"), 2, TW_LITERAL("\x3a\x3a\1x")); break;
  case TW_PROPOSAL_EXTERNAL_INIT: tw_write_proposal_external_init(w, TW_LITERAL("kem output")); break;
  case TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
    tw_write_proposal_group_context_extensions(w, TW_LITERAL("\0\3\3\0\0\0"));
    break;
  case TW_PROPOSAL_APP_DATA_UPDATE: tw_write_proposal_app_data_update(w, 0x8001, TW_LITERAL("change")); break;
  case TW_PROPOSAL_APP_EPHEMERAL: tw_write_proposal_app_ephemeral(w, 5, TW_LITERAL("seen")); break;
  default: tw_write_proposal_self_remove(w); break;
  }
  tw_buf_clear(&scratch);
}

static void put_commit(tw_writer *w, bool with_path) {
  const tw_vector_mark list = tw_write_open(w);
  for (uint16_t type = TW_PROPOSAL_ADD; with_path && type <= TW_PROPOSAL_SELF_REMOVE; type++) {
    tw_write_u8(w, TW_COMMIT_PROPOSAL);
    put_proposal(w, type);
  }
  tw_write_u8(w, TW_COMMIT_PROPOSAL);
  tw_write_proposal_psk(w, &psk_resumption);
  tw_write_u8(w, TW_COMMIT_PROPOSAL);
  tw_write_proposal_app_data_remove(w, 0x8002);
  tw_write_u8(w, TW_COMMIT_REFERENCE);
  tw_write_vector(w, TW_LITERAL("reference"));
  tw_write_close(w, list);
  tw_write_u8(w, with_path ? 1 : 0);
  if (with_path) put_update_path(w);
}

static void put_group_context(tw_writer *w) {
  const tw_group_context context = {.version = TW_MLS10,
                                    .cipher_suite = 1,
                                    .group_id = GROUP,
                                    .epoch = 0x0102030405060708,
                                    .tree_hash = TW_LITERAL("tree hash"),
                                    .confirmed_transcript_hash = TW_LITERAL("transcript"),
                                    .extensions = TW_LITERAL("\0\3\3\0\0\0\x2a\x2a\0")};
  tw_write_group_context(w, &context);
}

static void put_group_info(tw_writer *w) {
  put_group_context(w);
  put_extensions(w);
  tw_write_vector(w, TW_LITERAL("confirmation tag"));
  tw_write_u32(w, 2);
  tw_write_vector(w, TW_LITERAL("signature"));
}

/* ---- the samples: making ---- */

static void put_public(tw_writer *w, tw_sender sender, uint8_t content_type, uint16_t proposal_type) {
  tw_write_mls_message_header(w, TW_WIRE_PUBLIC_MESSAGE);
  tw_write_vector(w, GROUP);
  tw_write_u64(w, 5);
  tw_write_sender(w, sender);
  tw_write_vector(w, TW_LITERAL("authenticated data"));
  tw_write_u8(w, content_type);
  if (content_type == TW_CONTENT_APPLICATION) tw_write_vector(w, TW_LITERAL("hello"));
  if (content_type == TW_CONTENT_PROPOSAL) put_proposal(w, proposal_type);
  if (content_type == TW_CONTENT_COMMIT) put_commit(w, proposal_type != 0);
  const tw_content_auth auth = {TW_LITERAL("signature"), TW_LITERAL("confirmation tag")};
  tw_write_content_auth(w, &auth, content_type);
  if (sender.type == TW_SENDER_MEMBER) tw_write_vector(w, TW_LITERAL("membership tag"));
}

#define MAKE(name_, statement_)                                                                                        \
  static tw_err make_##name_(tw_buf *out) {                                                                            \
    tw_writer writer = tw_writer_to(out);                                                                              \
    tw_writer *w = &writer;                                                                                            \
    statement_;                                                                                                        \
    return tw_writer_end(w);                                                                                           \
  }
#define MEMBER ((tw_sender){TW_SENDER_MEMBER, 1})
#define EXTERNAL ((tw_sender){TW_SENDER_EXTERNAL, 0})
#define NEW_PROPOSAL ((tw_sender){TW_SENDER_NEW_MEMBER_PROPOSAL, 0})
#define NEW_COMMIT ((tw_sender){TW_SENDER_NEW_MEMBER_COMMIT, 0})

MAKE(public_application, put_public(w, MEMBER, TW_CONTENT_APPLICATION, 0))
MAKE(public_add, put_public(w, NEW_PROPOSAL, TW_CONTENT_PROPOSAL, TW_PROPOSAL_ADD))
MAKE(public_update, put_public(w, MEMBER, TW_CONTENT_PROPOSAL, TW_PROPOSAL_UPDATE))
MAKE(public_remove, put_public(w, EXTERNAL, TW_CONTENT_PROPOSAL, TW_PROPOSAL_REMOVE))
MAKE(public_commit, put_public(w, MEMBER, TW_CONTENT_COMMIT, 1))
MAKE(public_commit_partial, put_public(w, MEMBER, TW_CONTENT_COMMIT, 0))
MAKE(public_external_commit, put_public(w, NEW_COMMIT, TW_CONTENT_COMMIT, 1))
MAKE(proposal_psk, put_proposal(w, TW_PROPOSAL_PSK))
MAKE(proposal_psk_application, tw_write_proposal_psk(w, &psk_application))
MAKE(proposal_reinit, put_proposal(w, TW_PROPOSAL_REINIT))
MAKE(proposal_external_init, put_proposal(w, TW_PROPOSAL_EXTERNAL_INIT))
MAKE(proposal_group_context_extensions, put_proposal(w, TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS))
MAKE(proposal_app_data_update, put_proposal(w, TW_PROPOSAL_APP_DATA_UPDATE))
MAKE(proposal_app_data_remove, tw_write_proposal_app_data_remove(w, 0x8001))
MAKE(proposal_app_ephemeral, put_proposal(w, TW_PROPOSAL_APP_EPHEMERAL))
MAKE(proposal_self_remove, put_proposal(w, TW_PROPOSAL_SELF_REMOVE))
MAKE(leaf_key_package, put_leaf(w, TW_LEAF_KEY_PACKAGE))
MAKE(leaf_update, put_leaf(w, TW_LEAF_UPDATE))
MAKE(leaf_commit, put_leaf(w, TW_LEAF_COMMIT))
MAKE(dictionary, put_dictionary(w))

static tw_err make_private(tw_buf *out) {
  const tw_private_message message = {.group_id = GROUP,
                                      .epoch = 9,
                                      .content_type = TW_CONTENT_APPLICATION,
                                      .authenticated_data = TW_LITERAL("aad"),
                                      .encrypted_sender_data = TW_LITERAL("sender data"),
                                      .ciphertext = TW_LITERAL("ciphertext")};
  tw_writer w = tw_writer_to(out);
  tw_write_mls_message_header(&w, TW_WIRE_PRIVATE_MESSAGE);
  tw_write_private_message(&w, &message);
  return tw_writer_end(&w);
}

static tw_err make_welcome(tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_mls_message_header(&w, TW_WIRE_WELCOME);
  tw_write_u16(&w, 1);
  const tw_vector_mark list = tw_write_open(&w);
  for (int i = 0; i < 2; i++) {
    const tw_encrypted_group_secrets secrets = {TW_LITERAL("reference of a key package"), {KEY, TW_LITERAL("secrets")}};
    tw_write_encrypted_group_secrets(&w, &secrets);
  }
  tw_write_close(&w, list);
  tw_write_vector(&w, TW_LITERAL("encrypted group info"));
  return tw_writer_end(&w);
}

MAKE(message_group_info, tw_write_mls_message_header(w, TW_WIRE_GROUP_INFO); put_group_info(w))
MAKE(message_key_package, tw_write_mls_message_header(w, TW_WIRE_KEY_PACKAGE); put_key_package(w))

static tw_err make_group_secrets(tw_buf *out) {
  tw_buf psks = {0};
  tw_writer w = tw_writer_to(&psks);
  tw_write_psk_id(&w, &psk_external);
  tw_write_psk_id(&w, &psk_resumption);
  tw_write_psk_id(&w, &psk_application);
  tw_err err = tw_writer_end(&w);
  const tw_group_secrets secrets = {.joiner_secret = NONCE,
                                    .has_path_secret = true,
                                    .path_secret = TW_LITERAL("path secret"),
                                    .psks = tw_buf_bytes(&psks)};
  w = tw_writer_to(out);
  tw_write_group_secrets(&w, &secrets);
  if (err == TW_OK) err = tw_writer_end(&w);
  tw_buf_clear(&psks);
  return err;
}

static tw_err make_ratchet_tree(tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark list = tw_write_open(&w);
  tw_write_u8(&w, 1);
  tw_write_u8(&w, TW_NODE_LEAF);
  put_leaf(&w, TW_LEAF_COMMIT);
  tw_write_u8(&w, 1);
  tw_write_u8(&w, TW_NODE_PARENT);
  tw_write_vector(&w, KEY);
  tw_write_vector(&w, TW_LITERAL("parent hash"));
  tw_write_vector(&w, TW_LITERAL("\0\0\0\1"));
  tw_write_u8(&w, 0);
  tw_write_close(&w, list);
  return tw_writer_end(&w);
}

static tw_err make_required_capabilities(tw_buf *out) {
  static const uint16_t extensions[] = {6};
  static const uint16_t proposals[] = {8, 10};
  static const uint16_t credentials[] = {1};
  tw_writer w = tw_writer_to(out);
  write_u16s(&w, extensions, 1);
  write_u16s(&w, proposals, 2);
  write_u16s(&w, credentials, 1);
  return tw_writer_end(&w);
}

static tw_err make_external_senders(tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark list = tw_write_open(&w);
  tw_write_vector(&w, KEY);
  tw_write_credential(&w, TW_CREDENTIAL_BASIC, TW_LITERAL("service"));
  tw_write_vector(&w, KEY);
  put_certificates(&w);
  tw_write_close(&w, list);
  return tw_writer_end(&w);
}

/* ---- the samples: decoding and writing again ---- */

static tw_err recode_message(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  tw_mls_message message;
  TW_TRY(tw_mls_message_decode(env, encoded, &message));
  tw_writer w = tw_writer_to(out);
  tw_reencode_message(&w, &message);
  return tw_writer_end(&w);
}

static tw_err recode_proposal(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  (void)env;
  tw_proposal proposal;
  TW_TRY(tw_proposal_decode(encoded, &proposal));
  tw_writer w = tw_writer_to(out);
  tw_reencode_proposal(&w, &proposal);
  return tw_writer_end(&w);
}

static tw_err recode_leaf(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  (void)env;
  tw_leaf_node leaf;
  TW_TRY(tw_leaf_node_decode(encoded, &leaf));
  tw_writer w = tw_writer_to(out);
  tw_reencode_leaf_node(&w, &leaf);
  return tw_writer_end(&w);
}

static tw_err recode_group_secrets(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  (void)env;
  tw_group_secrets secrets;
  TW_TRY(tw_group_secrets_decode(encoded, &secrets));
  tw_writer w = tw_writer_to(out);
  tw_reencode_group_secrets(&w, &secrets);
  return tw_writer_end(&w);
}

static tw_err recode_ratchet_tree(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  (void)env;
  tw_writer w = tw_writer_to(out);
  const tw_err err = tw_reencode_ratchet_tree(&w, encoded);
  if (err != TW_OK) tw_writer_fail(&w, err);
  return tw_writer_end(&w);
}

static tw_err recode_dictionary(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  (void)env;
  tw_bytes entries;
  TW_TRY(tw_component_entries_decode(encoded, &entries));
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark mark = tw_write_open(&w);
  tw_reader walk = tw_reader_of(entries);
  tw_component_data entry;
  while (tw_component_next(&walk, &entry)) tw_write_component(&w, entry.component_id, entry.data);
  tw_write_close(&w, mark);
  return tw_writer_end(&w);
}

static tw_err recode_required_capabilities(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  (void)env;
  tw_required_capabilities required;
  TW_TRY(tw_required_capabilities_decode(encoded, &required));
  tw_writer w = tw_writer_to(out);
  tw_write_required_capabilities(&w, &required);
  return tw_writer_end(&w);
}

static tw_err recode_external_senders(const tw_env *env, tw_bytes encoded, tw_buf *out) {
  (void)env;
  tw_bytes list;
  TW_TRY(tw_external_senders_decode(encoded, &list));
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark mark = tw_write_open(&w);
  tw_reader walk = tw_reader_of(list);
  tw_external_sender sender;
  while (tw_external_sender_next(&walk, &sender)) tw_write_external_sender(&w, &sender);
  tw_write_close(&w, mark);
  return tw_writer_end(&w);
}

#define MESSAGE(name_)                                                                                                 \
  { "message-" #name_, make_##name_, recode_message }
#define PROPOSAL(name_)                                                                                                \
  { "proposal-" #name_, make_proposal_##name_, recode_proposal }

static const tw_sample samples[] = {
    MESSAGE(public_application),
    MESSAGE(public_add),
    MESSAGE(public_update),
    MESSAGE(public_remove),
    MESSAGE(public_commit),
    MESSAGE(public_commit_partial),
    MESSAGE(public_external_commit),
    MESSAGE(private),
    MESSAGE(welcome),
    {"message-group_info", make_message_group_info, recode_message},
    {"message-key_package", make_message_key_package, recode_message},
    PROPOSAL(psk),
    PROPOSAL(psk_application),
    PROPOSAL(reinit),
    PROPOSAL(external_init),
    PROPOSAL(group_context_extensions),
    PROPOSAL(app_data_update),
    PROPOSAL(app_data_remove),
    PROPOSAL(app_ephemeral),
    PROPOSAL(self_remove),
    {"leaf-key_package", make_leaf_key_package, recode_leaf},
    {"leaf-update", make_leaf_update, recode_leaf},
    {"leaf-commit", make_leaf_commit, recode_leaf},
    {"group_secrets", make_group_secrets, recode_group_secrets},
    {"ratchet_tree", make_ratchet_tree, recode_ratchet_tree},
    {"dictionary", make_dictionary, recode_dictionary},
    {"required_capabilities", make_required_capabilities, recode_required_capabilities},
    {"external_senders", make_external_senders, recode_external_senders},
};

const tw_sample *tw_sample_at(size_t index) {
  return index < sizeof samples / sizeof samples[0] ? &samples[index] : NULL;
}
