/* The whole relay: what clients do by it over TCP and UDP, and what is left after it has ended. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_no_threads.h"
#include "whole_kit.h"

#define GROUP TW_LITERAL("group")

static tw_bytes ids(whole *w, const whole_client *a, const whole_client *b) {
  tw_writer writer = relay_make(w->messages);
  if (a != NULL) tw_control_write_client(&writer, &a->id);
  if (b != NULL) tw_control_write_client(&writer, &b->id);
  return relay_made(&writer);
}

static tw_control_request open_of(whole *w, tw_bytes members) {
  return relay_open_of(w->messages, "net", GROUP, 0, members);
}

static tw_control_request commit_of(whole *w, uint64_t epoch, const char *text, tw_bytes members) {
  return relay_commit_of(w->messages, GROUP, epoch, text, members);
}

static void packages_and_messages_pass_and_mail_is_told(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  char text[256];
  uint64_t after = 0;
  static const char *const packages[] = {"one", "two"};
  whole_begin_two(&w, &a, &b);
  assert_int_equal(client_send(&a, &b, "early"), TW_CONTROL_UNKNOWN);
  assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_PUBLISH,
                               .publish = {.pool = TW_CONTROL_POOL_NETWORK,
                                           .key_packages = relay_packages(w.messages, packages, 2),
                                           .last_resort = relay_key_package(w.messages, "last")}),
                   TW_CONTROL_DONE);
  assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_NETWORK), TW_CONTROL_DONE);
  assert_int_equal(b.answer.body.stock, 2);
  for (unsigned i = 0; i < 4; i++) {
    assert_int_equal(CLIENT_DOES(&a, TW_CONTROL_TAKE, .take = {b.id, TW_CONTROL_POOL_NETWORK}), TW_CONTROL_DONE);
    tw_test_same(tw_buf_bytes(&a.list), relay_key_package(w.messages, i < 2 ? packages[i] : "last"));
    assert_int_equal(a.answer.body.take.last_resort, i >= 2);
  }
  assert_int_equal(client_send(&a, &b, "one"), TW_CONTROL_DONE);
  whole_until(&w, b.mails == 1);
  assert_int_equal(client_send(&a, &b, "two"), TW_CONTROL_DONE);
  assert_string_equal(client_reads(&b, &after, text, sizeof text), "1:one 1:two");
  assert_string_equal(client_reads(&b, &after, text, sizeof text), "");
  assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_FETCH, .fetch = {after + 1, 1}), TW_CONTROL_TOO_FAR);
  whole_end_two(&w, &a, &b);
  assert_int_equal(w.gone, w.came);
  assert_int_equal(w.failed, 0);
}

static void of_two_commits_in_one_batch_one_is_taken(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  char text[256];
  uint64_t after = 0;
  whole_begin_two(&w, &a, &b);
  assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_PAIR), TW_CONTROL_DONE);
  assert_int_equal(client_do(&a, open_of(&w, ids(&w, &a, &b))), TW_CONTROL_DONE);
  assert_int_equal(a.answer.body.group_open, 1);
  const size_t told[2] = {a.answered, b.answered};
  client_ask(&a, commit_of(&w, 0, "a", ids(&w, &a, &b)));
  client_ask(&b, commit_of(&w, 0, "b", ids(&w, &a, &b)));
  whole_until(&w, a.answered > told[0] && b.answered > told[1]);
  whole_client *winner = a.status == TW_CONTROL_DONE ? &a : &b;
  whole_client *loser = winner == &a ? &b : &a;
  assert_int_equal(winner->status, TW_CONTROL_DONE);
  assert_int_equal(loser->status, TW_CONTROL_TAKEN);
  tw_test_same(tw_buf_bytes(&loser->list), relay_commit_message(w.messages, GROUP, 0, winner == &a ? "a" : "b"));
  whole_until(&w, loser->mails > 0);
  assert_string_equal(client_reads(loser, &after, text, sizeof text), "2:");
  assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_GROUP_FIND, .group_find.name = TW_LITERAL("net")), TW_CONTROL_DONE);
  assert_int_equal(b.answer.body.group_find.epoch, 1);
  assert_true(b.answer.body.group_find.member);
  assert_int_equal(CLIENT_DOES(&a, TW_CONTROL_WANT_IN, .want_in = TW_LITERAL("net")), TW_CONTROL_DONE);
  whole_until(&w, b.wishes == 1);
  whole_end_two(&w, &a, &b);
}

static void packets_go_to_who_has_answered_the_challenge(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_client c;
  whole_begin_two(&w, &a, &b);
  client_init(&c, &w);
  assert_int_equal(client_locates(&a, &c).number, 0); /* not known yet */
  client_start(&c);
  client_binds(&a);
  client_binds(&b);
  client_binds(&c);
  whole_until(&w, a.moves > 0 && a.moved.location.address.family != 0);
  assert_memory_equal(&a.moved.client, &c.id, sizeof c.id);
  assert_true(a.moved.location.online);
  assert_int_equal(a.moved.location.address.port, c.bound.seen.port);
  const tw_control_location of_b = client_locates(&a, &b);
  assert_true(of_b.online && tw_control_address_equal(&of_b.address, &b.bound.seen));
  client_sends_packet(&a, of_b.number, "packet one");
  client_gets_packet(&b, "packet one");
  /* A group: to its members, and by them alone. */
  assert_int_equal(client_do(&a, open_of(&w, ids(&w, &a, &b))), TW_CONTROL_DONE);
  const uint32_t group = a.answer.body.group_open | TW_FORWARD_GROUP_BIT;
  client_sends_packet(&a, group, "to all of it");
  client_gets_packet(&b, "to all of it");
  client_sends_packet(&c, group, "from a stranger");
  assert_int_equal(client_do(&a, commit_of(&w, 0, "in, out", ids(&w, &a, &c))), TW_CONTROL_DONE);
  client_sends_packet(&b, group, "from who was removed");
  client_sends_packet(&a, group, "to the next ones");
  client_gets_packet(&c, "to the next ones");
  client_sends_packet(&a, of_b.number, "to b, at last");
  client_gets_packet(&b, "to b, at last"); /* and nothing before it */
  tw_forward_totals totals;
  tw_relay_totals(w.relay, &totals);
  assert_int_equal(totals.dropped[TW_FORWARD_NOT_MEMBER].packets, 2);
  assert_int_equal(totals.out.packets, 4);
  client_clear(&c);
  whole_end_two(&w, &a, &b);
}

