/* What a client asks about groups. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "control/patch.h"
#include "crypto/suites.h"
#include "relay/delivery_parts.h"

enum { NAME_MAX_LEN = 255, ID = TW_FINGERPRINT_SIZE };
#define EPOCH_MAX (UINT64_C(1) << 62)

/* Only its hash is used. */
static const tw_suite hashing = {.name = "relay", .hash = &tw_hash_sha256};

static bool is_name(tw_bytes name) { return name.len >= 1 && name.len <= NAME_MAX_LEN; }

/* ---- lists of members ---- */

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, ID); }

/* A copy in order in the delivery's scratch. `*valid`: each once, and `self` among them. */
static tw_err order_members(tw_delivery *d, tw_bytes members, const tw_fingerprint *self, bool *valid) {
  *valid = false;
  if (members.len == 0 || members.len % ID != 0) return TW_OK;
  TW_TRY(tw_buf_assign(&d->scratch, members));
  const size_t count = members.len / ID;
  qsort(d->scratch.ptr, count, ID, compare_ids);
  for (size_t i = 1; i < count; i++)
    if (memcmp(d->scratch.ptr + (i - 1) * ID, d->scratch.ptr + i * ID, ID) == 0) return TW_OK;
  *valid = bsearch(self->digest, d->scratch.ptr, count, ID, compare_ids) != NULL;
  return TW_OK;
}

/* It goes to so many, or they are written down: the request has paid for the first ones. */
static void pay_for(const tw_delivery_asking *asking, uint64_t members) {
  const uint32_t units = tw_delivery_units(members, TW_DELIVERY_RECEIVERS_UNIT);
  tw_delivery_charge(&asking->delivery->limits, asking->peer, units - 1);
}

static tw_err pay_for_group(const tw_delivery_asking *asking, uint32_t group) {
  tw_relay_store *store = asking->delivery->store;
  uint32_t count = 0;
  TW_TRY(store->ops->member_count(store, group, &count));
  pay_for(asking, count);
  return TW_OK;
}

static bool are_too_many(const tw_delivery *d, tw_bytes members) { return members.len / ID > d->limits.members; }

/* ---- opening, finding ---- */

static tw_err hash_opening(const tw_env *env, const tw_control_group_open *open, uint8_t out[TW_RELAY_HASH]) {
  uint8_t numbers[24];
  tw_put_u64(numbers, open->epoch);
  tw_put_u64(numbers + 8, open->members.len);
  tw_put_u64(numbers + 16, open->group_info.len);
  const tw_bytes parts[] = {TW_ARRAY(numbers), open->members, open->group_info, open->tree};
  return tw_hash_parts(env, &hashing, parts, 4, out);
}

/* The same request again, whose answer was lost? */
static bool opened_by_this(const tw_delivery_asking *asking, const tw_relay_group *group,
                           const uint8_t hash[TW_RELAY_HASH]) {
  return memcmp(group->opener.digest, asking->peer->id.digest, ID) == 0 && memcmp(group->opened, hash, ID) == 0;
}

/*
 * A member says that the group is further than our record: that was put back to an older copy, and without this the
 * group could not go on. Who is none by the record is not asked; nor does an epoch come back.
 */
static tw_err put_forward(tw_delivery_asking *asking, const tw_relay_group *group, bool *applied) {
  const tw_control_group_open *open = &asking->request->body.group_open;
  tw_delivery *d = asking->delivery;
  bool member;
  *applied = false;
  if (open->epoch <= group->epoch) return TW_OK;
  TW_TRY(d->store->ops->is_member(d->store, group->number, &asking->peer->id, &member));
  if (!member) return TW_OK;
  const tw_relay_opening opening = {
      .epoch = open->epoch, .members = tw_buf_bytes(&d->scratch), .group_info = open->group_info, .tree = open->tree};
  TW_TRY(d->store->ops->group_forward(d->store, group->number, group->epoch, &opening, applied));
  return *applied ? tw_delivery_note_group(d, group->number) : TW_OK;
}

