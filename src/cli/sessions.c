/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sessions.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "cli/passphrase.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "store/store.h"

enum { ID_MAX = TW_PAIR_LABEL_MAX + 16, BUCKETS_FIRST = 64, VALUE_VERSION = 1, TIDY_DROPS = 256 };

/* One session: in the table by its id, in the list by when it was used. */
typedef struct entry {
  struct entry *same_bucket;
  struct entry *newer, *older;
  struct entry *next_idle, *previous_idle;
  tw_tunnel *owner; /* whose channel has it; NULL: nobody's, and then it is in the list of idle ones */
  uint64_t used_s;
  uint64_t version; /* how often it was saved by this process, and once before */
  tw_buf saved;     /* without a state directory: the pair */
  uint8_t id_len;
  uint8_t id[ID_MAX];
} entry;

struct tw_sessions {
  const tw_env *env;
  tw_store *store;
  bool connecting;
  uint8_t tag[TW_SESSION_TAG];
  uint64_t lifetime_s;
  uint64_t most;
  uint64_t seed;
  entry **buckets; /* a power of two of them */
  size_t bucket_count;
  size_t count;
  entry *newest, *oldest;
  entry *idle;               /* the one that became so last is first */
  tw_buf scratch;            /* of one save */
  tw_store_change *changes;  /* likewise */
  size_t *offsets, *lengths; /* of the values in scratch */
  entry **saved;             /* whose these are */
  size_t change_room;
};

/* ---- options ---- */

enum { DAY_S = 24 * 3600, LIFETIME_DAYS = 30, MOST = 65536, MOST_MAX = 10000000 };

void tw_session_options_init(tw_session_options *options) {
  *options = (tw_session_options){.lifetime_s = LIFETIME_DAYS * DAY_S, .most = MOST};
}

tw_err tw_session_option(tw_session_options *options, int which, const char *value, tw_report *report) {
  switch (which) {
  case TW_SESSION_STATE: options->dir = value; return TW_OK;
  case TW_SESSION_STATE_KEY: options->key_path = value; return TW_OK;
  case TW_SESSION_STATE_PASS: options->pass_path = value; return TW_OK;
  case TW_SESSION_LIFETIME:
    return tw_option_number("session-lifetime", value, 0, 100 * 365 * (uint64_t)DAY_S, false, &options->lifetime_s,
                            report);
  case TW_SESSION_MOST: return tw_option_number("max-sessions", value, 1, MOST_MAX, false, &options->most, report);
  default: return tw_report_fail(report, TW_ERR_INTERNAL, "option %d has no meaning", which);
  }
}

tw_err tw_session_options_check(const tw_session_options *options, tw_report *report) {
  if (options->key_path != NULL && options->pass_path != NULL)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "either --state-key or --state-pass");
  if (options->dir == NULL && (options->key_path != NULL || options->pass_path != NULL))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--state-key and --state-pass go with --state DIR");
  if (options->dir != NULL && options->lifetime_s == 0)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--state DIR keeps sessions, --session-lifetime 0 keeps none");
  return TW_OK;
}

static uint64_t now_s(void) { return (uint64_t)time(NULL); }

/* ---- the table ---- */

static size_t bucket_of(const tw_sessions *sessions, tw_bytes id) {
  uint64_t hash = sessions->seed ^ UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < id.len; i++) hash = (hash ^ id.ptr[i]) * UINT64_C(0x100000001b3);
  return (size_t)(hash ^ (hash >> 32)) & (sessions->bucket_count - 1);
}

static tw_bytes id_of(const entry *e) { return TW_BYTES(e->id, e->id_len); }

static entry *find(const tw_sessions *sessions, tw_bytes id) {
  if (sessions->bucket_count == 0) return NULL;
  entry *e = sessions->buckets[bucket_of(sessions, id)];
  while (e != NULL && !tw_bytes_equal(id_of(e), id)) e = e->same_bucket;
  return e;
}

static void put_in_bucket(tw_sessions *sessions, entry *e) {
  entry **bucket = &sessions->buckets[bucket_of(sessions, id_of(e))];
  e->same_bucket = *bucket;
  *bucket = e;
}

