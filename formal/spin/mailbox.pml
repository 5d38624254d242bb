/*
 * A pair over mailboxes: docs/protocols.md, D19; src/node/pairs.c, pairs_begin.c, pairs_go_on.c.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two nodes, each with a client_hello of the other's whenever it asks the relay for one. Either begins when it likes,
 * both at once too, renews, asks when it waits for an answer, begins anew. Letters to a node come in order, whenever
 * the relay likes; packets go from node to node at once, or not until later: what counts of them is the first one
 * under the newest keys. A key is a group, an epoch and the exporter's context. A node takes packets under a list of
 * them and sends under one. Old keys are given up without grace. What the relay has not got yet of a node's letters is
 * not told apart from what it keeps.
 *
 * As long as anything may happen (phase 0), so may ACCIDENTS: the relay loses a letter, or keeps a copy that comes
 * whenever it likes; a node gives up letters that the relay had not got, in favour of others; it loses its disk, and
 * the relay goes on giving out client_hellos of before for a while; or it is started again, with its pair and without
 * keys to receive under. At any moment that ends (phase 1): all letters come, and who waits has its time over only
 * when nothing is on its way any more; then all that wait do at once, in any order. After ROUNDS of this at most each
 * side takes what the other sends. Then (phase 2) both renew, and after ROUNDS more have to be in one pair, in one
 * epoch, with one key, waiting for nothing. Besides: no epoch of a pair comes back and none is left out, no pair comes
 * back (`had`).
 *
 * TRAFFIC: both have a pair, lose no disk and are not started again, and no pair is begun anew: each takes what the
 * other sends, at every moment. So it is where mail takes longer than who waits (MAIL_IS_SLOW), or packets do
 * (PACKETS_ARE_SLOW), and where letters are lost.
 * WITHHELD: one side gets no letter, pairs are begun anew, who waits does so as long as it likes: in phase 0 each
 * takes what the other sends.
 * LIES (with TRAFFIC): in phase 0 the relay gives letters of its own, LIES in all: what a letter on its way or its copy
 * has, with another type, another nonce (the answerer's, or of the request that it answers), with its tag, the copy's
 * or none; or an epoch_key_update from nothing. Commits are MLS's, and stay what they are. Tags are terms: nobody makes
 * one who has not got the epoch. Besides, nobody goes on to an epoch by a letter that the other is not in
 * (`furthest`). No pair is begun anew: strange letters do nothing, which may have that done with tags, too.
 * NEVER_RENEWS: that in phase 1 somebody waits whenever they do not understand each other, so that renewals are not
 * needed for it, where letters take less than a minute, and those that went before the packet by which a pair was
 * confirmed are there 5 s after that. Where they take longer a responder may take the peer's crossing server_hello a
 * minute after its own beginning, though the peer has just given that one up.
 *
 * Mutants, each with a violation that `run` wants to see:
 *   NO_EARLY          an update that comes before the first packet is not kept (with ONE_BEGINS, ROUNDS=0: nothing is
 *                     lost, so nobody has to wait)
 *   NO_GOING_ON       who begins anew sends under the new keys at once (with WITHHELD)
 *   NO_TIE_RULE       of two pairs the newer one stands (with NEVER_RENEWS)
 *   SINCE_MADE        a pair that was confirmed stands for 5 s since it was made, and not since then (with NEVER_RENEWS)
 *   ANSWERS_ANY       a response is taken with the nonce of the last request, whichever it answers (with TRAFFIC,
 *                     MAIL_IS_SLOW)
 *   CROSSES           who answers while it asks says so, as on a connection (with TRAFFIC, ANSWERS_ANY, ACCIDENTS=2)
 *   SWITCHES          who has answered, asks, and hears the peer under the keys of its answer sends under keys of that
 *                     context and of the epoch before (with TRAFFIC, PACKETS_ARE_SLOW)
 *   UNTAGGED=UPDATED, RESPONSE   letters of this type count whatever their tag is (with LIES)
 *   NO_REQUEST        the tag of a response is without the nonce that it answers (with LIES)
 *   NO_NEXT           the maker of an update takes packets under its keys only once it is answered (with TRAFFIC)
 *   SETTLES_EARLY     who applies an update gives the keys of before up at once (with TRAFFIC)
 *   ANSWERS_UNDER_NEW who answers a request sends under the new keys at once (with TRAFFIC)
 *   JOINS_TWICE       a server_hello counts each time that it comes
 *   NO_STRANGER       a letter of another pair does not lead to a new beginning
 *   NO_REPEAT         who waits does not ask
 *
 * Bounds: UPDATES, TIMEOUTS (somebody asks, or takes a client_hello, since it waits) and ACCIDENTS in phase 0; a copy
 * at a time; who waits begins anew after one request (REPEATS), where the code makes six. Left out: times but for a
 * pair's age (less than 5 s, less than a minute, more), when a renewal is due and whose turn it is, errors of the disk
 * and what is reverted, keys that are given up after a day, a relay that gives out used client_hellos, or others, or
 * none, third nodes, numbers of packets, cryptography: a commit is taken where it is built on the receiver's epoch,
 * and its epoch is known by its number and maker.
 */
