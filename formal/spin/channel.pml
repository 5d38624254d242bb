/*
 * One connection that begins with hellos, as its two channels see it: docs/protocols.md, "MLS-TLS", "Changing keys (D4)",
 * "States of a channel", "The end", and "TLS+MLS". SPDX-License-Identifier: Apache-2.0
 *
 * End 0 connects, end 1 accepts, both by MLS-TLS or both by TLS+MLS. Once established, either end makes updates, sends
 * application data and sends close_notify at any moment, each bounded; records come whole and in order, until the stream
 * is cut, which may be at any moment, with what is on its way in either direction. In place of either end there may be
 * an attacker instead, without keys: he repeats the first flight of another connection, or asks to resume a session that
 * nobody knows, and may send a record of another connection. At any moment an auditor stops all wishes and cuts: what is
 * on its way arrives, and then both ends have to be open, in one epoch, with the same keys and numbers, and nothing on
 * trial. What holds besides: an end is established only if its peer holds the same key (D13), so with an attacker there
 * never; no record and no message is refused between honest ends, no record opens before all that were sent before it,
 * no number is used twice with a key, and an end that was closed by close_notify has taken all that the other one sent
 * before its own.
 *
 * A key is the number of the commit that its epoch began with, and who sends; a commit is a number, its epoch's number in
 * the protocol is its depth. A record opens where key and number are the receiver's. What is left out: signatures and
 * encryption of MLS (a server_hello says whether it answers the hello of this connection), the pair's states but for what
 * is outstanding (ties.pml), all of the TLS handshake but for its three flights and their keys, HelloRetryRequest, peers
 * without MLS (an end of the connection like others), contents, messages over several records, alerts (who fails or gives
 * up is gone, and the other end sees that once what came before is read), limits, sessions and how they are saved
 * (channel_resumption.pml, resumption.pml).
 *
 * Bounds: COMMITS, RECORDS of application data a side.
 *
 * DROPS: someone on the wire takes one record away, at any moment: the receiver must not take what follows.
 * BREAKS_RULE: end 0 may make a second update on its first one before that is answered (D3): the other end refuses it.
 *
 * Mutants, each with a violation that `run` wants to see:
 *   TRUSTS_HELLO     the accepting end is established when it has answered the hello
 *   RESTART          numbers begin at 0 with each key, as in TLS (with DROPS)
 *   TAKES_SWITCHING  messages are taken while the peer's switch is still to come (with BREAKS_RULE)
 *   NO_SHOW          who has joined does not send a record at once: who answered may wait for ever
 *
 * What only an end that breaks the rule brings about:
 * unreached: :: else -> assert(broke)
 */
#include "channel.h"

#ifndef COMMITS
#define COMMITS 2
#endif
#ifndef RECORDS
#define RECORDS 1
#endif
#define NONE 255
#define PLAIN 254
#define HANDSHAKE (COMMITS + 1) /* the key of a TLS handshake */
#define FOREIGN (COMMITS + 2)   /* one of another connection */

/* ---- commits; 0 is the Welcome's epoch ---- */
byte parent[COMMITS + 1], depth[COMMITS + 1];
byte made = 1;

/* ---- the ends: what is left of the pair, and the channel ---- */
bit tls;
byte attacker = NONE; /* the end in whose place he is */
byte state[2], epoch[2], pending[2] = NONE;
bit holds[2]; /* the Welcome's epoch */
byte send_key[2] = NONE, receive_key[2] = NONE, receive_next[2] = NONE;
byte send_number[2], receive_number[2];
byte sent[2], taken[2];       /* places in the stream */
byte used[2 * (COMMITS + 2)]; /* by sender and key: numbers below are used up */
byte records[2];
bit sent_close[2], got_close[2];
bit cut, audited;
bit dropped; /* a record was taken away */
bit broke;   /* a rule, by end 0 */

