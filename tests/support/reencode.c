/* SPDX-License-Identifier: Apache-2.0 */
#include "reencode.h"

void tw_reencode_extensions(tw_writer *w, tw_bytes list) {
  const tw_vector_mark mark = tw_write_open(w);
  tw_reader walk = tw_reader_of(list);
  tw_extension extension;
  while (tw_extension_next(&walk, &extension)) tw_write_extension(w, extension.type, extension.data);
  tw_write_close(w, mark);
}

static void write_credential(tw_writer *w, const tw_credential_view *credential) {
  if (credential->type == TW_CREDENTIAL_BASIC) {
    tw_write_credential(w, credential->type, credential->identity);
    return;
  }
  tw_write_u16(w, credential->type);
  const tw_vector_mark mark = tw_write_open(w);
  tw_reader walk = tw_reader_of(credential->identity);
  tw_bytes certificate;
  while (tw_certificate_next(&walk, &certificate)) tw_write_vector(w, certificate);
  tw_write_close(w, mark);
}

void tw_reencode_leaf_node(tw_writer *w, const tw_leaf_node *leaf) {
  tw_write_vector(w, leaf->encryption_key);
  tw_write_vector(w, leaf->signature_key);
  write_credential(w, &leaf->credential);
  tw_write_capabilities(w, &leaf->capabilities);
  tw_write_u8(w, leaf->source);
  if (leaf->source == TW_LEAF_KEY_PACKAGE) {
    tw_write_u64(w, leaf->not_before);
    tw_write_u64(w, leaf->not_after);
  } else if (leaf->source == TW_LEAF_COMMIT) {
    tw_write_vector(w, leaf->parent_hash);
  }
  tw_reencode_extensions(w, leaf->extensions);
  tw_write_vector(w, leaf->signature);
}

void tw_reencode_key_package(tw_writer *w, const tw_key_package_view *key_package) {
  tw_write_u16(w, key_package->version);
  tw_write_u16(w, key_package->cipher_suite);
  tw_write_vector(w, key_package->init_key);
  tw_reencode_leaf_node(w, &key_package->leaf_node);
  tw_reencode_extensions(w, key_package->extensions);
  tw_write_vector(w, key_package->signature);
}

static void write_reinit(tw_writer *w, const tw_proposal *proposal) {
  tw_write_vector(w, proposal->u.reinit.group_id);
  tw_write_u16(w, proposal->u.reinit.version);
  tw_write_u16(w, proposal->u.reinit.cipher_suite);
  tw_reencode_extensions(w, proposal->u.reinit.extensions);
}

static void write_app_data_update(tw_writer *w, const tw_proposal *proposal) {
  tw_write_u16(w, proposal->u.app_data_update.component_id);
  tw_write_u8(w, proposal->u.app_data_update.op);
  if (proposal->u.app_data_update.op == TW_APP_DATA_UPDATE) tw_write_vector(w, proposal->u.app_data_update.update);
}

void tw_reencode_proposal_body(tw_writer *w, const tw_proposal *proposal) {
  switch (proposal->type) {
  case TW_PROPOSAL_ADD: tw_reencode_key_package(w, &proposal->u.add); break;
  case TW_PROPOSAL_UPDATE: tw_reencode_leaf_node(w, &proposal->u.update); break;
  case TW_PROPOSAL_REMOVE: tw_write_u32(w, proposal->u.remove); break;
  case TW_PROPOSAL_PSK: tw_write_psk_id(w, &proposal->u.psk); break;
  case TW_PROPOSAL_REINIT: write_reinit(w, proposal); break;
  case TW_PROPOSAL_EXTERNAL_INIT: tw_write_vector(w, proposal->u.external_init); break;
  case TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: tw_reencode_extensions(w, proposal->u.group_context_extensions); break;
  case TW_PROPOSAL_APP_DATA_UPDATE: write_app_data_update(w, proposal); break;
  case TW_PROPOSAL_APP_EPHEMERAL:
    tw_write_u16(w, proposal->u.app_ephemeral.component_id);
    tw_write_vector(w, proposal->u.app_ephemeral.data);
    break;
  case TW_PROPOSAL_SELF_REMOVE: break;
  default: tw_writer_fail(w, TW_ERR_ARGUMENT); break;
  }
}

void tw_reencode_proposal(tw_writer *w, const tw_proposal *proposal) {
  tw_write_u16(w, proposal->type);
  tw_reencode_proposal_body(w, proposal);
}

static void write_update_path(tw_writer *w, const tw_update_path *path) {
  tw_reencode_leaf_node(w, &path->leaf_node);
  const tw_vector_mark nodes = tw_write_open(w);
  tw_reader walk = tw_reader_of(path->nodes);
  tw_update_path_node node;
  uint32_t count = 0;
  for (; tw_update_path_node_next(&walk, &node); count++) {
    tw_write_vector(w, node.encryption_key);
    const tw_vector_mark secrets = tw_write_open(w);
    tw_reader ciphertexts = tw_reader_of(node.encrypted_path_secrets);
    tw_hpke_ciphertext ciphertext;
    while (tw_hpke_ciphertext_next(&ciphertexts, &ciphertext)) tw_write_hpke_ciphertext(w, &ciphertext);
    tw_write_close(w, secrets);
  }
  tw_write_close(w, nodes);
  if (count != path->node_count) tw_writer_fail(w, TW_ERR_INTERNAL);
}