#include "pair.h"

#ifndef UPDATES
#define UPDATES 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifndef ACCIDENTS
#define ACCIDENTS 1
#endif
#ifndef ROUNDS
#define ROUNDS 3
#endif
#if defined(TRAFFIC) && !defined(WITHHELD)
#define REPEATS 99
#else
#define REPEATS 1
#endif
#define LETTERS 8
#define KEYS 16
#define GROUPS 20
#define NONE 255

/* ---- letters: what, group, and what else is in it ---- */
#define HELLO 1    /* server_hello: the life of its owner in which the client_hello was made */
#define UPDATE 2   /* the epoch that it is built on */
#define UPDATED 3  /* epoch_key_update: the new epoch */
#define REQUEST 4  /* the epoch that it is built on, nonce */
#define RESPONSE 5 /* the epoch that it is built on, the request's nonce, its own and whether they crossed */
#ifdef LIES
#define TAG int
/* Nobody who has not got the keys of the epoch can make it, and all that it is made of can be seen in it. */
#define tag_of(p, what, g, e, x, y) (((((((p) * 8 + (what)) * 32 + (g)) * 64 + (e)) * 16 + (x)) * 8 + (y)))
#define NONCES 16
#else
#define TAG bit
#define tag_of(p, what, g, e, x, y) 0
#define NONCES 1
#endif
#ifndef UNTAGGED
#define UNTAGGED 0
#endif
#ifdef NO_REQUEST
#define request_of(x) 0
#else
#define request_of(x) (x)
#endif
#define has_tag(p, what, e, x, y, tag) (what == UNTAGGED || tag == tag_of(1 - (p), what, pair[p], e, x, y))
chan mail[2] = [LETTERS] of {byte, byte, byte, byte, byte, TAG}; /* to node p */
#if defined(TRAFFIC) && !defined(LIES)
#define copied 0
#else
byte copy[5]; /* of a letter, which the relay has kept */
TAG copy_tag;
byte copy_to;
#define copied (copy[0] != 0)
#endif

/* ---- epochs, and keys of them ---- */
#define FIRST 2
#define number(e) ((e) / 2)
#define child(e, p) (2 * (number(e) + 1) + (p))
#define context_of(e, n, x) ((4 * (e) + (n)) * NONCES + (x) % NONCES)
#define key_of(g, e, c) (((g) * 64 + (e)) * 256 * NONCES + (c))
#define responds(p, g) ((g) % 2 == (p))

/* ---- a node's pair ---- */
byte pair[2], state[2], epoch[2], pending[2];
#ifdef LIES
short context[2];
#else
byte context[2];
#endif
byte asked[2], answers[2]; /* how often, with what is pending */
bit here[2], crossed[2];   /* it has asked since it was started, with a request that crossed the other's */
byte answered_nonce[2] = NONE; /* of the request by which it came into this epoch, which is saved */
int answered[2]; /* nonces of requests since, in memory: answered, or from CROSSING on, lost against an own one */
byte early[2], repeats[2], age[2];
TAG early_tag[2];
bit just[2]; /* it was confirmed less than 5 s ago */
bit later[2], taking[2];
/* ---- its keys ---- */
int takes[2 * KEYS], stamp[2], next_stamp[2], sending[2];
bit heard[2]; /* something has opened under the keys of `stamp` */
/* ---- what is so whatever it loses ---- */
byte life[2], begun[2];
bit left[2] = 1; /* the relay has client_hellos of this life of its */
bit had[2 * GROUPS];
#ifdef LIES
byte furthest[2 * GROUPS]; /* the last epoch of a group that a node was in */
byte lies;
#endif

