/*
 * The delivery service of one group, as planned: one commit an epoch, kept until all members have it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Three members, 0 to 2. Each asks the service one thing at a time, at any moment: the question is lost, or is answered
 * and the answer is lost, or all goes well; a commit may also arrive late, when the member may have asked again. A
 * member's disk holds its epoch and the commit that it has made and does not know to be accepted; a crash of a member is
 * a lost answer. Member 0 may remove member 2; another one may lose its disk, and joins again by an external commit on
 * the GroupInfo of the newest epoch. The service writes what it accepts to its disk some time later; a crash loses what
 * is not there.
 *
 * The service sees an epoch's number and who sends, no contents, and is told with a commit who is removed:
 *   commit  accepted if its epoch is the newest; answered when it is on the disk. Else the answer is the commit that took
 *           its place: the sender's own one, sent again, or another one; then the sender applies that and makes anew.
 *   fetch   the commit that follows an epoch. Asking for it says that all before it are on the asker's disk.
 *   info    the GroupInfo of the newest epoch.
 * It deletes a commit once every member has all up to it.
 *
 * At any moment an auditor stops crashes and losses: then all members have to come to the newest epoch with
 * their wishes fulfilled, each by one commit, and all that is stored has to be deleted. What holds besides: members in
 * epochs of one number are in the same epoch; a member is told that its commit is accepted only when no crash can undo
 * that; what is deleted is on the disk of every member; no member misses anything; who was removed is given nothing that
 * came after.
 *
 * A commit is a number; the epoch that it makes has the same one, its number in the protocol is its depth. What is left
 * out: contents and keys (a commit is applied only where its parent is the receiver's epoch), application messages and
 * Welcomes (they are stored and deleted as commits are), adding members, several groups, quotas, members who lie about
 * whom they remove, and a service that lies: it is trusted with availability alone, and what it could do else shows in
 * the epochs' authenticators. Bounds: WISHES of members 0 and 1 to
 * make a commit, WISHES_OF_LAST of member 2, one late commit at a time, CRASHES of the service, LOSSES of a
 * member's disk.
 *
 * LIVENESS: they do come there, whatever the order of their steps, where none waits for ever.
 *
 * Mutants, each with a violation that `run` wants to see:
 *   NO_COMPARE       the service accepts commits of any epoch
 *   TOLD_EARLY       a commit is answered before it is on the disk
 *   SERVED_EARLY     a commit is handed out before it is on the disk
 *   DELETED_EARLY    what was sent to a member counts as fetched
 *   COUNT_REMOVED    what is stored waits for a removed member, too
 *   NEW_TRY          without an answer a member makes a new commit in place of the one that it does not know about
 *   ADOPTED_EARLY    a member adopts its commit when it sends it
 *   BLIND            an external joiner whose place is taken does not look by whom
 *   NO_ROSTER        the service goes on to serve who was removed
 */
#ifndef WISHES
#define WISHES 1
#endif
#ifndef WISHES_OF_LAST
#define WISHES_OF_LAST 0
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#define MEMBERS 3
#define MADE 6 /* commits of one maker that are known at a time: never more */
#define COMMITS (1 + MEMBERS * MADE)
#define NONE 255

/* ---- commits; 0 is the epoch that all three begin in ---- */
#define UPDATE 0
#define REMOVE 1   /* of member 2 */
#define EXTERNAL 2
byte parent[COMMITS], depth[COMMITS], maker[COMMITS], kind[COMMITS];
byte made[MEMBERS];

/* ---- the service's disk, but for what is not there yet ---- */
byte log[COMMITS];          /* the commit that was accepted in epoch n */
byte head, stored, deleted; /* log[deleted .. head) is there, up to `stored` on the disk */
byte got[MEMBERS];          /* epochs below are on the member's disk, as far as the service knows */
bit removed;                /* member 2, on the disk */
byte removed_at;
byte crashes;
byte told; /* for the checks: commits that somebody may have been told of as accepted */
#define newest (stored == 0 -> 0 : log[stored - 1])

/* ---- members' disks ---- */
byte epoch[MEMBERS], pending[MEMBERS] = NONE;
byte had[MEMBERS]; /* for the checks: the highest epoch that was ever there */
byte wishes[MEMBERS], fulfilled[MEMBERS]; /* to make a commit */
bit lost[MEMBERS];
bit out[MEMBERS];  /* it knows that it was removed */
byte losses, rejoined;

