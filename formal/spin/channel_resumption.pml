/*
 * Connections that go on with one session, as channels see them: docs/protocols.md, "Resumption (D5)", "Early data (D6)",
 * "Keys", "States of a channel". SPDX-License-Identifier: Apache-2.0
 *
 * Two parties, each with a disk and up to ENDS ends of connections; either party connects and accepts, with early data
 * from who connects. There is no network but an attacker without keys, who has each end receive what he wants of all that
 * was ever sent, whenever he wants: any request and response, their commits with other nonces, too, and as each other, to
 * any end, so that an end may face one of another connection, or of its own kind; what has the head of a commit of any
 * epoch, and is none; and any record. A record that does not fit is not
 * modelled: it ends the connection, or is passed over. Any end may be cut at any moment, which is also a crash, as all is
 * on the disk before it leaves. A reliable stream is one way of his to behave; at any moment an auditor stops him, and
 * one side resumes over such a stream, with or without early data, both ways round: that has to end open on both sides,
 * in one epoch, with keys and numbers that fit, nothing refused, and all that was sent early taken once.
 *
 * What holds besides: an end is established only if its peer has the key that the record was under; what was sent early
 * on a connection is taken at most once, over all connections, repeated or not; no end takes a record after a switch that
 * it did not take all records before; no key protects what two ends send.
 *
 * A commit is a number; the epoch that it makes has the same one, its number in the protocol is its depth. A nonce is the
 * number of the request or response that drew it, or FOREIGN, the attacker's own. A key of a connection is that of its
 * answer, its epoch and the nonces and flag of its context, and who of both connected. An end whose response is not one
 * to its own request, as it was made, has a key that nobody else has: LONELY. What is left out: signatures and encryption
 * of MLS (a commit is taken only where its parent is the receiver's epoch), credentials, contents, limits, updates and
 * close_notify once a connection is open (channel.pml), data of the accepting side, what keeps a replay from costing a
 * live connection (it does not matter here, nor in resumption.pml). Bounds: ENDS, COMMITS, REQUESTS, ANSWERS,
 * EARLY_RECORDS.
 *
 * Mutants, each with a violation that `run` wants to see:
 *   TRUSTS_RESPONSE  who has taken a response is established, without a record (D13)
 *   TRUSTS_REQUEST   who has answered a request, without early data, is established, without a record (D13)
 *   TAKES_REPEATED   early data is taken with a commit that was applied before
 *   TWO_ANSWERS      a request whose commit was applied may be answered again
 *   UNSAVED          early data is taken before the commit that came with it is on the disk
 *   NO_VERSION       without the compare-and-set of what is saved
 *   RESTART          numbers begin at 0 after early data
 *   NOT_AGAIN        what was not taken is not sent again
 *   NO_FLAG          the key does not depend on whether early data was taken
 *   NO_NONCE         the key does not depend on the request's nonce
 *   NO_TIE           while asking, a request is answered that does not tie with ours, or comes to the accepting side
 *   NO_SIDE          the key does not depend on which side has answered
 */
#include "channel.h"

#ifndef ENDS
#define ENDS 2
#endif
#ifndef COMMITS
#define COMMITS 6
#endif
#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifndef ANSWERS
#define ANSWERS 2
#endif
#ifndef EARLY_RECORDS
#define EARLY_RECORDS 2
#endif
#define NONE 255
#define FOREIGN 254
#define LONELY 253

/* ---- commits; 0 is the Welcome's epoch ---- */
byte parent[COMMITS], depth[COMMITS], maker[COMMITS];
bit in_sight[COMMITS]; /* was sent as a request or response */
byte made = 1;
#define can_make(n) (made + (n) <= COMMITS)