byte updates, timeouts, accidents;
byte phase, rounds;
bit due[2], renews[2];
byte at, n; /* scratch */
byte k1, g1, e1, x1, y1;
TAG t1;

#define role_of(p) (responds(p, pair[p]))
#define key_at(p, i, k) (takes[KEYS * (p) + i] == (k))
#define has_key(p, k)                                                                                                  \
  (key_at(p, 0, k) || key_at(p, 1, k) || key_at(p, 2, k) || key_at(p, 3, k) ||                                         \
   key_at(p, 4, k) || key_at(p, 5, k) || key_at(p, 6, k) || key_at(p, 7, k) ||                                         \
   key_at(p, 8, k) || key_at(p, 9, k) || key_at(p, 10, k) || key_at(p, 11, k) ||                                       \
   key_at(p, 12, k) || key_at(p, 13, k) || key_at(p, 14, k) || key_at(p, 15, k))
#define would_open(p) (sending[1 - (p)] != 0 && sending[1 - (p)] == stamp[p] && has_key(p, stamp[p]) && !heard[p])
#define understood(p) (sending[p] != 0 && has_key(1 - (p), sending[p]))

/* ---- keys ---- */
inline receive_under(p, k) { /* the same keys again: the same stamp, which is the place in the order */
  if
  :: has_key(p, k)
  :: else ->
     at = 0;
     do
     :: takes[KEYS * p + at] != 0 -> at++
     :: else -> break
     od;
     assert(at < KEYS - 1);
     takes[KEYS * p + at] = k;
     at = 0
  fi
}
inline withdraw(p, k) {
  if
  :: k != 0 && has_key(p, k) ->
     at = 0;
     do
     :: takes[KEYS * p + at] != k -> at++
     :: else -> break
     od;
     assert(sending[1 - p] != k);
     do
     :: at < KEYS - 1 ->
        takes[KEYS * p + at] = takes[KEYS * p + at + 1];
        at++
     :: else -> break
     od;
     at = 0
  :: else
  fi
}
inline settle(p, k) { /* older ones are given up, with no grace */
  assert(has_key(p, k));
  do
  :: takes[KEYS * p] != k ->
     at = 0;
     do
     :: at < KEYS - 1 ->
        takes[KEYS * p + at] = takes[KEYS * p + at + 1];
        at++
     :: else -> break
     od
  :: else -> break
  od;
  at = 0
}
inline forget_keys(p) {
  at = 0;
  do
  :: at < KEYS ->
     takes[KEYS * p + at] = 0;
     at++
  :: else -> break
  od;
  at = 0;
  stamp[p] = 0;
  heard[p] = 0;
  next_stamp[p] = 0;
  sending[p] = 0
}
#define traffic_epoch(p) (state[p] == ANSWERED -> pending[p] : epoch[p])
#define traffic_key(p) key_of(pair[p], traffic_epoch(p), context[p])
inline take_keys(p) {
  stamp[p] = traffic_key(p);
  heard[p] = 0;
  receive_under(p, stamp[p])
}
inline send_under(p) { sending[p] = traffic_key(p) }

/* ---- letters ---- */
inline send(p, what, group, a, b, c) {
  assert(nfull(mail[1 - p]));
  mail[1 - p]!what, group, a, b, c, tag_of(p, what, group, a, (what == RESPONSE -> request_of(b) : b), c)
}
/* Nobody else knows which of them the relay has already: it has the first ones, however many, and all in the end. */
inline drop_unsent(p) {
  if
  :: phase == 0 && len(mail[1 - p]) > 0 && accidents < ACCIDENTS ->
     accidents++;
     n = len(mail[1 - p]);
     at = n - 1;
     do
     :: at > 0 -> at--
     :: break
     od;
     do
     :: n > 0 ->
        mail[1 - p]?k1, g1, e1, x1, y1, t1;
        if
        :: at > 0 ->
           mail[1 - p]!k1, g1, e1, x1, y1, t1;
           at--
        :: else
        fi;
        n--
     :: else -> break
     od;
     k1 = 0; g1 = 0; e1 = 0; x1 = 0; y1 = 0; t1 = 0
  :: true
  fi
}

