/* What a client asks about clients: key packages, messages, mail, where they are. SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "crypto/crypto.h"
#include "relay/delivery_parts.h"

static bool pool_is_valid(tw_control_pool pool) {
  return pool == TW_CONTROL_POOL_PAIR || pool == TW_CONTROL_POOL_NETWORK;
}

/* ---- key packages ---- */

static bool packages_are_valid(const tw_delivery_limits *limits, const tw_control_publish *publish, uint32_t *count) {
  tw_reader walk = tw_reader_of(publish->key_packages);
  bool valid = publish->last_resort.len <= limits->key_package_bytes &&
               (publish->last_resort.len == 0 || tw_delivery_is_key_package(publish->pool, publish->last_resort));
  for (*count = 0; tw_reader_more(&walk); ++*count) {
    const tw_bytes package = tw_read_vector(&walk);
    valid = valid && package.len <= limits->key_package_bytes && tw_delivery_is_key_package(publish->pool, package);
  }
  return valid && tw_reader_err(&walk) == TW_OK;
}

tw_err tw_delivery_publish_key_packages(tw_delivery_asking *asking) {
  const tw_control_publish *publish = &asking->request->body.publish;
  tw_delivery *d = asking->delivery;
  uint32_t count = 0;
  uint32_t stock = 0;
  if (!pool_is_valid(publish->pool) || !packages_are_valid(&d->limits, publish, &count))
    return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not key packages of this pool");
  if (!publish->replace) TW_TRY(d->store->ops->stock(d->store, asking->client.number, (uint8_t)publish->pool, &stock));
  if (count > d->limits.key_packages || stock > d->limits.key_packages - count)
    return tw_delivery_refuse(asking, TW_CONTROL_FULL, "the pool has no room for so many key packages");
  return d->store->ops->publish(d->store, asking->client.number, (uint8_t)publish->pool, publish->replace,
                                publish->key_packages, publish->last_resort, asking->now_ms);
}