/* ---- what was sent; the auditor's connection has one request more, or two, and an answer ---- */
byte asked = 0, commit_of[REQUESTS + 2];
byte early_sent[REQUESTS + 2]; /* how many records */
byte early_taken[REQUESTS + 2]; /* which of them, whether early or again */
byte answered = 0, answer_to[ANSWERS + 1], answer_with[ANSWERS + 1];
bit answer_takes[ANSWERS + 1]; /* its early_data */
bit answer_crossed[ANSWERS + 1]; /* it is the connecting side's */
/* By answer and side: what ends send under its keys. A first record shows the key, a second one has early data again. */
#define STREAMS (2 * (ANSWERS + 1))
bit claimed[STREAMS];
byte first_number[STREAMS], records[STREAMS];
byte repeats[STREAMS] = NONE; /* whose early data it has again */
byte asker[ANSWERS + 1] = NONE; /* the request whose end has taken the answer */

/* ---- pairs: on the disk of party p at index p, of end e at 2 + e ---- */
#define COPIES (2 + 2 * ENDS)
byte epoch[COPIES], pending[COPIES] = NONE, applied[COPIES] = NONE;
byte by_request[COPIES] = NONE; /* the nonce of the request that brought the commit applied */
bit unconfirmed[COPIES];        /* the pending commit is a response */
bit stale[COPIES];              /* the session was saved by another end since this copy was loaded */
#define copy_of(e) (2 + (e))
#define party_of(e) ((e) / ENDS)

inline load(i, from) {
  epoch[i] = epoch[from]; pending[i] = pending[from]; applied[i] = applied[from]; by_request[i] = by_request[from];
  unconfirmed[i] = unconfirmed[from]; stale[i] = 0
}

/* ---- ends: WAITING is one that is not there ---- */
byte state[2 * ENDS];
bit connecting[2 * ENDS];
byte nonce[2 * ENDS] = NONE;                            /* of the request that it sent last, or answered */
byte key[2 * ENDS] = NONE;                              /* the answer that its keys come from, or LONELY */
byte early_from[2 * ENDS] = NONE;                       /* the request whose early data it opens, or LONELY */
byte number[2 * ENDS];                                  /* of the next record that it receives */
byte again[2 * ENDS] = NONE;                            /* the request whose early data is to be sent again */
#ifdef UNSAVED
bit unsaved[2 * ENDS];
#endif

inline move(e, how, to) {
  NOTE(state[e], how, to);
  state[e] = to
}
inline end_it(e) {
  move(e, GO_END, ENDED);
  state[e] = WAITING; connecting[e] = 0; nonce[e] = NONE; key[e] = NONE; early_from[e] = NONE; number[e] = 0;
  again[e] = NONE;
#ifdef UNSAVED
  unsaved[e] = 0;
#endif
  epoch[copy_of(e)] = 0; pending[copy_of(e)] = NONE; applied[copy_of(e)] = NONE; by_request[copy_of(e)] = NONE;
  unconfirmed[copy_of(e)] = 0; stale[copy_of(e)] = 0
}

/* Save, then send: a compare-and-set. `over`: what was not saved has not happened. */
bit over;
byte other;
inline save(e) {
  if
#ifndef NO_VERSION
  :: stale[copy_of(e)] -> over = 1
  :: else ->
#else
  :: true ->
#endif
     load(party_of(e), copy_of(e));
     other = 0;
     do
     :: other < 2 * ENDS ->
        if
        :: other != e && party_of(other) == party_of(e) && state[other] != WAITING -> stale[copy_of(other)] = 1
        :: else
        fi;
        other++
     :: else -> break
     od;
     other = 0
  fi
}

/* ---- keys and records ---- */

#define sends_on(e) (2 * key[e] + connecting[e])
#define receives_on(e) (2 * key[e] + 1 - connecting[e])

/* The first record under a new key: it is empty. */
inline show_key(e, from) {
  if
  :: key[e] != LONELY ->
     assert(!claimed[sends_on(e)]);
     claimed[sends_on(e)] = 1;
     first_number[sends_on(e)] = from;
     records[sends_on(e)] = 1
  :: else
  fi
}

#define all_of(r) ((1 << early_sent[r]) - 1)