/* ---- the pair itself ---- */
inline move(p, input, to) {
  NOTE(state[p], input, to);
  state[p] = to;
  if
  :: to == STEADY -> repeats[p] = 0
  :: else
  fi
}
inline enter(p, e) {
  assert(number(e) == number(epoch[p]) + 1);
  epoch[p] = e;
#ifdef LIES
  furthest[GROUPS * p + pair[p]] = e;
#endif
  answered_nonce[p] = NONE;
  answered[p] = 0
}
#ifdef LIES
#define expect_made(p, e) assert(furthest[GROUPS * (1 - p) + pair[p]] == e) /* the other one is there */
#else
#define expect_made(p, e) skip
#endif
#define was_answered(p, x) (answered_nonce[p] == (x) || ((answered[p] >> (x)) & 1))
#define CROSSING 16
#define remember(p, x) answered[p] = answered[p] | (1 << (x))
inline drop_pending(p) {
  pending[p] = 0; asked[p] = 0; answers[p] = 0
}
inline make(p) {
  pending[p] = child(epoch[p], p); asked[p] = 0; answers[p] = 0
}
inline clear_pair(p) {
  pair[p] = 0; state[p] = 0; epoch[p] = 0; context[p] = 0; here[p] = 0; crossed[p] = 0; answered_nonce[p] = NONE;
  answered[p] = 0;
  early[p] = 0; early_tag[p] = 0; repeats[p] = 0; age[p] = 0; just[p] = 0; later[p] = 0;
  drop_pending(p)
}

/* ---- beginning ---- */
bit goes_on;
inline begin(p, g, as_responder) {
#ifdef NO_GOING_ON
  goes_on = 0;
#else
  goes_on = as_responder && pair[p] != 0 && (later[p] || state[p] != UNCONFIRMED);
#endif
  assert(!had[GROUPS * p + g]); /* no pair comes back */
  had[GROUPS * p + g] = 1;
  clear_pair(p);
  drop_unsent(p);
  due[p] = 0;
  pair[p] = g;
  epoch[p] = FIRST;
  next_stamp[p] = 0;
  later[p] = goes_on;
  if
  :: as_responder -> state[p] = UNCONFIRMED
  :: else ->
     age[p] = 1; /* it makes no difference to the initiator */
     NOTE(HELLO_SENT, IN_SERVER_HELLO, STEADY);
     state[p] = STEADY
  fi;
  take_keys(p);
  if
  :: !later[p] -> send_under(p)
  :: else
  fi;
  goes_on = 0
}
inline respond(p) {
  taking[p] = 0;
  if
  :: pair[p] == 0 || repeats[p] > 0 ->
     g = 2 * (1 + begun[p]) + p;
     begun[p]++;
     assert(g < GROUPS);
     begin(p, g, 1);
     send(p, HELLO, g, life[1 - p] - (1 - left[1 - p]), 0, 0)
  :: else /* the peer was faster */
  fi
}
#ifdef SINCE_MADE
#define is_young(p) (state[p] == UNCONFIRMED -> age[p] < 2 : age[p] < 1)
#else
#define is_young(p) (state[p] == UNCONFIRMED -> age[p] < 2 : just[p])
#endif
#ifdef NO_TIE_RULE
#define new_one_stands(p) true
#else
#define new_one_stands(p) (pair[p] == 0 || !role_of(p) || !is_young(p) || p == 0)
#endif
#ifdef JOINS_TWICE
#define was_joined(p, g) false
#else
#define was_joined(p, g) had[GROUPS * p + g]
#endif
inline join(p, g, of_life) {
  if
  :: of_life == life[p] && !was_joined(p, g) ->
     if
     :: new_one_stands(p) -> begin(p, g, 0)
     :: else ->
        had[GROUPS * p + g] = 1;
        receive_under(p, key_of(g, FIRST, 0))
     fi
  :: else
  fi
}