byte late = NONE; /* a commit on a connection that was given up */
bit audited, finished;

/* ---- members ---- */

inline make(p, from, what) {
  assert(made[p] < MADE);
  pending[p] = 1 + MADE * p + made[p];
  made[p]++;
  parent[pending[p]] = from;
  depth[pending[p]] = depth[from] + 1;
  maker[pending[p]] = p;
  kind[pending[p]] = what
}

inline drop(p) { /* another commit is in its place; its number is used again, unless it is still on its way */
  if
  :: pending[p] != NONE && pending[p] != late ->
     made[p]--;
     parent[pending[p]] = 0;
     depth[pending[p]] = 0;
     maker[pending[p]] = 0;
     kind[pending[p]] = 0
  :: else
  fi;
  pending[p] = NONE
}

#define same_as(p, q, e) (p == q || epoch[q] == NONE || depth[epoch[q]] != depth[e] || epoch[q] == e)
inline enter(p, e) {
  assert(same_as(p, 0, e) && same_as(p, 1, e) && same_as(p, 2, e));
  epoch[p] = e;
  had[p] = depth[e]
}

inline leave(p) {
  out[p] = 1;
  epoch[p] = NONE;
  pending[p] = NONE;
  wishes[p] = 0
}

inline adopt(p) {
  if
  :: kind[pending[p]] == EXTERNAL -> rejoined++
  :: else ->
     wishes[p]--;
     fulfilled[p]++
  fi;
  enter(p, pending[p]);
  pending[p] = NONE
}

inline apply(p, c) {
  assert(parent[c] == epoch[p] && maker[c] != p);
  drop(p);
  if
  :: kind[c] == REMOVE && p == 2 -> leave(p)
  :: else -> enter(p, c)
  fi
}

/* What came in its place, or itself. */
inline learn(p, c) {
  if
#ifdef BLIND
  :: epoch[p] == NONE -> pending[p] = NONE
  :: epoch[p] != NONE && c == pending[p] -> adopt(p)
#else
  :: c == pending[p] -> adopt(p)
  :: c != pending[p] && epoch[p] == NONE -> drop(p)
#endif
  :: c != pending[p] && epoch[p] != NONE -> apply(p, c)
  fi
}

/* ---- the service ---- */

#define is_member(p) (!removed || p != 2)
#ifdef NO_ROSTER
#define serves(p) true
#else
#define serves(p) is_member(p)
#endif
#ifdef NO_COMPARE
#define is_next(c) true
#else
#define is_next(c) (depth[c] == head + 1)
#endif
#ifdef SERVED_EARLY
#define served head
#else
#define served stored
#endif
#ifdef COUNT_REMOVED
#define counts(p) true
#else
#define counts(p) is_member(p)
#endif

inline accept(c) {
  assert(parent[c] == (head == 0 -> 0 : log[head - 1]));
  log[head] = c;
  head++
}

#define has(p) (!counts(p) || got[p] > deleted)
#define has_really(p) (!is_member(p) || had[p] > deleted)
inline tidy() {
  do
  :: deleted < stored && has(0) && has(1) && has(2) ->
     assert(has_really(0) && has_really(1) && has_really(2));
     deleted++
  :: else -> break
  od
}

/* A commit is asked for; what is in its place may not be on the disk yet, then there is no answer yet. */
inline take_commit(p, c) {
  if
  :: !serves(p) ->
     assert(!is_member(p));
     leave(p)
  :: serves(p) && is_next(c) ->
     accept(c);
#ifdef TOLD_EARLY
     told = head;
     adopt(p)
#endif
  :: serves(p) && !is_next(c) && depth[c] <= stored ->
     assert(depth[c] > deleted || !is_member(p));
     other = log[depth[c] - 1];
     learn(p, other)
  :: else
  fi
}

inline take_fetch(p, n) {
#ifdef DELETED_EARLY
  got[p] = (n < served -> n + 1 : n);
#else
  got[p] = n;
#endif
  if
  :: !serves(p) && (n > removed_at || n < deleted) ->
     assert(!is_member(p));
     leave(p)
  :: (serves(p) || (n <= removed_at && n >= deleted)) && n < served ->
     assert(is_member(p) || n <= removed_at);
     assert(n >= deleted || !is_member(p));
     other = log[n];
     if
     :: learn(p, other)
     :: !audited /* the answer is lost */
     fi
  :: else
  fi;
  tidy()
}