/* `key` is the one that is known to be the peer's, by a record. */
inline establish(e) {
  assert(key[e] != LONELY);
  assert(claimed[receives_on(e)]);
  if
  :: again[e] != NONE ->
#ifndef NOT_AGAIN
     records[sends_on(e)] = 2;
     repeats[sends_on(e)] = again[e];
#endif
     again[e] = NONE
  :: else
  fi
}

/* ---- asking ---- */

bit auditing;
#define may_draw (asked < REQUESTS || auditing)

inline make(e) {
  parent[made] = epoch[copy_of(e)];
  depth[made] = depth[epoch[copy_of(e)]] + 1;
  maker[made] = party_of(e);
  pending[copy_of(e)] = made;
  made++
}

inline draw_request(e) {
  commit_of[asked] = pending[copy_of(e)];
  in_sight[pending[copy_of(e)]] = 1;
  nonce[e] = asked;
  asked++
}

inline ask(e) {
  load(copy_of(e), party_of(e));
  if
  :: pending[copy_of(e)] == NONE -> make(e)
  :: else
  fi;
  unconfirmed[copy_of(e)] = 0;
  connecting[e] = 1;
  move(e, GO_ASK, ASKING);
  save(e);
  draw_request(e)
}

inline send_early(e) {
  early_sent[nonce[e]]++;
  again[e] = nonce[e]
}

/* ---- answering ---- */

#define is_level(i, c) (depth[parent[c]] == depth[epoch[i]])
#define is_ahead(i, c) (depth[parent[c]] == depth[epoch[i]] + 1 && pending[i] != NONE)
#define fits(i, c, p, from) (parent[c] == (from) && maker[c] == 1 - (p))

byte done; /* 0 refused, 1 answered, 2 crossed */
bit changed, takes, yields;

/* The pair's part. */
inline judge(e, i, p, c, x) {
  done = 0;
  changed = 1;
  takes = 0;
  yields = (applied[i] != c && is_level(i, c) && pending[i] != NONE && p == 1);
  if
  :: applied[i] == c ->
#ifndef TWO_ANSWERS
     if
     :: x != by_request[i] ->
#else
     if
     :: true ->
#endif
        done = 1;
        if
        :: pending[i] == NONE -> make(e)
        :: else -> changed = !unconfirmed[i]
        fi;
#ifdef TAKES_REPEATED
        takes = 1
#endif
     :: else
     fi
  :: applied[i] != c && is_level(i, c) && pending[i] != NONE && p == 0 -> done = 2
  :: applied[i] != c && is_level(i, c) && (pending[i] == NONE || p == 1) && fits(i, c, p, epoch[i]) -> takes = 1
  :: applied[i] != c && is_ahead(i, c) && fits(i, c, p, pending[i]) -> takes = 1
  :: else
  fi;
  if
  :: takes && done == 0 ->
     epoch[i] = c;
     applied[i] = c;
     by_request[i] = x;
     make(e);
     done = 1
  :: else
  fi;
  if
  :: done == 1 -> unconfirmed[i] = 1
  :: else
  fi
}

/* An answer to a nonce that is no request's is of no use to anybody but for its commit. */
inline draw_answer(e, x) {
  in_sight[pending[copy_of(e)]] = 1;
  nonce[e] = x;
  if
  :: x == FOREIGN -> key[e] = LONELY
  :: else ->
     answer_to[answered] = x;
     answer_with[answered] = pending[copy_of(e)];
     answer_takes[answered] = takes;
     answer_crossed[answered] = connecting[e];
     key[e] = answered;
     answered++
  fi
}

/* The request loses against ours, which we send in our turn. */
inline cross(e) {
  move(e, GO_ASK, ASKING);
  unconfirmed[copy_of(e)] = 0;
  draw_request(e)
}

/* While ours is out, only one that ties with it comes from who has it: that peer has not taken what we sent early. */
#ifdef NO_TIE
#define may_answer(e) true
#else
#define may_answer(e) (state[e] == WAITING || yields)
#endif

