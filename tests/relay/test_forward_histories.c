/* Random histories of the packet relay against a reference that is as simple as can be. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "forward_kit.h"

enum {
  CLIENTS = 9,
  GROUPS = 3,
  PLACES = 12,
  PACKETS = 20000,
  TOKENS_KEPT = 64,
  BINDING_US = 1000000,
  TOKEN_US = 300000
};

/* What is known of a client, kept the naive way. */
typedef struct ref_client {
  bool known;
  bool bound;
  uint64_t session;
  tw_forward_address address;
  uint64_t heard_us;
} ref_client;

typedef struct ref_token {
  uint32_t client; /* 0: void */
  uint64_t session;
  uint8_t token[TW_FORWARD_TOKEN];
  uint64_t given_us;
  uint64_t order;
} ref_token;

typedef struct ref_packet {
  uint32_t from;
  uint32_t destination;
  bool sure;    /* since it came nothing has changed that could keep it from a receiver */
  bool open;    /* may still be delivered */
  uint32_t got; /* receivers, one bit each */
} ref_packet;

typedef struct history {
  kit *k;
  uint64_t seed;
  ref_client clients[CLIENTS + 1];
  bool group_known[GROUPS];
  uint32_t members[GROUPS]; /* one bit each */
  ref_token tokens[TOKENS_KEPT];
  uint64_t grants;
  ref_packet packets[PACKETS];
  uint32_t packet_count;
  uint64_t dropped[TW_FORWARD_REASONS];
  uint64_t in, bound, keepalives;
  uint32_t unanswered[CLIENTS + 1]; /* keepalives */
  uint64_t echoes;
} history;

static uint32_t draw(history *h, uint32_t below) {
  h->seed = h->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(h->seed >> 33) % below;
}

static uint32_t bit(uint32_t client) { return UINT32_C(1) << client; }
static uint32_t group_number(uint32_t group) { return TW_FORWARD_GROUP_BIT | (group + 1); }

static bool reachable(const history *h, uint32_t client) {
  const ref_client *c = &h->clients[client];
  return c->known && c->bound && h->k->now_us - c->heard_us <= BINDING_US;
}

/* Who is to get this packet, as things are now. */
static uint32_t receivers(const history *h, const ref_packet *packet) {
  uint32_t all = 0;
  if ((packet->destination & TW_FORWARD_GROUP_BIT) == 0)
    return reachable(h, packet->destination) ? bit(packet->destination) : 0;
  const uint32_t group = (packet->destination & ~TW_FORWARD_GROUP_BIT) - 1;
  if (!h->group_known[group] || (h->members[group] & bit(packet->from)) == 0) return 0;
  for (uint32_t n = 1; n <= CLIENTS; n++)
    if (n != packet->from && (h->members[group] & bit(n)) != 0 && reachable(h, n)) all |= bit(n);
  return all;
}

/* Something has changed: what is queued may or may not arrive. */
static void unsettle(history *h) {
  for (uint32_t i = 0; i < h->packet_count; i++) h->packets[i].sure = false;
}

static void pass_time(history *h, uint64_t us) {
  uint32_t before = 0, after = 0;
  for (uint32_t n = 1; n <= CLIENTS; n++) before |= reachable(h, n) ? bit(n) : 0;
  h->k->now_us += us;
  for (uint32_t n = 1; n <= CLIENTS; n++) after |= reachable(h, n) ? bit(n) : 0;
  if (before != after) unsettle(h);
}

/* ---- what control connections do ---- */

static void do_grant(history *h) {
  const uint32_t client = 1 + draw(h, CLIENTS);
  ref_token *place = &h->tokens[h->grants % TOKENS_KEPT];
  ref_token made = {.client = client, .given_us = h->k->now_us, .order = h->grants++};
  assert_int_equal(tw_forward_grant(h->k->forward, client, NULL, h->k->now_us, &made.session, made.token), TW_OK);
  if (h->clients[client].known)
    assert_true(h->clients[client].session == made.session);
  else
    h->clients[client] = (ref_client){.known = true, .session = made.session};
  /* The oldest goes if there would be more than two. */
  unsigned waiting = 0;
  ref_token *oldest = NULL;
  for (unsigned i = 0; i < TOKENS_KEPT; i++) {
    ref_token *token = &h->tokens[i];
    if (token == place || token->client != client) continue;
    waiting++;
    if (oldest == NULL || token->order < oldest->order) oldest = token;
  }
  if (waiting == TW_FORWARD_TOKENS) oldest->client = 0;
  *place = made;
  pass_time(h, 1); /* no two tokens of the same moment: which one is older is told by the time */
}

