/* Update paths and confirmation tags that a receiver refuses: RFC 9420 sections 7.3, 7.5 and 12.4.2. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/tree_node.h"
#include "tw_test_bent.h"

/* charlie's genuine empty commit, taken apart; alice and bob refuse what it becomes. */
typedef struct bender {
  tw_test_people p;
  tw_test_member *alice;
  tw_test_member *bob;
  tw_test_member *charlie;
  tw_commit_result genuine;
  tw_public_message public_message;
  tw_leaf_node leaf;
  tw_bytes nodes;
  tw_buf path;
  tw_buf body;
  tw_buf message;
} bender;

static void begin(bender *b) {
  const tw_commit_options options = {.plaintext = true};
  memset(b, 0, sizeof *b);
  tw_test_people_init(&b->p, 1);
  tw_test_gather(&b->p, 4, TW_NO_BYTES);
  /* everybody has committed, so that no parent is blank and no leaf unmerged */
  tw_test_goes_on(&b->p, 4);
  b->alice = b->p.all[0];
  b->bob = b->p.all[1];
  b->charlie = b->p.all[2];
  assert_int_equal(tw_group_commit(b->charlie->group, &options, TW_TEST_NOW, &b->genuine), TW_OK);
  b->public_message = tw_test_public(&b->p.test, tw_buf_bytes(&b->genuine.commit));
  b->leaf = b->public_message.content.commit.path.leaf_node;
  b->nodes = b->public_message.content.commit.path.nodes;
}

static void end(bender *b) {
  /* What was bent has not harmed the genuine one. */
  tw_test_member *others[] = {b->p.all[0], b->p.all[1], b->p.all[3]};
  tw_test_deliver(tw_buf_bytes(&b->genuine.commit), TW_RECEIVED_COMMIT, others, 3);
  tw_test_adopt(b->charlie, b->genuine.next);
  b->genuine.next = NULL;
  tw_test_agree(b->p.all, 4);
  tw_test_goes_on(&b->p, 4);
  tw_commit_result_clear(&b->genuine);
  tw_buf_clear(&b->path);
  tw_buf_clear(&b->body);
  tw_buf_clear(&b->message);
  tw_test_people_clear(&b->p);
}

static void refused(bender *b, tw_bytes leaf, tw_bytes nodes, tw_err expected) {
  tw_test_path_of(leaf, nodes, &b->path);
  tw_test_commit_body(TW_NO_BYTES, NULL, 0, tw_buf_bytes(&b->path), &b->body);
  tw_test_bend_commit(b->charlie, tw_buf_bytes(&b->body), &b->message);
  tw_test_refused(b->bob, tw_buf_bytes(&b->message), expected);
  tw_test_refused(b->alice, tw_buf_bytes(&b->message), expected);
}

static tw_leaf_node_fields fields_of(const bender *b) {
  return (tw_leaf_node_fields){
      .encryption_key = b->leaf.encryption_key,
      .credential = b->leaf.credential.encoded,
      .capabilities = b->leaf.capabilities,
      .source = TW_LEAF_COMMIT,
      .not_before = 1,
      .not_after = UINT64_MAX,
      .parent_hash = b->leaf.parent_hash,
      .extensions = b->leaf.extensions,
  };
}

/* The leaf with these fields, signed by `signer` (NULL: charlie). */
static void leaf_refused(bender *b, const tw_leaf_node_fields *fields, const tw_signer *signer, uint32_t index,
                         tw_err expected) {
  const tw_group *group = b->charlie->group;
  tw_buf leaf = {0};
  assert_int_equal(tw_leaf_node_make(group->env, group->suite, signer != NULL ? signer : group->signer, fields,
                                     group->context.group_id, index, &leaf),
                   TW_OK);
  refused(b, tw_buf_bytes(&leaf), b->nodes, expected);
  tw_buf_clear(&leaf);
}

