/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/commit_make.h"

#include "mls/leaf_make.h"

void tw_commit_work_clear(tw_commit_work *work) {
  const tw_env *env = work->from->env;
  tw_proposal_list_clear(env, &work->list);
  tw_buf_clear(&work->external_kem_output);
  tw_draft_clear(env, &work->draft);
  tw_buf_clear(&work->psk_ids);
  tw_secret_clear(&work->psk_secret);
  tw_path_secrets_clear(env, &work->path);
  tw_buf_clear(&work->body);
  tw_buf_clear(&work->framed_content);
  tw_buf_clear(&work->signature);
  tw_secret_clear(&work->joiner_secret);
}

void tw_commit_result_clear(tw_commit_result *result) {
  tw_group_free(result->next);
  tw_buf_clear(&result->commit);
  tw_buf_clear(&result->welcome);
  tw_buf_clear(&result->group_info);
  *result = (tw_commit_result){0};
}

tw_err tw_commit_work_append(tw_commit_work *work, tw_bytes proposals) {
  tw_reader r = tw_reader_of(proposals);
  while (tw_reader_more(&r)) {
    const tw_proposal proposal = tw_read_proposal(&r);
    TW_TRY(tw_reader_err(&r));
    TW_TRY(tw_proposal_list_append(work->from->env, &work->list, &proposal, work->committer, NULL));
  }
  return tw_reader_end(&r);
}

/* ---- the list applied ---- */

static tw_err derive_psks(tw_commit_work *work) {
  const tw_group *from = work->from;
  tw_buf_clear(&work->psk_ids);
  work->psk_ids = TW_BUF_INIT(tw_env_alloc(from->env));
  TW_TRY(tw_proposal_list_psk_ids(&work->list, &work->psk_ids));
  return tw_psk_secret_resolve(from->client, work->origin != NULL ? work->origin : from, tw_buf_bytes(&work->psk_ids),
                               &work->psk_secret);
}

static tw_err apply(tw_commit_work *work) {
  TW_TRY(tw_draft_begin(work->from, &work->draft));
  work->draft.founding = work->origin != NULL;
  TW_TRY(tw_proposal_list_apply(&work->list, work->committer, work->now, &work->draft));
  return derive_psks(work);
}

tw_err tw_commit_work_apply(tw_commit_work *work) {
  const tw_env *env = work->from->env;
  tw_draft_clear(env, &work->draft);
  const tw_err err = apply(work);
  work->is_applied = err == TW_OK;
  if (err != TW_OK) tw_draft_clear(env, &work->draft);
  return err;
}

/* ---- path ---- */

/* An external committer takes the leftmost blank leaf (section 12.4.3.2); a leaf to be replaced holds its place. */
static tw_err take_a_leaf(tw_commit_work *work, const tw_leaf_node_fields *identity) {
  const tw_group *from = work->from;
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  tw_leaf_node_fields fields = *identity;
  tw_buf encoded = TW_BUF_INIT(tw_env_alloc(from->env));
  TW_TRY(tw_kem_generate(from->env, from->suite, &work->draft.priv.leaf_key, public_key));
  fields.encryption_key = TW_BYTES(public_key, from->suite->kem->public_size);
  fields.source = TW_LEAF_COMMIT;
  tw_err err = tw_leaf_node_make(from->env, from->suite, work->draft.signer, &fields, from->context.group_id, 0,
                                 &encoded);
  if (err == TW_OK) err = tw_tree_add_leaf(work->draft.tree, tw_buf_bytes(&encoded), &work->draft.priv.leaf_index);
  tw_buf_clear(&encoded);
  return err;
}

static tw_err generate_path(tw_commit_work *work, const tw_leaf_node_fields *identity) {
  tw_draft *draft = &work->draft;
  const tw_group *from = work->from;
  if (work->committer.type == TW_SENDER_NEW_MEMBER_COMMIT) TW_TRY(take_a_leaf(work, identity));
  const uint32_t own = draft->priv.leaf_index;
  TW_TRY(tw_path_generate(draft->tree, &draft->priv, draft->signer, identity, from->context.group_id, &work->path));
  if (work->client == NULL) return TW_OK;
  const tw_leaf_node *leaf = tw_tree_leaf(draft->tree, own);
  if (tw_tree_has_signature_key(draft->tree, leaf->signature_key, own)) return TW_ERR_KEY_REUSED;
  TW_TRY(tw_leaf_node_check(from->env, from->suite, leaf, tw_buf_bytes(&draft->extensions), work->now));
  return tw_draft_check_leaf(draft, own);
}

/* The leaf keeps what it says unless the caller brings a new identity. */
static tw_err make_path(tw_commit_work *work) {
  if (work->client == NULL) {
    tw_leaf_node_fields fields;
    tw_leaf_fields_from(tw_group_own_leaf_node(work->from), &fields);
    return generate_path(work, &fields);
  }
  tw_own_leaf leaf = {0};
  TW_TRY(tw_own_leaf_make(work->client, &leaf));
  tw_signer_free(work->draft.signer);
  work->draft.signer = tw_signer_ref(work->client->signer);
  const tw_err err = generate_path(work, &leaf.fields);
  tw_own_leaf_clear(&leaf);
  return err;
}

/* ---- the Commit ---- */

