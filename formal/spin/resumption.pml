/*
 * Resumption of a pair: docs/protocols.md, "Resumption (D5)". SPDX-License-Identifier: Apache-2.0
 *
 * Two parties, each with a disk and up to two connections between them at a time; a connection may be cut at any moment,
 * with what is on its way in either direction; messages of one connection come in order, those of different ones in any.
 * A crash is the loss of all connections, since everything is on the disk before it leaves. An attacker sends any commit
 * that was in sight as a request on a connection of his own. At any moment an auditor stops all that and has one side
 * resume over a good connection: that has to end in one epoch, without a refusal.
 *
 * A commit is a number; the epoch that it makes has the same one. What is left out: signatures and encryption (a commit is
 * taken only where its parent is the receiver's epoch, as decryption has it), credentials, contents, the hellos, early
 * data, ties within a connection that stays up (tests/pair/test_pair.c). Bounds: COMMITS, CONNECTIONS.
 *
 * NO_VERSION and NEW_RESPONSE take one defence out each, and spin finds what they are for. NO_FRESH takes out the one that
 * keeps a replay from costing a live connection: convergence does not need it, and spin finds nothing. tools/formal runs it.
 */
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

/* ---- a pair: on the disk of party p at index p, of connection k at party p at 2 + 2 * k + p ---- */
#define COPIES (2 + 2 * CONNECTIONS)
#define STEADY 0
#define WAITING 1 /* LEADING or YIELDING, by the party */
#define ASKING 2
#define ANSWERED 3
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
  phase[end_of(k, p)] = DOWN; forget(copy_of(k, p));
  do :: nempty(wire[end_of(k, p)]) -> wire[end_of(k, p)]?_,_ :: empty(wire[end_of(k, p)]) -> break od;
  if :: owner[p] == k -> owner[p] = NONE :: else fi
}

/* ---- making a commit ---- */
byte fresh;
inline make(p, from) {
  fresh = made; parent[made] = from; depth[made] = depth[from] + 1; maker[made] = (p); made++
}
#define can_make(n) (made + (n) <= COMMITS)

/* ---- what a request is ---- */
#define REPEATED 0
#define AHEAD 1
#define LEVEL 2
#define APART 3
byte kind;
inline classify(i, c) {
  if
  :: applied[i] != NONE && applied[i] == c -> kind = REPEATED
  :: else ->
     if
     :: depth[parent[c]] == depth[epoch[i]] -> kind = LEVEL
     :: depth[parent[c]] == depth[epoch[i]] + 1 && pending[i] != NONE -> kind = AHEAD
     :: else -> kind = APART
     fi
  fi
}

/* What tw_pair_receive does with a request that party p takes. `done`: 0 refused, 1 answered, 2 crossed. */
byte done;
bit fresh_request, changed;
inline take_request(i, p, c) {
  done = 0; changed = 1; fresh_request = 1;
  classify(i, c);
  if
  :: kind == REPEATED ->
     fresh_request = !applied_in_sight[i];
     if
     :: pending[i] == NONE -> make(p, epoch[i]); pending[i] = fresh; done = 1
     :: else ->
#ifdef NEW_RESPONSE
        if :: state[i] == ANSWERED && can_make(1) -> make(p, epoch[i]); pending[i] = fresh :: else fi;
#endif
        changed = (state[i] != ANSWERED); done = 1
     fi
  :: kind == LEVEL && parent[c] == epoch[i] && maker[c] == 1 - (p) && (pending[i] == NONE || (p) == 1) ->
     epoch[i] = c; make(p, c); pending[i] = fresh; applied[i] = c; done = 1
  :: kind == LEVEL && pending[i] != NONE && (p) == 0 -> done = 2; changed = 0
  :: kind == AHEAD && parent[c] == pending[i] && maker[c] == 1 - (p) ->
     epoch[i] = c; make(p, c); pending[i] = fresh; applied[i] = c; done = 1
  :: else -> skip
  fi;
  if
  :: done == 1 -> state[i] = ANSWERED; applied_in_sight[i] = 1
  :: done == 2 -> state[i] = ASKING
  :: else
  fi
}