static void leaves_of_a_path(void **state) {
  static const uint8_t unlisted[] = {0x77, 0x77, 0};
  static const uint8_t only_x509[] = {0, 2};
  bender b;
  (void)state;
  begin(&b);
  const uint32_t own = tw_group_own_leaf(b.charlie->group);
  tw_leaf_node_fields fields = fields_of(&b);
  fields.source = TW_LEAF_UPDATE;
  leaf_refused(&b, &fields, NULL, own, TW_ERR_TREE);
  fields.source = TW_LEAF_KEY_PACKAGE;
  leaf_refused(&b, &fields, NULL, own, TW_ERR_TREE);
  fields = fields_of(&b);
  fields.encryption_key = tw_group_own_leaf_node(b.charlie->group)->encryption_key;
  leaf_refused(&b, &fields, NULL, own, TW_ERR_KEY_REUSED);
  fields.encryption_key = tw_group_own_leaf_node(b.alice->group)->encryption_key;
  leaf_refused(&b, &fields, NULL, own, TW_ERR_KEY_REUSED);
  fields.encryption_key = TW_LITERAL("short");
  leaf_refused(&b, &fields, NULL, own, TW_ERR_KEY);
  fields = fields_of(&b);
  fields.parent_hash = TW_NO_BYTES;
  leaf_refused(&b, &fields, NULL, own, TW_ERR_TREE);
  fields.parent_hash = tw_group_tree_hash(b.charlie->group);
  leaf_refused(&b, &fields, NULL, own, TW_ERR_TREE);
  fields = fields_of(&b);
  leaf_refused(&b, &fields, NULL, own + 1, TW_ERR_SIGNATURE);
  leaf_refused(&b, &fields, b.alice->client.signer, own, TW_ERR_KEY_REUSED);
  fields.extensions = TW_ARRAY(unlisted);
  leaf_refused(&b, &fields, NULL, own, TW_ERR_CAPABILITY);
  fields = fields_of(&b);
  fields.capabilities.versions = TW_NO_BYTES;
  leaf_refused(&b, &fields, NULL, own, TW_ERR_CAPABILITY);
  fields = fields_of(&b);
  fields.capabilities.credentials = TW_ARRAY(only_x509);
  leaf_refused(&b, &fields, NULL, own, TW_ERR_CAPABILITY);
  fields = fields_of(&b);
  fields.extensions = TW_LITERAL("\x00\x06\x07\x06\x90\x01\x00\x90\x01\x00"); /* a component twice */
  leaf_refused(&b, &fields, NULL, own, TW_ERR_ENCODING);
  end(&b);
}