mtype = {hello, answer, request, finished, connection_update, epoch_key_update, data, close_notify};
#define ROOM (4 + 2 * COMMITS + RECORDS) /* what is never full */
chan wire[2] = [ROOM] of {mtype, byte, byte, byte, byte}; /* to end p: kind, key, number, place in the stream, value */

#define is_there(p) (attacker != (p) && state[p] != ENDED && !cut)
#define is_live(p) (is_established(state[p]) && !audited && !cut)

inline move(p, how, to) {
  NOTE(state[p], how, to);
  state[p] = to
}

/* An end is over: by both close_notify, an error, or the end of the stream. Nothing is read any more. */
inline end_it(p) {
  move(p, GO_END, ENDED);
  epoch[p] = 0; pending[p] = NONE; send_key[p] = NONE; receive_key[p] = NONE; receive_next[p] = NONE;
  send_number[p] = 0; receive_number[p] = 0; records[p] = 0;
  do
  :: nempty(wire[p]) -> wire[p]?_,_,_,_,_
  :: empty(wire[p]) -> break
  od
}

/* What honest ends do to each other never comes here. */
inline refuse(p) {
  assert(dropped || broke || attacker != NONE);
  end_it(p)
}

/* ---- records ---- */

inline put_plain(p, what, value) {
  if
  :: is_there(1 - p) -> wire[1 - p]!what, PLAIN, 0, 0, value
  :: else
  fi
}
inline put(p, what, value) {
  assert(send_number[p] >= used[2 * send_key[p] + p]);
  used[2 * send_key[p] + p] = send_number[p] + 1;
  if
  :: is_there(1 - p) -> wire[1 - p]!what, send_key[p], send_number[p], sent[p], value
  :: else
  fi;
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

/* D4: under the key in force, else, with the same number, under the one that follows it. `how` is 0 if neither fits. */
inline open(p) {
  how = 0;
  if
  :: receive_key[p] != NONE && key == receive_key[p] && number == receive_number[p] -> how = GO_RECORD
  :: else ->
     if
     :: receive_next[p] != NONE && key == receive_next[p] && number == first_number(p) ->
        receive_key[p] = receive_next[p];
        receive_next[p] = NONE;
        begin_numbers(receive_number[p]);
        how = GO_NEXT_RECORD
     :: else
     fi
  fi;
  if
  :: how != 0 ->
     assert(place == taken[p]);
     taken[p]++;
     receive_number[p]++
  :: else
  fi
}

inline take_keys(p, k) { /* of both directions; numbers are the caller's business */
  send_key[p] = k;
  receive_key[p] = k
}

/* ---- established ---- */

/* Comes with each move to a state that is. */
#define check_peer(p) assert(attacker != 1 - (p) && holds[1 - (p)])

/* ---- hellos ---- */

inline take_hello(p) {
  if
  :: state[p] == WAITING && p == 1 && !tls && kind == hello ->
     put_plain(p, answer, 0);
     take_keys(p, 0);
     holds[p] = 1;
     move(p, GO_HELLO_ANSWERED, ANSWERED);
#ifdef TRUSTS_HELLO
     move(p, GO_RECORD, OPEN);
     check_peer(p)
#endif
  :: state[p] == HELLO_SENT && kind == answer && value == 0 ->
     take_keys(p, 0);
     holds[p] = 1;
#ifndef NO_SHOW
     put(p, data, 0);
#endif
     move(p, GO_JOINED, OPEN);
     check_peer(p)
  :: state[p] == IN_TLS && p == 1 && receive_key[p] == NONE && kind == hello ->
     put_plain(p, answer, 0);
     take_keys(p, HANDSHAKE);
     put(p, finished, 0);
     send_key[p] = 0;
     send_number[p] = 0;
     holds[p] = 1;
#ifdef TRUSTS_HELLO
     move(p, GO_TLS_DONE, OPEN);
     check_peer(p)
#endif
  :: state[p] == IN_TLS && p == 0 && receive_key[p] == NONE && kind == answer && value == 0 ->
     take_keys(p, HANDSHAKE)
  :: state[p] == IN_TLS && p == 1 && receive_key[p] == NONE && kind == request ->
     move(p, GO_LEAVE_TLS, WAITING);
     refuse(p)
  :: else -> refuse(p)
  fi
}

/* It has opened under the handshake key. */
inline take_finished(p) {
  if
  :: p == 0 ->
     put(p, finished, 0);
     holds[p] = 1
  :: p == 1
  fi;
  take_keys(p, 0);
  if
  :: p == 0 -> send_number[p] = 0
  :: p == 1
  fi;
  receive_number[p] = 0;
  move(p, GO_TLS_DONE, OPEN);
  check_peer(p)
}

/* ---- updates ---- */

inline make(from) {
  parent[made] = from;
  depth[made] = depth[from] + 1;
  made++
}

inline take_update(p) {
  if
  :: p == 0 && pending[p] != NONE -> /* a tie, and ours stands (D2) */
     assert(depth[parent[value]] == depth[epoch[p]])
  :: else ->
     assert(parent[value] == epoch[p]);
     epoch[p] = value;
     pending[p] = NONE;
     receive_next[p] = value;
     put(p, epoch_key_update, value);
     send_key[p] = value;
     begin_numbers(send_number[p]);
     move(p, GO_PEER_UPDATED, SWITCHING)
  fi
}

inline take_answer(p) {
  if
  :: value == pending[p] ->
     epoch[p] = pending[p];
     pending[p] = NONE;
     take_keys(p, epoch[p]);
     begin_numbers(send_number[p]);
     begin_numbers(receive_number[p]);
     move(p, GO_OWN_UPDATED, OPEN);
     put(p, data, 0)
  :: else -> assert(broke)
  fi
}

#ifdef TAKES_SWITCHING
#define takes_updates(p) is_established(state[p])
#else
#define takes_updates(p) (state[p] == OPEN)
#endif

/* ---- what comes ---- */

inline take_record(p) {
  open(p);
  if
  :: how == 0 ->
     assert(dropped || attacker != NONE);
     end_it(p)
  :: how != 0 && state[p] == IN_TLS ->
     move(p, GO_RECORD, IN_TLS);
     assert(kind == finished);
     take_finished(p)
  :: how != 0 && state[p] != IN_TLS ->
     if
     :: state[p] == SWITCHING && how == GO_RECORD -> move(p, GO_RECORD, SWITCHING)
     :: state[p] == SWITCHING && how == GO_NEXT_RECORD -> move(p, GO_NEXT_RECORD, OPEN)
     :: state[p] == OPEN -> move(p, GO_RECORD, OPEN)
     :: state[p] == ANSWERED ->
        move(p, GO_RECORD, OPEN);
        check_peer(p)
     fi;
     if
     :: kind == data
     :: kind == close_notify ->
        got_close[p] = 1;
        if
        :: sent_close[p] -> end_it(p)
        :: else
        fi
     :: (kind == connection_update || kind == epoch_key_update) && !takes_updates(p) -> refuse(p)
     :: kind == connection_update && takes_updates(p) -> take_update(p)
     :: kind == epoch_key_update && takes_updates(p) -> take_answer(p)
     fi
  fi
}

mtype kind;
byte key, number, place, value, how; /* scratch, within an atomic step */

inline take(p) {
  wire[p]?kind, key, number, place, value;
  if
  :: key == PLAIN && receive_key[p] == NONE -> take_hello(p)
  :: key == PLAIN && receive_key[p] != NONE -> refuse(p)
  :: key != PLAIN -> take_record(p)
  fi;
  kind = 0; key = 0; number = 0; place = 0; value = 0; how = 0
}

proctype end_of(byte p) {
end:
  do
  :: atomic {
       state[p] != ENDED && nempty(wire[p]) -> take(p)
     }
  /* the stream has ended: a truncation, or the other one has given up */
  :: atomic {
       state[p] != ENDED && empty(wire[p]) && !is_there(1 - p) && (attacker == NONE || cut) -> end_it(p)
     }
  /* this one gives up */
  :: atomic {
       state[p] != ENDED && !audited && !cut -> end_it(p);
       cut = 1
     }
  :: atomic {
       is_live(p) && pending[p] == NONE && made <= COMMITS ->
       pending[p] = made;
       make(epoch[p]);
       put(p, connection_update, pending[p])
     }
#ifdef BREAKS_RULE
  :: atomic {
       is_live(p) && p == 0 && pending[p] != NONE && made <= COMMITS && !broke ->
       broke = 1;
       make(pending[p]);
       put(p, connection_update, made - 1)
     }
#endif
  :: atomic {
       is_live(p) && !sent_close[p] && records[p] < RECORDS ->
       records[p]++;
       put(p, data, 0)
     }
  :: atomic {
       is_live(p) && !sent_close[p] ->
       put(p, close_notify, 0);
       sent_close[p] = 1;
       if
       :: got_close[p] -> end_it(p)
       :: else
       fi
     }
  :: state[p] == ENDED -> break
  od
}

/* ---- the stream, and who is on it ---- */

/* What is on its way is lost from some point on: what comes before that has been read already. */
proctype cutter() {
end:
  atomic {
    !audited && !cut && (state[0] != ENDED || state[1] != ENDED) ->
    cut = 1;
    do
    :: nempty(wire[0]) -> wire[0]?_,_,_,_,_
    :: nempty(wire[1]) -> wire[1]?_,_,_,_,_
    :: empty(wire[0]) && empty(wire[1]) -> break
    od
  }
}

#ifdef DROPS
active proctype dropper() {
  byte p;
  if :: p = 0 :: p = 1 fi;
end:
  atomic {
    nempty(wire[p]) && !cut ->
    wire[p]?kind, key, number, place, value;
    dropped = 1;
    kind = 0; key = 0; number = 0; place = 0; value = 0
  }
}
#endif

inline begin(p) {
  if
  :: tls -> move(p, GO_TLS, IN_TLS)
  :: else
  fi;
  if
  :: p == 0 && attacker != 0 ->
     put_plain(0, hello, 0);
     if
     :: !tls -> move(p, GO_HELLO, HELLO_SENT)
     :: else
     fi
  :: else
  fi
}

#define is_ready(p) \
  (state[p] == OPEN && pending[p] == NONE && epoch[p] == epoch[1 - p] && receive_next[p] == NONE && \
   send_key[p] == epoch[p] && receive_key[p] == epoch[p] && send_number[p] == receive_number[1 - p])

active proctype world() {
  atomic {
    if :: tls = 0 :: tls = 1 fi;
    if :: attacker = NONE :: attacker = 0 :: attacker = 1 fi;
    if
    :: attacker == 0 ->
       begin(1);
       if
       :: wire[1]!hello, PLAIN, 0, 0, 0
       :: wire[1]!request, PLAIN, 0, 0, 0
       fi;
       wire[1]!data, FOREIGN, 0, 0, 0;
       run end_of(1)
    :: attacker == 1 ->
       begin(0);
       wire[0]!answer, PLAIN, 0, 0, 1;
       wire[0]!data, FOREIGN, 0, 0, 0;
       run end_of(0)
    :: attacker == NONE ->
       begin(0);
       begin(1);
       run end_of(0);
       run end_of(1)
    fi;
    run cutter()
  }
  audited = 1;
  atomic {
    empty(wire[0]) && empty(wire[1]) ->
    if
    :: !cut && attacker == NONE && !dropped && !broke && state[0] != ENDED && state[1] != ENDED ->
       assert(is_ready(0) && is_ready(1) && sent[0] == taken[1] && sent[1] == taken[0])
    :: else
    fi
  }
}