static void void_tokens(history *h, uint32_t client) {
  for (unsigned i = 0; i < TOKENS_KEPT; i++)
    if (h->tokens[i].client == client) h->tokens[i].client = 0;
}

static void do_unbind(history *h) {
  const uint32_t client = 1 + draw(h, CLIENTS);
  tw_forward_unbind(h->k->forward, client);
  h->clients[client].bound = false;
  void_tokens(h, client);
  unsettle(h);
}

static void do_remove(history *h) {
  const uint32_t client = 1 + draw(h, CLIENTS);
  tw_forward_remove(h->k->forward, client);
  h->clients[client] = (ref_client){0};
  void_tokens(h, client);
  unsettle(h);
  for (uint32_t i = 0; i < h->packet_count; i++)
    if (h->packets[i].from == client) h->packets[i].open = false;
}

static void do_group(history *h) {
  const uint32_t group = draw(h, GROUPS);
  unsettle(h);
  if (draw(h, 4) == 0) {
    tw_forward_group_remove(h->k->forward, group_number(group));
    h->group_known[group] = false;
    return;
  }
  uint32_t members[CLIENTS];
  uint32_t count = 0;
  h->group_known[group] = true;
  h->members[group] = draw(h, UINT32_C(1) << CLIENTS) << 1;
  for (uint32_t n = CLIENTS; n > 0; n--)
    if ((h->members[group] & bit(n)) != 0) members[count++] = n;
  assert_int_equal(tw_forward_group_set(h->k->forward, group_number(group), members, count), TW_OK);
}

/* ---- what comes by UDP ---- */

static void do_token(history *h) {
  /* Mostly one of late, which may still be good. */
  const uint64_t back = h->grants > 4 && draw(h, 4) > 0 ? 1 + draw(h, 4) : 1 + draw(h, TOKENS_KEPT);
  ref_token *token = &h->tokens[(h->grants + TOKENS_KEPT - back) % TOKENS_KEPT];
  if (token->session == 0) return;
  uint32_t owner = 0;
  for (uint32_t n = 1; n <= CLIENTS; n++)
    if (h->clients[n].known && h->clients[n].session == token->session) owner = n;
  const tw_forward_address source = kit_address(draw(h, PLACES));
  uint8_t given[TW_FORWARD_TOKEN];
  memcpy(given, token->token, sizeof given);
  const bool damaged = draw(h, 4) == 0;
  if (damaged) given[draw(h, TW_FORWARD_TOKEN)] ^= (uint8_t)(1U << draw(h, 8));
  kit_send_token(h->k, token->session, given, source);
  if (owner == 0) {
    h->dropped[TW_FORWARD_NO_SESSION]++;
  } else if (damaged || token->client == 0) {
    h->dropped[TW_FORWARD_BAD_TOKEN]++;
  } else if (h->k->now_us >= token->given_us + TOKEN_US) {
    h->dropped[TW_FORWARD_BAD_TOKEN]++;
    token->client = 0;
  } else {
    h->bound++;
    h->clients[owner].bound = true;
    h->clients[owner].address = source;
    h->clients[owner].heard_us = h->k->now_us;
    token->client = 0;
    unsettle(h);
  }
}

