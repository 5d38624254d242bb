/* Lists of proposals that a commit must not have, each refused by its receiver: RFC 9420 sections 12.1 and 12.2. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/app_data.h"
#include "tw_test_bent.h"

/*
 * alice, bob, charlie and dora are a group; charlie breaks the rules and bob refuses. `list` is the encoded proposals,
 * `path` a path of charlie's that fits an empty commit.
 */
typedef struct bender {
  tw_test_people p;
  tw_test_member *alice;
  tw_test_member *bob;
  tw_test_member *charlie;
  tw_test_member *dora;
  tw_test_member *emil;
  tw_buf list;
  tw_buf path;
  tw_buf body;
  tw_buf message;
} bender;

static void begin(bender *b, tw_bytes extensions) {
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

static void end(bender *b) {
  tw_test_goes_on(&b->p, 4);
  tw_buf_clear(&b->list);
  tw_buf_clear(&b->path);
  tw_buf_clear(&b->body);
  tw_buf_clear(&b->message);
  tw_test_people_clear(&b->p);
}

/* charlie commits the list (emptied here) and references; bob answers with `expected`. */
static void refused_with(bender *b, const tw_bytes *references, size_t count, bool with_path, tw_err expected) {
  tw_test_commit_body(tw_buf_bytes(&b->list), references, count, with_path ? tw_buf_bytes(&b->path) : TW_NO_BYTES,
                      &b->body);
  tw_test_bend_commit(b->charlie, tw_buf_bytes(&b->body), &b->message);
  tw_test_refused(b->bob, tw_buf_bytes(&b->message), expected);
  b->list.len = 0;
}

static void refused(bender *b, tw_err expected) { refused_with(b, NULL, 0, true, expected); }

/* The same list in charlie's own library is refused there, too. */
static void refused_on_both_sides(bender *b, tw_err expected) {
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b->list), .without_collected = true};
  tw_commit_result result = {0};
  const tw_err err = tw_group_commit(b->charlie->group, &options, TW_TEST_NOW, &result);
  if (err != expected) fail_msg("committer: \"%s\" in place of \"%s\"", tw_err_text(err), tw_err_text(expected));
  refused(b, expected);
}

