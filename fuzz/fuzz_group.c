/*
 * Three members of a group and one outsider. An input is a schedule: what the library makes of it must be taken by all
 * and bring them to the same epoch; what is made by hand from the input's bytes is signed and MACed with the members'
 * real keys, so that it gets deep into processing. SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/alloc.h"
#include "fuzz_party.h"
#include "mls/commit_make.h"
#include "mls/key_package_make.h"

enum { NOW = 1750000000, PARTIES = 4, ACTIONS = 16 };

typedef struct party {
  tw_client client;
  tw_group *group;
  tw_buf base; /* the saved state that each input begins with */
} party;

static party parties[PARTIES];

/* ---- the group that each input begins with ---- */

static void adopt(party *p, tw_group *next) {
  tw_group_free(p->group);
  p->group = next;
}

static void add(party *by, party *joiner, party *const *others, size_t count) {
  tw_key_package *key_package = NULL;
  tw_buf list = {0};
  tw_commit_result result = {0};
  tw_fuzz_must(tw_key_package_new(&joiner->client, NULL, NOW, &key_package));
  tw_fuzz_must(tw_propose_add(&list, tw_key_package_message(key_package)));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  tw_fuzz_must(tw_group_commit(by->group, &options, NOW, &result));
  for (size_t i = 0; i < count; i++) {
    tw_received received = {0};
    tw_fuzz_must(tw_group_receive(others[i]->group, tw_buf_bytes(&result.commit), NOW, &received));
    adopt(others[i], received.next);
    received.next = NULL;
    tw_received_clear(&received);
  }
  tw_fuzz_must(tw_group_join(&joiner->client, key_package, tw_buf_bytes(&result.welcome), NULL, NOW, &joiner->group));
  adopt(by, result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  tw_buf_clear(&list);
  tw_key_package_free(key_package);
}

static void found(void) {
  static const char *const names[PARTIES] = {"a", "b", "c", "d"};
  tw_fuzz_restart_apart();
  for (size_t i = 0; i < PARTIES; i++) tw_fuzz_client_init(&parties[i].client, names[i]);
  tw_fuzz_must(tw_group_create(&parties[0].client, TW_LITERAL("g"), TW_NO_BYTES, NOW, &parties[0].group));
  add(&parties[0], &parties[1], NULL, 0);
  add(&parties[1], &parties[2], (party *[]){&parties[0]}, 1);
  for (size_t i = 0; i < 3; i++) {
    tw_fuzz_must(tw_group_save(parties[i].group, &parties[i].base));
    adopt(&parties[i], NULL);
  }
}

/* ---- reading the schedule ---- */

/* Edits that the input asks for: pairs of a place, counted in 256ths of the whole, and what is XORed there. */
static void edit(tw_reader *r, uint8_t *bytes, size_t len) {
  const uint8_t count = tw_read_u8(r) % 4;
  for (uint8_t i = 0; i < count && len > 0; i++) {
    const size_t at = tw_read_u16(r);
    bytes[at % len] ^= tw_read_u8(r);
  }
}

static party *member(uint8_t byte) {
  for (unsigned i = 0; i < PARTIES; i++) {
    party *p = &parties[(byte + i) % PARTIES];
    if (p->group != NULL) return p;
  }
  return NULL;
}

/* ---- what is asserted ---- */

static tw_err receive(party *p, tw_bytes message, tw_received *received) {
  const tw_err err = tw_group_receive(p->group, message, NOW, received);
  const tw_err_class class = tw_err_class_of(err);
  TW_FUZZ_ASSERT(class != TW_CLASS_INTERNAL && class != TW_CLASS_CALLER);
  TW_FUZZ_ASSERT(err != TW_ERR_NO_MEMORY && err != TW_ERR_RANDOM);
  TW_FUZZ_ASSERT(err == TW_OK || (received->next == NULL && received->data.ptr == NULL));
  return err;
}

static bool caches_are_equal(void) {
  const tw_group *first = NULL;
  for (size_t i = 0; i < PARTIES; i++) {
    const tw_group *group = parties[i].group;
    if (group == NULL) continue;
    if (first == NULL) first = group;
    if (group->proposals.count != first->proposals.count) return false;
    for (uint32_t k = 0; k < first->proposals.count; k++) {
      if (memcmp(group->proposals.items[k].reference, first->proposals.items[k].reference, 32) != 0) return false;
    }
  }
  return true;
}

static void check_agreement(void) {
  const tw_group *first = NULL;
  for (size_t i = 0; i < PARTIES; i++) {
    const tw_group *group = parties[i].group;
    if (group == NULL) continue;
    if (first == NULL) first = group;
    TW_FUZZ_ASSERT(tw_group_epoch(group) == tw_group_epoch(first));
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_group_epoch_authenticator(group), tw_group_epoch_authenticator(first)));
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_group_tree_hash(group), tw_group_tree_hash(first)));
    TW_FUZZ_ASSERT(tw_group_is_closed(group) == tw_group_is_closed(first));
    tw_fuzz_must(tw_tree_private_check(group->env, group->suite, &group->priv, group->tree));
  }
  if (first == NULL) return;
  tw_tree *tree = NULL;
  tw_fuzz_must(tw_tree_clone(first->tree, &tree));
  tw_fuzz_must(tw_tree_validate(tree, first->context.group_id, first->context.extensions, first->context.tree_hash));
  tw_tree_free(tree);
}

