/* Checking test vectors: what each kind of vector is checked with, and by. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_VECTORS_H
#define TW_TESTS_VECTORS_H

#include <jansson.h>
#include <stdio.h>

#include <treewire/env.h>

typedef enum tw_vector_status { TW_VECTOR_PASS, TW_VECTOR_FAIL, TW_VECTOR_SKIP } tw_vector_status;

typedef struct tw_vector_result {
  tw_vector_status status;
  char message[200]; /* why it failed or was skipped */
} tw_vector_result;

/* Checks one vector: one element of a file's array. Any JSON at all is answered by a result, never by a crash. */
typedef tw_vector_result tw_vector_check(const tw_env *env, json_t *vector);

tw_vector_check tw_vector_crypto_basics, tw_vector_key_schedule, tw_vector_psk_secret, tw_vector_secret_tree,
    tw_vector_transcript_hashes, tw_vector_message_protection, tw_vector_messages, tw_vector_deserialization;
/* the ratchet tree */
tw_vector_check tw_vector_tree_math, tw_vector_tree_operations, tw_vector_tree_validation, tw_vector_treekem;
/* whole groups */
tw_vector_check tw_vector_welcome, tw_vector_passive_client;

/* A type is the name that its files have, without ".json". Rows are in vectors_run.c. */
typedef struct tw_vector_type {
  const char *name;
  tw_vector_check *check;
} tw_vector_type;

/* NULL when not known. */
const tw_vector_type *tw_vector_type_by_name(const char *name);
/* The type that a file's name begins with: "some/where/key-schedule-2.json" is of "key-schedule". NULL when not known.
 */
const tw_vector_type *tw_vector_type_of_file(const char *path);
/* The n-th type, NULL past the last. */
const tw_vector_type *tw_vector_type_at(size_t index);

typedef struct tw_vector_counts {
  size_t passed;
  size_t failed;
  size_t skipped;
} tw_vector_counts;

/* Checks every vector of a file and adds to `counts`; failures go to `report`. False: the file itself is unusable. */
bool tw_vectors_run_file(const tw_env *env, const tw_vector_type *type, const char *path, FILE *report,
                         tw_vector_counts *counts);
/*
 * For tests: NAME.json of the vector folder (TREEWIRE_VECTORS, else shared/vectors beside the source root; its part
 * mls/) passes. Else the running cmocka test fails, with what failed on stderr; it is skipped where there is no such
 * file.
 */
void tw_test_vectors_pass(const char *name);

/*
 * What a check is written with. Failures stick, as in tw_reader: after the first one every getter yields nothing and
 * every check is false, so that a function may read all fields and look once. Bytes live until tw_vector_end.
 */
typedef struct tw_vector_memory tw_vector_memory;
typedef struct tw_vector {
  const tw_env *env;
  json_t *json;
  const tw_suite *suite; /* set by tw_vector_begin from "cipher_suite" when there is one */
  tw_vector_result result;
  char where[48]; /* begins each message, see tw_vector_where */
  tw_vector_memory *memory;
} tw_vector;

/* Fails unless it is an object. An unknown cipher_suite makes it skipped; a missing one leaves `suite` NULL. */
tw_vector tw_vector_begin(const tw_env *env, json_t *vector);
/* As above, and it fails when there is no cipher_suite. */
tw_vector tw_vector_begin_with_suite(const tw_env *env, json_t *vector);
tw_vector_result tw_vector_end(tw_vector *v);
/* Whether nothing failed yet and it is not skipped. */
bool tw_vector_going(const tw_vector *v);

/* Fields of `object`, which need not be the vector itself. A missing field or a wrong type fails the vector. */
json_t *tw_vector_object(tw_vector *v, json_t *object, const char *name);
json_t *tw_vector_array(tw_vector *v, json_t *object, const char *name);
tw_bytes tw_vector_hex(tw_vector *v, json_t *object, const char *name);
/* Empty and *present false for null or a missing field. */
tw_bytes tw_vector_optional_hex(tw_vector *v, json_t *object, const char *name, bool *present);
/*
 * Private keys: some generators leave out the leading zeros of a scalar (P-521 keys of 65 bytes are in use), the
 * library does not take that. Shorter ones are filled up on the left to the suite's length.
 */
tw_bytes tw_vector_signature_priv(tw_vector *v, json_t *object, const char *name);
tw_bytes tw_vector_hpke_priv(tw_vector *v, json_t *object, const char *name);
/* A string as it is. */
tw_bytes tw_vector_text(tw_vector *v, json_t *object, const char *name);
uint64_t tw_vector_uint(tw_vector *v, json_t *object, const char *name, uint64_t max);
bool tw_vector_bool(tw_vector *v, json_t *object, const char *name);
/* A JSON value that is not a field: an array's element. */
tw_bytes tw_vector_hex_value(tw_vector *v, json_t *value, const char *what);
uint64_t tw_vector_uint_value(tw_vector *v, json_t *value, const char *what, uint64_t max);

/* Checks; `what` names what is wrong when they fail. */
bool tw_vector_ok(tw_vector *v, tw_err err, const char *what);
bool tw_vector_true(tw_vector *v, bool condition, const char *what);
bool tw_vector_equal(tw_vector *v, tw_bytes got, tw_bytes expected, const char *what);
/* In which part of the vector we are ("epoch 3"), for messages; "" for none. */
void tw_vector_where(tw_vector *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fails with a message of its own, printf's way. */
void tw_vector_fail(tw_vector *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Not checked here, and why. */
void tw_vector_skip(tw_vector *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `size` zeroed bytes that live until tw_vector_end; NULL (and failed) without memory. */
void *tw_vector_alloc(tw_vector *v, size_t size);

#endif