static void write_list(bender *b, void (*write)(tw_writer *w)) {
  tw_writer w = tw_writer_to(&b->list);
  write(&w);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void add(bender *b, const tw_test_member *who) {
  tw_key_package *key_package = tw_test_key_package(who);
  assert_int_equal(tw_propose_add(&b->list, tw_key_package_message(key_package)), TW_OK);
  tw_key_package_free(key_package);
}

static void remove_leaf(bender *b, uint32_t leaf) { assert_int_equal(tw_propose_remove(&b->list, leaf), TW_OK); }

static uint32_t leaf_of(const tw_test_member *member) { return tw_group_own_leaf(member->group); }

/* `from` proposes the list alone; alice, bob and charlie collect it. The reference comes from charlie. */
static tw_bytes collect(bender *b, tw_test_member *from, tw_bytes message) {
  tw_test_member *others[3];
  size_t n = 0;
  for (size_t i = 0; i < 4; i++) {
    if (b->p.all[i] != from) others[n++] = b->p.all[i];
  }
  tw_test_deliver(message, TW_RECEIVED_PROPOSAL, others, n);
  const tw_proposal_cache *cache = &b->charlie->group->proposals;
  return TW_BYTES(cache->items[cache->count - 1].reference, b->charlie->group->suite->hash->size);
}

static tw_bytes propose(bender *b, tw_test_member *from) {
  const tw_message_options plain = {.plaintext = true};
  b->message.len = 0;
  assert_int_equal(tw_group_propose(from->group, tw_buf_bytes(&b->list), &plain, TW_TEST_NOW, &b->message), TW_OK);
  b->list.len = 0;
  return collect(b, from, tw_buf_bytes(&b->message));
}

static tw_bytes propose_update(bender *b, tw_test_member *from) {
  b->message.len = 0;
  assert_int_equal(tw_group_propose_update(from->group, NULL, NULL, &b->message), TW_OK);
  return collect(b, from, tw_buf_bytes(&b->message));
}

static void forget(bender *b) {
  for (size_t i = 0; i < 4; i++) tw_group_forget_proposals(b->p.all[i]->group);
}

/* ---- updates and removes ---- */

static void the_committers_own_update(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  const tw_bytes reference = propose_update(&b, b.charlie);
  const tw_cached_proposal *own = &b.charlie->group->proposals.items[0];
  assert_int_equal(tw_buf_append(&b.list, tw_buf_bytes(&own->encoded)), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  refused_with(&b, &reference, 1, true, TW_ERR_PROPOSAL);
  forget(&b);
  end(&b);
}

static void removes_of_the_committer_or_of_nobody(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  remove_leaf(&b, leaf_of(b.charlie));
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  remove_leaf(&b, 4);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  remove_leaf(&b, UINT32_MAX);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  remove_leaf(&b, leaf_of(b.charlie));
  const tw_bytes reference = propose(&b, b.dora);
  refused_with(&b, &reference, 1, true, TW_ERR_PROPOSAL);
  forget(&b);
  end(&b);
}

static void two_changes_of_one_leaf(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  remove_leaf(&b, leaf_of(b.dora));
  remove_leaf(&b, leaf_of(b.dora));
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  uint8_t copies[2][TW_HASH_MAX];
  tw_bytes references[2];
  for (size_t i = 0; i < 2; i++) {
    const tw_bytes reference = propose_update(&b, b.dora);
    memcpy(copies[i], reference.ptr, reference.len);
    references[i] = TW_BYTES(copies[i], reference.len);
  }
  refused_with(&b, references, 2, true, TW_ERR_PROPOSAL);
  remove_leaf(&b, leaf_of(b.dora));
  refused_with(&b, references, 1, true, TW_ERR_PROPOSAL);
  references[1] = references[0];
  refused_with(&b, references, 2, true, TW_ERR_PROPOSAL);
  forget(&b);
  end(&b);
}

/* Made as `from` would, with these changes to the leaf. */
typedef struct bent_leaf {
  tw_bytes encryption_key; /* empty: a fresh one */
  uint8_t source;
  tw_signer *signer;
  tw_bytes extensions;
  uint32_t leaf_index_more;
  bool bad_signature;
} bent_leaf;

static void write_update(bender *b, const tw_test_member *from, const bent_leaf *bent) {
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

/* dora sends the list as a proposal of hers; bob refuses it at once. */
static void refused_alone(bender *b, tw_err expected) {
  const tw_test_bent bent = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b->list)};
  tw_test_bend(b->dora, &bent, &b->message);
  tw_test_refused(b->bob, tw_buf_bytes(&b->message), expected);
  b->list.len = 0;
}

static void updates_that_are_not_valid(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  const bent_leaf of_commit = {.source = TW_LEAF_COMMIT};
  write_update(&b, b.dora, &of_commit);
  refused_alone(&b, TW_ERR_PROPOSAL);
  const bent_leaf of_key_package = {.source = TW_LEAF_KEY_PACKAGE};
  write_update(&b, b.dora, &of_key_package);
  refused_alone(&b, TW_ERR_PROPOSAL);
  const bent_leaf same_key = {.source = TW_LEAF_UPDATE,
                              .encryption_key = tw_group_own_leaf_node(b.dora->group)->encryption_key};
  write_update(&b, b.dora, &same_key);
  refused_alone(&b, TW_ERR_KEY_REUSED);
  const bent_leaf other_place = {.source = TW_LEAF_UPDATE, .leaf_index_more = 1};
  write_update(&b, b.dora, &other_place);
  refused_alone(&b, TW_ERR_SIGNATURE);
  const bent_leaf bad = {.source = TW_LEAF_UPDATE, .bad_signature = true};
  write_update(&b, b.dora, &bad);
  refused_alone(&b, TW_ERR_SIGNATURE);
  const bent_leaf short_key = {.source = TW_LEAF_UPDATE, .encryption_key = TW_LITERAL("short")};
  write_update(&b, b.dora, &short_key);
  refused_alone(&b, TW_ERR_KEY);
  const uint8_t unlisted[] = {0x77, 0x77, 0};
  const bent_leaf extension = {.source = TW_LEAF_UPDATE, .extensions = TW_ARRAY(unlisted)};
  write_update(&b, b.dora, &extension);
  refused_alone(&b, TW_ERR_CAPABILITY);
  /* Keys of others are noticed when it is committed. */
  const bent_leaf of_alice = {.source = TW_LEAF_UPDATE,
                              .encryption_key = tw_group_own_leaf_node(b.alice->group)->encryption_key};
  write_update(&b, b.dora, &of_alice);
  const tw_test_bent alone = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list)};
  tw_test_bend(b.dora, &alone, &b.message);
  b.list.len = 0;
  tw_bytes reference = collect(&b, b.dora, tw_buf_bytes(&b.message));
  refused_with(&b, &reference, 1, true, TW_ERR_KEY_REUSED);
  const bent_leaf signed_by_alice = {.source = TW_LEAF_UPDATE, .signer = b.alice->client.signer};
  write_update(&b, b.dora, &signed_by_alice);
  tw_test_bent again = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list)};
  tw_test_bend(b.dora, &again, &b.message);
  b.list.len = 0;
  reference = collect(&b, b.dora, tw_buf_bytes(&b.message));
  refused_with(&b, &reference, 1, true, TW_ERR_KEY_REUSED);
  /* What nobody can commit does not keep anybody from committing. */
  tw_test_commit(b.alice, NULL, &b.p.all[1], 3, NULL);
  end(&b);
}

