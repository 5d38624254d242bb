/* GroupInfo and Welcome: RFC 9420 sections 12.4.3 and 12.4.3.1. SPDX-License-Identifier: Apache-2.0 */
#include "mls/commit_make.h"
#include "mls/grease.h"

static void write_extension_vector(tw_writer *w, uint16_t type, tw_bytes value) {
  tw_write_u16(w, type);
  const tw_vector_mark data = tw_write_open(w);
  tw_write_vector(w, value);
  tw_write_close(w, data);
}

static tw_err append_external_pub(const tw_group *group, tw_buf *extensions) {
  tw_secret private_key = {0};
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  TW_TRY(tw_external_key_pair(group->env, group->suite, tw_secret_bytes(&group->secrets.external_secret), &private_key,
                              public_key));
  tw_secret_clear(&private_key);
  tw_writer w = tw_writer_to(extensions);
  write_extension_vector(&w, TW_EXTENSION_EXTERNAL_PUB, TW_BYTES(public_key, group->suite->kem->public_size));
  return tw_writer_end(&w);
}

static tw_err append_tree(const tw_group *group, tw_buf *extensions) {
  tw_buf tree = TW_BUF_INIT(tw_env_alloc(group->env));
  tw_err err = tw_tree_encode(group->tree, &tree);
  if (err == TW_OK) err = tw_extension_append(extensions, TW_EXTENSION_RATCHET_TREE, tw_buf_bytes(&tree));
  tw_buf_clear(&tree);
  return err;
}

static tw_err append_extensions(const tw_group *group, bool with_tree, bool external_pub, tw_bytes more,
                                tw_buf *extensions) {
  uint16_t grease;
  TW_TRY(tw_grease_value(group->env, &grease));
  if (with_tree) TW_TRY(append_tree(group, extensions));
  if (external_pub) TW_TRY(append_external_pub(group, extensions));
  TW_TRY(tw_buf_append(extensions, more));
  TW_TRY(tw_grease_components(group->env, extensions));
  return tw_grease_extension(group->env, grease, extensions);
}

tw_err tw_group_info_build(const tw_group *group, bool with_tree, bool external_pub, tw_bytes more, tw_buf *out) {
  tw_buf extensions = TW_BUF_INIT(tw_env_alloc(group->env));
  tw_err err = append_extensions(group, with_tree, external_pub, more, &extensions);
  if (err == TW_OK)
    err = tw_group_info_make(group->env, group->suite, group->signer, tw_buf_bytes(&group->context_encoded),
                             tw_buf_bytes(&extensions), tw_group_hash_bytes(group, group->confirmation_tag),
                             group->priv.leaf_index, out);
  tw_buf_clear(&extensions);
  return err;
}

tw_err tw_group_info_message(const tw_group *group, bool with_tree, tw_bytes extensions, tw_buf *out) {
  TW_TRY(tw_group_check_open(group));
  tw_buf info = TW_BUF_INIT(tw_env_alloc(group->env));
  tw_err err = tw_group_info_build(group, with_tree, true, extensions, &info);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(out);
    tw_write_mls_message_header(&w, TW_WIRE_GROUP_INFO);
    tw_write_fixed(&w, tw_buf_bytes(&info));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&info);
  return err;
}

/* struct { KeyPackageRef refs<V>; }: those whom the Welcome is for, see tw_commit_options.names_key_packages. */
static tw_err write_references(const tw_commit_work *work, const tw_group *next, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark refs = tw_write_open(&w);
  tw_err err = TW_OK;
  for (uint32_t i = 0; err == TW_OK && i < work->list.count; i++) {
    const tw_proposal *proposal = &work->list.items[i].proposal;
    if (proposal->type != TW_PROPOSAL_ADD) continue;
    uint8_t reference[TW_HASH_MAX];
    err = tw_key_package_ref(next->env, next->suite, proposal->u.add.encoded, reference);
    tw_write_vector(&w, tw_group_hash_bytes(next, reference));
  }
  tw_write_close(&w, refs);
  const tw_err end = tw_writer_end(&w);
  return err != TW_OK ? err : end;
}

static tw_err append_references(const tw_commit_work *work, const tw_group *next, tw_buf *extensions) {
  const uint16_t component = tw_env_code_points(next->env)->welcome_key_packages_component;
  tw_buf references = TW_BUF_INIT(tw_env_alloc(next->env));
  tw_err err = write_references(work, next, &references);
  if (err == TW_OK) err = tw_component_set(extensions, component, tw_buf_bytes(&references));
  tw_buf_clear(&references);
  return err;
}

static tw_err build_welcome_info(const tw_commit_work *work, const tw_group *next, tw_buf *out) {
  const bool with_tree = !work->options->tree_outside;
  if (!work->options->names_key_packages) {
    return tw_group_info_build(next, with_tree, false, work->options->group_info_extensions, out);
  }
  tw_buf extensions = TW_BUF_INIT(tw_env_alloc(next->env));
  tw_err err = tw_buf_append(&extensions, work->options->group_info_extensions);
  if (err == TW_OK) err = append_references(work, next, &extensions);
  if (err == TW_OK) err = tw_group_info_build(next, with_tree, false, tw_buf_bytes(&extensions), out);
  tw_buf_clear(&extensions);
  return err;
}