/* ---- going on ---- */
inline stranger(p) {
  if
  :: pair[p] != 0 && age[p] < 2
  :: else ->
     if
     :: pair[p] != 0 && repeats[p] == 0 -> repeats[p] = 1
     :: else
     fi;
#if defined(NO_STRANGER) || (defined(LIES) && defined(TRAFFIC))
     repeats[p] = 0;
#else
     taking[p] = 1
#endif
  fi
}
inline receive_update(p, e, tag) {
  if
  :: state[p] == LEADING -> NOTE(LEADING, IN_CONNECTION_UPDATE, LEADING)
  :: (state[p] == STEADY || state[p] == YIELDING) && e == epoch[p] && has_tag(p, UPDATE, e, 0, 0, tag) ->
     if
     :: state[p] == YIELDING ->
        withdraw(p, next_stamp[p]);
        next_stamp[p] = 0;
        drop_unsent(p)
     :: else
     fi;
     move(p, IN_CONNECTION_UPDATE, STEADY);
     enter(p, child(e, 1 - p));
     drop_pending(p);
     send(p, UPDATED, pair[p], epoch[p], 0, 0);
     take_keys(p);
#ifdef SETTLES_EARLY
     settle(p, stamp[p]);
#endif
     send_under(p)
#ifndef NO_EARLY
  :: state[p] == ANSWERED || state[p] == UNCONFIRMED ->
     early[p] = e;
     early_tag[p] = tag
#endif
  :: else
  fi
}
inline receive_updated(p, e, tag) {
  if
  :: (state[p] == LEADING || state[p] == YIELDING) && number(e) == number(pending[p]) &&
     has_tag(p, UPDATED, pending[p], 0, 0, tag) ->
     expect_made(p, pending[p]);
     move(p, IN_EPOCH_KEY_UPDATE, STEADY);
     enter(p, pending[p]);
     drop_pending(p);
     next_stamp[p] = 0;
     take_keys(p);
     settle(p, stamp[p]);
     send_under(p)
  :: else
  fi
}

