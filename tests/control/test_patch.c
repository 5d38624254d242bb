/* Patches: what is made of two blobs leads from one to the other, and nothing else is taken. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "codec/writer.h"
#include "control/patch.h"
#include "support/tw_test_member.h"

enum { MOST = 1 << 20, PEOPLE = 12 };

static tw_test_env test;
static uint64_t dice;

static uint32_t roll(uint32_t n) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(dice >> 33) % n;
}

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  dice = 7;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static tw_buf made_of(tw_bytes before, tw_bytes after) {
  tw_buf patch = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_control_patch_make(&test.env, before, after, &patch), TW_OK);
  assert_int_equal(tw_control_patch_check(tw_buf_bytes(&patch)), TW_OK);
  return patch;
}

static void expects(tw_bytes before, tw_bytes patch, size_t most, tw_err expected) {
  tw_buf out = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_buf_append(&out, TW_LITERAL("what was there")), TW_OK);
  assert_int_equal(tw_control_patch_apply(&test.env, before, patch, most, &out), expected);
  if (expected != TW_OK) tw_test_same(tw_buf_bytes(&out), TW_LITERAL("what was there"));
  tw_buf_clear(&out);
}

/* Bytes of the patch. */
static size_t leads_there(tw_bytes before, tw_bytes after) {
  tw_buf patch = made_of(before, after);
  tw_buf out = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_control_patch_apply(&test.env, before, tw_buf_bytes(&patch), after.len, &out), TW_OK);
  tw_test_same(tw_buf_bytes(&out), after);
  const size_t size = patch.len;
  tw_buf_clear(&out);
  if (after.len > 0) expects(before, tw_buf_bytes(&patch), after.len - 1, TW_ERR_LIMIT);
  tw_buf_clear(&patch);
  return size;
}

static tw_buf random_bytes(size_t len, uint32_t values) {
  tw_buf bytes = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_buf_reserve(&bytes, len + 1), TW_OK);
  for (; bytes.len < len; bytes.len++) bytes.ptr[bytes.len] = (uint8_t)roll(values);
  return bytes;
}

/* A run of one of them: inserted, left out, repeated from elsewhere, or others in its place. */
static void change(tw_buf *blob, uint32_t values) {
  tw_buf next = TW_BUF_INIT(test.env.alloc);
  const size_t at = roll((uint32_t)blob->len + 1);
  const size_t len = roll((uint32_t)(blob->len - at) + 1) % 200;
  const size_t elsewhere = roll((uint32_t)(blob->len - len) + 1);
  tw_buf fresh = random_bytes(len, values);
  const uint32_t kind = roll(4);
  assert_int_equal(tw_buf_append(&next, TW_BYTES(blob->ptr, at)), TW_OK);
  if (kind == 0 || kind == 1) assert_int_equal(tw_buf_append(&next, tw_buf_bytes(&fresh)), TW_OK);
  if (kind == 2) assert_int_equal(tw_buf_append(&next, TW_BYTES(blob->ptr + elsewhere, len)), TW_OK);
  const size_t on = kind == 0 || kind == 2 ? at : at + len;
  assert_int_equal(tw_buf_append(&next, TW_BYTES(blob->ptr + on, blob->len - on)), TW_OK);
  tw_buf_clear(&fresh);
  tw_buf_clear(blob);
  *blob = next;
}

static void whatever_changes_the_patch_leads_there(void **state) {
  (void)state;
  const unsigned rounds = tw_test_rounds(300, 20);
  for (unsigned i = 0; i < rounds; i++) {
    const uint32_t values = i % 3 == 0 ? 2 : 256; /* few: runs that stand in many places */
    tw_buf before = random_bytes(roll(3000), values);
    tw_buf after = TW_BUF_INIT(test.env.alloc);
    assert_int_equal(tw_buf_append(&after, tw_buf_bytes(&before)), TW_OK);
    for (unsigned k = 0; k < 20; k++) {
      change(&after, values);
      (void)leads_there(tw_buf_bytes(&before), tw_buf_bytes(&after));
      (void)leads_there(tw_buf_bytes(&after), tw_buf_bytes(&before));
    }
    tw_buf_clear(&before);
    tw_buf_clear(&after);
  }
}