inline write_to_disk(c) {
  c = log[stored];
  if
  :: kind[c] == REMOVE ->
     removed = 1;
     removed_at = stored
  :: else
  fi;
  stored++;
  told = stored;
  if
  :: pending[maker[c]] == c -> adopt(maker[c])
  :: !audited /* the answer is lost, or goes to a connection that was given up */
  :: pending[maker[c]] != c
  fi;
  tidy();
  c = 0
}

/* ---- what happens ---- */

proctype member(byte p) {
  byte c, other;
end:
  do
  :: atomic {
       wishes[p] > 0 && pending[p] == NONE && epoch[p] != NONE ->
       if
       :: p == 0 && !removed -> make(p, epoch[p], REMOVE)
       :: p != 0 || removed -> make(p, epoch[p], UPDATE)
       fi
     }
  :: atomic {
       pending[p] != NONE && (depth[pending[p]] <= stored || depth[pending[p]] == head + 1 || !serves(p)) ->
#ifdef ADOPTED_EARLY
       enter(p, pending[p]);
#endif
       c = pending[p];
       take_commit(p, c);
       c = 0;
       other = 0
     }
  :: atomic {
       pending[p] != NONE && !audited && late == NONE -> late = pending[p]
     }
  :: atomic {
       pending[p] == NONE && epoch[p] != NONE &&
       (depth[epoch[p]] < served || got[p] < depth[epoch[p]] || !is_member(p)) ->
       c = depth[epoch[p]];
       take_fetch(p, c);
       c = 0;
       other = 0
     }
  :: atomic {
       pending[p] == NONE && epoch[p] == NONE && !out[p] ->
       if
       :: serves(p) -> make(p, newest, EXTERNAL)
       :: else -> leave(p)
       fi
     }
  :: atomic { /* only member 0 cannot lose its disk */
       !audited && p != 0 && losses < LOSSES && epoch[p] != NONE ->
       losses++;
       epoch[p] = NONE;
       pending[p] = NONE;
       wishes[p] = 0;
       lost[p] = 1
     }
#ifdef NEW_TRY
  :: atomic {
       !audited && pending[p] != NONE && epoch[p] != NONE -> pending[p] = NONE
     }
#endif
  od
}

proctype disk() {
  byte c;
end:
  do
  :: atomic {
       late != NONE ->
       if
       :: serves(maker[late]) && is_next(late) -> accept(late)
       :: else
       fi;
       late = NONE
     }
  :: atomic {
       stored < head -> write_to_disk(c)
     }
  :: atomic {
       !audited && crashes < CRASHES && (stored < head || late != NONE) ->
       crashes++;
       assert(told <= stored);
       head = stored;
       late = NONE
     }
  od
}

#define settled(p) (pending[p] == NONE && wishes[p] == 0 && (epoch[p] == newest || (out[p] && !is_member(p))))
#define converged (settled(0) && settled(1) && settled(2) && late == NONE && head == stored && deleted == stored)

active proctype auditor() {
  byte n, c;
  byte commits[MEMBERS]; /* that were accepted, but external ones */
  byte joins;
  atomic {
    wishes[0] = WISHES;
    wishes[1] = WISHES;
    wishes[2] = WISHES_OF_LAST;
    run member(0);
    run member(1);
    run member(2);
    run disk()
  }
  audited = 1;
  atomic {
    converged ->
    do
    :: n < stored ->
       c = log[n];
       if
       :: kind[c] == EXTERNAL -> joins++
       :: else -> commits[maker[c]]++
       fi;
       n++
    :: else -> break
    od;
    assert(lost[0] || commits[0] == fulfilled[0]);
    assert(lost[1] || commits[1] == fulfilled[1]);
    assert(lost[2] || out[2] || commits[2] == fulfilled[2]);
    finished = 1;
    assert(joins <= losses && (joins == rejoined || (lost[2] && out[2])))
  }
}
#ifdef LIVENESS
ltl converges { [] (audited -> <> finished) }
#endif