inline receive_request(e, c, x) {
  if
  :: state[e] == WAITING ->
     load(copy_of(e), party_of(e));
     NOTE(WAITING, GO_TLS, IN_TLS); /* in TLS+MLS */
     NOTE(IN_TLS, GO_LEAVE_TLS, WAITING)
  :: else
  fi;
  judge(e, copy_of(e), party_of(e), c, x);
  if
  :: done == 2 && state[e] == WAITING && may_draw -> cross(e)
  :: done == 1 && takes && !connecting[e] && state[e] == WAITING ->
     move(e, GO_ASKED_EARLY, EARLY);
#ifndef UNSAVED
     save(e);
#else
     unsaved[e] = 1;
#endif
     if
     :: over
     :: else ->
        early_from[e] = ((x != FOREIGN && commit_of[x] == c) -> x : LONELY);
        draw_answer(e, x);
        show_key(e, 0)
     fi
  :: done == 1 && (!takes || connecting[e]) && may_answer(e) ->
     move(e, GO_ASKED, ANSWERED);
     number[e] = 0;
     if
     :: changed -> save(e)
     :: else
     fi;
     if
     :: over
     :: else ->
        draw_answer(e, x);
        show_key(e, 0);
#ifdef TRUSTS_REQUEST
        move(e, GO_RECORD, OPEN);
        establish(e)
#endif
     fi
  :: else -> over = 1
  fi
}

/* What is no commit at all can be of our epoch by its head, which is all that is read where a request crosses. */
inline receive_forgery(e) {
  if
  :: state[e] == WAITING && party_of(e) == 0 && pending[party_of(e)] != NONE && may_draw ->
     load(copy_of(e), party_of(e));
     cross(e)
  :: else
  fi
}

/* ---- the response ---- */

/* With commit `c`; `s` is the answer whose key it gives, or LONELY; `taken` is what it says of early data. */
inline receive_response(e, c, s, taken) {
  if
  :: !(fits(copy_of(e), c, party_of(e), pending[copy_of(e)])) -> over = 1
  :: else ->
     epoch[copy_of(e)] = c;
     pending[copy_of(e)] = NONE;
     applied[copy_of(e)] = c;
     by_request[copy_of(e)] = NONE;
     unconfirmed[copy_of(e)] = 0;
     move(e, GO_RESUMED, ANSWERED);
     save(e);
     if
     :: over
     :: else ->
        key[e] = s;
        if
        :: s != LONELY -> asker[s] = nonce[e]
        :: else
        fi;
        if
        :: taken -> again[e] = NONE
        :: else
        fi;
        if
#ifndef RESTART
        :: taken && connecting[e] -> show_key(e, early_sent[nonce[e]])
#endif
        :: else -> show_key(e, 0)
        fi;
#ifdef TRUSTS_RESPONSE
        move(e, GO_RECORD, OPEN);
        establish(e)
#endif
     fi
  fi
}

/* ---- records ---- */

inline confirm(e) {
#ifdef UNSAVED
  unsaved[e] = 0;
#endif
  if
  :: unconfirmed[copy_of(e)] ->
     epoch[copy_of(e)] = pending[copy_of(e)];
     pending[copy_of(e)] = NONE;
     applied[copy_of(e)] = NONE;
     by_request[copy_of(e)] = NONE;
     unconfirmed[copy_of(e)] = 0;
     save(e)
  :: else
  fi
}

#ifdef RESTART
#define next_number(e) 0
#else
#define next_number(e) number[e]
#endif
#define opens_early(e) ((state[e] == EARLY || state[e] == EARLY_OPENED) && early_from[e] != LONELY && \
                        number[e] < early_sent[early_from[e]])
#define opens_next(e) ((state[e] == EARLY || state[e] == EARLY_OPENED) && key[e] != LONELY && \
                       records[receives_on(e)] > 0 && next_number(e) == first_number[receives_on(e)])
#define opens(e) ((state[e] == ANSWERED || state[e] == OPEN) && key[e] != LONELY && \
                  number[e] >= first_number[receives_on(e)] && \
                  number[e] < first_number[receives_on(e)] + records[receives_on(e)])

