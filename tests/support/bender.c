/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "bender.h"

#include <string.h>

void bender_begin(bender *b, tw_bytes extensions) {
  memset(b, 0, sizeof *b);
  tw_test_people_init(&b->p, 1);
  tw_test_gather(&b->p, 4, extensions);
  b->alice = b->p.all[0];
  b->bob = b->p.all[1];
  b->charlie = b->p.all[2];
  b->dora = b->p.all[3];
  b->emil = b->p.all[4];
  for (size_t i = 0; i < 4; i++) b->p.all[i]->psk = "psk";
  tw_test_path(b->charlie, &b->path);
}

void bender_end(bender *b) {
  tw_test_goes_on(&b->p, 4);
  tw_buf_clear(&b->list);
  tw_buf_clear(&b->path);
  tw_buf_clear(&b->body);
  tw_buf_clear(&b->message);
  tw_test_people_clear(&b->p);
}

void bender_refused_with(bender *b, const tw_bytes *references, size_t count, bool with_path, tw_err expected) {
  tw_test_commit_body(tw_buf_bytes(&b->list), references, count, with_path ? tw_buf_bytes(&b->path) : TW_NO_BYTES,
                      &b->body);
  tw_test_bend_commit(b->charlie, tw_buf_bytes(&b->body), &b->message);
  tw_test_refused(b->bob, tw_buf_bytes(&b->message), expected);
  b->list.len = 0;
}

void bender_refused(bender *b, tw_err expected) { bender_refused_with(b, NULL, 0, true, expected); }

void bender_refused_on_both_sides(bender *b, tw_err expected) {
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b->list), .without_collected = true};
  tw_commit_result result = {0};
  const tw_err err = tw_group_commit(b->charlie->group, &options, TW_TEST_NOW, &result);
  if (err != expected) fail_msg("committer: \"%s\" in place of \"%s\"", tw_err_text(err), tw_err_text(expected));
  bender_refused(b, expected);
}

void bender_add(bender *b, const tw_test_member *who) {
  tw_key_package *key_package = tw_test_key_package(who);
  assert_int_equal(tw_propose_add(&b->list, tw_key_package_message(key_package)), TW_OK);
  tw_key_package_free(key_package);
}

void bender_remove(bender *b, uint32_t leaf) { assert_int_equal(tw_propose_remove(&b->list, leaf), TW_OK); }

tw_bytes bender_collect(bender *b, tw_test_member *from, tw_bytes message) {
  tw_test_member *others[3];
  size_t n = 0;
  for (size_t i = 0; i < 4; i++) {
    if (b->p.all[i] != from) others[n++] = b->p.all[i];
  }
  tw_test_deliver(message, TW_RECEIVED_PROPOSAL, others, n);
  const tw_proposal_cache *cache = &b->charlie->group->proposals;
  return TW_BYTES(cache->items[cache->count - 1].reference, b->charlie->group->suite->hash->size);
}

tw_bytes bender_propose(bender *b, tw_test_member *from) {
  const tw_message_options plain = {.plaintext = true};
  b->message.len = 0;
  assert_int_equal(tw_group_propose(from->group, tw_buf_bytes(&b->list), &plain, TW_TEST_NOW, &b->message), TW_OK);
  b->list.len = 0;
  return bender_collect(b, from, tw_buf_bytes(&b->message));
}

tw_bytes bender_propose_update(bender *b, tw_test_member *from) {
  b->message.len = 0;
  assert_int_equal(tw_group_propose_update(from->group, NULL, NULL, &b->message), TW_OK);
  return bender_collect(b, from, tw_buf_bytes(&b->message));
}

void bender_forget(bender *b) {
  for (size_t i = 0; i < 4; i++) tw_group_forget_proposals(b->p.all[i]->group);
}

void bender_write_update(bender *b, const tw_test_member *from, const bent_leaf *bent) {
  const tw_group *group = from->group;
  const tw_leaf_node *old = tw_group_own_leaf_node(group);
  tw_secret private_key = {0};
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  assert_int_equal(tw_kem_generate(group->env, group->suite, &private_key, public_key), TW_OK);
  const tw_leaf_node_fields fields = {
      .encryption_key = bent->encryption_key.len > 0 ? bent->encryption_key
                                                     : TW_BYTES(public_key, group->suite->kem->public_size),
      .credential = old->credential.encoded,
      .capabilities = old->capabilities,
      .source = bent->source,
      .not_before = 1,
      .not_after = UINT64_MAX,
      .extensions = bent->extensions.len > 0 ? bent->extensions : old->extensions,
  };
  tw_buf leaf = {0};
  assert_int_equal(tw_leaf_node_make(group->env, group->suite, bent->signer != NULL ? bent->signer : group->signer,
                                     &fields, group->context.group_id, group->priv.leaf_index + bent->leaf_index_more,
                                     &leaf),
                   TW_OK);
  if (bent->bad_signature) leaf.ptr[leaf.len - 1] ^= 1;
  tw_writer w = tw_writer_to(&b->list);
  tw_write_proposal_update(&w, tw_buf_bytes(&leaf));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_buf_clear(&leaf);
  tw_secret_clear(&private_key);
}