/* ---- adds ---- */

static void adds_of_clients_that_are_there(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  add(&b, b.alice);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  add(&b, b.charlie);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  add(&b, b.emil);
  add(&b, b.emil);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  add(&b, b.emil);
  tw_buf twice = {0};
  assert_int_equal(tw_buf_append(&twice, tw_buf_bytes(&b.list)), TW_OK);
  assert_int_equal(tw_buf_append(&b.list, tw_buf_bytes(&twice)), TW_OK);
  tw_buf_clear(&twice);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  end(&b);
}

typedef struct bent_key_package {
  uint16_t cipher_suite;
  bool other_version;
  bool same_init_key;
  bool bad_signature;
  bool bad_leaf_signature;
  uint8_t source;
  uint64_t not_before;
  uint64_t not_after;
  tw_bytes extensions;
  bool few_proposals; /* capabilities without the extensions' proposals */
  bool no_basic;      /* capabilities without the credential type basic */
} bent_key_package;

/* A key package of emil's, signed anew after each change. */
static void add_bent(bender *b, const bent_key_package *bent) {
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

static void adds_of_key_packages_that_are_not_valid(void **state) {
  static const uint8_t unlisted[] = {0x77, 0x77, 0};
  const struct {
    bent_key_package bent;
    tw_err expected;
    bool alone; /* already refused as a proposal */
  } cases[] = {
      {{.cipher_suite = 3}, TW_ERR_PROPOSAL, true},
      {{.other_version = true}, TW_ERR_UNSUPPORTED, true},
      {{.same_init_key = true}, TW_ERR_KEY_REUSED, true},
      {{.bad_signature = true}, TW_ERR_SIGNATURE, true},
      {{.bad_leaf_signature = true}, TW_ERR_SIGNATURE, true},
      {{.source = TW_LEAF_UPDATE}, TW_ERR_FORBIDDEN, true},
      {{.source = TW_LEAF_COMMIT}, TW_ERR_FORBIDDEN, true},
      {{.not_before = TW_TEST_NOW + 1}, TW_ERR_LIFETIME, true},
      {{.not_after = TW_TEST_NOW - 1}, TW_ERR_LIFETIME, true},
      {{.extensions = TW_ARRAY(unlisted)}, TW_ERR_CAPABILITY, true},
      {{.no_basic = true}, TW_ERR_CAPABILITY, true},
  };
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    add_bent(&b, &cases[i].bent);
    refused_on_both_sides(&b, cases[i].expected);
    if (!cases[i].alone) continue;
    add_bent(&b, &cases[i].bent);
    refused_alone(&b, cases[i].expected);
  }
  /* At the very limits it is taken. */
  const bent_key_package limits = {.not_before = TW_TEST_NOW, .not_after = TW_TEST_NOW};
  add_bent(&b, &limits);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(b.charlie->group, &options, TW_TEST_NOW + 1, &result), TW_ERR_LIFETIME);
  assert_int_equal(tw_group_propose(b.charlie->group, tw_buf_bytes(&b.list), NULL, TW_TEST_NOW + 1, &b.message),
                   TW_ERR_LIFETIME);
  assert_int_equal(tw_group_commit(b.charlie->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_commit_result_clear(&result);
  end(&b);
}

/* ---- PSKs ---- */

static void psk(bender *b, const tw_psk_id *id) {
  tw_writer w = tw_writer_to(&b->list);
  tw_write_proposal_psk(&w, id);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void psks_that_are_not_valid(void **state) {
  static const uint8_t nonce[33] = {1};
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  const tw_psk_id id = {.type = TW_PSK_EXTERNAL, .id = TW_LITERAL("one"), .nonce = TW_BYTES(nonce, 32)};
  psk(&b, &id);
  psk(&b, &id);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* the same PSK under another nonce */
  const tw_psk_id again = {.type = TW_PSK_EXTERNAL, .id = TW_LITERAL("one"), .nonce = TW_BYTES(nonce + 1, 32)};
  psk(&b, &id);
  psk(&b, &again);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  for (size_t len = 0; len <= 33; len++) {
    if (len == 32) continue;
    const tw_psk_id wrong = {.type = TW_PSK_EXTERNAL, .id = TW_LITERAL("one"), .nonce = TW_BYTES(nonce, len)};
    psk(&b, &wrong);
    refused_on_both_sides(&b, TW_ERR_PROPOSAL);
    psk(&b, &wrong);
    refused_alone(&b, TW_ERR_PROPOSAL);
  }
  for (unsigned usage = TW_RESUMPTION_REINIT; usage <= TW_RESUMPTION_BRANCH; usage++) {
    const tw_psk_id linking = {.type = TW_PSK_RESUMPTION,
                               .usage = (uint8_t)usage,
                               .group_id = tw_group_id(b.bob->group),
                               .epoch = tw_group_epoch(b.bob->group),
                               .nonce = TW_BYTES(nonce, 32)};
    psk(&b, &linking);
    refused_on_both_sides(&b, TW_ERR_PROPOSAL);
    psk(&b, &linking);
    refused_alone(&b, TW_ERR_PROPOSAL);
  }
  for (uint32_t i = 0; i <= b.p.test.limits.psks; i++) {
    const uint8_t name = (uint8_t)i;
    const tw_psk_id many = {.type = TW_PSK_EXTERNAL, .id = TW_BYTES(&name, 1), .nonce = TW_BYTES(nonce, 32)};
    psk(&b, &many);
  }
  refused_on_both_sides(&b, TW_ERR_LIMIT);
  end(&b);
}

/* ---- extensions, ReInit, ExternalInit, unknown types ---- */

static void required(tw_buf *extensions, uint16_t extension, uint16_t proposal, uint16_t credential) {
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

static void extensions_of(bender *b, const tw_buf *extensions) {
  assert_int_equal(tw_propose_extensions(&b->list, tw_buf_bytes(extensions)), TW_OK);
}

static void extensions_that_do_not_fit_the_members(void **state) {
  static const uint16_t lacking[][3] = {{0x7777, 0, 0}, {0, 0x7777, 0}, {0, 0, 0x7777}, {0x0a0a, 0, 0}};
  bender b;
  tw_buf extensions = {0};
  (void)state;
  begin(&b, TW_NO_BYTES);
  extensions_of(&b, &extensions);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  for (size_t i = 0; i < sizeof lacking / sizeof lacking[0]; i++) {
    required(&extensions, lacking[i][0], lacking[i][1], lacking[i][2]);
    extensions_of(&b, &extensions);
    refused_on_both_sides(&b, TW_ERR_CAPABILITY);
    extensions.len = 0;
  }
  assert_int_equal(tw_extension_append(&extensions, 0x7777, TW_NO_BYTES), TW_OK);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  extensions.len = 0;
  /* components that nobody knows, Safe AAD items, wire formats: each would shut the door to joiners */
  static const uint8_t unknown_component[] = {2, 0x90, 0x01};
  assert_int_equal(tw_component_set(&extensions, TW_COMPONENT_APP_COMPONENTS, TW_ARRAY(unknown_component)), TW_OK);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  extensions.len = 0;
  assert_int_equal(tw_component_set(&extensions, TW_COMPONENT_SAFE_AAD, TW_ARRAY(unknown_component)), TW_OK);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  extensions.len = 0;
  /* and what cannot be read */
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_REQUIRED_CAPABILITIES, TW_LITERAL("x")), TW_OK);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_TRUNCATED);
  extensions.len = 0;
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_EXTERNAL_SENDERS, TW_LITERAL("\x01x")), TW_OK);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_TRUNCATED);
  extensions.len = 0;
  assert_int_equal(
      tw_extension_append(&extensions, TW_EXTENSION_APP_DATA_DICTIONARY, TW_LITERAL("\x06\x90\x01\x00\x90\x01\x00")),
      TW_OK);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_ENCODING);
  /* an extension type twice */
  static const uint8_t twice[] = {6, 0, 3, 0, 0, 3, 0};
  tw_writer w = tw_writer_to(&b.list);
  tw_write_u16(&w, TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
  tw_write_fixed(&w, TW_ARRAY(twice));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  b.body.len = 0;
  w = tw_writer_to(&b.body);
  tw_write_u8(&w, (uint8_t)(b.list.len + 1));
  tw_write_u8(&w, TW_COMMIT_PROPOSAL);
  tw_write_fixed(&w, tw_buf_bytes(&b.list));
  tw_write_u8(&w, 1);
  tw_write_fixed(&w, tw_buf_bytes(&b.path));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_test_bend_commit(b.charlie, tw_buf_bytes(&b.body), &b.message);
  tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_ENCODING);
  b.list.len = 0;
  tw_buf_clear(&extensions);
  end(&b);
}

