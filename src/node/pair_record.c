/* What is saved of the pair with a peer. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "node/pairs_internal.h"

/*
 * struct { ClientId peer; opaque context<V>; opaque unsent<V>; opaque pair<V>; } PairRecord: the context of the traffic
 * keys, NodeMails that the relay has not confirmed (each opaque<V>), and the pair (tw_pair_save).
 */
tw_err tw_pair_record_encode(const tw_pairs_peer *peer, tw_buf *value) {
  tw_buf pair = {0};
  tw_err err = tw_pair_save(peer->pair, &pair);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(value);
    tw_write_fixed(&w, TW_ARRAY(peer->id.digest));
    tw_write_vector(&w, tw_buf_bytes(&peer->context));
    tw_write_vector(&w, tw_buf_bytes(&peer->unsent));
    tw_write_vector(&w, tw_buf_bytes(&pair));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&pair);
  return err;
}

static tw_err check_unsent(tw_bytes unsent) {
  tw_reader r = tw_reader_of(unsent);
  uint32_t count = 0;
  while (tw_reader_more(&r)) {
    tw_mail mail;
    const tw_bytes item = tw_read_vector(&r);
    TW_TRY(tw_reader_err(&r));
    TW_TRY(tw_mail_decode(item, &mail));
    if (!tw_mail_is_of_pair(&mail)) return TW_ERR_ENCODING;
    count++;
  }
  return count <= TW_PAIRS_UNSENT_MAX ? TW_OK : TW_ERR_ENCODING;
}

void tw_pairs_put_saved(tw_pairs_peer *peer, tw_pair *pair, tw_buf context, tw_buf unsent) {
  peer->pair = pair;
  peer->context = context;
  peer->unsent = unsent;
  tw_reader r = tw_reader_of(tw_buf_bytes(&unsent));
  for (peer->unsent_count = 0; tw_reader_more(&r); peer->unsent_count++) (void)tw_read_vector(&r);
}

tw_err tw_pair_record_decode(const tw_pair_config *config, tw_bytes value, tw_client_id *id, tw_pair **pair,
                             tw_buf *context, tw_buf *unsent) {
  tw_reader r = tw_reader_of(value);
  const tw_bytes peer = tw_read_fixed(&r, TW_FINGERPRINT_SIZE);
  const tw_bytes saved_context = tw_read_vector(&r);
  const tw_bytes saved_unsent = tw_read_vector(&r);
  const tw_bytes saved_pair = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  if (saved_context.len > TW_PAIR_CONTEXT_MAX) return TW_ERR_ENCODING;
  TW_TRY(check_unsent(saved_unsent));
  TW_TRY(tw_buf_assign(context, saved_context));
  TW_TRY(tw_buf_assign(unsent, saved_unsent));
  TW_TRY(tw_pair_load(config, saved_pair, pair));
  memcpy(id->digest, peer.ptr, TW_FINGERPRINT_SIZE);
  return TW_OK;
}