byte kind;
#define is_repeated(p, e) (number(epoch[p]) > 1 && epoch[p] == child(e, 1 - (p)))
inline classify(p, e) {
  if
  :: is_repeated(p, e) -> kind = IN_REQUEST_REPEATED
  :: else ->
     if
     :: number(e) == number(epoch[p]) -> kind = IN_REQUEST_LEVEL_AS_INITIATOR + role_of(p)
     :: number(e) == number(epoch[p]) + 1 && pending[p] != 0 -> kind = IN_REQUEST_AHEAD
     :: else -> kind = 0
     fi
  fi
}
inline ask(p) { /* with what is pending */
  here[p] = 1;
  asked[p]++;
  drop_unsent(p);
  send(p, REQUEST, pair[p], epoch[p], asked[p], 0)
}
/* The context is made of the last request's nonce, whichever the response answers. */
#define fits(p, x, y) (here[p] && x == asked[p] && y / 4 == crossed[p])
#ifdef ANSWERS_ANY
#define IS_MEANT(p, x, y) true
#else
#define IS_MEANT(p, x, y) fits(p, x, y)
#endif
#ifdef CROSSES
#define FLAG 1
#else
#define FLAG 0
#endif
bit crosses;
inline answer(p, x) { /* with what is pending; the peer's commit has been applied */
  crosses = (state[p] == ASKING && here[p] && FLAG);
  move(p, kind, ANSWERED);
  assert(answers[p] < 4);
  context[p] = context_of(pending[p], answers[p], x);
  remember(p, x);
  drop_unsent(p);
  send(p, RESPONSE, pair[p], epoch[p], x, answers[p] + 4 * crosses);
  answers[p]++;
  here[p] = 0; crossed[p] = 0;
  take_keys(p);
#ifdef ANSWERS_UNDER_NEW
  send_under(p);
#else
  later[p] = 1;
#endif
  crosses = 0
}
inline receive_true_request(p, e, x) {
  if
  :: kind == IN_REQUEST_REPEATED && !was_answered(p, x) ->
     if
     :: pending[p] == 0 -> make(p)
     :: else
     fi;
     answer(p, x)
  :: kind == IN_REQUEST_LEVEL_AS_INITIATOR && pending[p] != 0 && !was_answered(p, CROSSING + x) ->
     move(p, kind, ASKING);
     remember(p, CROSSING + x);
     crossed[p] = FLAG;
     ask(p)
  :: kind == IN_REQUEST_AHEAD && e == pending[p] ->
     enter(p, e);
     enter(p, child(e, 1 - p));
     make(p);
     answered_nonce[p] = x;
     answer(p, x)
  :: kind >= IN_REQUEST_LEVEL_AS_INITIATOR && e == epoch[p] &&
     (pending[p] == 0 || kind == IN_REQUEST_LEVEL_AS_RESPONDER) ->
     if
     :: pending[p] != 0 ->
        withdraw(p, next_stamp[p]);
        next_stamp[p] = 0
     :: else
     fi;
     enter(p, child(e, 1 - p));
     make(p);
     answered_nonce[p] = x;
     answer(p, x)
  :: else
  fi
}
inline receive_request(p, e, x, tag) {
  classify(p, e);
  if
  :: kind == 0 || (state[p] == UNCONFIRMED && kind != IN_REQUEST_LEVEL_AS_RESPONDER) -> stranger(p)
  :: else ->
     if
     :: !has_tag(p, REQUEST, e, x, 0, tag)
     :: else ->
        receive_true_request(p, e, x)
     fi
  fi;
  kind = 0
}
inline receive_response(p, e, x, y, tag) {
  if
  :: state[p] == ASKING && e == pending[p] && IS_MEANT(p, x, y) && has_tag(p, RESPONSE, e, request_of(x), y, tag) ->
     expect_made(p, e);
     move(p, IN_RESUMPTION_RESPONSE, STEADY);
     enter(p, e);
     enter(p, child(e, 1 - p));
#ifdef ANSWERS_ANY
     if
     :: fits(p, x, y) -> context[p] = context_of(epoch[p], y % 4, x)
     :: else -> context[p] = 1 + p /* nobody else has it */
     fi;
#else
     context[p] = context_of(epoch[p], y % 4, x);
#endif
     drop_pending(p);
     here[p] = 0; crossed[p] = 0;
     drop_unsent(p);
     next_stamp[p] = 0;
     later[p] = 0;
     take_keys(p);
     send_under(p)
  :: else
  fi
}
inline receive(p, what, g, e, x, y, tag) {
  if
  :: what == HELLO -> join(p, g, e)
  :: what != HELLO && pair[p] != g -> stranger(p)
  :: else ->
     if
     :: what == UPDATE -> receive_update(p, e, tag)
     :: what == UPDATED -> receive_updated(p, e, tag)
     :: what == REQUEST -> receive_request(p, e, x, tag)
     :: what == RESPONSE -> receive_response(p, e, x, y, tag)
     fi
  fi
}
bit confirmed;
inline open_packet(p) { /* the first one under these keys */
  heard[p] = 1;
  if
  :: state[p] == ANSWERED ->
     confirmed = 1;
     enter(p, pending[p]);
     drop_pending(p);
     move(p, IN_CONFIRM, STEADY)
  :: state[p] == UNCONFIRMED ->
     confirmed = 1;
     just[p] = 1;
     move(p, IN_CONFIRM, STEADY)
  :: else
  fi;
  if
#ifndef SWITCHES
  :: state[p] == ASKING && later[p]
#endif
  :: else ->
     settle(p, stamp[p]);
     if
     :: later[p] ->
        later[p] = 0;
        send_under(p)
     :: else
     fi
  fi;
  if
  :: confirmed && early[p] != 0 ->
     e = early[p];
     tag = early_tag[p];
     early[p] = 0; early_tag[p] = 0;
     receive_update(p, e, tag)
  :: else
  fi;
  confirmed = 0
}
inline update(p) {
  make(p);
  move(p, in_update(role_of(p)), waiting(role_of(p)));
  send(p, UPDATE, pair[p], epoch[p], 0, 0);
#ifndef NO_NEXT
  next_stamp[p] = key_of(pair[p], pending[p], context[p]);
  receive_under(p, next_stamp[p])
#endif
}
inline repeat(p) {
  if
  :: repeats[p] <= 1 -> repeats[p]++
  :: else
  fi;
  if
  :: state[p] == UNCONFIRMED || repeats[p] > REPEATS -> taking[p] = 1
  :: else ->
     if
     :: pending[p] == 0 -> make(p)
     :: else
     fi;
     move(p, IN_RESUME, ASKING);
     crossed[p] = 0;
     ask(p)
  fi
}