static void new_members_meet_what_the_commit_requires(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  begin(&b, TW_NO_BYTES);
  const bent_key_package few = {.few_proposals = true};
  required(&extensions, 0, TW_PROPOSAL_SELF_REMOVE, 0);
  extensions_of(&b, &extensions);
  add_bent(&b, &few);
  refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  tw_buf_clear(&extensions);
  end(&b);
}

static void reinit_beside_others_or_backwards(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  tw_writer w = tw_writer_to(&b.list);
  tw_write_proposal_reinit(&w, TW_LITERAL("next"), 1, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  remove_leaf(&b, leaf_of(b.dora));
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  w = tw_writer_to(&b.list);
  tw_write_proposal_reinit(&w, TW_LITERAL("next"), 1, TW_NO_BYTES);
  tw_write_proposal_reinit(&w, TW_LITERAL("next"), 1, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  w = tw_writer_to(&b.list);
  tw_write_u16(&w, TW_PROPOSAL_REINIT);
  tw_write_vector(&w, TW_LITERAL("next"));
  tw_write_u16(&w, 0);
  tw_write_u16(&w, 1);
  tw_write_vector(&w, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  end(&b);
}

static void external_init(tw_writer *w) { tw_write_proposal_external_init(w, TW_LITERAL("kem output")); }
static void unknown_type(tw_writer *w) {
  tw_write_u16(w, 0x0a0a);
  tw_write_u8(w, 0);
}

static void types_that_do_not_belong(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  write_list(&b, external_init);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  write_list(&b, external_init);
  refused_alone(&b, TW_ERR_PROPOSAL);
  write_list(&b, unknown_type);
  refused_on_both_sides(&b, TW_ERR_UNSUPPORTED);
  write_list(&b, unknown_type);
  refused_alone(&b, TW_ERR_UNSUPPORTED);
  end(&b);
}

static void types_that_a_member_does_not_support(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  const bent_key_package few = {.few_proposals = true};
  add_bent(&b, &few);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_test_commit(b.charlie, &options, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  b.list.len = 0;
  tw_test_path(b.charlie, &b.path);
  for (size_t i = 0; i < 4; i++) b.p.all[i]->components = true;
  assert_int_equal(tw_propose_app_ephemeral(&b.list, 0x9001, TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_group_propose(b.charlie->group, tw_buf_bytes(&b.list), NULL, TW_TEST_NOW, &b.message),
                   TW_ERR_CAPABILITY);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_NO_BYTES), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* Once that member goes, in the same commit, the type may come. */
  assert_int_equal(tw_propose_app_ephemeral(&b.list, 0x9001, TW_NO_BYTES), TW_OK);
  remove_leaf(&b, 4);
  const tw_commit_options with_removal = {.proposals = tw_buf_bytes(&b.list)};
  tw_test_commit(b.charlie, &with_removal, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  end(&b);
}

/* ---- paths that are missing ---- */

static void missing_paths(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  begin(&b, TW_NO_BYTES);
  refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  remove_leaf(&b, leaf_of(b.dora));
  refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  extensions_of(&b, &extensions);
  refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  add(&b, b.emil);
  remove_leaf(&b, leaf_of(b.dora));
  refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  const tw_bytes update = propose_update(&b, b.dora);
  refused_with(&b, &update, 1, false, TW_ERR_PROPOSAL);
  forget(&b);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  const tw_bytes self_remove = propose(&b, b.dora);
  refused_with(&b, &self_remove, 1, false, TW_ERR_PROPOSAL);
  forget(&b);
  end(&b);
}

static void references_to_nothing(void **state) {
  static const uint8_t zeros[32];
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  const tw_bytes none = TW_ARRAY(zeros);
  refused_with(&b, &none, 1, true, TW_ERR_MISSING_PROPOSAL);
  const tw_bytes shorter = TW_BYTES(zeros, 31);
  refused_with(&b, &shorter, 1, true, TW_ERR_MISSING_PROPOSAL);
  const tw_bytes empty = TW_NO_BYTES;
  refused_with(&b, &empty, 1, true, TW_ERR_MISSING_PROPOSAL);
  end(&b);
}

/* ---- SelfRemove ---- */

static void self_removes_out_of_place(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  const tw_test_bent hidden = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list), .is_private = true};
  tw_test_bend(b.dora, &hidden, &b.message);
  tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_FORBIDDEN);
  const tw_bytes reference = propose(&b, b.charlie);
  refused_with(&b, &reference, 1, true, TW_ERR_PROPOSAL);
  /* another one of charlie's in this epoch */
  const tw_message_options options = {.plaintext = true, .authenticated_data = TW_LITERAL("again")};
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  assert_int_equal(tw_group_propose(b.charlie->group, tw_buf_bytes(&b.list), &options, TW_TEST_NOW, &b.message),
                   TW_ERR_PROPOSAL);
  const tw_test_bent again = {
      .content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list), .authenticated_data = TW_LITERAL("again")};
  tw_test_bend(b.charlie, &again, &b.message);
  tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_PROPOSAL);
  b.list.len = 0;
  /* with a Remove of the same leaf */
  forget(&b);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  const tw_bytes of_dora = propose(&b, b.dora);
  remove_leaf(&b, leaf_of(b.dora));
  refused_with(&b, &of_dora, 1, true, TW_ERR_PROPOSAL);
  forget(&b);
  end(&b);
}

