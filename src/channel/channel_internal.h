/* The inside of an MLS-TLS channel. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CHANNEL_INTERNAL_H
#define TW_CHANNEL_INTERNAL_H

#include <treewire/channel.h>

#include "channel/machine.h"
#include "record/record.h"
#include "tls/alert.h"
#include "tls/protocol.h"
#include "tls/tls.h"

enum { TW_ALERT_LEVEL_WARNING = 1, TW_ALERT_LEVEL_FATAL = 2, TW_ALERT_SIZE = 2 };

enum {
  TW_CHANNEL_EVENTS = 6,
  TW_CHANNEL_HANDSHAKE_HEADER = 4, /* uint8 type, uint24 length (D8) */
  TW_CHANNEL_LOG_ID = TW_TLS_RANDOM,
  TW_CHANNEL_RESERVED_RECORDS = 1024 /* of a key's limit, kept for what is not application data */
};

/* How often something has come since a window of time began. */
typedef struct tw_channel_window {
  uint64_t since_ms;
  uint32_t count;
} tw_channel_window;

struct tw_channel {
  const tw_env *env;
  const tw_alloc *alloc;
  tw_channel_config config;
  const tw_client **clients; /* config.clients, ours to free */
  tw_channel_options options;
  tw_channel_state state;
  bool was_established; /* before it ended */
  bool connecting;
  bool sent_close; /* our close_notify */
  bool got_close;  /* the peer's */
  bool stream_ended;
  bool busy; /* bytes have moved since the last tick */

  uint64_t version;  /* of the session, tw_channel_version */
  bool unsaved;      /* the session has changed; only with config.durable */
  bool close_wanted; /* tw_channel_close came meanwhile */
  size_t held_at;    /* what stands in the output from here on is not sent before it is saved; SIZE_MAX: nothing */

  bool resumed;      /* by a resumption, not by hellos */
  size_t early_left; /* bytes of records that may still go out before the response */
  size_t skip_left;  /* bytes of records that may be the peer's early data, which we cannot or may not take */
  tw_buf early;      /* what was sent early, until it is known to be taken */

  /* TLS+MLS */
  tw_tls *tls;               /* while its handshake lasts */
  tw_tls_level level;        /* of what comes in, while it lasts */
  const tw_suite *tls_suite; /* from then on; NULL: MLS-TLS */
  uint8_t transcript_hash[TW_HASH_MAX];
  tw_buf raw;   /* what has come in, as long as it may be for another TLS library */
  tw_buf names; /* server name, then protocol */
  size_t server_name_len;
  uint16_t content_max; /* bytes of content in a record that we send */
  uint16_t inner_max;   /* bytes of TLSInnerPlaintext that we take */

  tw_pair *pair;
  tw_record_key send;
  tw_record_key receive;
  tw_record_key receive_next; /* what follows `receive`'s, until the peer is seen to have switched (D4, D6) */
  tw_buf handshake;           /* a handshake message that is not whole yet */
  uint32_t handshake_records; /* that it has come in */

  tw_channel_window idle_records;
  tw_channel_window peer_updates;

  tw_buf input; /* [data_at, data_at + data_len): the application's; [input_at, len): not looked at yet */
  size_t input_at;
  size_t data_at;
  size_t data_len;
  bool input_filled; /* the last read filled the room that it had */
  tw_buf trial;      /* where a record is opened that may have to be opened again */

  tw_buf output; /* [output_at, len): not sent yet */
  size_t output_at;

  uint8_t log_id[TW_CHANNEL_LOG_ID]; /* with config.keylog: the connection's name in its lines */

  uint64_t now_ms;
  uint64_t handshake_deadline_ms;
  uint64_t idle_deadline_ms; /* when empty buffers are released */
  uint64_t retry_ms;         /* after an update that failed for lack of something: not before */
  tw_rekey_cause own_cause;  /* of our outstanding update */
  bool update_wanted;        /* by the caller, and lost in a tie */

