/* Known answers as JSON: who makes them, and what they are made of. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_VECTORS_KAT_H
#define TW_TESTS_VECTORS_KAT_H

#include "tw_cmocka.h"

#include <jansson.h>
#include <treewire/pair.h>

/* Suites whose signatures and encapsulations follow from the drawn bytes alone. */
static const char *const suites[] = {
    "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
};
enum { SUITES = sizeof suites / sizeof suites[0] };

/* ---- one vector ---- */

json_t *make_2pmls(const tw_suite *suite);
json_t *make_mls_tls(const tw_suite *suite);
json_t *make_tls_mls(const tw_suite *suite);

/* ---- values ---- */

void put_hex(json_t *object, const char *key, tw_bytes bytes);
void put_number(json_t *object, const char *key, uint64_t value);
void put_text(json_t *object, const char *key, const char *text);
json_t *put_object(json_t *object, const char *key);
json_t *put_array(json_t *object, const char *key);
json_t *append_object(json_t *array);
void put_party(json_t *object, const char *key, const tw_client *client, tw_bytes parameters);
void put_suite(json_t *object, const tw_env *env, const tw_suite *suite);
void put_key_package(json_t *object, const tw_pair *initiator);
/* What both sides have in common, and each side's leaf key. */
void put_epoch(json_t *object, const tw_pair *initiator, const tw_pair *responder);

/* ---- messages of pairs ---- */

typedef struct exchange {
  json_t *steps;
  tw_pair *initiator, *responder;
} exchange;

json_t *put_message(const exchange *ex, const char *type, const char *from, const tw_buf *message);
tw_pair_event give(tw_pair *pair, tw_buf *message);
void run_update(const exchange *ex, bool by_initiator);

#endif
