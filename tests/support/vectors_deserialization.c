/* deserialization.json: the lengths of variable-size vectors. SPDX-License-Identifier: Apache-2.0 */
#include "codec/reader.h"
#include "codec/writer.h"
#include "vectors.h"

tw_vector_result tw_vector_deserialization(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin(env, vector);
  const tw_bytes header = tw_vector_hex(&v, v.json, "vlbytes_header");
  const uint64_t length = tw_vector_uint(&v, v.json, "length", UINT32_MAX);
  if (tw_vector_going(&v)) {
    tw_reader r = tw_reader_of(header);
    const uint32_t decoded = tw_read_varint(&r);
    (void)tw_vector_ok(&v, tw_reader_end(&r), "vlbytes_header");
    (void)tw_vector_true(&v, decoded == length, "length differs");
    uint8_t again[4];
    (void)tw_vector_equal(&v, TW_BYTES(again, tw_put_varint(again, decoded)), header, "encoded again");
  }
  return tw_vector_end(&v);
}