tw_err tw_delivery_take_key_package(tw_delivery_asking *asking) {
  const tw_control_take *take = &asking->request->body.take;
  tw_delivery *d = asking->delivery;
  tw_control_taken *taken = &asking->waiting->answer.body.take;
  tw_relay_client owner;
  bool found;
  if (!pool_is_valid(take->pool)) return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a pool");
  TW_TRY(d->store->ops->find(d->store, &take->owner, &owner, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "not a client of this relay");
  TW_TRY(d->store->ops->take(d->store, owner.number, (uint8_t)take->pool, &d->bytes, &taken->last_resort, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "there is no key package");
  return TW_OK;
}

/* ---- messages ---- */

bool tw_delivery_has_room(const tw_delivery *d, const tw_relay_client *client, size_t message, size_t more) {
  return client->entries + more < d->limits.mailbox_entries / 2 &&
         client->bytes + message + TW_RELAY_ENTRY_COST <= d->limits.mailbox_bytes / 2;
}

tw_err tw_delivery_send_message(tw_delivery_asking *asking) {
  const tw_control_send *send = &asking->request->body.send;
  tw_delivery *d = asking->delivery;
  tw_relay_client to;
  bool found;
  if (send->message.len == 0 || send->message.len > d->limits.message_bytes)
    return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a message of a length that is taken");
  TW_TRY(d->store->ops->find(d->store, &send->to, &to, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "not a client of this relay");
  if (!tw_delivery_has_room(d, &to, send->message.len, 0))
    return tw_delivery_refuse(asking, TW_CONTROL_FULL, "the receiver's mailbox is full");
  TW_TRY(tw_delivery_note_mail(d, to.number));
  const tw_relay_mail mail = {.kind = TW_CONTROL_KIND_SEND, .from = asking->peer->id, .message = send->message};
  return d->store->ops->send(d->store, to.number, &mail, asking->now_ms);
}

/* ---- mail ---- */

typedef struct fetching {
  tw_delivery *delivery;
  size_t start;
  uint32_t left;
  bool more;
} fetching;

static tw_err take_entry(void *ctx, uint64_t number, const tw_relay_mail *mail, bool *stop) {
  fetching *f = ctx;
  tw_buf *out = &f->delivery->bytes;
  const size_t taken = out->len - f->start;
  if (f->left == 0 || (taken > 0 && taken + mail->message.len > f->delivery->limits.fetch_bytes)) {
    f->more = true;
    *stop = true;
    return TW_OK;
  }
  f->left--;
  tw_writer w = tw_writer_to(out);
  const tw_control_entry entry = {.number = number,
                                  .kind = (tw_control_kind)mail->kind,
                                  .from = mail->from,
                                  .group_id = mail->group_id,
                                  .epoch = mail->epoch,
                                  .message = mail->message};
  tw_control_write_entry(&w, &entry);
  return tw_writer_end(&w);
}

/* Where numbers have gone past those that another state of this relay has given, the gap tells. */
static bool has_given(const tw_relay_client *client, uint64_t number) {
  return number <= client->last && (number <= client->gap_after || number >= client->gap_before);
}

tw_err tw_delivery_fetch_mail(tw_delivery_asking *asking) {
  const tw_control_fetch *fetch = &asking->request->body.fetch;
  tw_delivery *d = asking->delivery;
  /* Whoever says to have what never was has a mailbox of another time: nothing may be deleted for that. */
  if (!has_given(&asking->client, fetch->after))
    return tw_delivery_refuse(asking, TW_CONTROL_TOO_FAR, "the mailbox has not given this number");
  fetching f = {.delivery = d,
                .start = d->bytes.len,
                .left = fetch->most < d->limits.fetch_entries ? fetch->most : d->limits.fetch_entries};
  TW_TRY(d->store->ops->acknowledge(d->store, asking->client.number, fetch->after));
  TW_TRY(d->store->ops->read(d->store, asking->client.number, fetch->after, take_entry, &f));
  asking->waiting->answer.body.fetch.more = f.more;
  return TW_OK;
}

/* ---- where clients are ---- */

/* Number and watch of each; who is not known yet may come. */
static tw_err find_all(tw_delivery_asking *asking, tw_control_location *locations, bool *fits) {
  tw_delivery *d = asking->delivery;
  tw_reader walk = tw_reader_of(asking->request->body.locate);
  tw_fingerprint id;
  *fits = true;
  for (size_t i = 0; *fits && tw_control_client_next(&walk, &id); i++) {
    tw_relay_client client;
    bool found;
    TW_TRY(d->store->ops->find(d->store, &id, &client, &found));
    locations[i] = (tw_control_location){.number = found ? client.number : 0};
    TW_TRY(tw_watches_add(&d->watches, asking->client.number, tw_delivery_watched(&id), d->limits.locates, fits));
  }
  return TW_OK;
}

static tw_err locate_all(tw_delivery_asking *asking, tw_control_location *locations, size_t count) {
  tw_delivery *d = asking->delivery;
  bool fits;
  TW_TRY(find_all(asking, locations, &fits));
  if (!fits) return tw_delivery_refuse(asking, TW_CONTROL_FULL, "too many clients were asked for");
  if (count > 0) d->events.locate(d->events.ctx, locations, count);
  tw_writer w = tw_writer_to(&d->bytes);
  for (size_t i = 0; i < count; i++) tw_control_write_location(&w, &locations[i]);
  return tw_writer_end(&w);
}

tw_err tw_delivery_locate_clients(tw_delivery_asking *asking) {
  const tw_bytes of = asking->request->body.locate;
  tw_delivery *d = asking->delivery;
  const size_t count = tw_control_client_count(of);
  if (of.len % TW_FINGERPRINT_SIZE != 0) return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not clients");
  if (count > d->limits.locates) return tw_delivery_refuse(asking, TW_CONTROL_FULL, "too many clients at once");
  tw_control_location *locations = tw_alloc_array(tw_env_alloc(d->env), count + 1, sizeof *locations);
  if (locations == NULL) return TW_ERR_NO_MEMORY;
  const tw_err err = locate_all(asking, locations, count);
  tw_alloc_free(tw_env_alloc(d->env), locations);
  return err;
}