/* One UpdatePathNode. */
static void write_node(tw_buf *nodes, tw_bytes key, tw_bytes ciphertexts) {
  tw_writer w = tw_writer_to(nodes);
  tw_write_vector(&w, key);
  tw_write_vector(&w, ciphertexts);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void nodes_of_a_path(void **state) {
  bender b;
  tw_update_path_node node[2];
  tw_buf nodes = {0};
  (void)state;
  begin(&b);
  tw_reader walk = tw_reader_of(b.nodes);
  assert_true(tw_update_path_node_next(&walk, &node[0]));
  assert_true(tw_update_path_node_next(&walk, &node[1]));
  assert_false(tw_update_path_node_next(&walk, &node[1]));
  const tw_bytes leaf = b.leaf.encoded;
  /* none, one, three */
  refused(&b, leaf, TW_NO_BYTES, TW_ERR_TREE);
  write_node(&nodes, node[0].encryption_key, node[0].encrypted_path_secrets);
  refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_TREE);
  nodes.len = 0;
  write_node(&nodes, node[0].encryption_key, node[0].encrypted_path_secrets);
  write_node(&nodes, node[1].encryption_key, node[1].encrypted_path_secrets);
  write_node(&nodes, node[1].encryption_key, node[1].encrypted_path_secrets);
  refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_TREE);
  /* keys that stand elsewhere */
  const tw_bytes elsewhere[] = {
      node[1].encryption_key,
      b.leaf.encryption_key,
      tw_group_own_leaf_node(b.charlie->group)->encryption_key,
      tw_group_own_leaf_node(b.bob->group)->encryption_key,
  };
  for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
    nodes.len = 0;
    write_node(&nodes, elsewhere[i], node[0].encrypted_path_secrets);
    write_node(&nodes, node[1].encryption_key, node[1].encrypted_path_secrets);
    refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_KEY_REUSED);
  }
  /* a key that does not parse, and one that is not what the leaf's parent hash says */
  nodes.len = 0;
  write_node(&nodes, TW_LITERAL("short"), node[0].encrypted_path_secrets);
  write_node(&nodes, node[1].encryption_key, node[1].encrypted_path_secrets);
  refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_KEY);
  tw_secret private_key = {0};
  uint8_t fresh[TW_KEM_PUBLIC_MAX];
  assert_int_equal(tw_kem_generate(&b.p.test.env, b.charlie->client.suite, &private_key, fresh), TW_OK);
  nodes.len = 0;
  write_node(&nodes, TW_BYTES(fresh, node[0].encryption_key.len), node[0].encrypted_path_secrets);
  write_node(&nodes, node[1].encryption_key, node[1].encrypted_path_secrets);
  refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_TREE);
  /* more or fewer ciphertexts than the resolution has nodes */
  nodes.len = 0;
  write_node(&nodes, node[0].encryption_key, TW_NO_BYTES);
  write_node(&nodes, node[1].encryption_key, node[1].encrypted_path_secrets);
  refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_TREE);
  tw_buf two = {0};
  assert_int_equal(tw_buf_append(&two, node[1].encrypted_path_secrets), TW_OK);
  assert_int_equal(tw_buf_append(&two, node[1].encrypted_path_secrets), TW_OK);
  nodes.len = 0;
  write_node(&nodes, node[0].encryption_key, node[0].encrypted_path_secrets);
  write_node(&nodes, node[1].encryption_key, tw_buf_bytes(&two));
  refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_TREE);
  nodes.len = 0;
  write_node(&nodes, node[0].encryption_key, node[0].encrypted_path_secrets);
  write_node(&nodes, node[1].encryption_key, TW_NO_BYTES);
  refused(&b, leaf, tw_buf_bytes(&nodes), TW_ERR_TREE);
  tw_buf_clear(&two);
  tw_buf_clear(&nodes);
  tw_secret_clear(&private_key);
  end(&b);
}

/* alice and bob read the second node's ciphertext: kem_output and ciphertext damaged, or of any length. */
static void ciphertexts_of_a_path(void **state) {
  bender b;
  tw_update_path_node node[2];
  tw_hpke_ciphertext genuine = {TW_NO_BYTES, TW_NO_BYTES};
  tw_buf nodes = {0};
  tw_buf list = {0};
  uint8_t longer[256] = {0};
  (void)state;
  begin(&b);
  tw_reader walk = tw_reader_of(b.nodes);
  assert_true(tw_update_path_node_next(&walk, &node[0]));
  assert_true(tw_update_path_node_next(&walk, &node[1]));
  tw_reader ciphertexts = tw_reader_of(node[1].encrypted_path_secrets);
  assert_true(tw_hpke_ciphertext_next(&ciphertexts, &genuine));
  for (size_t part = 0; part < 2; part++) {
    const tw_bytes whole = part == 0 ? genuine.kem_output : genuine.ciphertext;
    memcpy(longer, whole.ptr, whole.len);
    for (size_t len = 0; len <= whole.len + 1; len++) {
      if (len == whole.len) longer[whole.len / 2] ^= 1;
      tw_hpke_ciphertext bent = genuine;
      *(part == 0 ? &bent.kem_output : &bent.ciphertext) = TW_BYTES(longer, len);
      list.len = 0;
      nodes.len = 0;
      tw_writer w = tw_writer_to(&list);
      tw_write_hpke_ciphertext(&w, &bent);
      assert_int_equal(tw_writer_end(&w), TW_OK);
      write_node(&nodes, node[0].encryption_key, node[0].encrypted_path_secrets);
      write_node(&nodes, node[1].encryption_key, tw_buf_bytes(&list));
      refused(&b, b.leaf.encoded, tw_buf_bytes(&nodes), TW_ERR_DECRYPT);
    }
  }
  tw_buf_clear(&list);
  tw_buf_clear(&nodes);
  end(&b);
}

