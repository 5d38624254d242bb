/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_moves.h"

#include "tw_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/channel_internal.h"
#include "pair/machine.h"

enum { STATES = 16, INPUTS = 16, LINE = 256 };

typedef struct machine {
  const char *name; /* of the file, too */
  const char *states[STATES];
  const char *inputs[INPUTS];
  bool loaded;
  bool modelled[STATES][INPUTS][STATES];
  bool taken[STATES][INPUTS][STATES];
} machine;

static machine pair = {
    .name = "pair",
    .states = {[TW_PAIR_HELLO_SENT] = "HELLO_SENT",
               [TW_PAIR_UNCONFIRMED] = "UNCONFIRMED",
               [TW_PAIR_STEADY] = "STEADY",
               [TW_PAIR_LEADING] = "LEADING",
               [TW_PAIR_YIELDING] = "YIELDING",
               [TW_PAIR_ASKING] = "ASKING",
               [TW_PAIR_ANSWERED] = "ANSWERED"},
    .inputs = {[TW_PAIR_IN_CLIENT_HELLO] = "client_hello",
               [TW_PAIR_IN_SERVER_HELLO] = "server_hello",
               [TW_PAIR_IN_CONNECTION_UPDATE] = "connection_update",
               [TW_PAIR_IN_EPOCH_KEY_UPDATE] = "epoch_key_update",
               [TW_PAIR_IN_RESUMPTION_REQUEST] = "resumption_request",
               [TW_PAIR_IN_RESUMPTION_RESPONSE] = "resumption_response",
               [TW_PAIR_IN_CONFIRM] = "confirm",
               [TW_PAIR_IN_UPDATE_AS_INITIATOR] = "update_as_initiator",
               [TW_PAIR_IN_UPDATE_AS_RESPONDER] = "update_as_responder",
               [TW_PAIR_IN_TAKE_BACK] = "take_back",
               [TW_PAIR_IN_RESUME] = "resume",
               [TW_PAIR_IN_REQUEST_REPEATED] = "request_repeated",
               [TW_PAIR_IN_REQUEST_AHEAD] = "request_ahead",
               [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = "request_level_as_initiator",
               [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = "request_level_as_responder"},
};

static machine channel = {
    .name = "channel",
    .states = {[TW_CHANNEL_WAITING] = "WAITING",
               [TW_CHANNEL_IN_TLS] = "IN_TLS",
               [TW_CHANNEL_HELLO_SENT] = "HELLO_SENT",
               [TW_CHANNEL_ASKING] = "ASKING",
               [TW_CHANNEL_ANSWERED] = "ANSWERED",
               [TW_CHANNEL_EARLY] = "EARLY",
               [TW_CHANNEL_EARLY_OPENED] = "EARLY_OPENED",
               [TW_CHANNEL_OPEN] = "OPEN",
               [TW_CHANNEL_SWITCHING] = "SWITCHING",
               [TW_CHANNEL_ENDED] = "ENDED"},
    .inputs = {[TW_CHANNEL_GO_TLS] = "tls",
               [TW_CHANNEL_GO_LEAVE_TLS] = "leave_tls",
               [TW_CHANNEL_GO_HELLO] = "hello",
               [TW_CHANNEL_GO_ASK] = "ask",
               [TW_CHANNEL_GO_HELLO_ANSWERED] = "hello_answered",
               [TW_CHANNEL_GO_JOINED] = "joined",
               [TW_CHANNEL_GO_TLS_DONE] = "tls_done",
               [TW_CHANNEL_GO_ASKED] = "asked",
               [TW_CHANNEL_GO_ASKED_EARLY] = "asked_early",
               [TW_CHANNEL_GO_RESUMED] = "resumed",
               [TW_CHANNEL_GO_RECORD] = "record",
               [TW_CHANNEL_GO_NEXT_RECORD] = "next_record",
               [TW_CHANNEL_GO_PEER_UPDATED] = "peer_updated",
               [TW_CHANNEL_GO_OWN_UPDATED] = "own_updated",
               [TW_CHANNEL_GO_END] = "end"},
};

/* ---- the models' transitions ---- */

static size_t number_of(const char *const *names, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (names[i] != NULL && strcmp(names[i], name) == 0) return i;
  }
  fail_msg("the code knows no %s", name);
  return 0;
}

/* "STATE input STATE'" */
static void note_line(machine *m, const char *line) {
  char from[LINE], input[LINE], to[LINE];
  if (line[0] == '#' || line[0] == '\n') return;
  assert_int_equal(sscanf(line, "%255s %255s %255s", from, input, to), 3);
  m->modelled[number_of(m->states, STATES, from)][number_of(m->inputs, INPUTS, input)]
             [number_of(m->states, STATES, to)] = true;
}

static void load(machine *m) {
  char path[4096], line[LINE];
  const char *source = getenv("TREEWIRE_SOURCE");
  assert_true(snprintf(path, sizeof path, "%s/formal/spin/%s.transitions", source != NULL ? source : TW_SOURCE_DIR,
                       m->name) < (int)sizeof path);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail_msg("%s is missing", path);
  while (fgets(line, sizeof line, file) != NULL) note_line(m, line);
  assert_int_equal(fclose(file), 0);
  m->loaded = true;
}

static void note(machine *m, size_t from, size_t input, size_t to) {
  if (!m->loaded) load(m);
  if (!m->modelled[from][input][to]) {
    fail_msg("no model of a %s has %s %s %s", m->name, m->states[from], m->inputs[input], m->states[to]);
  }
  m->taken[from][input][to] = true;
}

static void are_all(machine *m) {
  unsigned modelled = 0, missing = 0;
  if (!m->loaded) load(m);
  for (size_t from = 0; from < STATES; from++) {
    for (size_t input = 0; input < INPUTS; input++) {
      for (size_t to = 0; to < STATES; to++) {
        if (!m->modelled[from][input][to]) continue;
        modelled++;
        if (m->taken[from][input][to]) continue;
        print_message("never taken: %s %s %s\n", m->states[from], m->inputs[input], m->states[to]);
        missing++;
      }
    }
  }
  assert_true(modelled > 0);
  assert_int_equal(missing, 0);
}

void tw_test_pair_moves_are_all(void) { are_all(&pair); }
void tw_test_channel_moves_are_all(void) { are_all(&channel); }

/* ---- what the code does: the linker puts these in place of the real ones (--wrap) ---- */

void __real_tw_pair_machine_move(tw_pair_state *state, tw_pair_input input);
void __wrap_tw_pair_machine_move(tw_pair_state *state, tw_pair_input input);
bool __real_tw_channel_machine_move(tw_channel_state *state, tw_channel_move move);
bool __wrap_tw_channel_machine_move(tw_channel_state *state, tw_channel_move move);

void __wrap_tw_pair_machine_move(tw_pair_state *state, tw_pair_input input) {
  const tw_pair_state before = *state;
  const bool moves = tw_pair_machine_step(before, input).action > TW_PAIR_DO_NOTHING;
  __real_tw_pair_machine_move(state, input);
  if (moves) note(&pair, before, input, *state);
}

bool __wrap_tw_channel_machine_move(tw_channel_state *state, tw_channel_move move) {
  const tw_channel_state before = *state;
  if (!__real_tw_channel_machine_move(state, move)) return false;
  note(&channel, before, move, *state);
  return true;
}