void tw_reencode_commit(tw_writer *w, const tw_commit *commit) {
  const tw_vector_mark proposals = tw_write_open(w);
  tw_reader walk = tw_reader_of(commit->proposals);
  tw_proposal_or_ref entry;
  uint32_t count = 0;
  for (; tw_proposal_or_ref_next(&walk, &entry); count++) {
    tw_write_u8(w, entry.type);
    if (entry.type == TW_COMMIT_PROPOSAL) tw_reencode_proposal(w, &entry.proposal);
    if (entry.type == TW_COMMIT_REFERENCE) tw_write_vector(w, entry.reference);
  }
  tw_write_close(w, proposals);
  if (count != commit->proposal_count) tw_writer_fail(w, TW_ERR_INTERNAL);
  tw_write_u8(w, commit->has_path ? 1 : 0);
  if (commit->has_path) write_update_path(w, &commit->path);
}

void tw_reencode_group_info(tw_writer *w, const tw_group_info *info) {
  tw_write_group_context(w, &info->group_context);
  tw_reencode_extensions(w, info->extensions);
  tw_write_vector(w, info->confirmation_tag);
  tw_write_u32(w, info->signer);
  tw_write_vector(w, info->signature);
}

void tw_reencode_group_secrets(tw_writer *w, const tw_group_secrets *secrets) {
  tw_buf psks = {0};
  tw_writer list = tw_writer_to(&psks);
  tw_reader walk = tw_reader_of(secrets->psks);
  tw_psk_id id;
  uint32_t count = 0;
  for (; tw_psk_id_next(&walk, &id); count++) tw_write_psk_id(&list, &id);
  if (tw_writer_end(&list) != TW_OK) tw_writer_fail(w, TW_ERR_NO_MEMORY);
  tw_group_secrets again = *secrets;
  again.psks = tw_buf_bytes(&psks);
  tw_write_group_secrets(w, &again);
  tw_buf_clear(&psks);
  if (count != secrets->psk_count) tw_writer_fail(w, TW_ERR_INTERNAL);
}

void tw_reencode_welcome(tw_writer *w, const tw_welcome *welcome) {
  tw_write_u16(w, welcome->cipher_suite);
  const tw_vector_mark mark = tw_write_open(w);
  tw_reader walk = tw_reader_of(welcome->secrets);
  tw_encrypted_group_secrets secrets;
  while (tw_encrypted_group_secrets_next(&walk, &secrets)) tw_write_encrypted_group_secrets(w, &secrets);
  tw_write_close(w, mark);
  tw_write_vector(w, welcome->encrypted_group_info);
}

static void write_public_message(tw_writer *w, const tw_public_message *message) {
  const tw_framed_content *content = &message->content;
  tw_write_vector(w, content->group_id);
  tw_write_u64(w, content->epoch);
  tw_write_sender(w, content->sender);
  tw_write_vector(w, content->authenticated_data);
  tw_write_u8(w, content->content_type);
  if (content->content_type == TW_CONTENT_APPLICATION) tw_write_vector(w, content->application_data);
  if (content->content_type == TW_CONTENT_PROPOSAL) tw_reencode_proposal(w, &content->proposal);
  if (content->content_type == TW_CONTENT_COMMIT) tw_reencode_commit(w, &content->commit);
  tw_write_content_auth(w, &message->auth, content->content_type);
  if (content->sender.type == TW_SENDER_MEMBER) tw_write_vector(w, message->membership_tag);
}

void tw_reencode_message(tw_writer *w, const tw_mls_message *message) {
  tw_write_mls_message_header(w, message->wire_format);
  switch (message->wire_format) {
  case TW_WIRE_PUBLIC_MESSAGE: write_public_message(w, &message->u.public_message); break;
  case TW_WIRE_PRIVATE_MESSAGE: tw_write_private_message(w, &message->u.private_message); break;
  case TW_WIRE_WELCOME: tw_reencode_welcome(w, &message->u.welcome); break;
  case TW_WIRE_GROUP_INFO: tw_reencode_group_info(w, &message->u.group_info); break;
  case TW_WIRE_KEY_PACKAGE: tw_reencode_key_package(w, &message->u.key_package); break;
  default: tw_writer_fail(w, TW_ERR_ARGUMENT); break;
  }
}

/* struct ParentNode { opaque encryption_key<V>; opaque parent_hash<V>; uint32 unmerged_leaves<V>; }, section 7.1 */
static void copy_parent_node(tw_writer *w, tw_reader *r) {
  tw_write_vector(w, tw_read_vector(r));
  tw_write_vector(w, tw_read_vector(r));
  const tw_vector_mark mark = tw_write_open(w);
  tw_reader walk = tw_reader_of(tw_read_vector(r));
  while (tw_reader_more(&walk)) tw_write_u32(w, tw_read_u32(&walk));
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  tw_write_close(w, mark);
}

static void copy_node(tw_writer *w, tw_reader *r) {
  const uint8_t type = tw_read_u8(r);
  tw_write_u8(w, type);
  if (type == TW_NODE_LEAF) {
    const tw_leaf_node leaf = tw_read_leaf_node(r);
    tw_reencode_leaf_node(w, &leaf);
  } else if (type == TW_NODE_PARENT) {
    copy_parent_node(w, r);
  } else {
    tw_reader_fail(r, TW_ERR_ENCODING);
  }
}

tw_err tw_reencode_ratchet_tree(tw_writer *w, tw_bytes encoded) {
  tw_reader r = tw_reader_of(encoded);
  const tw_bytes nodes = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  const tw_vector_mark mark = tw_write_open(w);
  tw_reader walk = tw_reader_of(nodes);
  while (tw_reader_more(&walk)) {
    const bool present = tw_read_present(&walk);
    tw_write_u8(w, present ? 1 : 0);
    if (present) copy_node(w, &walk);
  }
  tw_write_close(w, mark);
  return tw_reader_err(&walk);
}