static tw_err make_buckets(tw_sessions *sessions) {
  if (sessions->count < sessions->bucket_count) return TW_OK;
  const size_t count = sessions->bucket_count == 0 ? BUCKETS_FIRST : 2 * sessions->bucket_count;
  entry **buckets = tw_alloc_array(NULL, count, sizeof(entry *));
  if (buckets == NULL) return TW_ERR_NO_MEMORY;
  tw_alloc_free(NULL, (void *)sessions->buckets);
  sessions->buckets = buckets;
  sessions->bucket_count = count;
  for (entry *e = sessions->newest; e != NULL; e = e->older) put_in_bucket(sessions, e);
  return TW_OK;
}

static void unlink_used(tw_sessions *sessions, entry *e) {
  *(e->newer != NULL ? &e->newer->older : &sessions->newest) = e->older;
  *(e->older != NULL ? &e->older->newer : &sessions->oldest) = e->newer;
}

/* In its place by used_s; nearly always the front. */
static void link_used(tw_sessions *sessions, entry *e) {
  entry *newer = NULL;
  entry *older = sessions->newest;
  while (older != NULL && older->used_s > e->used_s) {
    newer = older;
    older = older->older;
  }
  e->newer = newer;
  e->older = older;
  *(newer != NULL ? &newer->older : &sessions->newest) = e;
  *(older != NULL ? &older->newer : &sessions->oldest) = e;
}

static int by_use(const void *a, const void *b) {
  const entry *x = *(entry *const *)a;
  const entry *y = *(entry *const *)b;
  return (x->used_s > y->used_s) - (x->used_s < y->used_s);
}

/* All at once, where they come in any order: to put each in its place would take the square of their number. */
static tw_err sort_used(tw_sessions *sessions) {
  if (sessions->count == 0) return TW_OK;
  entry **all = tw_alloc_array(NULL, sessions->count, sizeof(entry *));
  if (all == NULL) return TW_ERR_NO_MEMORY;
  size_t count = 0;
  for (entry *e = sessions->newest; e != NULL; e = e->older) all[count++] = e;
  qsort((void *)all, count, sizeof(entry *), by_use);
  sessions->newest = sessions->oldest = NULL;
  for (size_t i = 0; i < count; i++) link_used(sessions, all[i]);
  tw_alloc_free(NULL, (void *)all);
  return TW_OK;
}

static void become_idle(tw_sessions *sessions, entry *e) {
  e->owner = NULL;
  e->previous_idle = NULL;
  e->next_idle = sessions->idle;
  if (e->next_idle != NULL) e->next_idle->previous_idle = e;
  sessions->idle = e;
}

static void leave_idle(tw_sessions *sessions, entry *e) {
  *(e->previous_idle != NULL ? &e->previous_idle->next_idle : &sessions->idle) = e->next_idle;
  if (e->next_idle != NULL) e->next_idle->previous_idle = e->previous_idle;
}

/* A tunnel knows its session, and the session its tunnel. */
static void own(tw_sessions *sessions, entry *e, tw_tunnel *tunnel) {
  if (e->owner == tunnel) return;
  if (e->owner == NULL)
    leave_idle(sessions, e);
  else
    *tw_tunnel_session(e->owner) = NULL;
  e->owner = tunnel;
  *tw_tunnel_session(tunnel) = e;
}

static tw_err add(tw_sessions *sessions, tw_bytes id, uint64_t used_s, entry **out) {
  if (id.len > ID_MAX) return TW_ERR_INTERNAL;
  TW_TRY(make_buckets(sessions));
  entry *e = tw_alloc_zero(NULL, sizeof *e);
  if (e == NULL) return TW_ERR_NO_MEMORY;
  memcpy(e->id, id.ptr, id.len);
  e->id_len = (uint8_t)id.len;
  e->used_s = used_s;
  put_in_bucket(sessions, e);
  link_used(sessions, e);
  become_idle(sessions, e);
  sessions->count++;
  *out = e;
  return TW_OK;
}

