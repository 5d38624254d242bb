/*
 * Updates and ties of a pair over one connection that stays up: docs/protocols.md, "Updates", "Ties", "Changing keys
 * (D4)", "The end". SPDX-License-Identifier: Apache-2.0
 *
 * Party 0 sends client_hello, party 1 answers. From then on either side makes updates, sends application data and sends
 * close_notify at any moment, each bounded; messages come whole and in order. At any moment an auditor stops all that:
 * what is on its way arrives, and then both have to be in one epoch, with the same keys, and nothing outstanding. What
 * holds besides: no record and no message is refused, no record comes after one that did not come, no number is used
 * twice with a key, a second update never meets one of ours that is outstanding, an update renews its maker's leaf. When
 * the channel was closed with something outstanding, a resumption by either side would be taken.
 *
 * A commit is a number; the epoch that it makes has the same one, its number in the protocol is its depth. A record opens
 * where key and number are the receiver's. What is left out: signatures and encryption of MLS, contents, messages over
 * several records, losses of the connection (resumption.pml), limits, who opened the connection (its keys, nothing else),
 * errors of a side of its own but for an update that cannot be put out and is taken back at once.
 *
 * Bounds: COMMITS, those taken back included; RECORDS of application data a side.
 *
 * DROPS: someone on the wire takes one protected record away, at any moment: the receiver must not take what follows.
 * THEFT: someone gets all secrets of one side, at any moment, and sees all that is sent from then on: an update of that
 * side which it made after that gives an epoch that he does not know.
 *
 * LIVENESS: after the auditor has stopped all, both do come to rest in one epoch, where neither side waits for ever.
 *
 * Mutants, each with a violation that `run` wants to see:
 *   BOTH_LEAD        the responder ignores the update that meets its own, too
 *   NONE_LEADS       the initiator applies the update that meets its own, too
 *   SWITCH_EARLY     epoch_key_update goes under the new key
 *   NO_TRIAL         the receiver of an update gives its old receive key up at once
 *   RESTART          numbers begin at 0 with each key, as in TLS (with DROPS)
 *   RESTART_FIRST    numbers begin at 0 before epoch_key_update, which goes under the old key
 *   CLOSE_STOPS      2PMLS messages that come after close_notify are ignored
 *   LATE_TAKE_BACK   an update that was not sent is taken back later, when other messages may have come
 *   ANSWERS_WAIT     who has no room for an answer waits, and takes nothing meanwhile
 *   PEER_HEALS       the claim that an update of the other side heals (with THEFT)
 *
 * Nothing is refused, so that of the model as it is no search reaches these:
 * unreached: :: else -> assert(false)
 * unreached: assert(dropped);
 * unreached: failed = 1
 */
#include "pair.h"

#ifndef COMMITS
#define COMMITS 4
#endif
#ifndef RECORDS
#define RECORDS 1
#endif
#define NONE 255
#define PLAIN 254

/* ---- commits; 0 is the Welcome's epoch ---- */
byte parent[COMMITS + 1], depth[COMMITS + 1], maker[COMMITS + 1];
byte leaf_of_initiator[COMMITS + 1], leaf_of_responder[COMMITS + 1]; /* the commit that brought it */
byte made = 1;

/* ---- pairs ---- */
byte state[2], epoch[2], pending[2] = NONE;
bit tie_met[2];

/* ---- channels ---- */
mtype = {client_hello, server_hello, connection_update, epoch_key_update, data, close_notify};
#ifdef ANSWERS_WAIT
#define ROOM 2
#else
#define ROOM (2 + 2 * COMMITS + 2 * RECORDS) /* what is never full */
#endif
chan wire[2] = [ROOM] of {mtype, byte, byte, byte, byte}; /* to party p: kind, key, number, place in the stream, epoch */
byte send_key[2] = NONE, receive_key[2] = NONE, receive_next[2] = NONE;
byte send_number[2], receive_number[2];
byte sent[2], taken[2];           /* places in the stream */
byte used[2 * (COMMITS + 1)];     /* by sender and key: numbers below are used up */
byte records[2];
bit established[2], sent_close[2], got_close[2], ended[2];
bit failed;                       /* a record did not open: the connection is over */
bit dropped, audited;
#ifdef LATE_TAKE_BACK
bit withheld[2];
#endif

/* ---- what a thief knows ---- */
#ifdef THEFT
byte robbed = NONE, made_at_theft;
bit knows[COMMITS + 1];           /* epochs */
#define leaf_of_robbed(e) (robbed == 0 -> leaf_of_initiator[e] : leaf_of_responder[e])
/* The path of a commit is encrypted to the other side's leaf. He has the robbed side's leaf keys made before. */
#define reads(c) (knows[parent[c]] && maker[c] == 1 - robbed && leaf_of_robbed(parent[c]) < made_at_theft)
#endif

