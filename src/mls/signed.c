/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/signed.h"

tw_err tw_append_signature(const tw_env *env, const tw_signer *signer, tw_bytes label, const tw_bytes *parts,
                           size_t count, size_t start, tw_buf *out) {
  tw_buf signature = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_sign_with_label(env, signer, label, parts, count, &signature);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(out);
    tw_write_vector(&w, tw_buf_bytes(&signature));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&signature);
  if (err != TW_OK) out->len = start;
  return err;
}
