/* Peers that are not in the file: the list in the store, and what of it a configuration takes. SPDX-License-Identifier: Apache-2.0 */
#include "node/learned.h"

#include <stdio.h>

#include "node/config_kit.h"
#include "node/config_value.h"
#include "store/store_kit.h"

static kit k;
static tw_store *store;

static int open_store(void **state) {
  (void)state;
  kit_init(&k, 5);
  store = kit_open(&k, NULL);
  return 0;
}

static int close_store(void **state) {
  (void)state;
  tw_store_close(store);
  kit_clear(&k);
  return 0;
}

/* ---- peers ---- */

static tw_fingerprint key_of(uint8_t byte) {
  tw_fingerprint key;
  memset(key.digest, byte, sizeof key.digest);
  return key;
}

static tw_prefix prefix_of(const char *text) {
  tw_prefix prefix;
  assert_true(tw_prefix_parse(kit_text(text), &prefix));
  return prefix;
}

static void add_prefix(tw_learned_peer *peer, const char *text) {
  tw_node_prefixes *allowed = &peer->peer.allowed;
  if (allowed->list == NULL) allowed->list = calloc(TW_LEARNED_PREFIXES_MAX + 1, sizeof *allowed->list);
  assert_non_null(allowed->list);
  allowed->list[allowed->count++] = (tw_node_prefix){prefix_of(text), 0};
}

static tw_learned_peer peer_of(uint8_t byte, const char *name, const char *certificate, const char *prefix) {
  tw_learned_peer peer = {.learned_at = 1000 + byte};
  peer.peer.origin = certificate != NULL ? TW_NODE_FROM_CERTIFICATE : TW_NODE_FROM_ENROLMENT;
  peer.peer.key.given = true;
  peer.peer.key.fingerprint = key_of(byte);
  if (name != NULL) assert_int_equal(tw_value_copy(NULL, kit_text(name), &peer.peer.name), TW_OK);
  if (certificate != NULL) {
    assert_int_equal(tw_value_copy(NULL, kit_text(certificate), &peer.peer.certificate), TW_OK);
    assert_int_equal(tw_buf_assign(&peer.certificates, TW_LITERAL("a chain")), TW_OK);
  }
  if (prefix != NULL) add_prefix(&peer, prefix);
  return peer;
}

static void put(tw_learned *learned, tw_learned_peer peer, const tw_fingerprint *instead_of) {
  tw_report report = {""};
  if (tw_learned_put(learned, &peer, instead_of, &report) != TW_OK) fail_msg("%s", report.text);
  tw_learned_peer_clear(NULL, &peer);
}

static void load(tw_learned *learned, size_t bad) {
  tw_problems told = {0};
  tw_report report = {""};
  if (tw_learned_load(&k.test.alloc, store, learned, &told, &report) != TW_OK) fail_msg("%s", report.text);
  assert_int_equal(told.count, bad);
}

static void same_text(const char *a, const char *b) { assert_string_equal(a == NULL ? "-" : a, b == NULL ? "-" : b); }

static void same_node_peer(const tw_node_peer *a, const tw_node_peer *b) {
  assert_memory_equal(&a->key.fingerprint, &b->key.fingerprint, sizeof a->key.fingerprint);
  assert_int_equal(a->origin, b->origin);
  same_text(a->name, b->name);
  same_text(a->certificate, b->certificate);
  assert_int_equal(a->allowed.count, b->allowed.count);
  for (size_t i = 0; i < a->allowed.count; i++)
    assert_int_equal(tw_prefix_compare(&a->allowed.list[i].prefix, &b->allowed.list[i].prefix), 0);
}

static void same_peer(const tw_learned_peer *a, const tw_learned_peer *b) {
  same_node_peer(&a->peer, &b->peer);
  assert_int_equal(a->learned_at, b->learned_at);
  tw_test_same(tw_buf_bytes(&a->certificates), tw_buf_bytes(&b->certificates));
}

/* ---- the list ---- */

static void what_was_learned_is_there_again(void **state) {
  (void)state;
  tw_learned learned, again;
  tw_learned_peer three = peer_of(3, "notebook", NULL, "10.7.0.3/32");
  tw_learned_peer one = peer_of(1, NULL, "one.example", "fd00:7::1/128");
  add_prefix(&three, "192.0.2.0/24");
  load(&learned, 0);
  assert_int_equal(learned.count, 0);
  assert_int_equal(tw_learned_put(&learned, &three, NULL, NULL), TW_OK);
  assert_int_equal(tw_learned_put(&learned, &one, NULL, NULL), TW_OK);
  load(&again, 0);
  const tw_learned *const both[] = {&learned, &again};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(both[i]->count, 2);
    same_peer(&both[i]->list[0], &one);
    same_peer(&both[i]->list[1], &three);
    assert_ptr_equal(tw_learned_find(both[i], &three.peer.key.fingerprint), &both[i]->list[1]);
    assert_null(tw_learned_find(both[i], &(tw_fingerprint){{2}}));
  }
  tw_learned_peer_clear(NULL, &one);
  tw_learned_peer_clear(NULL, &three);
  tw_learned_clear(&learned);
  tw_learned_clear(&again);
  tw_learned_clear(&again);
}

