/* Tags of messages by mail. SPDX-License-Identifier: Apache-2.0 */
#include "pair/mail_tag.h"

#include "base/secret.h"
#include "codec/writer.h"
#include "pair/pair_internal.h"

/*
 * tag = MLS-Exporter("treewire pair mail", PairMailContent, 16), docs/protocols.md (D19)
 * struct { uint8 sender; opaque request<V>; TwoPartyMLSMessage message; } PairMailContent
 */
static tw_err make_tag(const tw_pair *pair, const tw_group *epoch, tw_pair_role sender, tw_bytes request,
                       tw_bytes message, uint8_t tag[TW_PAIR_TAG]) {
  tw_buf content = TW_BUF_INIT(tw_env_alloc(tw_pair_env(pair)));
  tw_writer w = tw_writer_to(&content);
  tw_write_u8(&w, (uint8_t)tw_pair_own_leaf(sender)); /* nothing comes back to who has sent it */
  tw_write_vector(&w, request);
  tw_write_fixed(&w, message);
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK) {
    err = tw_group_export(epoch, TW_LITERAL("treewire pair mail"), tw_buf_bytes(&content), tag, TW_PAIR_TAG);
  }
  tw_buf_clear(&content);
  return err;
}

tw_err tw_pair_tag_split(const tw_pair *pair, tw_bytes *encoded, tw_bytes *tag) {
  tw_pair_message_type type;
  *tag = TW_NO_BYTES;
  if (!pair->by_mail) return TW_OK;
  TW_TRY(tw_pair_message_peek(*encoded, &type));
  if (type < TW_PAIR_CONNECTION_UPDATE) return TW_OK;
  if (encoded->len < TW_PAIR_TAG) return TW_ERR_TRUNCATED;
  encoded->len -= TW_PAIR_TAG;
  *tag = TW_BYTES(encoded->ptr + encoded->len, TW_PAIR_TAG);
  return TW_OK;
}

tw_err tw_pair_tag_add(const tw_pair *pair, const tw_group *epoch, tw_bytes request, size_t start, tw_buf *message) {
  uint8_t tag[TW_PAIR_TAG];
  if (!pair->by_mail) return TW_OK;
  const tw_bytes encoded = TW_BYTES(message->ptr + start, message->len - start);
  tw_err err = make_tag(pair, epoch, pair->role, request, encoded, tag);
  if (err == TW_OK) err = tw_buf_append(message, TW_ARRAY(tag));
  if (err != TW_OK) message->len = start;
  return err;
}

tw_err tw_pair_tag_check(const tw_pair *pair, const tw_group *epoch, tw_bytes request, const tw_pair_message *message) {
  uint8_t expected[TW_PAIR_TAG];
  if (!pair->by_mail) return TW_OK;
  const tw_pair_role peer = pair->role == TW_PAIR_INITIATOR ? TW_PAIR_RESPONDER : TW_PAIR_INITIATOR;
  TW_TRY(make_tag(pair, epoch, peer, request, message->encoded, expected));
  const bool same = tw_secret_equal(TW_ARRAY(expected), message->tag);
  tw_wipe(expected, sizeof expected);
  return same ? TW_OK : TW_ERR_MAC;
}
