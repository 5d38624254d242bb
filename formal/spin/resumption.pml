/*
 * Resumption of a pair: docs/protocols.md, "Resumption (D5)". SPDX-License-Identifier: Apache-2.0
 *
 * Two parties, each with a disk and up to two connections between them at a time; a connection may be cut at any moment,
 * with what is on its way in either direction; messages of one connection come in order, those of different ones in any.
 * A crash is the loss of all connections, since everything is on the disk before it leaves; a party that comes back has
 * what is on its disk. It may begin with a responder that has seen nothing of the initiator's but its hello. An attacker
 * sends any commit that was in sight as a request, on a connection of his own or to who connects to him, and as a
 * response. At any moment an auditor stops all that and has one side resume over a good connection: that has to end in
 * one epoch, without a refusal. A connection that is live at both ends, and quiet, has one epoch.
 *
 * A commit is a number; the epoch that it makes has the same one, its number in the protocol is its depth. What is left
 * out: signatures and encryption (a commit is taken only where its parent is the receiver's epoch, as decryption has it),
 * credentials, contents, the hellos, early data, nonces but in NO_NONCE, ties within a connection that stays up
 * (ties.pml). Bounds: COMMITS, CONNECTIONS.
 *
 * ROLLBACK: once, the disk of one party goes back to what it was at some earlier moment. No refusal is promised then, but
 * that a request which is answered still ends in one epoch: an old copy is refused or does no harm.
 *
 * Mutants, each with a violation that `run` wants to see:
 *   NO_VERSION       without the compare-and-set of what is saved
 *   NEW_RESPONSE     a request that comes again gets a new response
 *   SEND_FIRST       a crash may come after a message was sent and before what it depends on is on the disk
 *   NO_APART         a request that fits none of our epochs is answered (with ROLLBACK)
 *   NO_NONCE         the keys of a connection come from its epoch alone: no two connections may have the same
 * and one without: NO_FRESH takes out what keeps a replay from costing a live connection. Convergence does not need it.
 *
 * On a connection of honest parties nothing is refused but a response (it may be the attacker's), so that of the model as
 * it is no search reaches these, after a record, an update, a confirmation and a request:
 * unreached: :: else -> cut = 1
 * unreached: :: else -> cut = 1
 * unreached: :: else -> cut = 1
 * unreached: :: else -> cut = 1
 */
#include "pair.h"

#ifndef COMMITS
#define COMMITS 7
#endif
#define CONNECTIONS 2
#define NONE 255

/* ---- commits ---- */
byte parent[COMMITS], depth[COMMITS];
byte maker[COMMITS];
bit in_sight[COMMITS]; /* was sent as a request or response */
byte made = 1;         /* 0: the Welcome's epoch, of nobody */

/* ---- a pair: on the disk of party p at index p, of connection k at party p at 2 + 2 * k + p, in a backup at BACKUP ---- */
#ifdef ROLLBACK
#define COPIES (3 + 2 * CONNECTIONS)
#define BACKUP (COPIES - 1)
byte backed = NONE; /* the party that the backup is of */
bit rolled;
#else
#define COPIES (2 + 2 * CONNECTIONS)
#define rolled false
#endif
byte state[COPIES], epoch[COPIES], pending[COPIES], applied[COPIES];
bit applied_in_sight[COPIES];
bit stale[COPIES]; /* the session was saved by another connection since this copy was loaded: tw_channel_version */

#define copy_of(k, p) (2 + 2 * (k) + (p))

inline load(i, from) {
  state[i] = state[from]; epoch[i] = epoch[from]; pending[i] = pending[from]; applied[i] = applied[from];
  applied_in_sight[i] = applied_in_sight[from]; stale[i] = 0
}
inline forget(i) {
  state[i] = 0; epoch[i] = 0; pending[i] = 0; applied[i] = 0; applied_in_sight[i] = 0; stale[i] = 0
}

/* ---- connections ---- */
#define DOWN 0
#define OPEN 1    /* nothing yet at this end */
#define BEGUN 2   /* asking, or a candidate that answered */
#define LIVE 3    /* keys are confirmed */
#define ATTACKER 4
byte phase[2 * CONNECTIONS]; /* of party p at connection k: 2 * k + p */
byte owner[2] = {NONE, NONE}; /* the connection that saved last */
mtype = {request, response, update, confirmation, record};
chan wire[2 * CONNECTIONS] = [4] of {mtype, byte}; /* to party p at connection k */
#define end_of(k, p) (2 * (k) + (p))