/* One packet as the reference sees it; false: it has been dropped, or was none. */
static bool judge(history *h, uint64_t session, tw_forward_address source, uint32_t destination, size_t len) {
  uint32_t from = 0;
  for (uint32_t n = 1; n <= CLIENTS; n++)
    if (h->clients[n].known && h->clients[n].session == session) from = n;
  tw_forward_reason why = TW_FORWARD_REASONS;
  if (from == 0) {
    why = TW_FORWARD_NO_SESSION;
  } else if (!h->clients[from].bound || !kit_same_address(&h->clients[from].address, &source)) {
    why = TW_FORWARD_WRONG_SOURCE;
  } else if (destination == 0 ? len > 0 : len < TW_FORWARD_PACKET_MIN) {
    why = TW_FORWARD_MALFORMED;
  } else {
    if (!reachable(h, from)) unsettle(h); /* it is heard again */
    h->clients[from].heard_us = h->k->now_us;
    if (destination == 0) {
      h->keepalives++;
      h->unanswered[from]++;
      return false;
    }
    if ((destination & TW_FORWARD_GROUP_BIT) == 0) {
      if (destination == from || destination > CLIENTS || !reachable(h, destination)) why = TW_FORWARD_NO_DESTINATION;
    } else {
      const uint32_t group = (destination & ~TW_FORWARD_GROUP_BIT) - 1;
      if (group >= GROUPS || !h->group_known[group])
        why = TW_FORWARD_NO_DESTINATION;
      else if ((h->members[group] & bit(from)) == 0)
        why = TW_FORWARD_NOT_MEMBER;
    }
  }
  if (why != TW_FORWARD_REASONS) {
    h->dropped[why]++;
    return false;
  }
  assert_true(h->packet_count < PACKETS);
  h->packets[h->packet_count] = (ref_packet){.from = from, .destination = destination, .sure = true, .open = true};
  h->in++;
  return true;
}

static void do_packets(history *h) {
  static uint8_t datagram[KIT_SLOT_SIZE];
  const size_t len = draw(h, 8) == 0 ? draw(h, 12) + (draw(h, 2) ? 0 : 8) : 8 + draw(h, 300);
  const uint32_t count = draw(h, 2) == 0 ? 1 : 1 + draw(h, 12);
  const uint32_t speaker = 1 + draw(h, CLIENTS);
  const tw_forward_address source = draw(h, 10) == 0 ? kit_address(draw(h, PLACES)) : h->clients[speaker].address;
  size_t size = 0;
  uint32_t destination = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t session = draw(h, 12) == 0 ? h->clients[1 + draw(h, CLIENTS)].session : h->clients[speaker].session;
    if (i == 0 || draw(h, 3) == 0)
      destination = draw(h, 3) == 0 ? group_number(draw(h, GROUPS + 1)) : draw(h, CLIENTS + 2);
    const size_t one = i > 0 && i + 1 == count && draw(h, 2) ? len / 2 : len; /* the last may be shorter */
    const bool is_token = destination == 0 && one == TW_FORWARD_TOKEN;
    if (is_token) destination = 1;
    size += kit_put(datagram + size, session, destination, h->packet_count, one);
    if (judge(h, session, source, destination, one)) h->packet_count++;
  }
  kit_take(h->k, source, TW_BYTES(datagram, size), (uint32_t)(TW_FORWARD_HEADER + len));
}

static void do_keepalive(history *h) {
  const ref_client *speaker = &h->clients[1 + draw(h, CLIENTS)];
  const tw_forward_address source = draw(h, 4) == 0 ? kit_address(draw(h, PLACES)) : speaker->address;
  (void)judge(h, speaker->session, source, 0, 0);
  kit_send_from(h->k, source, speaker->session, 0, 0, 0);
}

/* ---- what goes out ---- */

static void check_deliveries(history *h) {
  uint32_t newest[CLIENTS + 1][CLIENTS + 1] = {{0}};
  for (uint32_t i = 0; i < h->k->delivered; i++) {
    const kit_delivery *delivery = &h->k->deliveries[i];
    assert_true(delivery->tag < h->packet_count);
    const uint32_t tag = (uint32_t)delivery->tag;
    ref_packet *packet = &h->packets[tag];
    assert_true(packet->open);
    /* To a receiver that is at this address and has not got it. Two may have bound the same address. */
    uint32_t to = 0;
    for (uint32_t n = 1; n <= CLIENTS && to == 0; n++)
      if ((receivers(h, packet) & ~packet->got & bit(n)) != 0 &&
          kit_same_address(&h->clients[n].address, &delivery->to))
        to = n;
    assert_true(to != 0);
    packet->got |= bit(to);
    /* In the order in which its sender sent. */
    assert_true(newest[packet->from][to] <= tag);
    newest[packet->from][to] = tag;
  }
}