void bender_refused_alone(bender *b, tw_err expected) {
  const tw_test_bent bent = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b->list)};
  tw_test_bend(b->dora, &bent, &b->message);
  tw_test_refused(b->bob, tw_buf_bytes(&b->message), expected);
  b->list.len = 0;
}

void bender_add_bent(bender *b, const bent_key_package *bent) {
  const tw_env *env = &b->p.test.env;
  const tw_suite *suite = b->emil->client.suite;
  static const uint8_t x509[] = {0, 2};
  tw_key_package *genuine = tw_test_key_package(b->emil);
  tw_key_package_view view;
  assert_int_equal(
      tw_key_package_decode(TW_BYTES(tw_key_package_message(genuine).ptr + 4, tw_key_package_message(genuine).len - 4),
                            &view),
      TW_OK);
  tw_leaf_node_fields fields = {
      .encryption_key = view.leaf_node.encryption_key,
      .credential = view.leaf_node.credential.encoded,
      .capabilities = view.leaf_node.capabilities,
      .source = bent->source != 0 ? bent->source : TW_LEAF_KEY_PACKAGE,
      .not_before = bent->not_before != 0 ? bent->not_before : view.leaf_node.not_before,
      .not_after = bent->not_after != 0 ? bent->not_after : view.leaf_node.not_after,
      .extensions = view.leaf_node.extensions,
  };
  if (bent->few_proposals) fields.capabilities.proposals = TW_NO_BYTES;
  if (bent->no_basic) fields.capabilities.credentials = TW_ARRAY(x509);
  tw_buf leaf = {0};
  tw_buf made = {0};
  assert_int_equal(tw_leaf_node_make(env, suite, b->emil->client.signer, &fields, TW_LITERAL("a group"), 4, &leaf),
                   TW_OK);
  if (bent->bad_leaf_signature) leaf.ptr[leaf.len - 1] ^= 1;
  tw_writer w = tw_writer_to(&made);
  tw_write_u16(&w, bent->other_version ? 2 : TW_MLS10);
  tw_write_u16(&w, bent->cipher_suite != 0 ? bent->cipher_suite : 1);
  tw_write_vector(&w, bent->same_init_key ? view.leaf_node.encryption_key : view.init_key);
  tw_write_fixed(&w, tw_buf_bytes(&leaf));
  tw_write_vector(&w, bent->extensions.len > 0 ? bent->extensions : view.extensions);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_bytes content = tw_buf_bytes(&made);
  tw_buf signature = {0};
  assert_int_equal(
      tw_sign_with_label(env, b->emil->client.signer, TW_LITERAL("KeyPackageTBS"), &content, 1, &signature), TW_OK);
  if (bent->bad_signature) signature.ptr[0] ^= 1;
  w = tw_writer_to(&made);
  tw_write_vector(&w, tw_buf_bytes(&signature));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  w = tw_writer_to(&b->list);
  tw_write_proposal_add(&w, tw_buf_bytes(&made));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_buf_clear(&signature);
  tw_buf_clear(&made);
  tw_buf_clear(&leaf);
  tw_key_package_free(genuine);
}

void bender_psk(bender *b, const tw_psk_id *id) {
  tw_writer w = tw_writer_to(&b->list);
  tw_write_proposal_psk(&w, id);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

void tw_test_required_capabilities(tw_buf *extensions, uint16_t extension, uint16_t proposal, uint16_t credential) {
  const uint8_t types[3][2] = {{(uint8_t)(extension >> 8), (uint8_t)extension},
                               {(uint8_t)(proposal >> 8), (uint8_t)proposal},
                               {(uint8_t)(credential >> 8), (uint8_t)credential}};
  const tw_required_capabilities needs = {
      .extensions = extension != 0 ? TW_ARRAY(types[0]) : TW_NO_BYTES,
      .proposals = proposal != 0 ? TW_ARRAY(types[1]) : TW_NO_BYTES,
      .credentials = credential != 0 ? TW_ARRAY(types[2]) : TW_NO_BYTES,
  };
  tw_buf data = {0};
  tw_writer w = tw_writer_to(&data);
  tw_write_required_capabilities(&w, &needs);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_extension_append(extensions, TW_EXTENSION_REQUIRED_CAPABILITIES, tw_buf_bytes(&data)), TW_OK);
  tw_buf_clear(&data);
}

void bender_extensions(bender *b, const tw_buf *extensions) {
  assert_int_equal(tw_propose_extensions(&b->list, tw_buf_bytes(extensions)), TW_OK);
}