inline cut_here(k, p) { /* p's end is gone; what is on its way to it, too */
  phase[end_of(k, p)] = DOWN;
  forget(copy_of(k, p));
  do
  :: nempty(wire[end_of(k, p)]) -> wire[end_of(k, p)]?_,_
  :: empty(wire[end_of(k, p)]) -> break
  od;
  if
  :: owner[p] == k -> owner[p] = NONE
  :: else
  fi
}

inline send(k, p, what, c) { /* to the other end, if it is there */
  if
  :: phase[end_of(k, 1 - p)] != DOWN && phase[end_of(k, 1 - p)] != ATTACKER -> wire[end_of(k, 1 - p)]!what, c
  :: else
  fi
}

/* ---- making a commit ---- */
inline make(i, p) { /* on the epoch of copy i; it is pending */
  parent[made] = epoch[i];
  depth[made] = depth[epoch[i]] + 1;
  maker[made] = (p);
  pending[i] = made;
  made++
}
#define can_make(n) (made + (n) <= COMMITS)

#ifdef NO_NONCE
bit keyed[2 * COMMITS]; /* by party and epoch */
inline use_key(p, e) {
  assert(!keyed[2 * (e) + (p)]);
  keyed[2 * (e) + (p)] = 1
}
#else
#define use_key(p, e) skip
#endif

/* ---- what a request is ---- */
byte kind;
inline classify(i, p, c) {
  if
  :: applied[i] != NONE && applied[i] == c -> kind = IN_REQUEST_REPEATED
  :: else ->
     if
     :: depth[parent[c]] == depth[epoch[i]] -> kind = in_level(p)
     :: depth[parent[c]] == depth[epoch[i]] + 1 && pending[i] != NONE -> kind = IN_REQUEST_AHEAD
     :: else -> kind = 0
     fi
  fi
}

/* What tw_pair_receive does with a request that party p takes. `done`: 0 refused, 1 answered, 2 crossed. */
byte done;
bit fresh_request, changed;
inline take_request(i, p, c) {
  done = 1;
  changed = 1;
  fresh_request = 1;
  classify(i, p, c);
  if
  :: kind == IN_REQUEST_REPEATED ->
     fresh_request = !applied_in_sight[i];
     if
     :: pending[i] == NONE -> make(i, p)
     :: else ->
#ifdef NEW_RESPONSE
        if
        :: state[i] == ANSWERED && can_make(1) -> make(i, p)
        :: else
        fi;
#endif
        changed = (state[i] != ANSWERED)
     fi
  :: kind == in_level(p) && pending[i] != NONE && (p) == 0 ->
     done = 2;
     changed = 0
  :: kind == in_level(p) && (pending[i] == NONE || (p) == 1) && parent[c] == epoch[i] && maker[c] == 1 - (p) ->
     epoch[i] = c;
     make(i, p);
     applied[i] = c
  :: kind == IN_REQUEST_AHEAD && parent[c] == pending[i] && maker[c] == 1 - (p) ->
     epoch[i] = c;
     make(i, p);
     applied[i] = c
  :: else ->
#ifdef NO_APART
     if
     :: kind == 0 && pending[i] == NONE && can_make(1) -> make(i, p)
     :: kind == 0 && pending[i] != NONE
     :: else -> done = 0
     fi
#else
     done = 0
#endif
  fi;
  if
  :: done == 1 ->
     NOTE(state[i], kind, ANSWERED);
     state[i] = ANSWERED;
     applied_in_sight[i] = 1;
     use_key(p, pending[i])
  :: done == 2 ->
     NOTE(state[i], kind, ASKING);
     state[i] = ASKING
  :: else
  fi
}

bit good;
inline take_response(i, p, c) {
  good = (state[i] == ASKING && parent[c] == pending[i] && maker[c] == 1 - (p));
  if
  :: good ->
     NOTE(ASKING, IN_RESUMPTION_RESPONSE, STEADY);
     epoch[i] = c;
     pending[i] = NONE;
     applied[i] = c;
     applied_in_sight[i] = 1;
     state[i] = STEADY;
     use_key(p, c)
  :: else
  fi
}
inline adopt(i) {
  epoch[i] = pending[i];
  pending[i] = NONE;
  applied[i] = NONE;
  applied_in_sight[i] = 0;
  state[i] = STEADY
}
inline ask(i, p) {
  if
  :: pending[i] == NONE -> make(i, p)
  :: else
  fi;
  NOTE(state[i], IN_RESUME, ASKING);
  state[i] = ASKING
}
#define may_ask(i) (state[i] != UNCONFIRMED)