inline make(p) {
  parent[made] = epoch[p];
  depth[made] = depth[epoch[p]] + 1;
  maker[made] = p;
  leaf_of_initiator[made] = (p == 0 -> made : leaf_of_initiator[epoch[p]]);
  leaf_of_responder[made] = (p == 1 -> made : leaf_of_responder[epoch[p]]);
#ifdef THEFT
  if
  :: robbed != NONE -> knows[made] = reads(made)
  :: else
  fi;
#endif
  pending[p] = made;
  made++
}
#define leaf_of(p, e) (p == 0 -> leaf_of_initiator[e] : leaf_of_responder[e])

/* ---- records ---- */

inline put_plain(p, kind) {
  assert(nfull(wire[1 - p]));
  wire[1 - p]!kind, PLAIN, 0, 0, 0
}
inline put(p, kind, value) {
  assert(nfull(wire[1 - p]));
  assert(send_number[p] >= used[2 * send_key[p] + p]);
  used[2 * send_key[p] + p] = send_number[p] + 1;
  wire[1 - p]!kind, send_key[p], send_number[p], sent[p], value;
  send_number[p]++;
  sent[p]++
}
#ifdef RESTART
#define begin_numbers(number) number = 0
#define first_number(p) 0
#else
#define begin_numbers(number) skip
#define first_number(p) receive_number[p]
#endif

inline open(p) {
  opened = 0;
  if
  :: key == receive_key[p] && number == receive_number[p] -> opened = 1
  :: else ->
     if
     :: receive_next[p] != NONE && key == receive_next[p] && number == first_number(p) ->
        receive_key[p] = receive_next[p];
        receive_next[p] = NONE;
        begin_numbers(receive_number[p]);
        opened = 1
     :: else
     fi
  fi;
  if
  :: opened ->
     assert(place == taken[p]);
     taken[p]++;
     receive_number[p]++
  :: else ->
     assert(dropped);
     failed = 1
  fi
}

/* ---- messages ---- */

inline apply(p) {
  assert(parent[value] == epoch[p] && maker[value] == 1 - p);
  assert(leaf_of(1 - p, value) == value && leaf_of(p, value) == leaf_of(p, epoch[p]));
  epoch[p] = value;
  pending[p] = NONE;
#ifdef THEFT
#ifdef PEER_HEALS
  assert(robbed != p || value < made_at_theft || !knows[value]);
#endif
#endif
#ifdef NO_TRIAL
  receive_key[p] = value;
#else
  receive_next[p] = value;
#endif
#ifdef SWITCH_EARLY
  send_key[p] = value;
#endif
#ifdef RESTART_FIRST
  send_number[p] = 0;
#endif
  put(p, epoch_key_update, depth[value]);
  send_key[p] = value;
  begin_numbers(send_number[p])
}

inline take_update(p) {
  assert(receive_next[p] == NONE);
  if
  :: state[p] == STEADY ->
     NOTE(STEADY, IN_CONNECTION_UPDATE, STEADY);
     apply(p)
  :: state[p] == LEADING ->
#ifndef NONE_LEADS
     NOTE(LEADING, IN_CONNECTION_UPDATE, LEADING);
     assert(!tie_met[p] && depth[parent[value]] == depth[epoch[p]]);
     tie_met[p] = 1
#else
     apply(p);
     state[p] = STEADY
#endif
  :: state[p] == YIELDING ->
#ifndef BOTH_LEAD
     NOTE(YIELDING, IN_CONNECTION_UPDATE, STEADY);
     apply(p);
     state[p] = STEADY
#else
     skip
#endif
  :: else -> assert(false)
  fi
}

inline take_answer(p) {
  assert(receive_next[p] == NONE);
  assert(state[p] == waiting(p) && value == depth[pending[p]]);
  NOTE(state[p], IN_EPOCH_KEY_UPDATE, STEADY);
  assert(leaf_of(p, pending[p]) == pending[p]);
  epoch[p] = pending[p];
  pending[p] = NONE;
  tie_met[p] = 0;
  state[p] = STEADY;
#ifdef THEFT
  assert(robbed != p || epoch[p] < made_at_theft || !knows[epoch[p]]);
#endif
  send_key[p] = epoch[p];
  receive_key[p] = epoch[p];
  begin_numbers(send_number[p]);
  begin_numbers(receive_number[p]);
  put(p, data, 0)
}

inline take(p) {
  wire[p]?kind, key, number, place, value;
  if
  :: kind == client_hello ->
     assert(state[p] == NO_PAIR);
     state[p] = UNCONFIRMED;
     put_plain(p, server_hello);
     send_key[p] = 0;
     receive_key[p] = 0
  :: kind == server_hello ->
     assert(state[p] == HELLO_SENT);
     NOTE(HELLO_SENT, IN_SERVER_HELLO, STEADY);
     state[p] = STEADY;
     send_key[p] = 0;
     receive_key[p] = 0;
     established[p] = 1;
     put(p, data, 0)
  :: else ->
     open(p);
     if
     :: failed
     :: else ->
        if
        :: state[p] == UNCONFIRMED ->
           NOTE(UNCONFIRMED, IN_CONFIRM, STEADY);
           state[p] = STEADY;
           established[p] = 1
        :: else
        fi;
        if
#ifdef CLOSE_STOPS
        :: got_close[p]
#endif
        :: kind == connection_update -> take_update(p)
        :: kind == epoch_key_update -> take_answer(p)
        :: kind == data
        :: kind == close_notify ->
           got_close[p] = 1;
           ended[p] = sent_close[p]
        fi
     fi
  fi;
  kind = 0; key = 0; number = 0; place = 0; value = 0; opened = 0
}
mtype kind;
byte key, number, place, value; /* scratch, within an atomic step */
bit opened;