/* Each to where its client is, which has asked for no fewer. */
static void check_echoes(history *h) {
  for (uint32_t i = 0; i < h->k->echoed; i++) {
    const kit_echo *echo = &h->k->echoes[i];
    uint32_t to = 0;
    for (uint32_t n = 1; n <= CLIENTS; n++)
      if (reachable(h, n) && h->clients[n].session == echo->session) to = n;
    assert_true(to != 0 && kit_same_address(&h->clients[to].address, &echo->to));
    assert_true(h->unanswered[to] > 0);
    h->unanswered[to]--;
    h->echoes++;
  }
}

static void do_flush(history *h, bool all) {
  if (all)
    kit_flush_all(h->k);
  else
    kit_flush(h->k, 1 + draw(h, 5000));
  check_deliveries(h);
  check_echoes(h);
  if (!all) return;
  memset(h->unanswered, 0, sizeof h->unanswered);
  for (uint32_t i = 0; i < h->packet_count; i++) {
    ref_packet *packet = &h->packets[i];
    if (packet->open && packet->sure) assert_int_equal(packet->got, receivers(h, packet));
    packet->open = false;
  }
}

static void check_totals(const history *h) {
  const tw_forward_totals totals = kit_totals(h->k);
  assert_true(totals.in.packets == h->in);
  assert_true(totals.bound == h->bound);
  assert_true(totals.keepalives == h->keepalives);
  for (unsigned i = 0; i < TW_FORWARD_REASONS; i++)
    if (i != TW_FORWARD_GONE) assert_int_equal(totals.dropped[i].packets, h->dropped[i]);
  uint32_t known = 0;
  for (uint32_t n = 1; n <= CLIENTS; n++) {
    known += h->clients[n].known;
    tw_forward_client_stats stats;
    assert_true(tw_forward_client(h->k->forward, n, h->k->now_us, &stats) == h->clients[n].known);
    if (h->clients[n].known) assert_true(stats.bound == reachable(h, n));
  }
  assert_int_equal(totals.clients, known);
}

static void step(history *h) {
  uint32_t slots[KIT_SLOTS];
  switch (draw(h, 40)) {
  case 0: draw(h, 2) == 0 ? do_unbind(h) : do_remove(h); break;
  case 1:
  case 2: do_group(h); break;
  case 3:
  case 4:
  case 5: do_grant(h); break;
  case 6:
  case 7:
  case 8:
  case 9: do_token(h); break;
  case 10: pass_time(h, draw(h, 4) == 0 ? BINDING_US : 100000); break;
  case 11:
  case 12: do_flush(h, false); break;
  case 13: do_flush(h, true); break;
  case 14:
  case 15: do_keepalive(h); break;
  default:
    /* Shares are another test's. */
    if (tw_forward_free_slots(h->k->forward, slots, KIT_SLOTS) < KIT_SLOTS / 2) do_flush(h, true);
    do_packets(h);
  }
}

static void run(uint64_t seed) {
  history *h = calloc(1, sizeof *h);
  assert_non_null(h);
  h->seed = seed;
  h->k = kit_open(&(tw_forward_options){.token_us = TOKEN_US,
                                        .binding_us = BINDING_US,
                                        .messages = 1 + (uint32_t)(seed % 9),
                                        .quantum = 1500 + 700 * (uint32_t)(seed % 5),
                                        .runs = 4096});
  for (unsigned i = 0; i < 1500; i++) {
    step(h);
    if (i % 16 == 0) check_totals(h);
  }
  do_flush(h, true);
  check_totals(h);
  assert_true(h->in > 100 && h->bound > 10 && h->echoes > 0);
  kit_close(h->k);
  free(h);
}

static void random_histories_are_as_the_reference_has_them(void **state) {
  (void)state;
  const char *one = getenv("TREEWIRE_SEED");
  const unsigned rounds = one != NULL ? 1 : tw_test_rounds(400, 3);
  for (unsigned i = 0; i < rounds; i++) {
    const uint64_t seed = one != NULL ? strtoull(one, NULL, 10) : i + 1;
    /* The last one that is said is the one that failed. */
    (void)fprintf(stderr, "\rTREEWIRE_SEED=%llu ", (unsigned long long)seed);
    run(seed);
  }
  (void)fprintf(stderr, "\r");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_histories_are_as_the_reference_has_them)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