/* Adopt, save, send: a compare-and-set; the connection that had the session before ends. */
byte other; /* a scratch */
bit cut;    /* the connection at hand is to be cut at p when the step is done */
inline save(k, p) {
  if
#ifndef NO_VERSION
  :: stale[copy_of(k, p)] -> cut = 1
#endif
#ifdef SEND_FIRST
  :: !stale[copy_of(k, p)] -> crash = 1
  :: !stale[copy_of(k, p)] ->
#else
  :: else ->
#endif
     if
     :: owner[p] != NONE && owner[p] != k ->
        other = owner[p];
        cut_here(other, p)
     :: else
     fi;
     if
     :: phase[end_of(1 - (k), p)] != DOWN -> stale[copy_of(1 - (k), p)] = 1
     :: else
     fi;
     load(p, copy_of(k, p));
     owner[p] = k
  fi
}
#ifdef SEND_FIRST
bit crash;
#endif

bit audited;

/* ---- the auditor: one honest reconnection by party a, over copies 2 and 3 ---- */
inline audit() {
  load(2, a);
  load(3, 1 - a);
  ask(2, a);
  take_request(3, 1 - a, pending[2]);
  asker = 2;
  if
  :: done == 2 -> /* crossed: it is turned around */
     take_request(2, a, pending[3]);
     asker = 3;
     a = 1 - a
  :: else
  fi;
  assert(done == 1 || rolled);
  if
  :: done == 1 ->
     take_response(asker, a, pending[5 - asker]);
     assert(good);
     NOTE(ANSWERED, IN_CONFIRM, STEADY);
     adopt(5 - asker);
     assert(epoch[2] == epoch[3] && pending[2] == NONE && pending[3] == NONE)
  :: else /* an old copy, noticed */
  fi
}

/* ---- what happens ---- */
bit in_use;
inline receive_request(k, p, i, c) {
  in_use = (owner[p] != NONE && owner[p] != k);
  if
  :: phase[end_of(k, p)] == OPEN -> load(i, p)
  :: else
  fi;
  take_request(i, p, c);
  if
  :: done == 0 -> cut = 1
#ifndef NO_FRESH
  :: done == 1 && in_use && changed && !fresh_request -> cut = 1
#endif
  :: else ->
     if
     :: done == 1 && changed -> save(k, p)
     :: else
     fi;
     if
     :: cut
     :: else ->
        phase[end_of(k, p)] = BEGUN;
        in_sight[pending[i]] = 1;
        if
        :: done == 1 -> send(k, p, response, pending[i])
        :: done == 2 -> send(k, p, request, pending[i])
        fi
     fi
  fi
}

inline receive_response(k, p, i, c) {
  take_response(i, p, c);
  if
  :: !good -> cut = 1
  :: else ->
     save(k, p);
     if
     :: cut
     :: else ->
        phase[end_of(k, p)] = LIVE;
        send(k, p, record, epoch[i])
     fi
  fi
}

/* It opens under the epoch of our response alone. */
inline receive_record(k, p, i, c) {
  if
  :: phase[end_of(k, p)] == BEGUN && state[i] == ANSWERED && pending[i] == c ->
     NOTE(ANSWERED, IN_CONFIRM, STEADY);
     adopt(i);
     save(k, p);
     if
     :: cut
     :: else -> phase[end_of(k, p)] = LIVE
     fi
  :: else -> cut = 1
  fi
}

inline receive_update(k, p, i, c) {
  if
  :: state[i] == LEADING -> NOTE(LEADING, IN_CONNECTION_UPDATE, LEADING) /* the tie is ours */
  :: phase[end_of(k, p)] == LIVE && parent[c] == epoch[i] && (state[i] == STEADY || state[i] == YIELDING) ->
     NOTE(state[i], IN_CONNECTION_UPDATE, STEADY);
     epoch[i] = c;
     pending[i] = NONE;
     applied[i] = c;
     applied_in_sight[i] = 0;
     state[i] = STEADY;
     save(k, p);
     if
     :: cut
     :: else -> send(k, p, confirmation, c)
     fi
  :: else -> cut = 1
  fi
}

inline receive_confirmation(k, p, i, c) {
  if
  :: state[i] == waiting(p) && pending[i] == c ->
     NOTE(state[i], IN_EPOCH_KEY_UPDATE, STEADY);
     adopt(i);
     save(k, p)
  :: else -> cut = 1
  fi
}

