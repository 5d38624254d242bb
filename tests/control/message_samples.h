/* One or more of each control message, and reading any of them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_CONTROL_MESSAGE_SAMPLES_H
#define TW_TESTS_CONTROL_MESSAGE_SAMPLES_H

#include <string.h>

#include "control/message.h"

/* What a frame is read as: a request, a push, or with the type of a request the answer to it. */
enum { READ_REQUEST = 0, READ_PUSH = 64 };

typedef struct control_sample {
  uint8_t as;
  tw_buf whole; /* with its length */
} control_sample;

enum { CONTROL_SAMPLES_MAX = 64 };
typedef struct control_samples {
  control_sample list[CONTROL_SAMPLES_MAX];
  size_t count;
} control_samples;

static inline tw_bytes sample_frame(const control_sample *sample) {
  return TW_BYTES(sample->whole.ptr + TW_CONTROL_HEADER, sample->whole.len - TW_CONTROL_HEADER);
}

/* Decodes; on success encodes again. */
static inline tw_err control_recode(uint8_t as, tw_bytes frame, tw_buf *whole) {
  tw_control_request request;
  tw_control_push push;
  tw_control_answer answer;
  if (as == READ_REQUEST) {
    TW_TRY(tw_control_request_decode(frame, &request));
    return tw_control_request_encode(&request, whole);
  }
  if (as == READ_PUSH) {
    TW_TRY(tw_control_push_decode(frame, &push));
    return tw_control_push_encode(&push, whole);
  }
  TW_TRY(tw_control_answer_decode(frame, (tw_control_type)as, &answer));
  return tw_control_answer_encode(&answer, whole);
}

static inline tw_client_id sample_client(uint8_t seed) {
  tw_client_id client;
  for (size_t i = 0; i < sizeof client.digest; i++) client.digest[i] = (uint8_t)(seed + i * 7);
  return client;
}

static inline tw_err sample_clients(size_t count, tw_buf *list) {
  tw_writer w = tw_writer_to(list);
  for (size_t i = 0; i < count; i++) {
    const tw_client_id client = sample_client((uint8_t)(i + 1));
    tw_control_write_client(&w, &client);
  }
  return tw_writer_end(&w);
}

static inline tw_err sample_packages(tw_buf *list) {
  tw_writer w = tw_writer_to(list);
  tw_write_vector(&w, TW_LITERAL("a key package"));
  tw_write_vector(&w, TW_LITERAL("another"));
  return tw_writer_end(&w);
}

static inline tw_err sample_welcomes(tw_buf *list) {
  tw_writer w = tw_writer_to(list);
  for (uint8_t i = 0; i < 2; i++) {
    const tw_client_id to[] = {sample_client(i), sample_client((uint8_t)(i + 2))};
    const tw_bytes list_of = TW_BYTES(to[0].digest, (1u + i) * sizeof to[0]);
    tw_control_write_welcome(&w, &(tw_control_welcome){list_of, TW_LITERAL("welcome")});
  }
  return tw_writer_end(&w);
}

static inline tw_err sample_entries(tw_buf *list) {
  tw_writer w = tw_writer_to(list);
  for (int kind = TW_CONTROL_KIND_SEND; kind <= TW_CONTROL_KIND_WELCOME; kind++) {
    const bool grouped = kind != TW_CONTROL_KIND_SEND;
    const tw_control_entry entry = {.number = UINT64_C(1) << (kind * 10),
                                    .kind = (tw_control_kind)kind,
                                    .from = sample_client((uint8_t)kind),
                                    .group_id = grouped ? TW_LITERAL("group") : TW_NO_BYTES,
                                    .epoch = grouped ? (uint64_t)kind : 0,
                                    .message = TW_LITERAL("message")};
    tw_control_write_entry(&w, &entry);
  }
  return tw_writer_end(&w);
}

static inline tw_err sample_locations(tw_buf *list) {
  static const tw_control_location locations[] = {
      {.number = 1, .online = true, .address = {.family = 4, .ip = {192, 0, 2, 1}, .port = 9420}},
      {.number = 0x7fffffff, .address = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8}, .port = 1}},
      {.number = 0}};
  tw_writer w = tw_writer_to(list);
  for (size_t i = 0; i < 3; i++) tw_control_write_location(&w, &locations[i]);
  return tw_writer_end(&w);
}