/* ---- application components ---- */

static void component_rules(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("x")), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL); /* not known to the application */
  assert_int_equal(tw_propose_app_ephemeral(&b.list, 0x9001, TW_LITERAL("x")), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  for (size_t i = 0; i < 4; i++) b.p.all[i]->components = true;
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL); /* nothing there */
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("x")), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list), .without_path = true};
  tw_test_commit(b.charlie, &options, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  b.list.len = 0;
  tw_test_path(b.charlie, &b.path);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("y")), TW_OK);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("y")), TW_OK);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* required components by the back door, and a list that cannot be read */
  assert_int_equal(tw_propose_app_data_update(&b.list, TW_COMPONENT_APP_COMPONENTS, TW_LITERAL("\x02\x90\x02")), TW_OK);
  refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  assert_int_equal(tw_propose_app_data_update(&b.list, TW_COMPONENT_SAFE_AAD, TW_LITERAL("\x02\x90")), TW_OK);
  refused_on_both_sides(&b, TW_ERR_TRUNCATED);
  end(&b);
}

static void the_dictionary_is_app_data_updates_where_that_is_required(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  required(&extensions, 0, TW_PROPOSAL_APP_DATA_UPDATE, 0);
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_LITERAL("x")), TW_OK);
  begin(&b, tw_buf_bytes(&extensions));
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_LITERAL("y")), TW_OK);
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  extensions.len = 0;
  extensions_of(&b, &extensions);
  refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* as it was, with another extension changed: fine */
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_LITERAL("x")), TW_OK);
  extensions_of(&b, &extensions);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_test_commit(b.charlie, &options, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  tw_buf_clear(&extensions);
  end(&b);
}