inline receive_early(e) {
  move(e, GO_RECORD, EARLY_OPENED);
  assert((early_taken[early_from[e]] & (1 << number[e])) == 0);
  early_taken[early_from[e]] = early_taken[early_from[e]] | (1 << number[e]);
  number[e]++
}

/* The first record of who asked: all that it has sent early, and is not to send again, is here. */
inline check_early(e) {
  if
  :: !connecting[e] && answer_takes[key[e]] && asker[key[e]] != NONE ->
     assert(early_taken[asker[key[e]]] == all_of(asker[key[e]]))
  :: else
  fi
}

inline receive_next(e) {
  number[e] = first_number[receives_on(e)] + 1;
  move(e, GO_NEXT_RECORD, OPEN);
  if
  :: early_from[e] != LONELY -> assert(early_taken[early_from[e]] == all_of(early_from[e]))
  :: else
  fi;
  check_early(e);
  confirm(e);
  if
  :: over
  :: else -> establish(e)
  fi;
  early_from[e] = NONE
}

inline receive_record(e) {
  if
  :: state[e] == ANSWERED ->
     number[e]++;
     move(e, GO_RECORD, OPEN);
     confirm(e);
     if
     :: over
     :: else -> establish(e)
     fi
  :: state[e] == OPEN ->
     /* the early data of who connected, once more */
     move(e, GO_RECORD, OPEN);
     if
#if defined(TRUSTS_RESPONSE) || defined(TRUSTS_REQUEST)
     :: number[e] == first_number[receives_on(e)]
#endif
     :: number[e] == first_number[receives_on(e)] + 1 ->
        assert(early_taken[repeats[receives_on(e)]] == 0);
        early_taken[repeats[receives_on(e)]] = all_of(repeats[receives_on(e)])
     fi;
     number[e]++
  fi
}

/* ---- the auditor: one honest connection, from party a to the other, over ends e and f ---- */

inline audit() {
  do
  :: e < 2 * ENDS ->
     if
     :: state[e] != WAITING -> end_it(e)
     :: else
     fi;
     e++
  :: else -> break
  od;
  e = a * ENDS;
  f = (1 - a) * ENDS;
  ask(e);
  r = nonce[e];
  do
  :: early_sent[r] < x -> send_early(e)
  :: else -> break
  od;
  receive_request(f, commit_of[r], r);
  assert(!over);
  if
  :: state[f] == ASKING -> /* crossed: it is turned around, and f passes over what was sent early */
     receive_request(e, commit_of[nonce[f]], nonce[f]);
     assert(!over);
     receive_response(f, answer_with[key[e]], key[e], answer_takes[key[e]])
  :: else -> receive_response(e, answer_with[key[f]], key[f], answer_takes[key[f]])
  fi;
  assert(!over);
  do
  :: opens_early(f) -> receive_early(f)
  :: !opens_early(f) && opens_next(f) -> receive_next(f)
  :: opens(f) -> receive_record(f)
  :: opens(e) -> receive_record(e)
  :: else -> break
  od;
  assert(!over && state[e] == OPEN && state[f] == OPEN);
  assert(epoch[copy_of(e)] == epoch[copy_of(f)] && pending[copy_of(e)] == NONE && pending[copy_of(f)] == NONE);
  assert(key[e] == key[f] && sends_on(e) == receives_on(f) && sends_on(f) == receives_on(e));
  assert(number[e] == first_number[receives_on(e)] + records[receives_on(e)]);
  assert(number[f] == first_number[receives_on(f)] + records[receives_on(f)]);
  assert(early_taken[r] == all_of(r))
}

/* ---- what happens ---- */

/* The ends of a party are alike: the first one that is not there is taken. */
#define is_free(e) (state[e] == WAITING && (e % ENDS == 0 || state[e - 1] != WAITING))

#ifdef NO_NONCE
#define has_nonce(s, e) true
#else
#define has_nonce(s, e) (answer_to[s] == nonce[e])
#endif
#ifdef NO_SIDE
#define has_side(s, e) true
#else
#define has_side(s, e) (answer_crossed[s] != connecting[e])
#endif
#define answers(s, e) (has_nonce(s, e) && has_side(s, e))

