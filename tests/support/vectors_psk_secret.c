/* Vectors of type psk_secret. SPDX-License-Identifier: Apache-2.0 */
#include "mls/psk.h"
#include "vectors.h"

tw_vector_result tw_vector_psk_secret(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  json_t *list = tw_vector_array(&v, v.json, "psks");
  const tw_bytes expected = tw_vector_hex(&v, v.json, "psk_secret");
  const size_t count = json_array_size(list);
  tw_psk *psks = tw_vector_alloc(&v, count * sizeof *psks);
  for (size_t i = 0; tw_vector_going(&v) && i < count; i++) {
    tw_vector_where(&v, "psk %zu", i);
    json_t *o = json_array_get(list, i);
    psks[i].id.type = TW_PSK_EXTERNAL;
    psks[i].id.id = tw_vector_hex(&v, o, "psk_id");
    psks[i].id.nonce = tw_vector_hex(&v, o, "psk_nonce");
    psks[i].secret = tw_vector_hex(&v, o, "psk");
  }
  if (tw_vector_going(&v)) {
    tw_vector_where(&v, "%s", "");
    tw_secret secret = {0};
    if (tw_vector_ok(&v, tw_psk_secret(env, v.suite, psks, count, &secret), "psk_secret")) {
      tw_vector_equal(&v, tw_secret_bytes(&secret), expected, "psk_secret");
    }
  }
  return tw_vector_end(&v);
}