static void drop(tw_sessions *sessions, entry *e) {
  entry **at = &sessions->buckets[bucket_of(sessions, id_of(e))];
  while (*at != e) at = &(*at)->same_bucket;
  *at = e->same_bucket;
  unlink_used(sessions, e);
  if (e->owner == NULL)
    leave_idle(sessions, e);
  else
    *tw_tunnel_session(e->owner) = NULL;
  sessions->count--;
  tw_buf_clear(&e->saved);
  tw_alloc_free(NULL, e);
}

/* From the disk, too; what cannot be removed there now is dropped when it is read again and too old. */
static void forget(tw_sessions *sessions, entry *e) {
  const tw_store_change change = {.kind = TW_STORE_SESSION, .id = id_of(e), .remove = true};
  if (sessions->store != NULL) (void)!tw_store_apply(sessions->store, &change, 1, NULL);
  drop(sessions, e);
}

static bool is_too_old(const tw_sessions *sessions, const entry *e, uint64_t now) {
  return e->used_s + sessions->lifetime_s < now;
}

/* ---- values on the disk ---- */

/* struct { uint8 version = 1; uint8 connecting; uint64 used_s; opaque tag[32]; opaque pair<rest>; } SavedSession */
static tw_err append_value(const tw_sessions *sessions, const entry *e, const tw_channel *channel, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, VALUE_VERSION);
  tw_write_u8(&w, sessions->connecting ? 1 : 0);
  tw_write_u64(&w, e->used_s);
  tw_write_fixed(&w, TW_ARRAY(sessions->tag));
  TW_TRY(tw_writer_end(&w));
  return tw_channel_save(channel, out);
}

static tw_err read_value(const tw_sessions *sessions, tw_bytes value, uint64_t *used_s, tw_bytes *pair, bool *ours) {
  tw_reader r = tw_reader_of(value);
  if (tw_read_u8(&r) != VALUE_VERSION) tw_reader_fail(&r, TW_ERR_UNSUPPORTED);
  const bool connecting = tw_read_present(&r);
  *used_s = tw_read_u64(&r);
  const tw_bytes tag = tw_read_fixed(&r, TW_SESSION_TAG);
  *pair = tw_read_rest(&r);
  TW_TRY(tw_reader_end(&r));
  *ours = connecting == sessions->connecting && tw_bytes_equal(tag, TW_ARRAY(sessions->tag));
  return TW_OK;
}

static tw_err take_stored(void *ctx, tw_bytes id, tw_bytes value) {
  tw_sessions *sessions = ctx;
  uint64_t used_s;
  tw_bytes pair;
  bool ours;
  entry *e;
  if (read_value(sessions, value, &used_s, &pair, &ours) != TW_OK || !ours || id.len > ID_MAX) return TW_OK;
  TW_TRY(add(sessions, id, UINT64_MAX, &e)); /* to the front; sort_used puts it in its place */
  e->used_s = used_s;
  e->version = 1;
  return TW_OK;
}

static tw_err load(const tw_sessions *sessions, const entry *e, tw_buf *saved) {
  if (sessions->store == NULL) return tw_buf_append(saved, tw_buf_bytes(&e->saved));
  tw_buf value = {0};
  bool found = false;
  uint64_t used_s;
  tw_bytes pair;
  bool ours;
  tw_err err = tw_store_get(sessions->store, TW_STORE_SESSION, id_of(e), &value, &found, NULL);
  if (err == TW_OK) err = found ? read_value(sessions, tw_buf_bytes(&value), &used_s, &pair, &ours) : TW_ERR_NO_SESSION;
  if (err == TW_OK) err = tw_buf_append(saved, pair);
  tw_buf_clear(&value);
  return err;
}

/* ---- opening ---- */

static tw_err open_store(const tw_session_options *options, tw_sessions *sessions, tw_report *report) {
  tw_store_config config = {.dir = options->dir, .key = {.file = options->key_path}};
  tw_buf passphrase = {0};
  tw_err err = TW_OK;
  if (options->pass_path != NULL) {
    err = tw_passphrase_file_read(options->pass_path, &passphrase, report);
    config.key.passphrase = tw_buf_bytes(&passphrase);
  }
  if (err == TW_OK) err = tw_store_open(&config, sessions->env, &sessions->store, report);
  tw_buf_clear(&passphrase);
  if (err == TW_OK) err = tw_store_each(sessions->store, TW_STORE_SESSION, take_stored, sessions, report);
  if (err == TW_OK && sort_used(sessions) != TW_OK) err = tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  return err;
}