static inline tw_err add_request(control_samples *samples, tw_control_request request) {
  control_sample *sample = &samples->list[samples->count++];
  request.number = (uint32_t)samples->count;
  sample->as = READ_REQUEST;
  return tw_control_request_encode(&request, &sample->whole);
}

static inline tw_err add_answer(control_samples *samples, tw_control_answer answer) {
  control_sample *sample = &samples->list[samples->count++];
  answer.request = UINT32_MAX - (uint32_t)samples->count;
  sample->as = (uint8_t)answer.to;
  return tw_control_answer_encode(&answer, &sample->whole);
}

static inline tw_err add_push(control_samples *samples, tw_control_push push) {
  control_sample *sample = &samples->list[samples->count++];
  sample->as = READ_PUSH;
  return tw_control_push_encode(&push, &sample->whole);
}

/* Of a hash that nothing has: with a copy and without one. */
#define SAMPLE_PATCH                                                                                                   \
  "0123456789abcdef0123456789abcdef\x15"                                                                               \
  "\0\0\1\0\0\2\0\0\0"                                                                                                 \
  "\0\0\0\0\0\0\0\0\3put"

static inline tw_err add_requests(control_samples *samples, const tw_buf lists[5]) {
  const tw_bytes patch = TW_LITERAL(SAMPLE_PATCH);
  const tw_bytes packages = tw_buf_bytes(&lists[0]);
  const tw_bytes clients = tw_buf_bytes(&lists[1]);
  const tw_bytes welcomes = tw_buf_bytes(&lists[2]);
  const tw_bytes name = TW_LITERAL("net.example");
  const tw_bytes id = TW_LITERAL("group id");
  const tw_control_request requests[] = {
      {.type = TW_CONTROL_PUBLISH, .body.publish = {TW_CONTROL_POOL_PAIR, false, packages, TW_LITERAL("last")}},
      {.type = TW_CONTROL_PUBLISH, .body.publish = {TW_CONTROL_POOL_NETWORK, true, TW_NO_BYTES, TW_NO_BYTES}},
      {.type = TW_CONTROL_STOCK, .body.stock = TW_CONTROL_POOL_NETWORK},
      {.type = TW_CONTROL_TAKE, .body.take = {sample_client(9), TW_CONTROL_POOL_PAIR}},
      {.type = TW_CONTROL_SEND, .body.send = {sample_client(8), TW_LITERAL("message")}},
      {.type = TW_CONTROL_GROUP_OPEN,
       .body.group_open = {name, id, 5, clients, TW_LITERAL("info"), TW_LITERAL("tree")}},
      {.type = TW_CONTROL_GROUP_OPEN, .body.group_open = {name, id, 0, clients, TW_LITERAL("i"), TW_NO_BYTES}},
      {.type = TW_CONTROL_GROUP_FIND, .body.group_find = {name, true}},
      {.type = TW_CONTROL_GROUP_FIND, .body.group_find = {name, false}},
      {.type = TW_CONTROL_GROUP_COMMIT,
       .body.group_commit = {id, 5, TW_LITERAL("commit"), TW_LITERAL("info"), patch, patch, welcomes}},
      {.type = TW_CONTROL_GROUP_COMMIT,
       .body.group_commit = {id, UINT64_MAX, TW_LITERAL("c"), TW_LITERAL("i"), patch, patch, TW_NO_BYTES}},
      {.type = TW_CONTROL_GROUP_SEND, .body.group_send = {id, TW_LITERAL("message")}},
      {.type = TW_CONTROL_FETCH, .body.fetch = {UINT64_MAX, 100}},
      {.type = TW_CONTROL_LOCATE, .body.locate = clients},
      {.type = TW_CONTROL_BIND},
      {.type = TW_CONTROL_WANT_IN, .body.want_in = name},
      {.type = TW_CONTROL_ADMIT, .body.admit = {sample_client(7), UINT64_MAX, true}},
      {.type = TW_CONTROL_ADMIT, .body.admit = {sample_client(6), 0, false}},
      {.type = TW_CONTROL_DISMISS, .body.dismiss = sample_client(5)},
  };
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) TW_TRY(add_request(samples, requests[i]));
  return TW_OK;
}