static void another_key_takes_the_place_of_the_old_one(void **state) {
  (void)state;
  tw_learned learned;
  const tw_fingerprint first = key_of(1), second = key_of(9), third = key_of(4);
  load(&learned, 0);
  put(&learned, peer_of(1, NULL, "one.example", NULL), NULL);
  put(&learned, peer_of(4, NULL, "four.example", NULL), NULL);
  put(&learned, peer_of(9, NULL, "one.example", "10.7.0.1/32"), &first);
  put(&learned, peer_of(4, "four", NULL, NULL), NULL); /* the same key again */
  for (int i = 0; i < 2; i++) {
    assert_int_equal(learned.count, 2);
    assert_null(tw_learned_find(&learned, &first));
    assert_string_equal(tw_learned_find(&learned, &second)->peer.certificate, "one.example");
    assert_string_equal(tw_learned_find(&learned, &third)->peer.name, "four");
    tw_learned_clear(&learned);
    load(&learned, 0);
  }
  assert_int_equal(tw_learned_remove(&learned, &learned.list[0].peer.key.fingerprint, NULL), TW_OK);
  assert_int_equal(tw_learned_remove(&learned, &first, NULL), TW_OK);
  assert_int_equal(learned.count, 1);
  tw_learned_clear(&learned);
  load(&learned, 0);
  assert_int_equal(learned.count, 1);
  assert_non_null(tw_learned_find(&learned, &second));
  tw_learned_clear(&learned);
}

static void refuses(tw_learned *learned, tw_learned_peer *peer) {
  assert_int_equal(tw_learned_put(learned, peer, NULL, NULL), TW_ERR_ARGUMENT);
  tw_learned_peer_clear(NULL, peer);
  assert_int_equal(learned->count, 0);
  assert_int_equal(kit_count(&k, store, TW_STORE_NODE), 0);
}

static void what_is_no_peer_is_not_kept(void **state) {
  (void)state;
  tw_learned learned;
  load(&learned, 0);
  tw_learned_peer peer = peer_of(1, NULL, NULL, NULL);
  peer.peer.key.given = false;
  refuses(&learned, &peer);
  peer = peer_of(1, NULL, NULL, NULL);
  peer.peer.origin = TW_NODE_FROM_FILE;
  refuses(&learned, &peer);
  peer = peer_of(1, NULL, NULL, NULL);
  peer.peer.line = 7;
  refuses(&learned, &peer);
  static const char *const names[] = {"", "two words", "line\nbreak", "-x", "\xff"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    peer = peer_of(1, names[i], NULL, NULL);
    refuses(&learned, &peer);
  }
  static const char *const certificates[] = {"*.example", "Upper.example", "a b", ""};
  for (size_t i = 0; i < sizeof certificates / sizeof certificates[0]; i++) {
    peer = peer_of(1, NULL, certificates[i], NULL);
    refuses(&learned, &peer);
  }
  static const char *const prefixes[] = {"224.0.0.1", "ff02::1", "10.7.0.1/24"};
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    peer = peer_of(1, NULL, NULL, prefixes[i]);
    refuses(&learned, &peer);
  }
  peer = peer_of(1, NULL, NULL, "10.7.0.1");
  for (size_t i = 0; i < TW_LEARNED_PREFIXES_MAX; i++) add_prefix(&peer, "10.7.0.1");
  refuses(&learned, &peer);
  tw_learned_clear(&learned);
}