#ifdef LIES
/*
 * Anything of a letter to p, and of what MLS does not protect anything else: its type, its nonces and the one that it
 * answers, and of an epoch_key_update the epoch. The tag is left, taken off, or that of the copy.
 */
inline lie(p) {
  if
  :: true
  :: what != UPDATED && what != HELLO ->
     if
     :: what = UPDATE
     :: what = REQUEST
     :: what = RESPONSE
     :: true
     fi;
     if
     :: x = x ^ 8
     :: y = y ^ 1
     :: x = asked[p]
     :: true
     fi
  :: what = UPDATED; e = pending[p]; x = 0; y = 0
  fi;
  if
  :: tag = 0
  :: copied -> tag = copy_tag
  :: true
  fi
}
#endif

/* ---- when what may happen ---- */
#ifdef WITHHELD
#define MAIL_COMES(p) (phase > 0 || p == 0)
#else
#define MAIL_COMES(p) true
#endif
#if !defined(TRAFFIC) || defined(WITHHELD) || defined(MAIL_IS_SLOW)
#define IS_OVERDUE true
#elif defined(PACKETS_ARE_SLOW)
#define IS_OVERDUE (len(mail[0]) == 0 && len(mail[1]) == 0)
#else
#define IS_OVERDUE                                                                                                    \
  (len(mail[0]) == 0 && len(mail[1]) == 0 && !would_open(0) && !would_open(1))
#endif
#ifdef NEVER_RENEWS
#define MAY_AGE(p) (age[p] == 0 || (len(mail[0]) == 0 && len(mail[1]) == 0))
#else
#define MAY_AGE(p) true
#endif
#ifdef ONE_BEGINS
#define WANTS(p) (p == 0)
#else
#define WANTS(p) true
#endif
#define waits(p) (pair[p] != 0 && state[p] != STEADY)
#define busy(p)                                                                                                       \
  (len(mail[p]) > 0 || taking[p] || (pair[p] == 0 && WANTS(p)) || !left[p] || due[p] || renews[p] || would_open(p))
#define quiet (!busy(0) && !busy(1))
#define one_pair                                                                                                      \
  (pair[0] == pair[1] && epoch[0] == epoch[1] && state[0] == STEADY && state[1] == STEADY && sending[0] == sending[1])