/* The party and end that the step is about. */
#define here phase[end_of(k, p)]
#define there phase[end_of(k, 1 - p)]

active proctype world() {
  byte k, p, c, i, a, asker;
  d_step {
    pending[0] = NONE; pending[1] = NONE; applied[0] = NONE; applied[1] = NONE;
    parent[0] = NONE; maker[0] = NONE
  }
  /* Both hold the Welcome's epoch; the responder may not know that. */
  state[0] = STEADY;
  if
  :: state[1] = STEADY
  :: state[1] = UNCONFIRMED
  fi;
  do
  :: audited == 0 -> atomic {
       if :: k = 0 :: k = 1 fi;
       if :: p = 0 :: p = 1 fi;
       i = copy_of(k, p);
       if
       /* the end of everything: does it converge? */
       :: can_make(2) && k == 0 && may_ask(p) ->
          a = p;
          audit();
          a = 0; asker = 0;
          audited = 1
       /* a crash, or a loss that one side notices */
       :: here != DOWN && here != ATTACKER -> cut = 1
#ifdef ROLLBACK
       :: backed == NONE ->
          load(BACKUP, p);
          backed = p
       :: backed == p && !rolled ->
          cut_here(0, p);
          cut_here(1, p);
          load(p, BACKUP);
          forget(BACKUP);
          rolled = 1
#endif
       /* open a connection and ask */
       :: here == DOWN && there == DOWN && can_make(3) && may_ask(p) ->
          load(i, p);
          if
          :: owner[p] != NONE ->
             other = owner[p];
             cut_here(other, p)
          :: else
          fi;
          ask(i, p);
          in_sight[pending[i]] = 1;
          here = BEGUN;
          if
          :: there = OPEN
          :: there = ATTACKER
          fi;
          save(k, p);
          send(k, p, request, pending[i])
       /* the attacker opens one */
       :: here == DOWN && there == DOWN && can_make(3) ->
          here = OPEN;
          there = ATTACKER
       /* and speaks, with what he has seen */
       :: there == ATTACKER && (here == OPEN || (here == BEGUN && state[i] == ASKING)) && can_make(2) ->
          if :: c = 1 :: c = 2 :: c = 3 :: c = 4 fi;
          if
          :: c < made && in_sight[c] -> receive_request(k, p, i, c)
          :: c < made && in_sight[c] && here == BEGUN -> receive_response(k, p, i, c)
          :: else
          fi
       /* and leaves */
       :: there == ATTACKER ->
          there = DOWN;
          cut = 1
       /* an update on a live connection */
       :: here == LIVE && there == LIVE && state[i] == STEADY && can_make(3) ->
          make(i, p);
          NOTE(STEADY, in_update(p), waiting(p));
          state[i] = waiting(p);
          save(k, p);
          if
          :: cut
          :: else -> send(k, p, update, pending[i])
          fi
       /* take a message */
       :: here != ATTACKER && nempty(wire[end_of(k, p)]) && can_make(2) ->
          if
          :: wire[end_of(k, p)]?request, c ->
             if
             :: here == OPEN || (here == BEGUN && state[i] == ASKING) -> receive_request(k, p, i, c)
             :: else -> cut = 1
             fi
          :: wire[end_of(k, p)]?response, c -> receive_response(k, p, i, c)
          :: wire[end_of(k, p)]?record, c -> receive_record(k, p, i, c)
          :: wire[end_of(k, p)]?update, c -> receive_update(k, p, i, c)
          :: wire[end_of(k, p)]?confirmation, c -> receive_confirmation(k, p, i, c)
          fi
       :: skip
       fi;
#ifdef SEND_FIRST
       cut = cut || crash;
       crash = 0;
#endif
       if
       :: cut -> cut_here(k, p)
       :: else
       fi;
       i = copy_of(k, p);
       assert(here != LIVE || there != LIVE || state[i] != STEADY || state[copy_of(k, 1 - p)] != STEADY ||
              nempty(wire[end_of(k, p)]) || nempty(wire[end_of(k, 1 - p)]) || epoch[i] == epoch[copy_of(k, 1 - p)]);
       kind = 0; done = 0; changed = 0; fresh_request = 0; good = 0; cut = 0; other = 0; in_use = 0; c = 0; i = 0; k = 0; p = 0
     }
  :: audited == 1 -> break
  od
}