static tw_err answer_name_taken(tw_delivery_asking *asking, const tw_relay_group *group,
                                const uint8_t hash[TW_RELAY_HASH]) {
  tw_delivery *d = asking->delivery;
  tw_control_answer *answer = &asking->waiting->answer;
  const tw_bytes wanted = asking->request->body.group_open.group_id;
  const size_t start = d->bytes.len;
  tw_relay_lengths lengths;
  TW_TRY(d->store->ops->group_read(d->store, group->number, false, &d->bytes, &lengths));
  d->bytes.len = start + lengths.group_id;
  const bool same = tw_bytes_equal(TW_BYTES(d->bytes.ptr + start, lengths.group_id), wanted);
  bool done = same && opened_by_this(asking, group, hash);
  if (same && !done) TW_TRY(put_forward(asking, group, &done));
  if (done) {
    d->bytes.len = start;
    answer->body.group_open = group->number;
    return TW_OK;
  }
  answer->status = TW_CONTROL_TAKEN;
  return TW_OK;
}

static tw_err open_new(tw_delivery_asking *asking, const uint8_t hash[TW_RELAY_HASH]) {
  const tw_control_group_open *open = &asking->request->body.group_open;
  tw_delivery *d = asking->delivery;
  uint32_t count = 0;
  bool taken;
  TW_TRY(d->store->ops->group_count(d->store, &asking->peer->id, &count));
  if (count >= d->limits.groups) return tw_delivery_refuse(asking, TW_CONTROL_FULL, "too many groups of this client");
  const tw_relay_opening opening = {.name = open->name,
                                    .group_id = open->group_id,
                                    .epoch = open->epoch,
                                    .opener = asking->peer->id,
                                    .opened = hash,
                                    .members = tw_buf_bytes(&d->scratch),
                                    .group_info = open->group_info,
                                    .tree = open->tree};
  TW_TRY(d->store->ops->group_open(d->store, &opening, &asking->waiting->answer.body.group_open, &taken));
  if (!taken) return tw_delivery_note_group(d, asking->waiting->answer.body.group_open);
  /* The id is another group's, or somebody was faster by another relay: to be asked again. */
  return tw_delivery_refuse(asking, TW_CONTROL_FORBIDDEN, "there is a group with this id");
}

tw_err tw_delivery_open_group(tw_delivery_asking *asking) {
  const tw_control_group_open *open = &asking->request->body.group_open;
  tw_delivery *d = asking->delivery;
  uint8_t hash[TW_HASH_MAX];
  tw_relay_group group;
  bool valid;
  bool found;
  if (!is_name(open->name) || !is_name(open->group_id) ||
      (uint64_t)open->group_info.len + open->tree.len > d->limits.message_bytes ||
      !tw_delivery_is_group_info(d->env, open->group_info, open->group_id, open->epoch))
    return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not the GroupInfo of a group");
  if (open->epoch >= EPOCH_MAX) return tw_delivery_refuse(asking, TW_CONTROL_TOO_FAR, "no epoch comes this far");
  if (are_too_many(d, open->members)) return tw_delivery_refuse(asking, TW_CONTROL_FULL, "too many members");
  TW_TRY(order_members(d, open->members, &asking->peer->id, &valid));
  if (!valid) return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not members, each once, with the sender");
  pay_for(asking, open->members.len / ID);
  TW_TRY(hash_opening(d->env, open, hash));
  TW_TRY(d->store->ops->group_find(d->store, open->name, TW_NO_BYTES, &group, &found));
  return found ? answer_name_taken(asking, &group, hash) : open_new(asking, hash);
}