/* Nobody runs the relay's loop: so it is while a disk is slow, or many connect. */
static void packets_do_not_wait_for_the_relays_loop(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  uint8_t packet[WHOLE_PACKET];
  whole_begin_two(&w, &a, &b);
  client_binds(&a);
  client_binds(&b);
  const uint32_t number = client_locates(&a, &b).number;
  for (int i = 0; i < 100; i++) {
    client_sends_packet(&a, number, "a packet");
    assert_int_equal(poll(&(struct pollfd){.fd = b.fd, .events = POLLIN}, 1, WHOLE_PATIENCE_MS), 1);
    assert_int_equal(recv(b.fd, packet, sizeof packet, MSG_DONTWAIT), strlen("a packet"));
  }
  /* And what is asked meanwhile is seen between two rounds of them. */
  tw_forward_totals totals;
  for (int i = 0; i < 100; i++) {
    client_sends_packet(&a, number, "a packet");
    tw_relay_totals(w.relay, &totals);
    assert_in_range(totals.in.packets, 100, 101 + i);
  }
  whole_end_two(&w, &a, &b);
}

static bool has_ipv6(void) {
  const struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool has = fd >= 0 && bind(fd, (const struct sockaddr *)(const void *)&own, sizeof own) == 0;
  if (fd >= 0) (void)close(fd);
  return has;
}

/* Of one size, one behind the other: the relay sends them joined, or one by one. */
static void send_many(const whole_client *c, uint32_t destination, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    char text[16];
    (void)snprintf(text, sizeof text, "packet %05u", i);
    client_sends_packet(c, destination, text);
  }
}

static void both_families_meet_with_and_without_offloads(void **state) {
  (void)state;
  if (!has_ipv6()) skip();
  for (int no_offload = 0; no_offload < 2; no_offload++) {
    whole w;
    whole_client a;
    whole_client b;
    whole_init(&w, 1);
    w.anywhere = true;
    w.config.no_offload = no_offload != 0;
    whole_start(&w);
    client_init(&a, &w);
    client_init(&b, &w);
    b.six = true;
    client_start(&a);
    client_start(&b);
    client_binds(&a);
    client_binds(&b);
    const uint32_t number_a = client_locates(&b, &a).number;
    const uint32_t number_b = client_locates(&a, &b).number;
    send_many(&a, number_b, 100);
    send_many(&b, number_a, 100);
    for (unsigned i = 0; i < 100; i++) {
      char text[16];
      (void)snprintf(text, sizeof text, "packet %05u", i);
      client_gets_packet(&a, text);
      client_gets_packet(&b, text);
    }
    whole_end_two(&w, &a, &b);
  }
}