static void a_saved_value_that_is_cut_or_bent_is_deleted(void **state) {
  (void)state;
  tw_learned learned;
  tw_buf value = {0};
  bool found;
  uint8_t id[1 + TW_FINGERPRINT_SIZE] = {'l'};
  memset(id + 1, 1, TW_FINGERPRINT_SIZE);
  load(&learned, 0);
  tw_learned_peer peer = peer_of(1, "one", "one.example", "10.7.0.1/32");
  add_prefix(&peer, "fd00:7::1/128");
  put(&learned, peer, NULL);
  tw_learned_clear(&learned);
  assert_int_equal(tw_store_get(store, TW_STORE_NODE, TW_ARRAY(id), &value, &found, NULL), TW_OK);
  assert_true(found);
  for (size_t len = 0; len < value.len; len++) {
    const tw_store_change cut = {.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .value = TW_BYTES(value.ptr, len)};
    assert_int_equal(tw_store_apply(store, &cut, 1, NULL), TW_OK);
    load(&learned, 1);
    assert_int_equal(learned.count, 0);
    assert_int_equal(kit_count(&k, store, TW_STORE_NODE), 0);
    tw_learned_clear(&learned);
  }
  for (size_t bit = 0; bit < 8 * value.len; bit++) { /* whatever it says then: it is a peer as may be put, or none */
    value.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
    const tw_store_change bent = {.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .value = tw_buf_bytes(&value)};
    assert_int_equal(tw_store_apply(store, &bent, 1, NULL), TW_OK);
    value.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
    tw_problems told = {0};
    assert_int_equal(tw_learned_load(&k.test.alloc, store, &learned, &told, NULL), TW_OK);
    assert_int_equal(learned.count + told.count, 1);
    if (learned.count == 1) {
      tw_learned_peer *got = &learned.list[0];
      assert_int_equal(tw_learned_put(&learned, got, NULL, NULL), TW_OK);
    }
    tw_learned_clear(&learned);
  }
  tw_buf_clear(&value);
}

static void other_values_of_the_node_stay(void **state) {
  (void)state;
  tw_learned learned;
  kit_put(&k, store, TW_STORE_NODE, "cursor", "12345678");
  kit_put(&k, store, TW_STORE_NODE, "l", "?");
  load(&learned, 0);
  put(&learned, peer_of(1, NULL, "one.example", NULL), NULL);
  tw_learned_clear(&learned);
  load(&learned, 0);
  assert_int_equal(learned.count, 1);
  tw_learned_clear(&learned);
  assert_int_equal(kit_count(&k, store, TW_STORE_NODE), 3);
}

static void without_memory_all_stays(void **state) {
  (void)state;
  tw_learned learned = {0};
  tw_problems told = {0};
  tw_learned_peer peer = peer_of(2, "two", "two.example", "10.7.0.2/32");
  const tw_fingerprint first = key_of(1);
  load(&learned, 0);
  put(&learned, peer_of(1, NULL, "one.example", NULL), NULL);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&k.test, n);
    const tw_err err = tw_learned_put(&learned, &peer, &first, NULL);
    if (!k.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(learned.count, 1);
    assert_non_null(tw_learned_find(&learned, &first));
  }
  tw_test_fail_alloc(&k.test, 0);
  tw_learned_clear(&learned);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&k.test, n);
    const tw_err err = tw_learned_load(&k.test.alloc, store, &learned, &told, NULL);
    if (!k.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(learned.count, 0);
  }
  tw_test_fail_alloc(&k.test, 0);
  assert_int_equal(told.count, 0);
  assert_int_equal(learned.count, 1);
  same_peer(&learned.list[0], &peer);
  tw_learned_peer_clear(NULL, &peer);
  tw_learned_clear(&learned);
}

/* ---- in a configuration ---- */

#define WITH_CA "[Interface]\nAddress = 10.7.0.1/24\nIdentity = a.key\nCA = ca.pem\n" RELAY NETWORK
#define LISTED WITH_CA "[Peer]\nName = b\nPublicKey = " PRINT "02\nAllowedIPs = 10.7.0.2/32\n"
#define NAMED "[Peer]\nCertificate = c.example\nAllowedIPs = 10.7.0.3/32\n"

/* Appends one peer, and says how many things were told of it. */
static size_t append(tw_node_config *config, tw_learned_peer peer) {
  tw_problems told = {0};
  const tw_fingerprint own = key_of(0xee);
  assert_int_equal(tw_node_config_append_peer(config, &own, &peer.peer, &told), TW_OK);
  tw_learned_peer_clear(NULL, &peer);
  return told.count;
}

static void a_learned_peer_comes_behind_the_files(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes(LISTED, &config);
  assert_int_equal(append(&config, peer_of(7, "seven", NULL, "10.7.0.7/32")), 0);
  assert_int_equal(append(&config, peer_of(8, NULL, "eight.example", NULL)), 0);
  assert_int_equal(config.peer_count, 3);
  assert_int_equal(config.peers[0].origin, TW_NODE_FROM_FILE);
  assert_int_equal(config.peers[1].origin, TW_NODE_FROM_ENROLMENT);
  assert_string_equal(config.peers[1].name, "seven");
  assert_int_equal(config.peers[1].allowed.count, 1);
  assert_int_equal(config.peers[2].origin, TW_NODE_FROM_CERTIFICATE);
  assert_string_equal(config.peers[2].certificate, "eight.example");
  tw_node_config_clear(&config);
}

