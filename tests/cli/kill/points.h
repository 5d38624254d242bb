/*
 * Processes that kill themselves at a chosen call, with a clock of their own, and a record of what they seal. They are
 * children of the test that run a verb of the program; what they share with the test survives them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TW_TESTS_KILL_POINTS_H
#define TW_TESTS_KILL_POINTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Their clock runs this many times faster: waits of the program take less of the test's time. */
enum { KILL_HASTE = 20, SEALS = 1 << 14 };

/* A call that is a point: write, pwrite, fsync, fdatasync, ftruncate, unlink of the main thread. */
typedef enum kill_how { KILL_BEFORE, KILL_AFTER, KILL_TORN, KILL_HOWS } kill_how; /* torn: after half of the bytes */

/* One AEAD sealing, noted before it is done. */
typedef struct kill_seal {
  uint64_t key;
  uint64_t nonce;
  uint64_t plaintext; /* with the additional data */
  uint64_t stream;    /* another one for each process and each key object in it */
  bool record;        /* of a record key, which seals many times; else of a message's or HPKE's */
  _Atomic bool ready;
} kill_seal;

typedef struct kill_shared {
  _Atomic uint32_t at; /* the call to die at, counted from 1; 0: none */
  _Atomic uint32_t how;
  _Atomic uint32_t passed;
  _Atomic uint32_t seals; /* ever begun; the test is through with `done` of them */
  uint32_t done;
  uint32_t incarnation;
  kill_seal seal[SEALS];
} kill_shared;

/* In the child, before anything else. */
void kill_become_victim(kill_shared *shared);

#endif