bit good;
inline take_response(i, c) {
  good = 0;
  if
  :: state[i] == ASKING && parent[c] == pending[i] ->
     epoch[i] = c; pending[i] = NONE; applied[i] = c; applied_in_sight[i] = 1; state[i] = STEADY; good = 1
  :: else
  fi
}
inline confirm(i) {
  if
  :: state[i] == ANSWERED -> epoch[i] = pending[i]; pending[i] = NONE; applied[i] = NONE; applied_in_sight[i] = 0;
     state[i] = STEADY; changed = 1
  :: else -> changed = 0
  fi
}

/* Adopt, save, send: a compare-and-set; the connection that had the session before ends. */
bit saved;
inline save(k, p) {
  if
#ifndef NO_VERSION
  :: stale[copy_of(k, p)] -> saved = 0
#endif
  :: else ->
     if :: owner[p] != NONE && owner[p] != k -> other = owner[p]; cut_here(other, p) :: else fi;
     if :: phase[end_of(1 - (k), p)] != DOWN -> stale[copy_of(1 - (k), p)] = 1 :: else fi;
     load(p, copy_of(k, p));
     owner[p] = k; saved = 1
  fi
}

byte other; /* a scratch */
bit audited;

/* ---- the auditor: one honest reconnection by party a, over copies 2 and 3 ---- */
inline audit(a) {
  load(2, a); load(3, 1 - a);
  /* ask */
  if :: pending[2] == NONE -> make(a, epoch[2]); pending[2] = fresh :: else fi;
  state[2] = ASKING;
  take_request(3, 1 - a, pending[2]);
  assert(done != 0);
  if
  :: done == 2 -> /* crossed: it is turned around */
     take_request(2, a, pending[3]);
     assert(done == 1);
     take_response(3, pending[2]);
     assert(good);
     confirm(2)
  :: else ->
     take_response(2, pending[3]);
     assert(good);
     confirm(3)
  fi;
  assert(epoch[2] == epoch[3]);
  assert(pending[2] == NONE && pending[3] == NONE)
}

/* ---- what happens ---- */
bit in_use;
inline receive_request(k, p, c) {
  in_use = (owner[p] != NONE && owner[p] != k);
  if
  :: phase[end_of(k, p)] == OPEN -> load(copy_of(k, p), p)
  :: else
  fi;
  take_request(copy_of(k, p), p, c);
  if
  :: done == 0 -> cut_here(k, p)
#ifndef NO_FRESH
  :: done == 1 && in_use && changed && !fresh_request -> cut_here(k, p)
#endif
  :: else ->
     saved = 1;
     if :: done == 1 && changed -> save(k, p) :: else fi;
     if
     :: !saved -> cut_here(k, p)
     :: else ->
        phase[end_of(k, p)] = BEGUN; in_sight[pending[copy_of(k, p)]] = 1;
        if
        :: phase[end_of(k, 1 - p)] == DOWN || phase[end_of(k, 1 - p)] == ATTACKER -> skip /* goes nowhere */
        :: else ->
           if
           :: done == 1 -> wire[end_of(k, 1 - p)]!response, pending[copy_of(k, p)]
           :: done == 2 -> wire[end_of(k, 1 - p)]!request, pending[copy_of(k, p)]
           fi
        fi
     fi
  fi
}