static void what_stays_costs_nothing_and_what_is_new_its_bytes(void **state) {
  (void)state;
  enum { FRAME = TW_CONTROL_PATCH_HASH + 1, COPY = 9 };
  tw_buf blob = random_bytes(10000, 256);
  const tw_bytes all = tw_buf_bytes(&blob);
  assert_int_equal(leads_there(TW_NO_BYTES, TW_NO_BYTES), FRAME);
  assert_int_equal(leads_there(all, TW_NO_BYTES), FRAME);
  assert_int_equal(leads_there(all, all), FRAME + COPY);
  assert_int_equal(leads_there(TW_NO_BYTES, TW_BYTES(all.ptr, 20)), FRAME + COPY + 20);
  for (size_t len = 0; len < 100; len++) { /* shorter than a block, and longer */
    assert_true(leads_there(TW_BYTES(all.ptr, len), TW_BYTES(all.ptr, 100 - len)) <= FRAME + 1 + COPY + 1 + 100);
    assert_int_equal(leads_there(all, TW_BYTES(all.ptr + len, 10000 - len)), FRAME + COPY);
  }
  tw_buf changed = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_buf_append(&changed, all), TW_OK);
  for (size_t i = 0; i < 32; i++) changed.ptr[5000 + i] ^= 0xff;
  assert_int_equal(leads_there(all, tw_buf_bytes(&changed)), FRAME + 2 * COPY + 32);
  tw_buf_clear(&changed);
  tw_buf_clear(&blob);
}

static tw_bytes patch_of(tw_buf *out, uint32_t from, uint32_t length, tw_bytes put, unsigned times) {
  static const uint8_t hash[TW_CONTROL_PATCH_HASH];
  tw_buf_clear(out);
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, TW_ARRAY(hash));
  const tw_vector_mark mark = tw_write_open(&w);
  while (times-- > 0) {
    tw_write_u32(&w, from);
    tw_write_u32(&w, length);
    tw_write_vector(&w, put);
  }
  tw_write_close(&w, mark);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  return tw_buf_bytes(out);
}

static void copies_from_outside_and_results_above_the_limit_are_refused(void **state) {
  (void)state;
  tw_buf patch = TW_BUF_INIT(test.env.alloc);
  const tw_bytes before = TW_LITERAL("0123456789");
  const tw_bytes none = TW_NO_BYTES;
  static const uint32_t outside[][2] = {{10, 1}, {11, 1}, {0, 11}, {9, 2}, {UINT32_MAX, 1}, {1, 10}};
  for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
    expects(before, patch_of(&patch, outside[i][0], outside[i][1], none, 1), MOST, TW_ERR_APART);
  expects(before, patch_of(&patch, 0, 10, none, 1), MOST, TW_ERR_APART); /* the hash */
  expects(before, patch_of(&patch, 0, 10, none, 0), MOST, TW_ERR_APART);
  expects(before, patch_of(&patch, UINT32_MAX, UINT32_MAX, none, 1), MOST, TW_ERR_LIMIT);
  expects(before, patch_of(&patch, 0, 10, TW_LITERAL("x"), 10), 109, TW_ERR_LIMIT);
  expects(before, patch_of(&patch, 0, 10, TW_LITERAL("x"), 10), 110, TW_ERR_APART);
  /* As much as can be said with a few bytes: refused before there is memory for it. */
  const size_t calls = test.alloc_calls;
  const tw_bytes large = patch_of(&patch, 0, UINT32_MAX, none, 7000);
  const size_t made = test.alloc_calls;
  tw_buf out = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_control_patch_apply(&test.env, before, large, MOST, &out), TW_ERR_LIMIT);
  assert_true(made >= calls && test.alloc_calls == made);
  tw_buf_clear(&out);
  tw_buf_clear(&patch);
}