static inline tw_err add_answers(control_samples *samples, const tw_buf lists[5]) {
  const tw_bytes id = TW_LITERAL("group id");
  const tw_control_answer answers[] = {
      {.to = TW_CONTROL_STOCK, .body.stock = 7},
      {.to = TW_CONTROL_TAKE, .body.take = {true, TW_LITERAL("package")}},
      {.to = TW_CONTROL_GROUP_OPEN, .body.group_open = 1},
      {.to = TW_CONTROL_GROUP_OPEN, .status = TW_CONTROL_TAKEN, .body.taken = id},
      {.to = TW_CONTROL_GROUP_FIND, .body.group_find = {id, 5, 1, true, TW_LITERAL("info"), TW_LITERAL("tree")}},
      {.to = TW_CONTROL_GROUP_FIND, .body.group_find = {id, 5, 1, false, TW_LITERAL("info"), TW_NO_BYTES}},
      {.to = TW_CONTROL_GROUP_COMMIT, .status = TW_CONTROL_UNFIT, .body.words = TW_LITERAL("words")},
      {.to = TW_CONTROL_GROUP_COMMIT, .status = TW_CONTROL_TAKEN, .body.taken = TW_LITERAL("commit")},
      {.to = TW_CONTROL_FETCH, .body.fetch = {tw_buf_bytes(&lists[3]), true}},
      {.to = TW_CONTROL_FETCH, .body.fetch = {TW_NO_BYTES, false}},
      {.to = TW_CONTROL_LOCATE, .body.locate = tw_buf_bytes(&lists[4])},
      {.to = TW_CONTROL_BIND, .body.bind = {.session = 42, .token = {1, 2, 3}}},
  };
  static const uint8_t empty[] = {TW_CONTROL_PUBLISH, TW_CONTROL_SEND,  TW_CONTROL_GROUP_COMMIT, TW_CONTROL_GROUP_SEND,
                                  TW_CONTROL_WANT_IN, TW_CONTROL_ADMIT, TW_CONTROL_DISMISS};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) TW_TRY(add_answer(samples, answers[i]));
  for (size_t i = 0; i < sizeof empty; i++)
    TW_TRY(add_answer(samples, (tw_control_answer){.to = (tw_control_type)empty[i]}));
  for (int to = TW_CONTROL_PUBLISH; to <= TW_CONTROL_REQUEST_LAST; to++) {
    const int status = TW_CONTROL_UNKNOWN + to % (TW_CONTROL_BUSY - TW_CONTROL_UNKNOWN + 1);
    const tw_bytes words = to % 2 == 0 ? TW_LITERAL("words") : TW_NO_BYTES;
    TW_TRY(add_answer(
        samples,
        (tw_control_answer){.to = (tw_control_type)to, .status = (tw_control_status)status, .body.words = words}));
  }
  return TW_OK;
}

static inline tw_err add_pushes(control_samples *samples) {
  const tw_control_address seen = {.family = 6, .ip = {0x20, 1}, .port = 4500};
  const tw_control_push pushes[] = {
      {.type = TW_CONTROL_MAIL},
      {.type = TW_CONTROL_BOUND, .body.bound = {1, seen}},
      {.type = TW_CONTROL_MOVED, .body.moved = {sample_client(3), {.number = 3, .online = true, .address = seen}}},
      {.type = TW_CONTROL_MOVED, .body.moved = {sample_client(3), {.number = 3}}},
      {.type = TW_CONTROL_WANTS_IN, .body.wants_in = {TW_LITERAL("name"), sample_client(4)}},
      {.type = TW_CONTROL_DISPLACED, .body.displaced = seen},
      {.type = TW_CONTROL_DISPLACED},
  };
  for (size_t i = 0; i < sizeof pushes / sizeof pushes[0]; i++) TW_TRY(add_push(samples, pushes[i]));
  return TW_OK;
}

static inline tw_err control_samples_make(control_samples *samples) {
  tw_buf lists[5] = {{0}};
  memset(samples, 0, sizeof *samples);
  tw_err err = sample_packages(&lists[0]);
  if (err == TW_OK) err = sample_clients(3, &lists[1]);
  if (err == TW_OK) err = sample_welcomes(&lists[2]);
  if (err == TW_OK) err = sample_entries(&lists[3]);
  if (err == TW_OK) err = sample_locations(&lists[4]);
  if (err == TW_OK) err = add_requests(samples, lists);
  if (err == TW_OK) err = add_answers(samples, lists);
  if (err == TW_OK) err = add_pushes(samples);
  for (size_t i = 0; i < 5; i++) tw_buf_clear(&lists[i]);
  return err;
}

static inline void control_samples_clear(control_samples *samples) {
  for (size_t i = 0; i < samples->count; i++) tw_buf_clear(&samples->list[i].whole);
}

#endif