/* ---- the Authentication Service ---- */

static void credentials_that_the_policy_refuses(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  begin(&b, TW_NO_BYTES);
  b.bob->refuse = "emil";
  add(&b, b.emil);
  refused(&b, TW_ERR_CREDENTIAL);
  add(&b, b.emil);
  refused_alone(&b, TW_ERR_CREDENTIAL);
  const tw_credential_view credential = {.type = TW_CREDENTIAL_BASIC, .identity = TW_LITERAL("emil")};
  const tw_external_sender sender = {tw_signer_public_key(b.emil->client.signer), credential};
  tw_buf data = {0};
  tw_writer w = tw_writer_to(&data);
  const tw_vector_mark mark = tw_write_open(&w);
  tw_write_external_sender(&w, &sender);
  tw_write_close(&w, mark);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_EXTERNAL_SENDERS, tw_buf_bytes(&data)), TW_OK);
  extensions_of(&b, &extensions);
  refused(&b, TW_ERR_CREDENTIAL);
  b.bob->refuse = "dora";
  const bent_leaf fine = {.source = TW_LEAF_UPDATE};
  write_update(&b, b.dora, &fine);
  refused_alone(&b, TW_ERR_CREDENTIAL);
  b.bob->refuse = "charlie";
  refused(&b, TW_ERR_CREDENTIAL);
  b.bob->refuse = NULL;
  /* no callback at all */
  const tw_policy policy = b.bob->client.policy;
  b.bob->client.policy = (tw_policy){0};
  add(&b, b.emil);
  refused(&b, TW_ERR_CREDENTIAL);
  b.bob->client.policy = policy;
  tw_buf_clear(&data);
  tw_buf_clear(&extensions);
  end(&b);
}