/* The path is as it should be, the secret in it is another one. */
static void a_path_secret_that_does_not_fit(void **state) {
  bender b;
  tw_update_path_node node[2];
  tw_buf nodes = {0};
  tw_buf list = {0};
  (void)state;
  begin(&b);
  tw_reader walk = tw_reader_of(b.nodes);
  assert_true(tw_update_path_node_next(&walk, &node[0]));
  assert_true(tw_update_path_node_next(&walk, &node[1]));
  const tw_group *next = b.genuine.next;
  tw_group_context provisional = b.charlie->group->context;
  provisional.epoch++;
  provisional.tree_hash = next->context.tree_hash;
  tw_buf context = {0};
  tw_writer w = tw_writer_to(&context);
  tw_write_group_context(&w, &provisional);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  static const uint8_t secret[33] = {1};
  for (size_t len = 0; len <= 33; len++) {
    /* to the node above alice and bob */
    const tw_parent_content *above = tw_tree_parent(b.alice->group->tree, 1, 0);
    assert_non_null(above);
    tw_buf kem_output = {0};
    tw_buf ciphertext = {0};
    assert_int_equal(tw_encrypt_with_label(next->env, next->suite, above->key, TW_LITERAL("UpdatePathNode"),
                                           tw_buf_bytes(&context), TW_BYTES(secret, len), &kem_output, &ciphertext),
                     TW_OK);
    const tw_hpke_ciphertext bent = {tw_buf_bytes(&kem_output), tw_buf_bytes(&ciphertext)};
    list.len = 0;
    nodes.len = 0;
    w = tw_writer_to(&list);
    tw_write_hpke_ciphertext(&w, &bent);
    assert_int_equal(tw_writer_end(&w), TW_OK);
    write_node(&nodes, node[0].encryption_key, node[0].encrypted_path_secrets);
    write_node(&nodes, node[1].encryption_key, tw_buf_bytes(&list));
    refused(&b, b.leaf.encoded, tw_buf_bytes(&nodes), TW_ERR_TREE);
    tw_buf_clear(&kem_output);
    tw_buf_clear(&ciphertext);
  }
  tw_buf_clear(&context);
  tw_buf_clear(&list);
  tw_buf_clear(&nodes);
  end(&b);
}

static void confirmation_tags(void **state) {
  bender b;
  uint8_t tag[TW_HASH_MAX + 1];
  (void)state;
  begin(&b);
  const tw_bytes genuine = b.public_message.auth.confirmation_tag;
  const tw_bytes body = b.public_message.content.body;
  for (size_t i = 0; i <= genuine.len; i++) {
    memset(tag, 0, sizeof tag);
    memcpy(tag, genuine.ptr, genuine.len);
    if (i < genuine.len) tag[i] ^= 1;
    const tw_test_bent bent = {.content_type = TW_CONTENT_COMMIT,
                               .body = body,
                               .confirmation_tag = TW_BYTES(tag, i == genuine.len ? genuine.len + 1 : genuine.len)};
    tw_test_bend(b.charlie, &bent, &b.message);
    tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_MAC);
    const tw_test_bent shorter = {
        .content_type = TW_CONTENT_COMMIT, .body = body, .confirmation_tag = TW_BYTES(genuine.ptr, i > 0 ? i - 1 : 1)};
    tw_test_bend(b.charlie, &shorter, &b.message);
    tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_MAC);
  }
  end(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(leaves_of_a_path),      cmocka_unit_test(nodes_of_a_path),
      cmocka_unit_test(ciphertexts_of_a_path), cmocka_unit_test(a_path_secret_that_does_not_fit),
      cmocka_unit_test(confirmation_tags),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
