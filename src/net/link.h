/* What a tunnel needs of a protected stream. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_LINK_H
#define TW_NET_LINK_H

#include <treewire/channel.h>

/*
 * Either a channel (link_channel.c) or standard TLS by libssl (standard.c, D12). The calls, their errors and events are
 * those of channel.h, where each is described. One thing is other than there: standard TLS has no alert for what its
 * caller thinks of the peer, so that such an end is silent (tw_link_is_silent).
 */
typedef struct tw_link tw_link;

/** What is known of it, for telling. Borrowed until its next call. */
typedef struct tw_link_info {
  const char *version; /* standard TLS: the protocol's name; else NULL */
  const char *cipher;  /* likewise, the cipher suite's */
  tw_bytes alpn;       /* the application protocol that was agreed on; empty: none */
  tw_bytes server_name;
  tw_bytes certificates; /* standard TLS: the peer's chain, as in an x509 credential; empty: it has none */
} tw_link_info;

/** Each kind's own calls. */
typedef struct tw_link_acts {
  bool half_open; /* the peer's stream may end after its close_notify while ours goes on; channels need both (D15) */
  void (*free)(void *self);
  tw_err (*input_buffer)(void *self, uint8_t **ptr, size_t *room);
  tw_err (*input_done)(void *self, size_t n, uint64_t now_ms);
  tw_err (*input_end)(void *self, uint64_t now_ms);
  tw_bytes (*output)(const void *self);
  void (*output_sent)(void *self, size_t n);
  tw_bytes (*data)(const void *self);
  tw_err (*data_done)(void *self, size_t n);
  tw_err (*write_buffer)(void *self, uint8_t **ptr, size_t *room);
  tw_err (*write_done)(void *self, size_t n);
  bool (*writable)(const void *self);
  tw_err (*close)(void *self);
  void (*abort)(void *self, tw_err reason);
  uint64_t (*deadline)(const void *self);
  tw_err (*tick)(void *self, uint64_t now_ms);
  bool (*next_event)(void *self, tw_channel_event *event);
  bool (*unsaved)(const void *self);
  tw_err (*saved)(void *self);
  void (*get_status)(const void *self, tw_channel_status *status);
  void (*get_info)(const void *self, tw_link_info *info);
  const char *(*words)(const void *self);
  bool (*is_silent)(const void *self);
} tw_link_acts;

/** In its owner; zero-initialised: there is none. */
struct tw_link {
  const tw_link_acts *acts;
  void *self;
};

/** A link that has the channel, which is its own from now on. */
tw_link tw_link_of_channel(tw_channel *channel);
/** The channel in it; NULL where it is none. */
tw_channel *tw_link_channel(const tw_link *link);

static inline bool tw_link_is_there(const tw_link *link) { return link->acts != NULL; }
/** There is none afterwards; nothing happens where there was none. */
static inline void tw_link_free(tw_link *link) {
  if (link->acts != NULL) link->acts->free(link->self);
  *link = (tw_link){NULL, NULL};
}

static inline TW_MUST_USE tw_err tw_link_input_buffer(const tw_link *link, uint8_t **ptr, size_t *room) {
  return link->acts->input_buffer(link->self, ptr, room);
}
static inline TW_MUST_USE tw_err tw_link_input_done(const tw_link *link, size_t n, uint64_t now_ms) {
  return link->acts->input_done(link->self, n, now_ms);
}
static inline TW_MUST_USE tw_err tw_link_input_end(const tw_link *link, uint64_t now_ms) {
  return link->acts->input_end(link->self, now_ms);
}
static inline tw_bytes tw_link_output(const tw_link *link) { return link->acts->output(link->self); }
static inline void tw_link_output_sent(const tw_link *link, size_t n) { link->acts->output_sent(link->self, n); }
static inline tw_bytes tw_link_data(const tw_link *link) { return link->acts->data(link->self); }
static inline TW_MUST_USE tw_err tw_link_data_done(const tw_link *link, size_t n) {
  return link->acts->data_done(link->self, n);
}
static inline TW_MUST_USE tw_err tw_link_write_buffer(const tw_link *link, uint8_t **ptr, size_t *room) {
  return link->acts->write_buffer(link->self, ptr, room);
}
static inline TW_MUST_USE tw_err tw_link_write_done(const tw_link *link, size_t n) {
  return link->acts->write_done(link->self, n);
}
static inline bool tw_link_writable(const tw_link *link) { return link->acts->writable(link->self); }
static inline TW_MUST_USE tw_err tw_link_close(const tw_link *link) { return link->acts->close(link->self); }
static inline void tw_link_abort(const tw_link *link, tw_err reason) { link->acts->abort(link->self, reason); }
static inline uint64_t tw_link_deadline(const tw_link *link) { return link->acts->deadline(link->self); }
static inline TW_MUST_USE tw_err tw_link_tick(const tw_link *link, uint64_t now_ms) {
  return link->acts->tick(link->self, now_ms);
}
static inline bool tw_link_next_event(const tw_link *link, tw_channel_event *event) {
  return link->acts->next_event(link->self, event);
}
static inline bool tw_link_unsaved(const tw_link *link) { return link->acts->unsaved(link->self); }
static inline TW_MUST_USE tw_err tw_link_saved(const tw_link *link) { return link->acts->saved(link->self); }
static inline void tw_link_get_status(const tw_link *link, tw_channel_status *status) {
  link->acts->get_status(link->self, status);
}
static inline void tw_link_get_info(const tw_link *link, tw_link_info *info) { link->acts->get_info(link->self, info); }
/** What the closed event's reason comes from, in the words of who found it; NULL: there is no more to say. */
static inline const char *tw_link_words(const tw_link *link) { return link->acts->words(link->self); }
/** It ended with an error of which the peer is told nothing: a reset has to do that. */
static inline bool tw_link_is_silent(const tw_link *link) { return link->acts->is_silent(link->self); }

#endif