static void the_file_wins(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes(LISTED, &config);
  /* Ourselves, in silence. */
  assert_int_equal(append(&config, peer_of(0xee, "a", NULL, "10.7.0.9/32")), 0);
  assert_int_equal(config.peer_count, 1);
  /* A name, a prefix, our own address, the broadcast address. */
  tw_learned_peer peer = peer_of(7, "b", NULL, "10.7.0.2/32");
  add_prefix(&peer, "10.7.0.1/32");
  add_prefix(&peer, "10.7.0.255/32");
  add_prefix(&peer, "10.7.0.7/32");
  assert_int_equal(append(&config, peer), 4);
  assert_int_equal(config.peer_count, 2);
  assert_null(config.peers[1].name);
  assert_int_equal(config.peers[1].allowed.count, 1);
  /* The same key. */
  assert_int_equal(append(&config, peer_of(7, "other", NULL, "10.7.0.8/32")), 1);
  assert_int_equal(config.peer_count, 2);
  /* Of two that were learned, the first. */
  assert_int_equal(append(&config, peer_of(8, NULL, NULL, "10.7.0.7/32")), 1);
  assert_int_equal(config.peer_count, 3);
  assert_int_equal(config.peers[2].allowed.count, 0);
  tw_node_config_clear(&config);
}

static void a_peer_by_name_gets_its_key(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes(LISTED NAMED, &config);
  assert_int_equal(append(&config, peer_of(7, NULL, "c.example", "10.7.0.99/32")), 0);
  assert_int_equal(config.peer_count, 2);
  assert_true(config.peers[1].key.given);
  assert_int_equal(config.peers[1].key.fingerprint.digest[0], 7);
  assert_int_equal(config.peers[1].origin, TW_NODE_FROM_FILE);
  assert_int_equal(config.peers[1].allowed.count, 1); /* the file's */
  /* A second key of that name, and the first one again. */
  assert_int_equal(append(&config, peer_of(8, NULL, "c.example", NULL)), 1);
  assert_int_equal(append(&config, peer_of(7, NULL, "c.example", NULL)), 0);
  assert_int_equal(config.peer_count, 2);
  assert_int_equal(config.peers[1].key.fingerprint.digest[0], 7);
  tw_node_config_clear(&config);
}

static void all_are_appended_in_the_order_in_which_they_were_learned(void **state) {
  (void)state;
  tw_node_config config = {0};
  tw_learned learned;
  tw_problems told = {0};
  const tw_fingerprint own = key_of(0xee);
  load(&learned, 0);
  tw_learned_peer early = peer_of(9, "early", NULL, "10.7.0.9/32");
  early.learned_at = 1;
  put(&learned, peer_of(1, "late", NULL, "10.7.0.9/32"), NULL);
  put(&learned, early, NULL);
  takes(LISTED, &config);
  assert_int_equal(tw_learned_append(&learned, &own, &config, &told), TW_OK);
  assert_int_equal(told.count, 1);
  assert_int_equal(config.peer_count, 3);
  assert_string_equal(config.peers[1].name, "early");
  assert_int_equal(config.peers[1].allowed.count, 1);
  assert_int_equal(config.peers[2].allowed.count, 0);
  tw_node_config_clear(&config);
  tw_learned_clear(&learned);
}

enum { MANY = 300 };
#define FILE_OF_MANY LISTED "[Peer]\nCertificate = c4.example\nAllowedIPs = 10.7.1.3/32\n"

/* They have so few keys, names and addresses that much is somebody's already, as what the file has is. */
static void make_many(tw_learned_peer list[MANY]) {
  for (size_t i = 0; i < MANY; i++) {
    char name[16];
    char certificate[24];
    char prefix[24];
    assert_true(snprintf(name, sizeof name, "n%zu", i % 100) > 0);
    assert_true(snprintf(certificate, sizeof certificate, "c%zu.example", i % 90) > 0);
    assert_true(snprintf(prefix, sizeof prefix, "10.7.%zu.%zu/32", i % 2, i % 61) > 0);
    list[i] = peer_of((uint8_t)(i * 7 % 251), i % 3 == 0 ? NULL : name, i % 2 == 0 ? certificate : NULL,
                      i % 4 == 0 ? NULL : prefix);
    list[i].learned_at = i;
  }
}