static void who_moves_binds_anew_and_others_are_told(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_begin_two(&w, &a, &b);
  client_binds(&a);
  client_binds(&b);
  const uint64_t session = b.bound.session;
  const uint32_t number = client_locates(&a, &b).number;
  const size_t moves = a.moves;
  client_open_socket(&b);
  client_datagram(&b, session, 0, TW_NO_BYTES); /* from where it is not bound: no answer */
  client_binds(&b);
  client_is_heard(&b);
  assert_true(b.bound.session == session);
  whole_until(&w, a.moves > moves);
  assert_true(tw_control_address_equal(&a.moved.location.address, &b.bound.seen));
  client_sends_packet(&a, number, "after the move");
  client_gets_packet(&b, "after the move");
  whole_end_two(&w, &a, &b);
}

static void who_is_away_keeps_its_address_for_a_while(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_begin_two(&w, &a, &b);
  client_binds(&a);
  client_binds(&b);
  const uint32_t number = client_locates(&a, &b).number;
  const uint64_t session = b.bound.session;
  size_t moves = a.moves;
  client_stop(&b);
  whole_until(&w, a.moves > moves);
  assert_false(a.moved.location.online);
  assert_true(tw_control_address_equal(&a.moved.location.address, &b.bound.seen));
  client_sends_packet(&a, number, "over the loss");
  client_gets_packet(&b, "over the loss");
  client_is_heard(&b);
  client_start(&b);
  moves = a.moves;
  client_binds(&b);
  assert_true(b.bound.session == session); /* it is the same one */
  whole_until(&w, a.moves > moves && a.moved.location.online);
  whole_end_two(&w, &a, &b);
}

static void who_is_away_for_long_gets_nothing_any_more(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_init(&w, 1);
  w.config.away_ms = 1;
  whole_start(&w);
  client_init(&a, &w);
  client_init(&b, &w);
  client_start(&a);
  client_start(&b);
  client_binds(&a);
  client_binds(&b);
  (void)client_locates(&a, &b);
  const uint64_t session = b.bound.session;
  client_stop(&b);
  whole_until(&w, a.moves > 0 && a.moved.location.address.family == 0);
  assert_false(a.moved.location.online);
  tw_forward_totals totals;
  tw_relay_totals(w.relay, &totals);
  assert_int_equal(totals.clients, 1);
  client_start(&b);
  client_binds(&b);
  assert_true(b.bound.session != session);
  whole_end_two(&w, &a, &b);
}

static void who_connects_anew_has_spent_what_it_has(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  tw_delivery_limits limits = tw_delivery_limits_default;
  whole_init(&w, 1);
  limits.requests_per_second = 1;
  limits.requests_at_once = 1000;
  w.config.quotas = &limits;
  whole_start(&w);
  client_init(&a, &w);
  client_init(&b, &w);
  unsigned done = 0;
  for (int connection = 0; connection < 4; connection++) {
    client_start(&a);
    for (int i = 0; i < 400; i++)
      done += CLIENT_DOES(&a, TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_PAIR) == TW_CONTROL_DONE;
    client_stop(&a);
  }
  assert_in_range(done, 1000, 1000 + WHOLE_PATIENCE_MS / 1000);
  client_start(&b); /* the others are not concerned */
  assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_PAIR), TW_CONTROL_DONE);
  whole_end_two(&w, &a, &b);
}

static void a_relay_that_was_started_again_goes_on(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  char text[256];
  uint64_t after = 0;
  whole_begin_two(&w, &a, &b);
  client_binds(&a);
  client_binds(&b);
  assert_int_equal(client_do(&a, open_of(&w, ids(&w, &a, &b))), TW_CONTROL_DONE);
  const uint32_t group = a.answer.body.group_open | TW_FORWARD_GROUP_BIT;
  const uint32_t number = client_locates(&a, &b).number;
  assert_int_equal(client_send(&a, &b, "kept"), TW_CONTROL_DONE);
  for (unsigned i = 0; i < 2; i++) {
    const size_t ups[2] = {a.ups, b.ups};
    whole_stop(&w, i == 1);
    whole_until(&w, !tw_control_client_is_up(a.client) && !tw_control_client_is_up(b.client));
    whole_start(&w);
    whole_until(&w, a.ups > ups[0] && b.ups > ups[1]);
    client_datagram(&a, a.bound.session, 0, TW_NO_BYTES); /* of a session that is not known any more: no answer */
    client_binds(&a);
    client_is_heard(&a);
    client_binds(&b);
    assert_int_equal(client_locates(&a, &b).number, number);
    client_sends_packet(&a, group, "to the group"); /* which it knows by those who bound */
    client_gets_packet(&b, "to the group");
  }
  assert_string_equal(client_reads(&b, &after, text, sizeof text), "1:kept");
  whole_end_two(&w, &a, &b);
}

