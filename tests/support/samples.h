/* A sample of every structure on the wire, and decoding and encoding any of them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_SAMPLES_H
#define TW_TESTS_SAMPLES_H

#include <treewire/env.h>

/* One kind of structure with one sample of it. Keys, tags and signatures in samples are made up: only the form is
 * right. */
typedef struct tw_sample {
  const char *name;
  /* Appends the sample. */
  tw_err (*make)(tw_buf *out);
  /* Decodes a whole `encoded` structure of this kind and appends it again, written from its fields. */
  tw_err (*recode)(const tw_env *env, tw_bytes encoded, tw_buf *out);
} tw_sample;

/* The n-th, NULL past the last. */
const tw_sample *tw_sample_at(size_t index);

#endif