active proctype world() {
  byte k, p, c, i;
  /* both hold the Welcome's epoch */
  d_step {
    state[0] = STEADY; state[1] = STEADY; pending[0] = NONE; pending[1] = NONE; applied[0] = NONE; applied[1] = NONE;
    parent[0] = NONE; maker[0] = NONE
  }
  do
  :: audited == 0 -> atomic {
       /* choose where */
       if :: k = 0 :: k = 1 fi;
       if :: p = 0 :: p = 1 fi;
       i = copy_of(k, p);
       if
       /* the end of everything: does it converge? */
       :: can_make(2) -> if :: audit(0) :: audit(1) fi; audited = 1
       /* a crash, or a loss that one side notices */
       :: phase[end_of(k, p)] != DOWN && phase[end_of(k, p)] != ATTACKER -> cut_here(k, p)
       /* open a connection and ask */
       :: phase[end_of(k, 0)] == DOWN && phase[end_of(k, 1)] == DOWN && can_make(3) ->
          load(i, p);
          if :: owner[p] != NONE -> other = owner[p]; cut_here(other, p) :: else fi;
          if :: pending[i] == NONE -> make(p, epoch[i]); pending[i] = fresh :: else fi;
          state[i] = ASKING; in_sight[pending[i]] = 1;
          phase[end_of(k, p)] = BEGUN; phase[end_of(k, 1 - p)] = OPEN;
          save(k, p); assert(saved);
          wire[end_of(k, 1 - p)]!request, pending[i]
       /* the attacker does, with what he has seen */
       :: phase[end_of(k, 0)] == DOWN && phase[end_of(k, 1)] == DOWN && can_make(3) ->
          if :: c = 1 :: c = 2 :: c = 3 :: c = 4 fi;
          if
          :: c < made && in_sight[c] ->
             phase[end_of(k, p)] = OPEN; phase[end_of(k, 1 - p)] = ATTACKER;
             receive_request(k, p, c)
          :: else
          fi
       /* and leaves */
       :: phase[end_of(k, 1 - p)] == ATTACKER -> phase[end_of(k, 1 - p)] = DOWN; cut_here(k, p)
       /* an update on a live connection */
       :: phase[end_of(k, p)] == LIVE && phase[end_of(k, 1 - p)] == LIVE && state[i] == STEADY && can_make(3) ->
          make(p, epoch[i]); pending[i] = fresh; state[i] = WAITING;
          save(k, p);
          if :: saved -> wire[end_of(k, 1 - p)]!update, pending[i] :: else -> cut_here(k, p) fi
       /* take a message */
       :: phase[end_of(k, p)] != ATTACKER && nempty(wire[end_of(k, p)]) && can_make(2) ->
          if
          :: wire[end_of(k, p)]?request, c ->
             if
             :: phase[end_of(k, p)] == OPEN || (phase[end_of(k, p)] == BEGUN && state[i] == ASKING) -> receive_request(k, p, c)
             :: else -> cut_here(k, p)
             fi
          :: wire[end_of(k, p)]?response, c ->
             take_response(i, c);
             if
             :: !good -> cut_here(k, p)
             :: else ->
                save(k, p);
                if
                :: !saved -> cut_here(k, p)
                :: else ->
                   phase[end_of(k, p)] = LIVE;
                   if :: phase[end_of(k, 1 - p)] != DOWN -> wire[end_of(k, 1 - p)]!record, epoch[i] :: else fi
                fi
             fi
          :: wire[end_of(k, p)]?record, c ->
             /* opens under the epoch of our response alone */
             if
             :: phase[end_of(k, p)] == BEGUN && state[i] == ANSWERED && pending[i] == c ->
                confirm(i); save(k, p);
                if :: saved -> phase[end_of(k, p)] = LIVE :: else -> cut_here(k, p) fi
             :: else -> cut_here(k, p)
             fi
          :: wire[end_of(k, p)]?update, c ->
             if
             :: state[i] == WAITING && p == 0 -> skip /* the tie is ours */
             :: phase[end_of(k, p)] == LIVE && parent[c] == epoch[i] && (state[i] == STEADY || (state[i] == WAITING && p == 1)) ->
                epoch[i] = c; pending[i] = NONE; applied[i] = c; applied_in_sight[i] = 0; state[i] = STEADY;
                save(k, p);
                if
                :: saved -> if :: phase[end_of(k, 1 - p)] != DOWN -> wire[end_of(k, 1 - p)]!confirmation, c :: else fi
                :: else -> cut_here(k, p)
                fi
             :: else -> cut_here(k, p)
             fi
          :: wire[end_of(k, p)]?confirmation, c ->
             if
             :: state[i] == WAITING && pending[i] == c ->
                epoch[i] = c; pending[i] = NONE; applied[i] = NONE; applied_in_sight[i] = 0; state[i] = STEADY;
                save(k, p);
                if :: saved :: else -> cut_here(k, p) fi
             :: else -> cut_here(k, p)
             fi
          fi
       :: skip
       fi;
       fresh = 0; kind = 0; done = 0; changed = 0; fresh_request = 0; good = 0; saved = 0; other = 0; in_use = 0; c = 0; i = 0; k = 0; p = 0
     }
  :: audited == 1 -> break
  od
}