tw_err tw_delivery_find_group(tw_delivery_asking *asking) {
  tw_delivery *d = asking->delivery;
  tw_control_group *answer = &asking->waiting->answer.body.group_find;
  tw_relay_lengths *lengths = &asking->waiting->lengths;
  const tw_bytes name = asking->request->body.group_find.name;
  tw_relay_group group;
  bool found;
  if (!is_name(name)) return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a group's name");
  TW_TRY(d->store->ops->group_find(d->store, name, TW_NO_BYTES, &group, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "no group has this name");
  answer->epoch = group.epoch;
  answer->number = group.number;
  TW_TRY(d->store->ops->is_member(d->store, group.number, &asking->peer->id, &answer->member));
  return d->store->ops->group_read(d->store, group.number, asking->request->body.group_find.tree, &d->bytes, lengths);
}

/* ---- messages to a group ---- */

/* The room in mailboxes for what members of a group send to it. */
static tw_relay_room whole_room(const tw_delivery *d) {
  return (tw_relay_room){.bytes = d->limits.mailbox_bytes, .entries = d->limits.mailbox_entries};
}

tw_err tw_delivery_send_to_group(tw_delivery_asking *asking) {
  const tw_control_group_send *send = &asking->request->body.group_send;
  tw_delivery *d = asking->delivery;
  tw_delivery_look look;
  tw_relay_group group;
  bool found;
  if (!is_name(send->group_id) || send->message.len > d->limits.message_bytes ||
      tw_delivery_look_at(d->env, send->message, &look) != TW_OK || look.commit ||
      !tw_bytes_equal(look.group_id, send->group_id))
    return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a message of this group that is not a commit");
  TW_TRY(d->store->ops->group_find(d->store, TW_NO_BYTES, send->group_id, &group, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "no group has this id");
  TW_TRY(d->store->ops->is_member(d->store, group.number, &asking->peer->id, &found));
  if (!found || !look.member) return tw_delivery_refuse(asking, TW_CONTROL_FORBIDDEN, "not a member of this group");
  if (look.epoch > group.epoch || group.epoch - look.epoch > d->limits.epochs_behind)
    return tw_delivery_refuse(asking, TW_CONTROL_TOO_FAR, "a message of another epoch");
  const tw_relay_mail mail = {.kind = TW_CONTROL_KIND_GROUP_SEND,
                              .from = asking->peer->id,
                              .group_id = send->group_id,
                              .epoch = look.epoch,
                              .message = send->message};
  const tw_relay_room room = whole_room(d);
  TW_TRY(pay_for_group(asking, group.number));
  return d->store->ops->group_send(d->store, group.number, &mail, &room, asking->now_ms, tw_delivery_note_mail, d);
}

/* ---- commits ---- */

/*
 * A commit of an epoch that is over. Its maker, who may have been removed since, learns that it was accepted; whoever
 * else may commit gets what took the place.
 */
static tw_err answer_place_taken(tw_delivery_asking *asking, const tw_relay_group *group, bool allowed,
                                 const uint8_t hash[TW_RELAY_HASH]) {
  tw_delivery *d = asking->delivery;
  const uint64_t epoch = asking->request->body.group_commit.epoch;
  const size_t start = d->bytes.len;
  tw_relay_past past;
  bool found;
  TW_TRY(d->store->ops->past(d->store, group->number, epoch, &past, &d->bytes, &found));
  const bool same = found && memcmp(past.hash, hash, TW_RELAY_HASH) == 0 &&
                    memcmp(past.from.digest, asking->peer->id.digest, ID) == 0;
  if (same || !allowed || !found) d->bytes.len = start;
  if (same) return TW_OK;
  if (!allowed) return tw_delivery_refuse(asking, TW_CONTROL_FORBIDDEN, "not a member of this group");
  if (!found || !past.has_message) return tw_delivery_refuse(asking, TW_CONTROL_TOO_FAR, "the epoch is too long over");
  asking->waiting->answer.status = TW_CONTROL_TAKEN;
  return TW_OK;
}

/* Each receiver is a member, and has one Welcome of the commit: so there are no more than members. `greeted` has a bit
 * for each of them, 0 at first. */
static bool receivers_are_valid(const tw_delivery *d, tw_bytes to, uint8_t *greeted) {
  for (size_t at = 0; at < to.len; at += ID) {
    const uint8_t *member = bsearch(to.ptr + at, d->scratch.ptr, d->scratch.len / ID, ID, compare_ids);
    if (member == NULL) return false;
    const size_t place = (size_t)(member - d->scratch.ptr) / ID;
    const uint8_t bit = (uint8_t)(1U << (place % 8));
    if ((greeted[place / 8] & bit) != 0) return false;
    greeted[place / 8] |= bit;
  }
  return true;
}

static tw_err check_welcomes(const tw_delivery *d, tw_bytes welcomes, size_t *count, bool *valid) {
  tw_reader walk = tw_reader_of(welcomes);
  tw_control_welcome one;
  uint8_t *greeted = tw_alloc_zero(tw_env_alloc(d->env), d->scratch.len / ID / 8 + 1);
  if (greeted == NULL) return TW_ERR_NO_MEMORY;
  *count = 0;
  *valid = true;
  while (*valid && tw_control_welcome_next(&walk, &one)) {
    *valid = one.welcome.len <= d->limits.message_bytes && tw_delivery_is_welcome(d->env, one.welcome) &&
             receivers_are_valid(d, one.to, greeted);
    *count += one.to.len / ID;
  }
  *valid = *valid && tw_reader_end(&walk) == TW_OK;
  tw_alloc_free(tw_env_alloc(d->env), greeted);
  return TW_OK;
}

/* One that has no mailbox, or no room in it, is refused. The commit itself may come before it: that needs room, too. */
static tw_err place_welcome(tw_delivery_asking *asking, const tw_client_id *to, tw_bytes message, tw_relay_welcome *out,
                            bool *placed) {
  tw_delivery *d = asking->delivery;
  tw_relay_client client;
  bool found;
  *placed = false;
  TW_TRY(d->store->ops->find(d->store, to, &client, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "a Welcome for no client of this relay");
  const size_t commit = asking->request->body.group_commit.commit.len + TW_RELAY_ENTRY_COST;
  if (!tw_delivery_has_room(d, &client, commit + message.len, 1))
    return tw_delivery_refuse(asking, TW_CONTROL_FULL, "the mailbox of a Welcome's receiver is full");
  *out = (tw_relay_welcome){.to = client.number, .message = message};
  *placed = true;
  return TW_OK;
}

/*
 * What the receivers of Welcomes get, each Welcome with the tree that it leads to, one behind the other. TW_ERR_LIMIT:
 * all together they are longer than one message may be, which a commit with one Welcome for all whom it adds is far
 * from.
 */
static tw_err write_welcomes(const tw_delivery *d, tw_bytes welcomes, tw_bytes tree, tw_buf *out) {
  tw_reader walk = tw_reader_of(welcomes);
  tw_control_welcome one;
  while (tw_control_welcome_next(&walk, &one)) {
    const tw_control_welcomed welcomed = {.welcome = one.welcome, .tree = tree};
    tw_writer w = tw_writer_to(out);
    tw_control_write_welcomed(&w, &welcomed);
    TW_TRY(tw_writer_end(&w));
    if (out->len > d->limits.message_bytes) return TW_ERR_LIMIT;
  }
  return TW_OK;
}

/* Whether each receiver has a mailbox with room: else refused. */
static tw_err place_welcomes(tw_delivery_asking *asking, tw_bytes messages, tw_relay_welcome *out, bool *placed) {
  tw_reader walk = tw_reader_of(asking->request->body.group_commit.welcomes);
  tw_reader written = tw_reader_of(messages);
  tw_control_welcome one;
  *placed = true;
  while (tw_control_welcome_next(&walk, &one)) {
    const uint8_t *start = written.ptr;
    (void)tw_read_vector(&written);
    (void)tw_read_vector(&written);
    const tw_bytes message = tw_reader_since(&written, start);
    tw_reader receivers = tw_reader_of(one.to);
    tw_client_id to;
    while (tw_control_client_next(&receivers, &to)) {
      TW_TRY(place_welcome(asking, &to, message, out++, placed));
      if (!*placed) return TW_OK;
    }
  }
  return TW_OK;
}

static tw_err apply_commit(tw_delivery_asking *asking, const tw_relay_group *group, const uint8_t hash[TW_RELAY_HASH],
                           tw_bytes tree, const tw_relay_welcome *welcomes, size_t welcome_count) {
  const tw_control_group_commit *request = &asking->request->body.group_commit;
  tw_delivery *d = asking->delivery;
  const tw_relay_commit commit = {.group = group->number,
                                  .commit = {.kind = TW_CONTROL_KIND_COMMIT,
                                             .from = asking->peer->id,
                                             .group_id = request->group_id,
                                             .epoch = request->epoch,
                                             .message = request->commit},
                                  .hash = hash,
                                  .group_info = request->group_info,
                                  .tree = tree,
                                  .members = tw_buf_bytes(&d->scratch),
                                  .welcomes = welcomes,
                                  .welcome_count = welcome_count,
                                  .welcome_kind = TW_CONTROL_KIND_WELCOME,
                                  .remembered = d->limits.remembered_commits,
                                  .remembered_bytes = d->limits.remembered_bytes};
  const tw_relay_room room = whole_room(d);
  bool applied;
  TW_TRY(d->store->ops->group_commit(d->store, &commit, &room, asking->now_ms, tw_delivery_note_mail, d, &applied));
  return applied ? tw_delivery_note_group(d, group->number) : answer_place_taken(asking, group, true, hash);
}

/* What comes of a patch of what there is; else refused, if it is more than `most` by `too_large`. */
static tw_err apply_patch(tw_delivery_asking *asking, tw_bytes before, tw_bytes patch, size_t most,
                          tw_control_status too_large, tw_buf *out, bool *made) {
  const tw_err err = tw_control_patch_apply(asking->delivery->env, before, patch, most, out);
  *made = err == TW_OK;
  if (err == TW_ERR_APART)
    return tw_delivery_refuse(asking, TW_CONTROL_UNFIT, "a change of what is not here: send all");
  if (err == TW_ERR_LIMIT) return tw_delivery_refuse(asking, too_large, "too large a tree, or too many members");
  if (tw_err_class_of(err) != TW_CLASS_MALFORMED) return err;
  return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a change of a tree or of members");
}

/*
 * Tree and members of the next epoch. Should the group's record be replaced between reading and the compare-and-set,
 * that fails, or the patch does not fit, and whoever sends all then learns who was first.
 */
static tw_err make_next(tw_delivery_asking *asking, const tw_relay_group *group, tw_buf *tree, tw_buf *members,
                        bool *made) {
  const tw_control_group_commit *request = &asking->request->body.group_commit;
  tw_delivery *d = asking->delivery;
  tw_buf before = TW_BUF_INIT(tw_env_alloc(d->env));
  tw_relay_lengths lengths;
  tw_err err = d->store->ops->group_read(d->store, group->number, true, &before, &lengths);
  if (err == TW_OK) {
    const tw_bytes old_tree = TW_BYTES(before.ptr + before.len - lengths.tree, lengths.tree);
    const size_t most = d->limits.message_bytes - request->group_info.len;
    err = apply_patch(asking, old_tree, request->tree, most, TW_CONTROL_MALFORMED, tree, made);
  }
  tw_buf_clear(&before);
  if (err == TW_OK && *made) err = d->store->ops->member_list(d->store, group->number, &before);
  if (err == TW_OK && *made)
    err = apply_patch(asking, tw_buf_bytes(&before), request->members, (size_t)d->limits.members * ID, TW_CONTROL_FULL,
                      members, made);
  pay_for(asking, (before.len > members->len ? before.len : members->len) / ID);
  tw_buf_clear(&before);
  return err;
}

/* The commit fits what there is. */
static tw_err check_and_apply(tw_delivery_asking *asking, const tw_relay_group *group,
                              const uint8_t hash[TW_RELAY_HASH], tw_bytes tree, tw_bytes members) {
  const tw_control_group_commit *request = &asking->request->body.group_commit;
  tw_delivery *d = asking->delivery;
  bool valid;
  size_t count = 0;
  TW_TRY(order_members(d, members, &asking->peer->id, &valid));
  if (!valid) return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not members, each once, with the sender");
  TW_TRY(check_welcomes(d, request->welcomes, &count, &valid));
  if (!valid) return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not Welcomes for members, one for each");
  tw_buf messages = TW_BUF_INIT(tw_env_alloc(d->env));
  tw_relay_welcome *welcomes = tw_alloc_array(tw_env_alloc(d->env), count + 1, sizeof *welcomes);
  tw_err err = welcomes == NULL ? TW_ERR_NO_MEMORY : write_welcomes(d, request->welcomes, tree, &messages);
  if (err == TW_ERR_LIMIT) {
    valid = false;
    err = tw_delivery_refuse(asking, TW_CONTROL_FULL, "too many Welcomes for their tree");
  } else if (err == TW_OK) {
    err = place_welcomes(asking, tw_buf_bytes(&messages), welcomes, &valid);
  }
  if (err == TW_OK && valid) err = apply_commit(asking, group, hash, tree, welcomes, count);
  tw_alloc_free(tw_env_alloc(d->env), welcomes);
  tw_buf_clear(&messages);
  return err;
}

/* The commit is of the group's epoch, by somebody who may commit. */
static tw_err fit_and_apply(tw_delivery_asking *asking, const tw_relay_group *group,
                            const uint8_t hash[TW_RELAY_HASH]) {
  const tw_control_group_commit *request = &asking->request->body.group_commit;
  tw_delivery *d = asking->delivery;
  tw_buf tree = TW_BUF_INIT(tw_env_alloc(d->env));
  tw_buf members = TW_BUF_INIT(tw_env_alloc(d->env));
  bool made = false;
  if (request->group_info.len > d->limits.message_bytes ||
      !tw_delivery_is_group_info(d->env, request->group_info, request->group_id, request->epoch + 1))
    return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not the GroupInfo of the next epoch");
  tw_err err = make_next(asking, group, &tree, &members, &made);
  if (err == TW_OK && made) err = check_and_apply(asking, group, hash, tw_buf_bytes(&tree), tw_buf_bytes(&members));
  tw_buf_clear(&tree);
  tw_buf_clear(&members);
  return err;
}

tw_err tw_delivery_commit(tw_delivery_asking *asking) {
  const tw_control_group_commit *request = &asking->request->body.group_commit;
  tw_delivery *d = asking->delivery;
  uint8_t hash[TW_HASH_MAX];
  tw_delivery_look look;
  tw_relay_group group;
  bool found;
  bool member;
  if (!is_name(request->group_id) || request->commit.len > d->limits.message_bytes ||
      tw_delivery_look_at(d->env, request->commit, &look) != TW_OK || !look.commit || look.epoch != request->epoch ||
      !tw_bytes_equal(look.group_id, request->group_id))
    return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a commit of this group and epoch");
  TW_TRY(d->store->ops->group_find(d->store, TW_NO_BYTES, request->group_id, &group, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "no group has this id");
  TW_TRY(d->store->ops->is_member(d->store, group.number, &asking->peer->id, &member));
  /* An external commit is a member's resync: one of a stranger would end the epoch, and the members who refuse it could
   * not come to another. */
  const bool allowed = member && (look.member || look.external_join);
  TW_TRY(tw_hash_parts(d->env, &hashing, &request->commit, 1, hash));
  if (request->epoch < group.epoch) return answer_place_taken(asking, &group, allowed, hash);
  if (!allowed) return tw_delivery_refuse(asking, TW_CONTROL_FORBIDDEN, "not a member of this group");
  if (request->epoch > group.epoch || request->epoch >= EPOCH_MAX)
    return tw_delivery_refuse(asking, TW_CONTROL_TOO_FAR, "the group has not come to this epoch");
  return fit_and_apply(asking, &group, hash);
}

/* ---- wanting in ---- */

typedef struct wanting {
  const tw_delivery_asking *asking;
  tw_bytes name;
} wanting;

static tw_err tell_member(void *ctx, uint32_t number) {
  const wanting *w = ctx;
  const tw_delivery_events *events = &w->asking->delivery->events;
  if (number != w->asking->client.number) events->wants_in(events->ctx, number, w->name, &w->asking->peer->id);
  return TW_OK;
}

/* Whoever wants in says so again and again: its members need not hear all of it. */
static bool wanted_just_now(tw_delivery *d, uint32_t group, uint32_t client, uint64_t now_ms) {
  for (size_t i = 0; i < TW_DELIVERY_WISHES; i++) {
    const tw_delivery_wish *wish = &d->wishes[i];
    if (wish->group == group && wish->client == client && wish->at_ms <= now_ms &&
        now_ms - wish->at_ms < TW_DELIVERY_WISH_MS)
      return true;
  }
  d->wishes[d->next_wish] = (tw_delivery_wish){group, client, now_ms};
  d->next_wish = (d->next_wish + 1) % TW_DELIVERY_WISHES;
  return false;
}

tw_err tw_delivery_want_in(tw_delivery_asking *asking) {
  tw_delivery *d = asking->delivery;
  wanting w = {asking, asking->request->body.want_in};
  tw_relay_group group;
  bool found;
  if (!is_name(w.name)) return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a group's name");
  TW_TRY(d->store->ops->group_find(d->store, w.name, TW_NO_BYTES, &group, &found));
  if (!found) return tw_delivery_refuse(asking, TW_CONTROL_UNKNOWN, "no group has this name");
  if (wanted_just_now(d, group.number, asking->client.number, asking->now_ms)) return TW_OK;
  TW_TRY(pay_for_group(asking, group.number));
  return d->store->ops->members(d->store, group.number, tell_member, &w);
}

/* ---- packets ---- */

static tw_err look_at_group(void *ctx, uint32_t group) {
  const tw_delivery_asking *asking = ctx;
  const tw_delivery_events *events = &asking->delivery->events;
  if (events->has_member == NULL || events->has_member(events->ctx, group, asking->client.number)) return TW_OK;
  return tw_delivery_note_group(asking->delivery, group);
}

tw_err tw_delivery_bind(tw_delivery_asking *asking) {
  tw_relay_store *store = asking->delivery->store;
  return store->ops->groups_of(store, &asking->peer->id, look_at_group, asking);
}