  uint64_t epoch_data; /* application bytes, both ways, since the epoch began here */
  uint64_t epoch_data_sent;
  uint64_t handshake_bytes; /* since the last established or rekeyed event */
  uint64_t data_sent, data_received, wire_sent, wire_received;

  tw_channel_event events[TW_CHANNEL_EVENTS];
  size_t event_first, event_count;
};

/* The end: nothing more goes in or out but the rest of the output. */
static inline bool tw_channel_ended(const tw_channel *channel) { return channel->state == TW_CHANNEL_ENDED; }

static inline bool tw_channel_established(const tw_channel *channel) {
  return tw_channel_state_established(channel->state);
}

/* ---- channel.c ---- */

/* As the table has it (machine.h); what it has not is TW_ERR_UNEXPECTED. */
TW_MUST_USE tw_err tw_channel_move_on(tw_channel *channel, tw_channel_move move);

/* End with an error: tells the peer by `alert` (< 0: not at all), wipes the keys. Returns `reason`. */
tw_err tw_channel_fail(tw_channel *channel, tw_err reason, int alert);
/* End by the peer's alert. Returns TW_ERR_ALERT. */
tw_err tw_channel_end_by_alert(tw_channel *channel, uint8_t description);
/* End after close_notify in both directions. */
void tw_channel_finish(tw_channel *channel);
tw_err tw_channel_fail_with(tw_channel *channel, tw_err reason);
/* The peer speaks TLS without MLS: what comes is for another library. */
void tw_channel_hand_over(tw_channel *channel);

/* ---- event.c ---- */

void tw_channel_raise(tw_channel *channel, const tw_channel_event *event);
void tw_channel_raise_rekeyed(tw_channel *channel, uint64_t epoch, tw_rekey_cause cause);

/* ---- output.c ---- */

/* Frame `content` as records of `type` (protected once there is a key) at the end of the output, whatever its fill. */
TW_MUST_USE tw_err tw_channel_put(tw_channel *channel, uint8_t type, tw_bytes content);
/* A handshake message of D8 around `message`. */
TW_MUST_USE tw_err tw_channel_put_handshake(tw_channel *channel, tw_bytes message);
TW_MUST_USE tw_err tw_channel_put_alert(tw_channel *channel, uint8_t level, uint8_t description);

/* ---- input.c ---- */

/* Open records until there is application data, or no whole record is left. Ends the channel on errors. */
TW_MUST_USE tw_err tw_channel_pump(tw_channel *channel);

/* ---- limits.c ---- */

/* What has come is of no use to anybody, or costs more than it brings. TW_ERR_LIMIT: there was too much of it. */
TW_MUST_USE tw_err tw_channel_count_idle(tw_channel *channel);
TW_MUST_USE tw_err tw_channel_count_update(tw_channel *channel);
/* A further record of a handshake message that is not whole yet. */
TW_MUST_USE tw_err tw_channel_count_fragment(tw_channel *channel);
/* A handshake message that was taken. */
void tw_channel_count_message(tw_channel *channel);

/* ---- keys.c ---- */

/* Both directions' keys of the pair's epoch and connection. */
TW_MUST_USE tw_err tw_channel_derive_keys(const tw_channel *channel, tw_record_key *send, tw_record_key *receive);
/* The key of data that the connecting side sends before the response (D6). */
TW_MUST_USE tw_err tw_channel_derive_early_key(const tw_channel *channel, tw_record_key *key);

/* ---- keylog.c: nothing is done without config.keylog ---- */

/* Whose key it is: the connecting side's, the other one's, or that of early data (D6). */
typedef enum tw_channel_key_kind {
  TW_CHANNEL_KEY_CLIENT = 0,
  TW_CHANNEL_KEY_SERVER = 1,
  TW_CHANNEL_KEY_EARLY = 2
} tw_channel_key_kind;

/* The connection's first message (without its handshake header), which names it in the log. */
TW_MUST_USE tw_err tw_channel_log_first(tw_channel *channel, tw_bytes message);
/* A traffic secret of a TLS handshake. */
void tw_channel_log_handshake(tw_channel *channel, const uint8_t *client_random, tw_tls_level level, bool of_client,
                              const tw_secret *secret);