/* The library made it: everybody takes it. What only older members can know may be missing to younger ones. */
static void settle(party *by, tw_commit_result *result, bool equal) {
  tw_group *next[PARTIES] = {NULL};
  bool out[PARTIES] = {false};
  bool all = true;
  for (size_t i = 0; i < PARTIES && all; i++) {
    tw_received received = {0};
    if (parties[i].group == NULL || &parties[i] == by) continue;
    const tw_err err = receive(&parties[i], tw_buf_bytes(&result->commit), &received);
    TW_FUZZ_ASSERT(err == TW_OK || err == TW_ERR_MISSING_PSK || (!equal && err == TW_ERR_MISSING_PROPOSAL));
    all = err == TW_OK;
    out[i] = all && received.kind == TW_RECEIVED_REMOVED;
    next[i] = received.next;
    received.next = NULL;
    tw_received_clear(&received);
  }
  for (size_t i = 0; i < PARTIES; i++) {
    if (all && (next[i] != NULL || out[i])) {
      adopt(&parties[i], next[i]);
    } else {
      tw_group_free(next[i]);
    }
  }
  if (all) {
    adopt(by, result->next);
    result->next = NULL;
    check_agreement();
  }
}

/* ---- by hand ---- */

typedef struct bent {
  tw_sender sender;
  uint8_t content_type;
  tw_bytes body;
  tw_bytes authenticated_data;
  tw_bytes confirmation_tag;
  const tw_signer *signer;
  bool is_private;
} bent;

static bool bend(party *by, const bent *b, tw_buf *message) {
  static const uint8_t wrong_tag[32];
  const tw_group *group = by->group;
  const tw_content_fields fields = {.group_id = group->context.group_id,
                                    .epoch = group->context.epoch,
                                    .sender = b->sender,
                                    .authenticated_data = b->authenticated_data,
                                    .content_type = b->content_type,
                                    .body = b->body};
  const tw_bytes context = tw_buf_bytes(&group->context_encoded);
  tw_buf framed = {0};
  tw_buf signature = {0};
  tw_writer w = tw_writer_to(&framed);
  tw_write_framed_content(&w, &fields);
  tw_fuzz_must(tw_writer_end(&w));
  tw_fuzz_must(tw_content_sign(group->env, b->signer, b->is_private ? TW_WIRE_PRIVATE_MESSAGE : TW_WIRE_PUBLIC_MESSAGE,
                               tw_buf_bytes(&framed), b->sender.type, context, &signature));
  const tw_content_auth auth = {tw_buf_bytes(&signature),
                                b->confirmation_tag.len > 0 ? b->confirmation_tag : TW_ARRAY(wrong_tag)};
  tw_err err = TW_OK;
  if (b->is_private) {
    const tw_private_keys keys = {tw_secret_bytes(&group->secrets.sender_data_secret), group->secret_tree};
    err = tw_private_message_seal(group->env, group->suite, &fields, &auth, &keys, 1, message);
  } else {
    err = tw_public_message_seal(group->env, group->suite, tw_buf_bytes(&framed), b->sender.type, b->content_type,
                                 &auth, tw_secret_bytes(&group->secrets.membership_key), context, message);
  }
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
  return err == TW_OK;
}

/* A message to everybody but `by`; proposals must be judged alike by all. Commits are not adopted. */
static void send(const party *by, tw_bytes message, bool alike) {
  bool first = true;
  tw_err before = TW_OK;
  for (size_t i = 0; i < PARTIES; i++) {
    tw_received received = {0};
    if (parties[i].group == NULL || &parties[i] == by) continue;
    const tw_err err = receive(&parties[i], message, &received);
    if (alike && !first) TW_FUZZ_ASSERT(err == before);
    first = false;
    before = err;
    tw_received_clear(&received);
  }
}