inline settle(e) {
  if
  :: over -> end_it(e)
  :: else
  fi;
  over = 0; done = 0; changed = 0; takes = 0; yields = 0; c = 0; x = 0; e = 0
}

active proctype world() {
  byte e, f, c, x, a, r;
  atomic {
    /* Both hold the Welcome's epoch; one of them may have made an update before the connection was cut. */
    if
    :: true
    :: a = 0; c = 1
    :: a = 1; c = 1
    fi;
    if
    :: c == 1 ->
       depth[1] = 1; maker[1] = a; made = 2;
       pending[a] = 1;
       if
       :: true
       :: epoch[1 - a] = 1; applied[1 - a] = 1 /* it has arrived */
       fi
    :: else
    fi;
    parent[0] = NONE; maker[0] = NONE;
    a = 0; c = 0
  }
  do
  :: !auditing -> atomic {
       do
       :: e < 2 * ENDS - 1 -> e++
       :: break
       od;
       if
       :: is_free(e) && asked < REQUESTS && can_make(3) -> d_step {
            ask(e);
            settle(e)
          }
       :: state[e] == ASKING && connecting[e] && early_sent[nonce[e]] < EARLY_RECORDS -> d_step {
            send_early(e);
            settle(e)
          }
       :: (is_free(e) || state[e] == ASKING) && answered < ANSWERS && can_make(3) ->
          if
          :: asked > 0 -> x = 0
          :: asked > 1 -> x = 1
#if REQUESTS > 2
          :: asked > 2 -> x = 2
#endif
          :: x = FOREIGN
          fi;
          if
          :: in_sight[1] -> c = 1
          :: in_sight[2] -> c = 2
#if COMMITS > 6
          :: in_sight[3] -> c = 3
          :: in_sight[4] -> c = 4
#endif
          :: x == FOREIGN -> c = FOREIGN
          :: else
          fi;
          skip;
          d_step {
            if
            :: c == FOREIGN -> receive_forgery(e)
            :: c != 0 && c != FOREIGN -> receive_request(e, c, x)
            :: else
            fi;
            settle(e)
          }
       :: state[e] == ASKING ->
          if
          :: answered > 0 && answers(0, e) -> x = 0
          :: answered > 1 && answers(1, e) -> x = 1
#if ANSWERS > 2
          :: answered > 2 && answers(2, e) -> x = 2
#endif
          :: else -> x = ANSWERS
          fi;
          c = answer_with[x]; /* 0: there is none */
          takes = answer_takes[x];
#ifdef NO_FLAG
          if
          :: takes = 0
          :: takes = 1
          fi;
#endif
          d_step {
            if
            :: c != 0 -> receive_response(e, c, x, takes)
            :: else
            fi;
            settle(e)
          }
       :: state[e] == ASKING ->
          if
          :: in_sight[1] -> c = 1
          :: in_sight[2] -> c = 2
          :: in_sight[3] -> c = 3
#if COMMITS > 6
          :: in_sight[4] -> c = 4
#endif
          :: else
          fi;
          skip;
          d_step {
            if
            :: c != 0 -> receive_response(e, c, LONELY, 0)
            :: else
            fi;
            settle(e)
          }
       :: opens_early(e) -> d_step {
            receive_early(e);
            settle(e)
          }
       :: opens_next(e) -> d_step {
            receive_next(e);
            settle(e)
          }
       :: opens(e) -> d_step {
            receive_record(e);
            settle(e)
          }
       :: state[e] != WAITING -> d_step {
            end_it(e);
            settle(e)
          }
       :: e == 0 && can_make(2) ->
          if
          :: a = 0
          :: a = 1
          fi;
          do
          :: x < EARLY_RECORDS -> x++
          :: break
          od;
          skip;
          d_step {
            auditing = 1;
            audit();
            a = 0; f = 0; r = 0;
            settle(e)
          }
       :: else -> e = 0
       fi
     }
  :: auditing -> break
  od
}
