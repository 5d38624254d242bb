/* Clients that let others in. SPDX-License-Identifier: Apache-2.0 */
#include "relay/delivery_parts.h"

static bool same(const tw_fingerprint *a, const tw_fingerprint *b) { return memcmp(a, b, sizeof *a) == 0; }

bool tw_delivery_may(const tw_delivery_asking *asking) {
  const tw_delivery_peer *peer = asking->peer;
  const tw_control_request *request = asking->request;
  switch (request->type) {
  case TW_CONTROL_ADMIT:
  case TW_CONTROL_DISMISS: return peer->standing == TW_DELIVERY_LISTED && asking->delivery->limits.admissions > 0;
  case TW_CONTROL_FETCH: return true;
  case TW_CONTROL_SEND: return peer->standing != TW_DELIVERY_GUEST || same(&request->body.send.to, &peer->inviter);
  default: return peer->standing != TW_DELIVERY_GUEST;
  }
}

tw_err tw_delivery_admit(tw_delivery_asking *asking) {
  const tw_control_admit *admit = &asking->request->body.admit;
  tw_delivery *d = asking->delivery;
  const uint64_t now = asking->now_ms / 1000;
  uint32_t count = 0;
  if (admit->until > INT64_MAX || (admit->until != 0 && admit->until <= now))
    return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "this admission is over already");
  TW_TRY(d->store->ops->admitted_count(d->store, &asking->peer->id, &admit->client, now, &count));
  if (count >= d->limits.admissions)
    return tw_delivery_refuse(asking, TW_CONTROL_FULL, "no room for more whom this client lets in");
  const tw_relay_admission admission = {asking->peer->id, admit->until, admit->guest};
  return d->store->ops->admit(d->store, &admit->client, &admission);
}

tw_err tw_delivery_dismiss(tw_delivery_asking *asking) {
  const tw_client_id *client = &asking->request->body.dismiss;
  tw_delivery *d = asking->delivery;
  bool found = false;
  TW_TRY(tw_buf_reserve(&d->dismissed, sizeof client->digest)); /* it is done and told, or neither */
  TW_TRY(d->store->ops->dismiss(d->store, client, &asking->peer->id, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "not let in by this client");
  return tw_buf_append(&d->dismissed, TW_ARRAY(client->digest));
}

tw_err tw_delivery_admitted(tw_delivery *d, const tw_fingerprint *client, uint64_t now_ms, uint32_t index,
                            tw_relay_admission *admission, bool *found) {
  *found = false;
  return d->store->ops->admitted(d->store, client, now_ms / 1000, index, admission, found);
}