tw_err tw_sessions_open(const tw_session_options *options, const tw_env *env, bool connecting,
                        const uint8_t tag[TW_SESSION_TAG], tw_sessions **out, tw_report *report) {
  tw_sessions *sessions = tw_alloc_zero(NULL, sizeof *sessions);
  if (sessions == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  sessions->env = env;
  sessions->connecting = connecting;
  sessions->lifetime_s = options->lifetime_s;
  sessions->most = options->most;
  memcpy(sessions->tag, tag, TW_SESSION_TAG);
  tw_err err = tw_random(env, (uint8_t *)&sessions->seed, sizeof sessions->seed);
  if (err != TW_OK) err = tw_report_fail(report, err, "%s", tw_err_text(err));
  if (err == TW_OK && options->dir != NULL) err = open_store(options, sessions, report);
  if (err != TW_OK) {
    tw_sessions_close(sessions);
    return err;
  }
  tw_sessions_tidy(sessions);
  *out = sessions;
  return TW_OK;
}

void tw_sessions_close(tw_sessions *sessions) {
  if (sessions == NULL) return;
  while (sessions->newest != NULL) drop(sessions, sessions->newest);
  tw_store_close(sessions->store);
  tw_buf_clear(&sessions->scratch);
  tw_alloc_free(NULL, (void *)sessions->buckets);
  tw_alloc_free(NULL, sessions->changes);
  tw_alloc_free(NULL, sessions->offsets);
  tw_alloc_free(NULL, sessions->lengths);
  tw_alloc_free(NULL, (void *)sessions->saved);
  tw_alloc_free(NULL, sessions);
}

size_t tw_sessions_count(const tw_sessions *sessions) { return sessions->count; }

void tw_sessions_tidy(tw_sessions *sessions) {
  const uint64_t now = now_s();
  entry *next;
  int dropped = 0;
  for (entry *e = sessions->oldest; e != NULL && dropped < TIDY_DROPS; e = next) {
    next = e->newer;
    if (!is_too_old(sessions, e, now) && sessions->count <= sessions->most) break;
    if (e->owner != NULL) continue;
    forget(sessions, e);
    dropped++;
  }
  if (sessions->store != NULL) (void)!tw_store_tidy(sessions->store, NULL);
}

/* ---- use ---- */

tw_err tw_sessions_find(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  const tw_sessions *sessions = ctx;
  const entry *e = find(sessions, group_id);
  if (e == NULL || is_too_old(sessions, e, now_s())) return TW_ERR_NO_SESSION;
  *found = (tw_channel_found){.version = e->version, .in_use = e->owner != NULL};
  return load(sessions, e, saved);
}

bool tw_sessions_resume(tw_sessions *sessions, tw_tunnel *tunnel, tw_buf *saved, uint64_t *version) {
  entry *e = *tw_tunnel_session(tunnel); /* of an earlier try */
  if (e == NULL) e = sessions->idle;
  if (e == NULL || is_too_old(sessions, e, now_s())) return false;
  own(sessions, e, tunnel);
  *version = e->version;
  if (load(sessions, e, saved) == TW_OK) return true;
  forget(sessions, e);
  return false;
}

void tw_sessions_forget(tw_sessions *sessions, tw_tunnel *tunnel) {
  entry *e = *tw_tunnel_session(tunnel);
  if (e != NULL) forget(sessions, e);
}

void tw_sessions_release(tw_sessions *sessions, tw_tunnel *tunnel) {
  entry *e = *tw_tunnel_session(tunnel);
  if (e == NULL) return;
  *tw_tunnel_session(tunnel) = NULL;
  become_idle(sessions, e);
}

/* ---- saving ---- */

static tw_err make_room(tw_sessions *sessions, size_t count) {
  if (count <= sessions->change_room) return TW_OK;
  tw_store_change *changes = tw_alloc_resize_array(NULL, sessions->changes, count, sizeof *changes);
  if (changes == NULL) return TW_ERR_NO_MEMORY;
  sessions->changes = changes;
  size_t *offsets = tw_alloc_resize_array(NULL, sessions->offsets, count, sizeof *offsets);
  if (offsets == NULL) return TW_ERR_NO_MEMORY;
  sessions->offsets = offsets;
  size_t *lengths = tw_alloc_resize_array(NULL, sessions->lengths, count, sizeof *lengths);
  if (lengths == NULL) return TW_ERR_NO_MEMORY;
  sessions->lengths = lengths;
  entry **saved = tw_alloc_resize_array(NULL, (void *)sessions->saved, count, sizeof(entry *));
  if (saved == NULL) return TW_ERR_NO_MEMORY;
  sessions->saved = saved;
  sessions->change_room = count;
  return TW_OK;
}

/*
 * The tunnel has the session from now on, and who had it before knows an older one. NULL: it is the tunnel that does,
 * since another one has saved since it began, or the session was forgotten meanwhile.
 */
static tw_err claim(tw_sessions *sessions, tw_tunnel *tunnel, entry **out) {
  const tw_channel *channel = tw_tunnel_channel(tunnel);
  const tw_bytes id = tw_group_id(tw_channel_group(channel));
  const uint64_t version = tw_channel_version(channel);
  entry *e = find(sessions, id);
  *out = NULL;
  if (e == NULL && version == 0) TW_TRY(add(sessions, id, now_s(), &e));
  if (e == NULL || e->version != version) return TW_OK;
  unlink_used(sessions, e);
  e->used_s = now_s();
  link_used(sessions, e);
  tw_tunnel *former = e->owner;
  own(sessions, e, tunnel);
  if (former != NULL && former != tunnel) tw_tunnel_supersede(former);
  *out = e;
  return TW_OK;
}

static tw_err save_in_memory(const tw_channel *channel, entry *e) {
  tw_buf saved = {0};
  const tw_err err = tw_channel_save(channel, &saved);
  if (err != TW_OK) {
    tw_buf_clear(&saved);
    return err;
  }
  tw_buf_clear(&e->saved);
  e->saved = saved;
  e->version++;
  return TW_OK;
}

static tw_err collect(tw_sessions *sessions, tw_tunnel *tunnel, size_t *changed) {
  entry *e;
  TW_TRY(claim(sessions, tunnel, &e));
  if (e == NULL) {
    tw_tunnel_supersede(tunnel);
    return TW_OK;
  }
  const tw_channel *channel = tw_tunnel_channel(tunnel);
  if (sessions->store == NULL) return save_in_memory(channel, e);
  const size_t at = sessions->scratch.len;
  TW_TRY(append_value(sessions, e, channel, &sessions->scratch));
  sessions->offsets[*changed] = at;
  sessions->lengths[*changed] = sessions->scratch.len - at;
  sessions->saved[*changed] = e;
  sessions->changes[(*changed)++] = (tw_store_change){.kind = TW_STORE_SESSION, .id = id_of(e)};
  return TW_OK;
}

static tw_err collect_all(tw_sessions *sessions, tw_tunnel *const *tunnels, size_t count, size_t *changed) {
  for (size_t i = 0; i < count; i++) /* one that is superseded meanwhile is not to be saved any more */
    if (tunnels[i] != NULL && tw_tunnel_unsaved(tunnels[i])) TW_TRY(collect(sessions, tunnels[i], changed));
  return TW_OK;
}

tw_err tw_sessions_save(tw_sessions *sessions, tw_tunnel *const *tunnels, size_t count, tw_report *report) {
  size_t changed = 0;
  tw_err err = make_room(sessions, count);
  if (err == TW_OK) err = collect_all(sessions, tunnels, count, &changed);
  if (err != TW_OK) {
    err = tw_report_fail(report, err, "the session cannot be saved: %s", tw_err_text(err));
  } else if (changed > 0) {
    for (size_t i = 0; i < changed; i++)
      sessions->changes[i].value = TW_BYTES(sessions->scratch.ptr + sessions->offsets[i], sessions->lengths[i]);
    err = tw_store_apply(sessions->store, sessions->changes, changed, report);
    for (size_t i = 0; err == TW_OK && i < changed; i++) sessions->saved[i]->version++;
  }
  tw_buf_clear(&sessions->scratch);
  return err;
}