/* ---- the parties ---- */

/* One side has both close_notify; the other's was dropped, and it sees the end of the stream. */
#define is_cut_off (dropped && ((ended[0] && len(wire[1]) == 0) || (ended[1] && len(wire[0]) == 0)))
#define over (failed || (ended[0] && ended[1]) || is_cut_off)
#define quiet (len(wire[0]) == 0 && len(wire[1]) == 0)
#define is_live(p) (established[p] && !ended[p] && !failed && !audited)
#ifdef ANSWERS_WAIT
#define has_room(p) nfull(wire[1 - p])
#else
#define has_room(p) true
#endif
#ifdef LATE_TAKE_BACK
#define is_held(p) withheld[p]
#else
#define is_held(p) false
#endif

proctype party(byte p) {
end:
  do
  :: atomic {
       nempty(wire[p]) && !ended[p] && !failed && has_room(p) -> take(p)
     }
  :: atomic {
       is_live(p) && state[p] == STEADY && made <= COMMITS && has_room(p) ->
       make(p);
       NOTE(STEADY, in_update(p), waiting(p));
       state[p] = waiting(p);
       if
       :: put(p, connection_update, pending[p])
       :: /* it cannot be put out */
#ifdef LATE_TAKE_BACK
          withheld[p] = 1
#else
          NOTE(state[p], IN_TAKE_BACK, STEADY);
          state[p] = STEADY;
          pending[p] = NONE
#endif
       fi
     }
#ifdef LATE_TAKE_BACK
  :: atomic {
       withheld[p] ->
       withheld[p] = 0;
       if
       :: state[p] == waiting(p) ->
          state[p] = STEADY;
          pending[p] = NONE;
          tie_met[p] = 0
       :: else
       fi
     }
#endif
  :: atomic {
       is_live(p) && !sent_close[p] && records[p] < RECORDS && has_room(p) ->
       records[p]++;
       put(p, data, 0)
     }
  :: atomic {
       is_live(p) && !sent_close[p] && has_room(p) ->
       put(p, close_notify, 0);
       sent_close[p] = 1;
       ended[p] = got_close[p]
     }
  :: over || (audited && quiet && !is_held(p)) -> break
  od
}

#ifdef DROPS
active proctype on_the_wire() {
  byte p;
  if :: p = 0 :: p = 1 fi;
end:
  atomic {
    wire[p]?[data] || wire[p]?[close_notify] || wire[p]?[connection_update] || wire[p]?[epoch_key_update] ->
    wire[p]?kind, key, number, place, value;
    dropped = 1;
    kind = 0; key = 0; number = 0; place = 0; value = 0
  }
}
#endif

#ifdef THEFT
active proctype thief() {
  byte p;
  if :: p = 0 :: p = 1 fi;
end:
  atomic {
    state[p] >= STEADY && !audited ->
    robbed = p;
    made_at_theft = made;
    knows[epoch[p]] = 1;
    if
    :: pending[p] != NONE -> knows[pending[p]] = 1
    :: else
    fi
  }
}
#endif

/* A request of party p's is taken by the other side, or meets one of its own (docs/protocols.md, "Resumption (D5)"). */
#define fits(p) (epoch[p] == epoch[1 - p] || epoch[p] == pending[1 - p] || pending[p] == epoch[1 - p])

active proctype auditor() {
  byte p;
  atomic {
    state[0] = HELLO_SENT;
    put_plain(0, client_hello);
    run party(0);
    run party(1)
  }
  atomic {
    state[0] >= STEADY -> audited = 1
  }
  atomic {
    over || (quiet && !is_held(0) && !is_held(1)) ->
    if
    :: dropped /* what has not come is missed when something follows, or the stream ends */
    :: over && !dropped -> assert(fits(0) && fits(1))
    :: !over && !dropped ->
       assert(state[0] == STEADY && state[1] == STEADY);
       assert(epoch[0] == epoch[1] && pending[0] == NONE && pending[1] == NONE);
       assert(send_key[0] == epoch[0] && send_key[1] == epoch[0]);
       assert(receive_key[0] == epoch[0] && receive_key[1] == epoch[0]);
       assert(receive_next[0] == NONE && receive_next[1] == NONE);
       assert(send_number[0] == receive_number[1] && send_number[1] == receive_number[0])
    fi
  }
}

#ifdef LIVENESS
ltl settles { [] (audited -> <> (over || (quiet && state[0] == STEADY && state[1] == STEADY && epoch[0] == epoch[1]))) }
#endif