static void same_peers(const tw_node_config *a, const tw_node_config *b) {
  assert_int_equal(a->peer_count, b->peer_count);
  for (size_t i = 0; i < a->peer_count; i++) same_node_peer(&a->peers[i], &b->peers[i]);
}

static void many_are_appended_as_one_by_one(void **state) {
  (void)state;
  static tw_learned_peer list[MANY];
  const tw_learned learned = {.list = list, .count = MANY};
  const tw_fingerprint own = key_of(0xee);
  tw_node_config together = {0};
  tw_node_config apart = {0};
  tw_problems told_together = {0};
  tw_problems told_apart = {0};
  make_many(list);
  takes(FILE_OF_MANY, &together);
  takes(FILE_OF_MANY, &apart);
  assert_int_equal(tw_learned_append(&learned, &own, &together, &told_together), TW_OK);
  for (size_t i = 0; i < MANY; i++)
    assert_int_equal(tw_node_config_append_peer(&apart, &own, &list[i].peer, &told_apart), TW_OK);
  assert_in_range(together.peer_count, 200, 251);
  assert_true(told_together.count > 100);
  assert_int_equal(told_together.count, told_apart.count);
  same_peers(&together, &apart);
  /* Once more, and nobody is new. */
  assert_int_equal(tw_learned_append(&learned, &own, &together, &told_together), TW_OK);
  same_peers(&together, &apart);
  tw_node_config_clear(&together);
  tw_node_config_clear(&apart);
  for (size_t i = 0; i < MANY; i++) tw_learned_peer_clear(NULL, &list[i]);
}

static void without_memory_for_all_of_many_the_first_are_appended(void **state) {
  (void)state;
  static tw_learned_peer list[MANY];
  const tw_learned learned = {.list = list, .count = 40};
  const tw_fingerprint own = key_of(0xee);
  tw_node_config all = {0};
  tw_problems told = {0};
  size_t most = 0;
  make_many(list);
  takes(FILE_OF_MANY, &all);
  assert_int_equal(tw_learned_append(&learned, &own, &all, &told), TW_OK);
  for (size_t n = 1;; n++) {
    tw_node_config some = {0};
    takes(FILE_OF_MANY, &some);
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_learned_append(&learned, &own, &some, &told);
    const bool failed = test.alloc_failed;
    tw_test_fail_alloc(&test, 0);
    assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
    assert_in_range(some.peer_count, most, all.peer_count);
    most = some.peer_count;
    for (size_t i = 2; i < most; i++) same_node_peer(&some.peers[i], &all.peers[i]); /* behind the file's two */
    tw_node_config_clear(&some);
    if (!failed) break;
  }
  assert_int_equal(most, all.peer_count);
  tw_node_config_clear(&all);
  for (size_t i = 0; i < MANY; i++) tw_learned_peer_clear(NULL, &list[i]);
}

static void without_memory_nobody_is_appended(void **state) {
  (void)state;
  tw_node_config config = {0};
  tw_problems told = {0};
  const tw_fingerprint own = key_of(0xee);
  tw_learned_peer peer = peer_of(7, "seven", "seven.example", "10.7.0.7/32");
  takes(LISTED, &config);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_node_config_append_peer(&config, &own, &peer.peer, &told);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(config.peer_count, 1);
  }
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(config.peer_count, 2);
  tw_learned_peer_clear(NULL, &peer);
  tw_node_config_clear(&config);
}

static int set_up_both(void **state) { return set_up(state) | open_store(state); }
static int tear_down_both(void **state) { return close_store(state) | tear_down(state); }

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_was_learned_is_there_again, open_store, close_store),
      cmocka_unit_test_setup_teardown(another_key_takes_the_place_of_the_old_one, open_store, close_store),
      cmocka_unit_test_setup_teardown(what_is_no_peer_is_not_kept, open_store, close_store),
      cmocka_unit_test_setup_teardown(a_saved_value_that_is_cut_or_bent_is_deleted, open_store, close_store),
      cmocka_unit_test_setup_teardown(other_values_of_the_node_stay, open_store, close_store),
      cmocka_unit_test_setup_teardown(without_memory_all_stays, open_store, close_store),
      cmocka_unit_test_setup_teardown(a_learned_peer_comes_behind_the_files, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_file_wins, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_peer_by_name_gets_its_key, set_up, tear_down),
      cmocka_unit_test_setup_teardown(all_are_appended_in_the_order_in_which_they_were_learned, set_up_both,
                                      tear_down_both),
      cmocka_unit_test_setup_teardown(many_are_appended_as_one_by_one, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_memory_for_all_of_many_the_first_are_appended, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_memory_nobody_is_appended, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