static void bent_proposal(party *by, tw_reader *r) {
  tw_buf message = {0};
  const uint8_t flags = tw_read_u8(r);
  const bool equal = caches_are_equal();
  const bent b = {
      .sender = {(uint8_t)(flags & 8 ? 1 + (flags >> 4) % 4 : TW_SENDER_MEMBER), by->group->priv.leaf_index},
      .content_type = TW_CONTENT_PROPOSAL,
      .signer = by->group->signer,
      .is_private = (flags & 9) == 1,
      .authenticated_data = flags & 2 ? TW_LITERAL("\0") : TW_NO_BYTES,
      .body = tw_fuzz_chunk(r)};
  if (bend(by, &b, &message)) send(by, tw_buf_bytes(&message), equal);
  tw_buf_clear(&message);
}

/* Proposals by value from the input, references to what was collected, and a path that fits an empty commit. */
static void bent_commit(party *by, tw_reader *r) {
  const tw_commit_options plain = {.plaintext = true, .without_collected = true};
  tw_commit_result result = {0};
  tw_buf body = {0};
  tw_buf message = {0};
  tw_mls_message decoded;
  const uint8_t flags = tw_read_u8(r);
  const tw_bytes values = tw_fuzz_chunk(r);
  if (tw_group_commit(by->group, &plain, NOW, &result) != TW_OK) return;
  tw_fuzz_must(tw_mls_message_decode(by->group->env, tw_buf_bytes(&result.commit), &decoded));
  const tw_update_path *path = &decoded.u.public_message.content.commit.path;
  tw_writer w = tw_writer_to(&body);
  const tw_vector_mark list = tw_write_open(&w);
  tw_reader walk = tw_reader_of(values);
  while (tw_reader_more(&walk)) {
    const tw_proposal proposal = tw_read_proposal(&walk);
    if (walk.err != TW_OK) break;
    tw_write_u8(&w, TW_COMMIT_PROPOSAL);
    tw_write_fixed(&w, proposal.encoded);
  }
  for (uint32_t i = 0; i < by->group->proposals.count && i < 6; i++) {
    if (!(flags >> (i + 2) & 1)) continue;
    tw_write_u8(&w, TW_COMMIT_REFERENCE);
    tw_write_vector(&w, TW_BYTES(by->group->proposals.items[i].reference, 32));
  }
  tw_write_close(&w, list);
  tw_write_u8(&w, flags & 1);
  if (flags & 1) {
    tw_write_fixed(&w, path->leaf_node.encoded);
    tw_write_vector(&w, path->nodes);
  }
  tw_fuzz_must(tw_writer_end(&w));
  const bent b = {.sender = {TW_SENDER_MEMBER, by->group->priv.leaf_index},
                  .content_type = TW_CONTENT_COMMIT,
                  .signer = by->group->signer,
                  .is_private = (flags & 2) != 0,
                  .body = tw_buf_bytes(&body)};
  if (bend(by, &b, &message)) send(by, tw_buf_bytes(&message), false);
  tw_commit_result_clear(&result);
  tw_buf_clear(&body);
  tw_buf_clear(&message);
}

/* The path's leaf signed again, so that what was edited in it is looked at. */
static bool sign_leaf(const tw_group *group, tw_signer *signer, uint32_t index, const tw_update_path *path,
                      tw_buf *out) {
  const tw_leaf_node *leaf = &path->leaf_node;
  const tw_leaf_node_fields fields = {.encryption_key = leaf->encryption_key,
                                      .credential = leaf->credential.encoded,
                                      .capabilities = leaf->capabilities,
                                      .source = leaf->source,
                                      .not_before = leaf->not_before,
                                      .not_after = leaf->not_after,
                                      .parent_hash = leaf->parent_hash,
                                      .extensions = leaf->extensions};
  return tw_leaf_node_make(group->env, group->suite, signer, &fields, group->context.group_id, index, out) == TW_OK;
}