/* ---- what a committer leaves behind ---- */

/* dora proposes the list alone; everybody collects it. */
static void proposed_by_dora(bender *b) { (void)propose(b, b->dora); }

static void nobody_is_kept_from_committing(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  /* a PSK that charlie does not hold, more PSKs than fit, two changes of one thing */
  uint8_t nonce[32] = {0};
  for (uint8_t i = 0; i < 20; i++) {
    nonce[0] = i;
    const tw_psk_id id = {.type = TW_PSK_EXTERNAL, .id = TW_BYTES(&i, 1), .nonce = TW_ARRAY(nonce)};
    psk(&b, &id);
    proposed_by_dora(&b);
  }
  const tw_psk_id unknown = {.type = TW_PSK_RESUMPTION,
                             .usage = TW_RESUMPTION_APPLICATION,
                             .group_id = TW_LITERAL("elsewhere"),
                             .nonce = TW_ARRAY(nonce)};
  psk(&b, &unknown);
  proposed_by_dora(&b);
  for (size_t i = 0; i < 2; i++) {
    tw_writer w = tw_writer_to(&b.list);
    tw_write_proposal_group_context_extensions(&w, i == 0 ? TW_NO_BYTES : TW_LITERAL("\x00\x05\x01\x00"));
    assert_int_equal(tw_writer_end(&w), TW_OK);
    proposed_by_dora(&b);
  }
  add(&b, b.emil);
  proposed_by_dora(&b);
  add(&b, b.emil);
  proposed_by_dora(&b);
  add(&b, b.alice);
  proposed_by_dora(&b);
  (void)propose_update(&b, b.dora);
  (void)propose_update(&b, b.dora);
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(b.charlie->group, NULL, TW_TEST_NOW, &result), TW_OK);
  /* emil is in, once, and all the PSKs that fit */
  assert_int_equal(tw_group_member_count(result.next), 5);
  assert_true(result.welcome.len > 0);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3);
  tw_test_adopt(b.charlie, result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  end(&b);
}