static void parts_that_do_nothing_are_refused(void **state) {
  (void)state;
  tw_buf patch = TW_BUF_INIT(test.env.alloc);
  const tw_bytes before = TW_LITERAL("0123456789");
  expects(before, patch_of(&patch, 0, 0, TW_NO_BYTES, 1), MOST, TW_ERR_ENCODING);
  expects(before, patch_of(&patch, 1, 0, TW_LITERAL("x"), 1), MOST, TW_ERR_ENCODING);
  expects(before, patch_of(&patch, 0, 0, TW_LITERAL("x"), 1), MOST, TW_ERR_APART); /* the hash */
  tw_buf_clear(&patch);
}

static void cut_or_bent_it_leads_nowhere(void **state) {
  (void)state;
  tw_buf before = random_bytes(400, 256);
  tw_buf after = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_buf_append(&after, tw_buf_bytes(&before)), TW_OK);
  for (unsigned i = 0; i < 3; i++) change(&after, 256);
  tw_buf patch = made_of(tw_buf_bytes(&before), tw_buf_bytes(&after));
  for (size_t len = 0; len < patch.len; len++) {
    tw_buf out = TW_BUF_INIT(test.env.alloc);
    const tw_err err = tw_control_patch_apply(&test.env, tw_buf_bytes(&before), TW_BYTES(patch.ptr, len), MOST, &out);
    assert_int_equal(tw_err_class_of(err), TW_CLASS_MALFORMED);
    assert_int_equal(tw_control_patch_check(TW_BYTES(patch.ptr, len)), err);
    assert_int_equal(out.len, 0);
    tw_buf_clear(&out);
  }
  for (size_t bit = 0; bit < 8 * patch.len; bit++) {
    tw_buf out = TW_BUF_INIT(test.env.alloc);
    patch.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    const tw_err err = tw_control_patch_apply(&test.env, tw_buf_bytes(&before), tw_buf_bytes(&patch), MOST, &out);
    assert_true(err == TW_ERR_APART || err == TW_ERR_LIMIT || tw_err_class_of(err) == TW_CLASS_MALFORMED);
    assert_int_equal(out.len, 0);
    patch.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    tw_buf_clear(&out);
  }
  assert_int_equal(tw_buf_append(&patch, TW_LITERAL("\0")), TW_OK);
  expects(tw_buf_bytes(&before), tw_buf_bytes(&patch), MOST, TW_ERR_TRAILING);
  patch.len--;
  /* To another blob, a longer and a shorter one. */
  expects(tw_buf_bytes(&after), tw_buf_bytes(&patch), MOST, TW_ERR_APART);
  expects(TW_BYTES(before.ptr, 399), tw_buf_bytes(&patch), MOST, TW_ERR_APART);
  expects(TW_NO_BYTES, tw_buf_bytes(&patch), MOST, TW_ERR_APART);
  before.ptr[7] ^= 1;
  expects(tw_buf_bytes(&before), tw_buf_bytes(&patch), MOST, TW_ERR_APART);
  tw_buf_clear(&patch);
  tw_buf_clear(&after);
  tw_buf_clear(&before);
}

static void without_memory_nothing_is_done(void **state) {
  (void)state;
  tw_buf before = random_bytes(3000, 256);
  tw_buf after = random_bytes(2000, 256);
  assert_int_equal(tw_buf_append(&after, TW_BYTES(before.ptr + 100, 500)), TW_OK);
  for (size_t n = 1;; n++) {
    tw_buf patch = TW_BUF_INIT(test.env.alloc);
    tw_buf out = TW_BUF_INIT(test.env.alloc);
    tw_test_fail_alloc(&test, n);
    tw_err err = tw_control_patch_make(&test.env, tw_buf_bytes(&before), tw_buf_bytes(&after), &patch);
    if (err == TW_OK)
      err = tw_control_patch_apply(&test.env, tw_buf_bytes(&before), tw_buf_bytes(&patch), MOST, &out);
    else
      assert_int_equal(patch.len, 0);
    assert_int_equal(err, test.alloc_failed ? TW_ERR_NO_MEMORY : TW_OK);
    assert_int_equal(out.len, err == TW_OK ? after.len : 0);
    tw_buf_clear(&out);
    tw_buf_clear(&patch);
    if (!test.alloc_failed) break;
  }
  tw_test_fail_alloc(&test, 0);
  tw_buf_clear(&after);
  tw_buf_clear(&before);
}