/* A genuine commit of a member or an outsider, its body edited and signed again. */
static void edited_commit(party *by, const tw_commit_result *genuine, tw_sender sender, tw_signer *signer,
                          uint32_t leaf, tw_reader *r) {
  tw_mls_message decoded;
  tw_buf body = {0};
  tw_buf message = {0};
  tw_fuzz_must(tw_mls_message_decode(by->group->env, tw_buf_bytes(&genuine->commit), &decoded));
  const tw_public_message *whole = &decoded.u.public_message;
  tw_fuzz_must(tw_buf_append(&body, whole->content.body));
  const uint8_t flags = tw_read_u8(r);
  edit(r, body.ptr, body.len);
  tw_reader walk = tw_reader_of(tw_buf_bytes(&body));
  const tw_commit commit = tw_read_commit(&walk);
  if ((flags & 1) && tw_reader_end(&walk) == TW_OK && commit.has_path) {
    tw_buf again = {0};
    tw_writer w = tw_writer_to(&again);
    tw_write_vector(&w, commit.proposals);
    tw_write_u8(&w, 1);
    tw_fuzz_must(tw_writer_end(&w));
    if (sign_leaf(by->group, signer, leaf, &commit.path, &again)) {
      w = tw_writer_to(&again);
      tw_write_vector(&w, commit.path.nodes);
      tw_fuzz_must(tw_writer_end(&w));
      tw_fuzz_must(tw_buf_assign(&body, tw_buf_bytes(&again)));
    }
    tw_buf_clear(&again);
  }
  const bent b = {.sender = sender,
                  .content_type = TW_CONTENT_COMMIT,
                  .signer = signer,
                  .confirmation_tag = whole->auth.confirmation_tag,
                  .body = tw_buf_bytes(&body)};
  if (bend(by, &b, &message)) send(sender.type == TW_SENDER_MEMBER ? by : NULL, tw_buf_bytes(&message), false);
  tw_buf_clear(&body);
  tw_buf_clear(&message);
}

/* ---- actions ---- */

static void library_commit(party *by, tw_reader *r) {
  const uint8_t flags = tw_read_u8(r);
  const bool equal = caches_are_equal();
  const tw_commit_options options = {.proposals = tw_fuzz_chunk(r),
                                     .plaintext = (flags & 1) != 0,
                                     .without_path = (flags & 2) != 0,
                                     .without_collected = (flags & 4) != 0,
                                     .want_group_info = (flags & 8) != 0};
  tw_commit_result result = {0};
  const tw_err err = tw_group_commit(by->group, &options, NOW, &result);
  TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL && tw_err_class_of(err) != TW_CLASS_CALLER);
  if (err == TW_OK) settle(by, &result, equal);
  tw_commit_result_clear(&result);
}

static void edited_member_commit(party *by, tw_reader *r) {
  const uint8_t flags = tw_read_u8(r);
  const tw_commit_options options = {.proposals = tw_fuzz_chunk(r),
                                     .plaintext = true,
                                     .without_path = (flags & 1) != 0,
                                     .without_collected = (flags & 2) != 0};
  tw_commit_result result = {0};
  if (tw_group_commit(by->group, &options, NOW, &result) == TW_OK)
    edited_commit(by, &result, (tw_sender){TW_SENDER_MEMBER, by->group->priv.leaf_index}, by->group->signer,
                  by->group->priv.leaf_index, r);
  tw_commit_result_clear(&result);
}

static void library_proposal(party *by, tw_reader *r) {
  const uint8_t flags = tw_read_u8(r);
  const bool equal = caches_are_equal();
  const tw_message_options options = {.plaintext = (flags & 1) != 0};
  tw_buf message = {0};
  const tw_err err = flags & 2 ? tw_group_propose_update(by->group, NULL, &options, &message)
                               : tw_group_propose(by->group, tw_fuzz_chunk(r), &options, NOW, &message);
  for (size_t i = 0; i < PARTIES && err == TW_OK; i++) {
    tw_received received = {0};
    if (parties[i].group == NULL || &parties[i] == by) continue;
    const tw_err taken = receive(&parties[i], tw_buf_bytes(&message), &received);
    TW_FUZZ_ASSERT(taken == TW_OK || !equal);
    tw_received_clear(&received);
  }
  tw_buf_clear(&message);
}

