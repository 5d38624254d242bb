/* What a node does when the relay says that it has lost its mailbox. SPDX-License-Identifier: Apache-2.0 */
#include "node/certified_kit.h"

static unsigned asked;
static uint64_t after;
static bool is_full; /* no more requests may be open */

static tw_err note_request(void *ctx, const tw_control_request *request, uint64_t tag) {
  (void)ctx;
  assert_int_equal(request->type, TW_CONTROL_FETCH);
  assert_int_equal(tag, TW_NODE_TAG | TW_NODE_ASK_FETCH);
  if (is_full) return TW_ERR_LIMIT;
  asked++;
  after = request->body.fetch.after;
  return TW_OK;
}

/* A node with a relay, that has read its mail up to a number. The rest of it is left alone, as at its end. */
static void begin_with(uint64_t cursor) {
  configure(CERTIFIED);
  tw_node_port_init(&w.node);
  w.node.port.request = note_request;
  assert_int_equal(tw_node_make_enrol(&w.node), TW_OK);
  w.node.closing = true;
  w.node.open_handles = 1;
  w.node.up = true;
  w.node.cursor = w.node.saved_cursor = cursor;
  asked = 0;
  after = 0;
}

static void answer(tw_control_status status) {
  const tw_control_answer answer = {.to = TW_CONTROL_FETCH, .status = status};
  tw_node_answered(&w.node, TW_NODE_TAG | TW_NODE_ASK_FETCH, &answer);
}

/* As with each tick. */
static void pass(uint64_t ms) {
  w.node.wall_offset_ms += ms;
  if (w.node.mail_waits) tw_node_fetch(&w.node);
}

static void a_mailbox_that_was_lost_is_read_from_its_beginning_a_second_later(void **state) {
  (void)state;
  begin_with(77);
  tw_node_fetch(&w.node);
  assert_int_equal(after, 77);
  answer(TW_CONTROL_TOO_FAR);
  assert_int_equal(w.told, 1);
  assert_non_null(strstr(w.last_words, "lost our mailbox"));
  pass(900);
  assert_int_equal(asked, 1);
  pass(100);
  assert_int_equal(asked, 2);
  assert_int_equal(after, 0);
  answer(TW_CONTROL_DONE);
  assert_int_equal(w.node.saved_cursor, 0);
  pass(100000);
  assert_int_equal(asked, 2); /* and then when there is mail */
  assert_int_equal(w.told, 1);
  tw_enrol_free(w.node.enrol);
}

/* One that lies gets requests and words out of us some 60 times an hour, whatever it does in between. */
static void a_relay_that_loses_it_all_the_time_is_asked_ever_less_often(void **state) {
  (void)state;
  for (int with_mail = 0; with_mail < 2; with_mail++) {
    begin_with(77);
    w.told = 0;
    w.node.lost = (tw_lost){0};
    tw_node_fetch(&w.node);
    for (unsigned i = 0; i < 4 * 3600; i++) {
      if (w.node.fetching) answer(TW_CONTROL_TOO_FAR);
      if (with_mail) w.node.cursor = i + 1; /* as if some had come */
      w.node.mail_waits = true;             /* it says that there is some */
      pass(250);
    }
    assert_in_range(asked, 50, 70);
    assert_in_range(w.told, 1, with_mail ? asked : 1);
    tw_enrol_free(w.node.enrol);
  }
}

static void mail_that_cannot_be_asked_for_is_asked_for_again(void **state) {
  (void)state;
  begin_with(77);
  is_full = true;
  tw_node_fetch(&w.node);
  is_full = false;
  assert_int_equal(asked, 0);
  pass(250);
  assert_int_equal(asked, 1);
  answer(TW_CONTROL_BUSY);
  pass(250);
  assert_int_equal(asked, 2);
  assert_int_equal(after, 77);
  tw_enrol_free(w.node.enrol);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_mailbox_that_was_lost_is_read_from_its_beginning_a_second_later, begin, end),
      cmocka_unit_test_setup_teardown(a_relay_that_loses_it_all_the_time_is_asked_ever_less_often, begin, end),
      cmocka_unit_test_setup_teardown(mail_that_cannot_be_asked_for_is_asked_for_again, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