static tw_err write_body(tw_commit_work *work) {
  const tw_group *from = work->from;
  tw_buf context = TW_BUF_INIT(tw_env_alloc(from->env));
  tw_writer w = tw_writer_to(&work->body);
  const tw_vector_mark proposals = tw_write_open(&w);
  for (uint32_t i = 0; i < work->list.count; i++) {
    const tw_listed_proposal *item = &work->list.items[i];
    tw_write_u8(&w, item->cached != NULL ? TW_COMMIT_REFERENCE : TW_COMMIT_PROPOSAL);
    if (item->cached != NULL) {
      tw_write_vector(&w, tw_group_hash_bytes(from, item->cached->reference));
    } else {
      tw_write_fixed(&w, item->proposal.encoded);
    }
  }
  tw_write_close(&w, proposals);
  tw_write_u8(&w, work->has_path);
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK && work->has_path) {
    err = tw_provisional_context(&work->draft, &context);
    if (err == TW_OK)
      err = tw_path_encrypt(work->draft.tree, &work->path, work->draft.priv.leaf_index, work->draft.added,
                            work->draft.added_count, tw_buf_bytes(&context), &work->body);
  }
  tw_buf_clear(&context);
  return err;
}

static uint16_t wire_format(const tw_commit_work *work) {
  const bool external = work->committer.type == TW_SENDER_NEW_MEMBER_COMMIT;
  return external || work->options->plaintext ? TW_WIRE_PUBLIC_MESSAGE : TW_WIRE_PRIVATE_MESSAGE;
}

static tw_content_fields content_fields(const tw_commit_work *work) {
  return (tw_content_fields){
      .group_id = work->from->context.group_id,
      .epoch = work->from->context.epoch,
      .sender = work->committer,
      .authenticated_data = work->authenticated_data,
      .content_type = TW_CONTENT_COMMIT,
      .body = tw_buf_bytes(&work->body),
  };
}

static tw_err sign_content(tw_commit_work *work) {
  const tw_group *from = work->from;
  const tw_content_fields fields = content_fields(work);
  tw_writer w = tw_writer_to(&work->framed_content);
  tw_write_framed_content(&w, &fields);
  TW_TRY(tw_writer_end(&w));
  /* Members check with the key that the current epoch's tree has; a joiner has only its new one. */
  const bool external = work->committer.type == TW_SENDER_NEW_MEMBER_COMMIT;
  const tw_signer *signer = external ? work->draft.signer : from->signer;
  return tw_content_sign(from->env, signer, wire_format(work), tw_buf_bytes(&work->framed_content),
                         work->committer.type, tw_buf_bytes(&from->context_encoded), &work->signature);
}

static tw_err advance(tw_commit_work *work, tw_group **next) {
  const tw_commit_input input = {
      .wire_format = wire_format(work),
      .framed_content = tw_buf_bytes(&work->framed_content),
      .signature = tw_buf_bytes(&work->signature),
      .commit_secret = tw_secret_bytes(&work->path.commit_secret),
      .psk_secret = tw_secret_bytes(&work->psk_secret),
      .reinit = tw_proposal_list_first(&work->list, TW_PROPOSAL_REINIT),
  };
  const tw_client *client = work->client != NULL ? work->client : work->from->client;
  return tw_epoch_advance(&work->draft, client, &input, &work->joiner_secret, next);
}

static tw_err protect(const tw_commit_work *work, const tw_group *next, tw_buf *out) {
  tw_group *from = work->from;
  const tw_content_auth auth = {
      .signature = tw_buf_bytes(&work->signature),
      .confirmation_tag = tw_group_hash_bytes(next, next->confirmation_tag),
  };
  if (wire_format(work) == TW_WIRE_PUBLIC_MESSAGE) {
    return tw_public_message_seal(from->env, from->suite, tw_buf_bytes(&work->framed_content), work->committer.type,
                                  TW_CONTENT_COMMIT, &auth, tw_secret_bytes(&from->secrets.membership_key),
                                  tw_buf_bytes(&from->context_encoded), out);
  }
  const tw_content_fields fields = content_fields(work);
  const tw_private_keys keys = {tw_secret_bytes(&from->secrets.sender_data_secret), from->secret_tree};
  return tw_private_message_seal(from->env, from->suite, &fields, &auth, &keys, tw_env_limits(from->env)->padding_block,
                                 out);
}

static tw_err write_outputs(const tw_commit_work *work, tw_commit_result *result) {
  const tw_commit_options *options = work->options;
  if (work->draft.added_count > 0) TW_TRY(tw_welcome_make(work, result->next, &result->welcome));
  if (options->want_group_info)
    TW_TRY(tw_group_info_message(result->next, !options->tree_outside, options->group_info_extensions,
                                 &result->group_info));
  /* Last, since it uses a message key of the current epoch up. */
  return protect(work, result->next, &result->commit);
}

tw_err tw_commit_work_run(tw_commit_work *work, tw_commit_result *result) {
  const tw_alloc *alloc = tw_env_alloc(work->from->env);
  work->has_path = !work->options->without_path || work->committer.type == TW_SENDER_NEW_MEMBER_COMMIT ||
                   tw_proposal_list_needs_path(&work->list);
  work->body = TW_BUF_INIT(alloc);
  work->framed_content = TW_BUF_INIT(alloc);
  work->signature = TW_BUF_INIT(alloc);
  TW_TRY(tw_group_authenticated_data(work->from, work->options->authenticated_data, &work->authenticated_data));
  if (!work->is_applied) TW_TRY(tw_commit_work_apply(work));
  if (work->has_path) TW_TRY(make_path(work));
  TW_TRY(write_body(work));
  TW_TRY(sign_content(work));
  tw_commit_result made = {
      .commit = TW_BUF_INIT(alloc), .welcome = TW_BUF_INIT(alloc), .group_info = TW_BUF_INIT(alloc)};
  tw_err err = advance(work, &made.next);
  if (err == TW_OK) err = write_outputs(work, &made);
  if (err != TW_OK) {
    tw_commit_result_clear(&made);
    return err;
  }
  *result = made;
  return TW_OK;
}