/* An outsider, or a member that replaces itself, joins; genuine or edited. */
static void external_join(party *by, tw_reader *r) {
  const uint8_t flags = tw_read_u8(r);
  party *joiner = &parties[flags % PARTIES];
  tw_buf info = {0};
  tw_buf list = {0};
  tw_commit_result result = {0};
  const tw_bytes values = tw_fuzz_chunk(r);
  const bool resync = joiner->group != NULL;
  const uint32_t leaf = resync ? joiner->group->priv.leaf_index : tw_group_member_count(by->group);
  if (resync) tw_fuzz_must(tw_propose_remove(&list, leaf));
  tw_fuzz_must(tw_buf_append(&list, values));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  if (by != joiner && tw_group_info_message(by->group, true, TW_NO_BYTES, &info) == TW_OK &&
      tw_group_join_external(&joiner->client, tw_buf_bytes(&info), NULL, &options, NOW, &result) == TW_OK) {
    if (flags & 0x80) {
      edited_commit(by, &result, (tw_sender){TW_SENDER_NEW_MEMBER_COMMIT, 0}, joiner->client.signer,
                    result.next->priv.leaf_index, r);
    } else {
      settle(joiner, &result, true);
    }
  }
  tw_commit_result_clear(&result);
  tw_buf_clear(&info);
  tw_buf_clear(&list);
}

/* A GroupInfo that a member has signed as it came out. */
static void edited_group_info(party *by, tw_reader *r) {
  tw_buf info = {0};
  tw_buf again = {0};
  tw_commit_result result = {0};
  tw_mls_message decoded;
  if (tw_group_info_message(by->group, true, TW_NO_BYTES, &info) != TW_OK) return;
  edit(r, info.ptr, info.len);
  if (tw_mls_message_decode(by->group->env, tw_buf_bytes(&info), &decoded) == TW_OK &&
      decoded.wire_format == TW_WIRE_GROUP_INFO) {
    const tw_group_info *view = &decoded.u.group_info;
    tw_writer w = tw_writer_to(&again);
    tw_write_mls_message_header(&w, TW_WIRE_GROUP_INFO);
    tw_fuzz_must(tw_writer_end(&w));
    tw_fuzz_must(tw_group_info_make(by->group->env, by->group->suite, by->group->signer, view->group_context_encoded,
                                    view->extensions, view->confirmation_tag, view->signer, &again));
    const tw_err err = tw_group_join_external(&parties[3].client, tw_buf_bytes(&again), NULL, NULL, NOW, &result);
    TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL && tw_err_class_of(err) != TW_CLASS_CALLER);
    if (err == TW_OK) send(NULL, tw_buf_bytes(&result.commit), false);
  }
  tw_commit_result_clear(&result);
  tw_buf_clear(&info);
  tw_buf_clear(&again);
}

/* The outsider is added; its Welcome first edited, then as it is. */
static void welcome(party *by, tw_reader *r) {
  party *joiner = &parties[3];
  tw_key_package *key_package = NULL;
  tw_buf list = {0};
  tw_buf edited = {0};
  tw_commit_result result = {0};
  tw_group *joined = NULL;
  const bool equal = caches_are_equal();
  if (joiner->group != NULL) return;
  tw_fuzz_must(tw_key_package_new(&joiner->client, NULL, NOW, &key_package));
  tw_fuzz_must(tw_propose_add(&list, tw_key_package_message(key_package)));
  tw_fuzz_must(tw_buf_append(&list, tw_fuzz_chunk(r)));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  if (tw_group_commit(by->group, &options, NOW, &result) == TW_OK) {
    tw_fuzz_must(tw_buf_append(&edited, tw_buf_bytes(&result.welcome)));
    edit(r, edited.ptr, edited.len);
    const tw_err bad = tw_group_join(&joiner->client, key_package, tw_buf_bytes(&edited), NULL, NOW, &joined);
    TW_FUZZ_ASSERT(tw_err_class_of(bad) != TW_CLASS_INTERNAL && tw_err_class_of(bad) != TW_CLASS_CALLER);
    tw_group_free(joined);
    joined = NULL;
    const tw_err good = tw_group_join(&joiner->client, key_package, tw_buf_bytes(&result.welcome), NULL, NOW, &joined);
    TW_FUZZ_ASSERT(good == TW_OK || good == TW_ERR_MISSING_PSK);
    const tw_group *next = result.next;
    settle(by, &result, equal);
    if (by->group == next) {
      joiner->group = joined;
      joined = NULL;
      check_agreement();
    }
    tw_group_free(joined);
  }
  tw_commit_result_clear(&result);
  tw_buf_clear(&edited);
  tw_buf_clear(&list);
  tw_key_package_free(key_package);
}