static tw_err encrypt_group_info(const tw_commit_work *work, const tw_group *next, tw_buf *encrypted) {
  const tw_env *env = next->env;
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  TW_TRY(build_welcome_info(work, next, encrypted));
  TW_TRY(tw_buf_reserve(encrypted, TW_AEAD_TAG));
  TW_TRY(tw_welcome_key(env, next->suite, tw_secret_bytes(&work->joiner_secret), tw_secret_bytes(&work->psk_secret),
                        key, nonce));
  const tw_err err = tw_aead_seal(env, next->suite, TW_BYTES(key, next->suite->aead->key_size), nonce, TW_NO_BYTES,
                                  tw_buf_bytes(encrypted), encrypted->ptr);
  tw_wipe(key, sizeof key);
  if (err == TW_OK) encrypted->len += TW_AEAD_TAG;
  return err;
}

/* What one joiner gets: joiner_secret, the path secret that it shares with us, the PSKs to use. */
static tw_err write_secrets(const tw_commit_work *work, const tw_group *next, uint32_t leaf_index, tw_buf *out) {
  const tw_secret *path_secret = work->has_path
                                     ? tw_path_secret_for(next->tree, &work->path, next->priv.leaf_index, leaf_index)
                                     : NULL;
  const tw_group_secrets secrets = {
      .joiner_secret = tw_secret_bytes(&work->joiner_secret),
      .has_path_secret = path_secret != NULL,
      .path_secret = path_secret != NULL ? tw_secret_bytes(path_secret) : TW_NO_BYTES,
      .psks = tw_buf_bytes(&work->psk_ids),
  };
  tw_writer w = tw_writer_to(out);
  tw_write_group_secrets(&w, &secrets);
  return tw_writer_end(&w);
}

static tw_err append_joiner(const tw_commit_work *work, const tw_group *next, const tw_listed_proposal *item,
                            const tw_hpke_info *info, tw_buf *scratch, tw_buf *out) {
  const tw_key_package_view *key_package = &item->proposal.u.add;
  uint8_t reference[TW_HASH_MAX];
  tw_buf *secrets = &scratch[0];
  tw_buf *kem_output = &scratch[1];
  tw_buf *ciphertext = &scratch[2];
  for (size_t i = 0; i < 3; i++) tw_buf_consume(&scratch[i], scratch[i].len);
  TW_TRY(tw_key_package_ref(next->env, next->suite, key_package->encoded, reference));
  TW_TRY(write_secrets(work, next, item->added_leaf, secrets));
  TW_TRY(tw_hpke_seal_with(next->env, next->suite, key_package->init_key, info, TW_NO_BYTES, tw_buf_bytes(secrets),
                           kem_output, ciphertext));
  tw_writer w = tw_writer_to(out);
  tw_write_vector(&w, tw_group_hash_bytes(next, reference));
  tw_write_vector(&w, tw_buf_bytes(kem_output));
  tw_write_vector(&w, tw_buf_bytes(ciphertext));
  return tw_writer_end(&w);
}

static tw_err append_joiners(const tw_commit_work *work, const tw_group *next, tw_bytes encrypted_info, tw_buf *out) {
  tw_hpke_info info;
  /* Once for all: encrypted_group_info, maybe with the whole tree in it, is the context for every joiner. */
  TW_TRY(tw_encrypt_info(next->env, next->suite, TW_LITERAL("Welcome"), encrypted_info, &info));
  const tw_alloc *alloc = tw_env_alloc(next->env);
  tw_buf scratch[3] = {TW_BUF_INIT(alloc), TW_BUF_INIT(alloc), TW_BUF_INIT(alloc)};
  tw_err err = TW_OK;
  for (uint32_t i = 0; err == TW_OK && i < work->list.count; i++) {
    if (work->list.items[i].proposal.type == TW_PROPOSAL_ADD)
      err = append_joiner(work, next, &work->list.items[i], &info, scratch, out);
  }
  for (size_t i = 0; i < 3; i++) tw_buf_clear(&scratch[i]);
  return err;
}

tw_err tw_welcome_make(const tw_commit_work *work, const tw_group *next, tw_buf *out) {
  const tw_alloc *alloc = tw_env_alloc(next->env);
  tw_buf info = TW_BUF_INIT(alloc);
  tw_buf joiners = TW_BUF_INIT(alloc);
  tw_err err = encrypt_group_info(work, next, &info);
  if (err == TW_OK) err = append_joiners(work, next, tw_buf_bytes(&info), &joiners);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(out);
    tw_write_mls_message_header(&w, TW_WIRE_WELCOME);
    tw_write_u16(&w, next->context.cipher_suite);
    tw_write_vector(&w, tw_buf_bytes(&joiners));
    tw_write_vector(&w, tw_buf_bytes(&info));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&info);
  tw_buf_clear(&joiners);
  return err;
}