/* A cache that is full leaves room for what the committer itself wants. */
static void a_full_cache_does_not_keep_from_committing(void **state) {
  bender b;
  (void)state;
  begin(&b, TW_NO_BYTES);
  b.p.test.limits.proposals = 4;
  for (size_t i = 0; i < 4; i++) (void)propose_update(&b, i < 2 ? b.dora : b.alice);
  remove_leaf(&b, leaf_of(b.bob));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(b.charlie->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_REMOVED, &b.bob, 1);
  tw_commit_result_clear(&result);
  forget(&b);
  b.p.test.limits.proposals = tw_limits_default.proposals;
  tw_test_people_clear(&b.p);
  tw_buf_clear(&b.list);
  tw_buf_clear(&b.path);
  tw_buf_clear(&b.body);
  tw_buf_clear(&b.message);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_committers_own_update),
      cmocka_unit_test(removes_of_the_committer_or_of_nobody),
      cmocka_unit_test(two_changes_of_one_leaf),
      cmocka_unit_test(updates_that_are_not_valid),
      cmocka_unit_test(adds_of_clients_that_are_there),
      cmocka_unit_test(adds_of_key_packages_that_are_not_valid),
      cmocka_unit_test(psks_that_are_not_valid),
      cmocka_unit_test(extensions_that_do_not_fit_the_members),
      cmocka_unit_test(new_members_meet_what_the_commit_requires),
      cmocka_unit_test(reinit_beside_others_or_backwards),
      cmocka_unit_test(types_that_do_not_belong),
      cmocka_unit_test(types_that_a_member_does_not_support),
      cmocka_unit_test(missing_paths),
      cmocka_unit_test(references_to_nothing),
      cmocka_unit_test(self_removes_out_of_place),
      cmocka_unit_test(component_rules),
      cmocka_unit_test(the_dictionary_is_app_data_updates_where_that_is_required),
      cmocka_unit_test(credentials_that_the_policy_refuses),
      cmocka_unit_test(nobody_is_kept_from_committing),
      cmocka_unit_test(a_full_cache_does_not_keep_from_committing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