static void application(party *by, tw_reader *r) {
  tw_buf message = {0};
  const bent raw = {.sender = {TW_SENDER_MEMBER, by->group->priv.leaf_index},
                    .content_type = TW_CONTENT_APPLICATION,
                    .signer = by->group->signer,
                    .is_private = true,
                    .body = tw_fuzz_chunk(r)};
  if (bend(by, &raw, &message)) send(by, tw_buf_bytes(&message), true);
  message.len = 0;
  if (tw_group_protect(by->group, TW_LITERAL("x"), TW_NO_BYTES, &message) == TW_OK) {
    edit(r, message.ptr, message.len);
    send(by, tw_buf_bytes(&message), true);
  }
  tw_buf_clear(&message);
}

static void reload(party *p) {
  tw_buf saved = {0};
  tw_group *group = NULL;
  tw_fuzz_must(tw_group_save(p->group, &saved));
  tw_fuzz_must(tw_group_load(&p->client, tw_buf_bytes(&saved), &group));
  adopt(p, group);
  tw_buf_clear(&saved);
}

static void act(tw_reader *r) {
  const uint8_t action = tw_read_u8(r);
  party *by = member((uint8_t)(action >> 6));
  if (by == NULL) return;
  switch (action % 12) {
  case 0: library_commit(by, r); break;
  case 1: library_proposal(by, r); break;
  case 2: bent_commit(by, r); break;
  case 3: bent_proposal(by, r); break;
  case 4: edited_member_commit(by, r); break;
  case 5: external_join(by, r); break;
  case 6: edited_group_info(by, r); break;
  case 7: welcome(by, r); break;
  case 8: application(by, r); break;
  case 9: reload(by); break;
  case 10: send(NULL, tw_fuzz_chunk(r), false); break;
  default: tw_group_forget_proposals(by->group); break;
  }
}

/* ---- seeds ---- */

static void seed(const char *name, tw_bytes actions) { tw_fuzz_write_seed(name, actions); }

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  found();
  if (tw_fuzz_seed_folder() == NULL) return 0;
  seed("empty_commits", TW_LITERAL("\x00\x01\x00\x48\x00\x00\x84\x03\x00"));
  seed("remove", TW_LITERAL("\x00\x00\x06\x00\x03\x00\x00\x00\x02\x48\x01\x00"));
  seed("updates", TW_LITERAL("\x49\x02\x85\x02\x00\x00\x00"));
  seed("components", TW_LITERAL("\x00\x02\x0e\x00\x08\x90\x01\x01\x02hi\x00\x09\x90\x01\x01x"));
  seed("psk", TW_LITERAL("\x00\x02\x27\x00\x04\x01\x03one\x20"
                         "0123456789abcdef0123456789abcdef"));
  seed("extensions", TW_LITERAL("\x00\x01\x0a\x00\x07\x07\x00\x03\x04\x00\x02\x00\x08\x00"));
  seed("self_remove", TW_LITERAL("\x49\x01\x02\x00\x0a\x00\x01\x00"));
  seed("reinit", TW_LITERAL("\x00\x02\x0b\x00\x05\x01n\x00\x01\x00\x01\x00"));
  seed("external", TW_LITERAL("\x05\x03\x00\x48\x01\x00"));
  seed("resync", TW_LITERAL("\x05\x01\x00\x05\x83\x00\x01\x01\x00\x20\x01"));
  seed("welcome", TW_LITERAL("\x07\x00\x01\x00\x20\x01\x48\x00\x00"));
  seed("edited", TW_LITERAL("\x04\x00\x00\x01\x01\x00\x30\x01\x06\x01\x00\x50\x01"));
  seed("bent", TW_LITERAL("\x02\x01\x06\x00\x03\x00\x00\x00\x01\x03\x00\x06\x00\x03\x00\x00\x00\x01"));
  seed("application", TW_LITERAL("\x08\x03\x02hi\x01\x00\x20\x01\x09"));
  tw_fuzz_seeds_done();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  /* Behind all that the founding has drawn: no key is made twice. */
  static uint8_t drawn[1 << 15];
  tw_fuzz_restart();
  tw_fuzz_must(tw_random(tw_fuzz_env(), drawn, sizeof drawn));
  for (size_t i = 0; i < 3; i++)
    tw_fuzz_must(tw_group_load(&parties[i].client, tw_buf_bytes(&parties[i].base), &parties[i].group));
  for (size_t i = 0; i < ACTIONS && tw_reader_more(&r); i++) act(&r);
  for (size_t i = 0; i < PARTIES; i++) adopt(&parties[i], NULL);
  return 0;
}