/* One that an epoch gave. */
void tw_channel_log_epoch(const tw_channel *channel, uint64_t epoch, tw_channel_key_kind kind, const tw_secret *secret);

/* ---- handshake.c ---- */

/* The content of one handshake record. The caller ends the channel on errors. */
TW_MUST_USE tw_err tw_channel_take_handshake(tw_channel *channel, tw_bytes fragment);
/* What the pair is to be: the same on both sides but for who begins. */
tw_pair_config tw_channel_pair_config(const tw_channel *channel);
/* A record with nothing in it: shows the peer that we hold the epoch, so that it can trust us (D13) or drop its old key
 * (D4). */
TW_MUST_USE tw_err tw_channel_show_epoch(tw_channel *channel);
/* The peer is who it should be, and holds the keys: the channel is in a state that says so. */
TW_MUST_USE tw_err tw_channel_establish(tw_channel *channel);
/* A record of the peer's has opened, TW_CHANNEL_GO_RECORD or TW_CHANNEL_GO_NEXT_RECORD: the first one establishes, and
 * the first one under the newest keys is D13's confirmation. */
TW_MUST_USE tw_err tw_channel_opened(tw_channel *channel, tw_channel_move how);

/* ---- tls.c ---- */

/* Both sides' start of a TLS handshake. */
TW_MUST_USE tw_err tw_channel_begin_tls(tw_channel *channel);
/* One whole handshake message of it, header included. */
TW_MUST_USE tw_err tw_channel_take_tls(tw_channel *channel, tw_bytes message, bool ends_record);
/* Whether a record of type change_cipher_spec may come, and be dropped (RFC 8446 section D.4). */
bool tw_channel_drops_ccs(const tw_channel *channel);
/* The alert for an error in it; the channel's own elsewhere. */
uint8_t tw_channel_alert_for(const tw_channel *channel, tw_err reason);

/* ---- session.c ---- */

/* What a session is on the disk: in TLS+MLS, the pair has something beside it. */
TW_MUST_USE tw_err tw_channel_write_session(const tw_channel *channel, tw_buf *out);
TW_MUST_USE tw_err tw_channel_read_session(tw_channel *channel, tw_bytes saved);

/* ---- resume.c ---- */

/* The connecting side's start with config.resume. */
TW_MUST_USE tw_err tw_channel_ask(tw_channel *channel);
/* The waiting side's: a resumption_request that begins the connection. */
TW_MUST_USE tw_err tw_channel_answer(tw_channel *channel, tw_bytes message);
/* What the pair says of a message in plaintext while it is asking. */
TW_MUST_USE tw_err tw_channel_after_asked(tw_channel *channel, tw_bytes reply, const tw_pair_event *happened);
TW_MUST_USE tw_err tw_channel_after_resumed(tw_channel *channel, const tw_pair_event *happened);
/* Send again what was sent early and not taken. */
TW_MUST_USE tw_err tw_channel_repeat_early(tw_channel *channel);

/* ---- save.c ---- */

/* The session has changed: what is put into the output from here on waits until it is saved. */
void tw_channel_hold(tw_channel *channel);

/* ---- rekey.c ---- */

/* Make our update, with its event's cause. Nothing has happened on error. */
TW_MUST_USE tw_err tw_channel_start_update(tw_channel *channel, tw_rekey_cause cause);
/* Start one if time, bytes or key limits ask for it. */
void tw_channel_consider_update(tw_channel *channel);
/* When time will next ask for it; UINT64_MAX: not by itself. */
uint64_t tw_channel_update_deadline(const tw_channel *channel);

/* ---- buffers.c ---- */

/* Room for `size` bytes in all; what is in it stays. */
TW_MUST_USE tw_err tw_channel_grow(tw_buf *buf, size_t size);
/* Release buffers that hold nothing. */
void tw_channel_release_idle(tw_channel *channel);
bool tw_channel_holds_idle(const tw_channel *channel);

#endif