active proctype world() {
  byte p, g, e, x, y, what;
  TAG tag;
#ifdef TRAFFIC
  d_step { /* they have a pair, and have heard each other */
    had[2] = 1; had[GROUPS + 2] = 1;
    pair[0] = 2; pair[1] = 2; state[0] = STEADY; state[1] = STEADY; epoch[0] = FIRST; epoch[1] = FIRST;
    age[0] = 2; age[1] = 2; begun[0] = 1;
    takes[0] = key_of(2, FIRST, 0); takes[KEYS] = takes[0]; heard[0] = 1; heard[1] = 1;
    stamp[0] = takes[0]; stamp[1] = takes[0]; sending[0] = takes[0]; sending[1] = takes[0]
  }
#endif
  do
  :: phase < 3 -> atomic {
       if :: p = 0 :: p = 1 fi;
       if
       :: taking[p] -> respond(p)
       :: len(mail[p]) > 0 && MAIL_COMES(p) ->
          mail[p]?what, g, e, x, y, tag;
          receive(p, what, g, e, x, y, tag)
       :: would_open(p) -> open_packet(p)
       :: pair[p] == 0 && !taking[p] && WANTS(p) -> taking[p] = 1
       /* as long as anything may happen */
       :: phase == 0 && pair[p] != 0 && state[p] == STEADY && updates < UPDATES ->
          updates++;
          update(p)
       :: phase == 0 && waits(p) && timeouts < TIMEOUTS && IS_OVERDUE ->
          timeouts++;
          repeat(p)
       :: phase == 0 && pair[p] != 0 && age[p] < 2 && MAY_AGE(p) -> age[p]++
       :: phase == 0 && just[p] && len(mail[p]) == 0 -> just[p] = 0
       :: phase == 0 && len(mail[p]) > 0 && accidents < ACCIDENTS ->
          accidents++;
          mail[p]?_, _, _, _, _, _
#if !defined(TRAFFIC) || defined(LIES)
       :: phase == 0 && len(mail[p]) > 0 && !copied && accidents < ACCIDENTS ->
          accidents++;
          mail[p]?<copy[0], copy[1], copy[2], copy[3], copy[4], copy_tag>;
          copy_to = p
       :: copied && copy_to == p ->
          what = copy[0]; g = copy[1]; e = copy[2]; x = copy[3]; y = copy[4]; tag = copy_tag;
          copy[0] = 0; copy[1] = 0; copy[2] = 0; copy[3] = 0; copy[4] = 0; copy_tag = 0; copy_to = 0;
          receive(p, what, g, e, x, y, tag)
#endif
#ifdef LIES
       :: phase == 0 && lies < LIES && pair[p] != 0 && (len(mail[p]) > 0 || (copied && copy_to == p)) ->
          lies++;
          if /* what it has seen, */
          :: len(mail[p]) > 0 -> mail[p]?<what, g, e, x, y, tag>
          :: copied && copy_to == p -> what = copy[0]; g = copy[1]; e = copy[2]; x = copy[3]; y = copy[4]; tag = copy_tag
          fi;
          lie(p);
          receive(p, what, g, e, x, y, tag)
       :: phase == 0 && lies < LIES && pending[p] != 0 -> /* from nothing */
          lies++;
          what = UPDATED; g = pair[p]; e = pending[p];
          receive(p, what, g, e, x, y, tag)
#endif
#ifndef TRAFFIC
       :: phase == 0 && accidents < ACCIDENTS && pair[p] != 0 -> /* all that it has, and what it has not sent */
          accidents++;
          drop_unsent(p);
          clear_pair(p);
          forget_keys(p);
          taking[p] = 0;
          life[p]++;
          left[p] = 0
       :: phase == 0 && accidents < ACCIDENTS && pair[p] != 0 -> /* its pair is on the disk; keys cannot be taken up */
          accidents++;
          forget_keys(p);
          stamp[p] = traffic_key(p);
          here[p] = 0; answered[p] = 0; early[p] = 0; early_tag[p] = 0;
          repeats[p] = 0; age[p] = 2; just[p] = 0; taking[p] = 0;
          later[p] = (state[p] == ANSWERED);
          if
          :: !later[p] -> send_under(p)
          :: else
          fi;
          repeat(p)
       :: left[p] == 0 -> left[p] = 1
#endif
       /* the relay does its duty, and mail takes less time than whoever waits */
       :: phase == 0 ->
          phase = 1;
#ifdef LIES
          lies = 0;
#endif
          updates = 0; timeouts = 0; accidents = 0
       :: phase > 0 && due[p] ->
          due[p] = 0;
          if
#ifndef NO_REPEAT
          :: waits(p) -> repeat(p)
#endif
          :: else
          fi
       :: phase > 0 && renews[p] ->
          renews[p] = 0;
          if
          :: state[p] == STEADY -> update(p)
          :: else
          fi
       :: phase == 1 && quiet && understood(0) && understood(1) ->
          phase = 2;
          rounds = 0;
          renews[0] = 1; renews[1] = 1
       :: phase == 2 && quiet && one_pair && understood(0) && understood(1) ->
          phase = 3
       :: phase > 0 && quiet && !(understood(0) && understood(1) && (phase == 1 || one_pair)) ->
          rounds++;
          assert(rounds <= ROUNDS);
          age[0] = 2; age[1] = 2; just[0] = 0; just[1] = 0;
          if
#ifdef TRAFFIC
          :: waits(0) -> due[0] = 1
          :: waits(1) -> due[1] = 1
#else
          :: waits(0) || waits(1) ->
             due[0] = waits(0);
             due[1] = waits(1)
#endif
          :: else ->
#ifdef NEVER_RENEWS
             assert(renews[0]);
#endif
             renews[0] = 1;
             renews[1] = 1
          fi
       :: else
       fi;
#ifdef TRAFFIC
#ifdef WITHHELD
       assert(phase > 0 || (understood(0) && understood(1)));
#else
       assert(understood(0) && understood(1));
#endif
#endif
       p = 0; g = 0; e = 0; x = 0; y = 0; what = 0; tag = 0
     }
  :: phase == 3 -> break
  od
}