/* ---- ratchet trees ---- */

typedef struct history {
  tw_test_member people[PEOPLE];
  bool in[PEOPLE];
  tw_buf tree;
} history;

static tw_buf tree_of(const tw_test_member *member) {
  tw_buf tree = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_group_ratchet_tree(member->group, &tree), TW_OK);
  return tree;
}

static size_t others_of(history *h, uint32_t by, tw_test_member *others[PEOPLE]) {
  size_t count = 0;
  for (uint32_t i = 0; i < PEOPLE; i++)
    if (h->in[i] && i != by) others[count++] = &h->people[i];
  return count;
}

/* A commit by `by`: adds whoever is not in, removes whoever is, or, of itself, renews its keys. */
static void commit(history *h, uint32_t by, uint32_t whom) {
  tw_test_member *others[PEOPLE];
  tw_buf proposals = TW_BUF_INIT(test.env.alloc);
  const bool removes = by != whom && h->in[whom];
  if (!h->in[whom]) {
    tw_test_add(&h->people[by], &h->people[whom], others, others_of(h, by, others));
    h->in[whom] = true;
  } else {
    if (removes) {
      assert_int_equal(tw_propose_remove(&proposals, tw_group_own_leaf(h->people[whom].group)), TW_OK);
      h->in[whom] = false;
    }
    const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
    tw_test_commit(&h->people[by], &options, others, others_of(h, by, others), NULL);
    if (removes) {
      tw_group_free(h->people[whom].group);
      h->people[whom].group = NULL;
    }
  }
  tw_buf_clear(&proposals);
}

static void trees_that_grow_shrink_and_have_blanks_are_followed(void **state) {
  (void)state;
  static history h;
  memset(&h, 0, sizeof h);
  const tw_suite *suite = tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519");
  for (uint32_t i = 0; i < PEOPLE; i++) tw_test_member_init(&h.people[i], &test, suite, "somebody");
  tw_test_found(&h.people[0], TW_NO_BYTES);
  h.in[0] = true;
  tw_buf first = tree_of(&h.people[0]);
  h.tree = tree_of(&h.people[0]);
  const unsigned rounds = tw_test_rounds(120, 30);
  for (unsigned i = 0; i < rounds; i++) {
    uint32_t by = roll(PEOPLE);
    while (!h.in[by]) by = (by + 1) % PEOPLE;
    commit(&h, by, i < 2 * PEOPLE ? i / 2 : roll(PEOPLE));
    while (!h.in[by]) by = (by + 1) % PEOPLE;
    tw_buf next = tree_of(&h.people[by]);
    (void)leads_there(tw_buf_bytes(&h.tree), tw_buf_bytes(&next));
    (void)leads_there(tw_buf_bytes(&next), tw_buf_bytes(&h.tree));
    (void)leads_there(tw_buf_bytes(&first), tw_buf_bytes(&next)); /* many epochs at once, too */
    tw_buf_clear(&h.tree);
    h.tree = next;
  }
  for (uint32_t i = 0; i < PEOPLE; i++) tw_test_member_clear(&h.people[i]);
  tw_buf_clear(&h.tree);
  tw_buf_clear(&first);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whatever_changes_the_patch_leads_there),
      cmocka_unit_test(what_stays_costs_nothing_and_what_is_new_its_bytes),
      cmocka_unit_test(copies_from_outside_and_results_above_the_limit_are_refused),
      cmocka_unit_test(parts_that_do_nothing_are_refused),
      cmocka_unit_test(cut_or_bent_it_leads_nowhere),
      cmocka_unit_test(without_memory_nothing_is_done),
      cmocka_unit_test(trees_that_grow_shrink_and_have_blanks_are_followed),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