static void more_clients_than_allowed_are_refused(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_client c;
  whole_init(&w, 1);
  w.config.clients_max = 2;
  whole_start(&w);
  client_init(&a, &w);
  client_init(&b, &w);
  client_init(&c, &w);
  client_start(&a);
  client_start(&b);
  whole_until(&w, tw_relay_count(w.relay) == 2);
  client_start(&c); /* is up for a moment */
  whole_until(&w, c.downs > 0);
  assert_int_equal(w.came, 2);
  client_stop(&a);
  whole_until(&w, w.came == 3);
  client_clear(&c);
  whole_end_two(&w, &a, &b);
}

static void one_state_has_one_relay(void **state) {
  (void)state;
  whole w;
  tw_relay_store *store;
  tw_report report = {""};
  whole_init(&w, 1);
  whole_start(&w);
  assert_int_not_equal(tw_relay_store_open(&w.at.test.env, w.at.dir, &store, &report), TW_OK);
  assert_true(report.text[0] != '\0');
  /* Nor has one port two; what was taken over is given back, whatever the error is. */
  tw_relay_config config = w.config;
  tw_relay *other = NULL;
  config.listen_at.port = w.port;
  assert_int_equal(tw_relay_store_memory(&w.at.test.env, &config.store, &report), TW_OK);
  assert_int_equal(tw_relay_start(&config, &other, &report), TW_ERR_STATE);
  assert_int_equal(tw_relay_store_memory(&w.at.test.env, &config.store, &report), TW_OK);
  config.forward.quantum = 1;
  assert_int_equal(tw_relay_start(&config, &other, &report), TW_ERR_ARGUMENT);
  config.forward.quantum = 0;
  config.listen_at = (tw_address){.host = "192.0.2.1"};
  assert_int_equal(tw_relay_store_memory(&w.at.test.env, &config.store, &report), TW_OK);
  assert_int_equal(tw_relay_start(&config, &other, &report), TW_ERR_STATE);
  assert_null(other);
  tw_relay_close(NULL, true);
  whole_clear(&w);
}

static void without_a_thread_for_packets_it_does_not_start(void **state) {
  (void)state;
  whole w;
  tw_report report = {""};
  whole_init(&w, 1);
  tw_relay_config config = w.config;
  tw_relay *none = NULL;
  config.listen_at = (tw_address){.host = "127.0.0.1"};
  assert_int_equal(tw_relay_store_memory(&w.at.test.env, &config.store, &report), TW_OK);
  tw_test_threads_left = 0;
  assert_int_equal(tw_relay_start(&config, &none, &report), TW_ERR_STATE);
  tw_test_threads_left = UINT_MAX;
  assert_null(none);
  assert_non_null(strstr(report.text, uv_strerror(UV_EAGAIN)));
  whole_start(&w);
  whole_clear(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packages_and_messages_pass_and_mail_is_told),
      cmocka_unit_test(of_two_commits_in_one_batch_one_is_taken),
      cmocka_unit_test(packets_go_to_who_has_answered_the_challenge),
      cmocka_unit_test(packets_do_not_wait_for_the_relays_loop),
      cmocka_unit_test(both_families_meet_with_and_without_offloads),
      cmocka_unit_test(who_moves_binds_anew_and_others_are_told),
      cmocka_unit_test(who_is_away_keeps_its_address_for_a_while),
      cmocka_unit_test(who_is_away_for_long_gets_nothing_any_more),
      cmocka_unit_test(who_connects_anew_has_spent_what_it_has),
      cmocka_unit_test(a_relay_that_was_started_again_goes_on),
      cmocka_unit_test(more_clients_than_allowed_are_refused),
      cmocka_unit_test(one_state_has_one_relay),
      cmocka_unit_test(without_a_thread_for_packets_it_does_not_start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
