/* MLS-TLS and TLS+MLS: a secure channel over a byte stream. SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_CHANNEL_H
#define TREEWIRE_CHANNEL_H

#include <treewire/pair.h>

/*
 * draft-kohbrok-mls-tls-00, or draft-housley-tls-using-mls-handshake-00 (tw_channel_config.protocol), with the
 * decisions of docs/protocols.md: 2PMLS makes and renews the keys, the TLS 1.3 record layer (RFC 8446 section 5)
 * carries the bytes. No I/O happens here: the caller moves bytes between a channel and its socket.
 *
 *      socket ──read──► tw_channel_input_buffer / input_done ──► tw_channel_data / data_done ──► application
 *      socket ◄─write── tw_channel_output / output_sent      ◄── tw_channel_write, write_buffer ◄── application
 *
 * After any call that takes a channel: send what tw_channel_output has, take the events, look at tw_channel_deadline.
 *
 * Errors. When something ends the channel (a peer that breaks the protocol, a bad record, a timeout), the call returns
 * the reason, the output holds the alert for the peer where there is one, and TW_CHANNEL_CLOSED with the same reason is
 * the last event; send the output, then close the socket. Calls after that return TW_ERR_CLOSED. TW_ERR_NO_MEMORY from
 * input_buffer, write and write_buffer leaves the channel as it was, and so does any error of tw_channel_rekey;
 * everywhere else an error ends it, but for TW_ERR_ARGUMENT.
 *
 * Closing. tw_channel_close sends close_notify: our application data ends, the peer's goes on until its own
 * close_notify. Key updates go on until both have closed, so a transport stays open in both directions until
 * TW_CHANNEL_CLOSED.
 *
 * Sessions. What two sides agreed on outlives their connection (D5): a channel with `durable` says after each call
 * whether its session has changed, tw_channel_unsaved. Save it then (tw_channel_save, in one write) and tell so with
 * tw_channel_saved: what depends on the change is neither sent nor handed to the application before. The next
 * connection begins with the saved session instead of with hellos: `resume` on the side that opens it, `session` on the
 * other one. Data may then be written at once (D6); it arrives once, whatever was lost before.
 *
 * A session has one channel. While its peer comes back there may be several that began with the same saved state, until
 * one of them has something to save: then what the others know is old. So saving is a compare-and-set: the caller
 * counts how often a session was saved, gives that number along with the saved state, and ends a channel that wants to
 * save with another number (tw_channel_version) instead of saving it.
 *
 * Times are `now_ms`: milliseconds since 1970 that do not run backwards: one reading of the wall clock plus the
 * monotonic clock.
 */

typedef struct tw_channel tw_channel;

/** The content of one record at most (RFC 8446 section 5.1), and its size on the wire at most (section 5.2). */
#define TW_RECORD_CONTENT_MAX 16384u
#define TW_RECORD_WIRE_MAX (5u + 16384u + 256u)
/** Bytes on the wire of records that follow a resumption_request before its response (D6), at most. */
#define TW_EARLY_DATA_MAX 65536u
/** Application bytes in an epoch after which an update by the peer does not count as made for nothing. */
#define TW_UPDATE_DATA 65536u
/** Unsent output beyond output_high_water at which nothing more is taken from the network: answers to a peer that does
 * not take them. */
#define TW_ANSWERS_MAX (1024u * 1024u)

/** The limits and timings of a channel: start from tw_channel_options_default. */
typedef struct tw_channel_options {
  uint32_t handshake_message_max; /* bytes of one TwoPartyMLSMessage that is taken; default 65536 */
  uint32_t handshake_timeout_ms;  /* from the start until established; 0: none; default 30000 */
  uint64_t rekey_after_ms;    /* age of our own leaf key at which we update it (D14), or up to an eighth sooner so that
                                 channels    and sides do not keep step; 0: never by time; default 120000 */
  uint64_t rekey_after_bytes; /* application bytes of one epoch after which we update; 0: only before RFC 8446 5.5's
                                 limits; default 2^30 */
  uint32_t input_max;         /* bytes of the receive buffer; at least TW_RECORD_WIRE_MAX; default 65536 */
  uint32_t output_high_water; /* bytes of sealed output above which no application data is taken; default 65536 */
  uint32_t idle_release_ms;   /* empty buffers are released after this long without traffic; default 1000 */
  uint32_t padding_block; /* application records are padded to a multiple of so many bytes (section 5.4); 0 or 1: not */
  /* What a peer may have us do for nothing. Past these the channel ends with TW_ERR_LIMIT; 0: no limit. */
  uint32_t idle_records_max;    /* records in one second that bring nothing: without content, warnings,
                                   change_cipher_spec, what comes after close_notify; default 256 */
  uint32_t message_records_max; /* records that one handshake message may span; default 1100, which is enough for the
                                   longest one in records of 64 bytes, RFC 8449's least */
  uint32_t peer_updates_max;    /* updates by the peer in one minute that each came after less than
                                   TW_UPDATE_DATA bytes of data in their epoch, both ways; default 600 */
} tw_channel_options;

/** The defaults named above. */
TW_API extern const tw_channel_options tw_channel_options_default;

/** How a channel begins. */
typedef enum tw_channel_protocol {
  TW_CHANNEL_MLS_TLS = 0, /* MLS-TLS: hellos of 2PMLS, on a port of its own */
  TW_CHANNEL_TLS = 1      /* TLS+MLS: a TLS 1.3 handshake (draft-housley-tls-using-mls-handshake) */
} tw_channel_protocol;

/** What TLS+MLS needs besides; all of it may be zero. Borrowed as long as the channel lives. */
typedef struct tw_channel_tls {
  /**
   * Connecting: the server's name (server_name, RFC 6066), at most one. Waiting: the names that it has; none: any, and
   * a client may leave it out unless server_name_required.
   */
  const tw_bytes *server_names;
  size_t server_name_count;
  bool server_name_required;
  /** ALPN (RFC 7301), the preferred first, of 1 … 255 bytes. */
  const tw_bytes *protocols;
  size_t protocol_count;
  /** What we take at most in a record (RFC 8449): 64 … 16385; 0: 16384 bytes of content, and nothing is said. */
  uint16_t record_size_limit;
  /**
   * Waiting: answer a first ClientHello with a HelloRetryRequest, as tw_tls_config.retry of src/tls/tls.h: the cookie
   * is authenticated by `cookie_key` (48 bytes or more) and bound to `cookie_context`.
   */
  bool retry;
  tw_bytes cookie_key;
  tw_bytes cookie_context;
  /**
   * D12. A peer without MLS ends a channel with TW_CHANNEL_STANDARD instead of an error: the bytes of
   * tw_channel_received, and all that follow, are for another TLS library. On the connecting side that library made the
   * ClientHello, by `client_hello`.
   */
  bool standard;
  /**
   * Connecting: append a ClientHello, a whole handshake message, which has an extension of the type
   * tls_using_mls_handshake with the data `extension`; `retry`: a second one, for this HelloRetryRequest. NULL: we make
   * it.
   */
  tw_err (*client_hello)(void *ctx, tw_bytes extension, tw_bytes retry, tw_buf *hello);
  void *client_hello_ctx;
} tw_channel_tls;

/** What is known of a session beside its saved state. */
typedef struct tw_channel_found {
  uint64_t version; /* how often it was saved */
  bool in_use;      /* a channel that lives has it, which then only ends if the peer itself is seen to ask; one that was
                       opened here counts before it is established, too */
} tw_channel_found;

typedef struct tw_channel_config {
  /**
   * As in tw_pair_config, but the clients are borrowed as long as the channel lives (the array is copied). The
   * allocator and limits are those of the first client's env.
   */
  const tw_client *const *clients;
  size_t client_count;
  /** As in tw_pair_config; borrowed as long as the channel lives. */
  const tw_policy *policy;
  /** The application's own parameters, signed with the leaf: tw_channel_peer_parameters. Borrowed likewise. */
  tw_bytes parameters;
  /** NULL: tw_channel_options_default. Copied. */
  const tw_channel_options *options;
  tw_channel_protocol protocol;
  /** With TW_CHANNEL_TLS; NULL: all zero. */
  const tw_channel_tls *tls;
  /** The session is kept: see "Sessions" above. */
  bool durable;
  /** tw_channel_connect: a session saved before, to go on with; empty: a new one. Borrowed for the call. */
  tw_bytes resume;
  uint64_t resume_version; /* how often it was saved */
  /**
   * The side that waits: the session of `group_id` as it was saved last, appended to `saved`, and what is known of it.
   * TW_ERR_NO_SESSION when there is none. NULL: no resumption.
   */
  tw_err (*session)(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found);
  void *session_ctx;
  /**
   * For debugging alone: whoever has the lines reads all that the channel carries, and can change it. Each traffic
   * secret as it comes into being, in the key log format of RFC 9850, "<label> <id> <secret>" without an end of line:
   * labels and ids are in docs/protocols.md. `line` is wiped after the call. NULL: secrets stay inside.
   */
  void (*keylog)(void *ctx, tw_bytes line);
  void *keylog_ctx;
} tw_channel_config;

/**
 * The side that opens the connection. Its client_hello or resumption_request is in the output at once, the latter once
 * it is saved. Errors: as tw_pair_initiate; with `resume` as tw_pair_load and tw_pair_resume. Freed with
 * tw_channel_free.
 */
TW_API TW_MUST_USE tw_err tw_channel_connect(const tw_channel_config *config, uint64_t now_ms, tw_channel **channel);
/** The side that waits for it. Errors: TW_ERR_ARGUMENT, TW_ERR_NO_MEMORY. */
TW_API TW_MUST_USE tw_err tw_channel_accept(const tw_channel_config *config, uint64_t now_ms, tw_channel **channel);
/** NULL is fine. Keys are wiped; nothing is sent: tw_channel_close first for a clean end. */
TW_API void tw_channel_free(tw_channel *channel);

/* ---- from the network ---- */

/**
 * Where to receive: `*room` bytes at `*ptr`, valid until the next call with this channel. `*room` is 0 when the
 * application has to take data first, when the peer leaves TW_ANSWERS_MAX of our answers where they are (stop reading
 * then), and when the channel is closed. Bytes of tw_channel_data that
 * are not done stay, but may move: borrow them anew. TW_ERR_NO_MEMORY: try again later.
 */
TW_API TW_MUST_USE tw_err tw_channel_input_buffer(tw_channel *channel, uint8_t **ptr, size_t *room);
/** `n` <= room bytes were received there. Any protocol error ends the channel. */
TW_API TW_MUST_USE tw_err tw_channel_input_done(tw_channel *channel, size_t n, uint64_t now_ms);
/** The same with a copy: `*taken` <= input.len bytes fitted. Errors of both. */
TW_API TW_MUST_USE tw_err tw_channel_input(tw_channel *channel, tw_bytes input, uint64_t now_ms, size_t *taken);
/**
 * The stream has ended. Without the peer's close_notify that is a truncation: the channel ends with TW_ERR_TRUNCATION,
 * once the application has taken what came before (this call or a later tw_channel_data_done returns it). After it,
 * nothing more can come in, and sending goes on.
 */
TW_API TW_MUST_USE tw_err tw_channel_input_end(tw_channel *channel, uint64_t now_ms);

/* ---- to the network ---- */

/** What is to be sent now, maybe empty; borrowed until the next call that takes the channel. */
TW_API tw_bytes tw_channel_output(const tw_channel *channel);
/** The first `n` bytes of it were sent. */
TW_API void tw_channel_output_sent(tw_channel *channel, size_t n);

/* ---- the application ---- */

/** What has come in, maybe empty; at most one record's content. Borrowed until the next call that takes the channel. */
TW_API tw_bytes tw_channel_data(const tw_channel *channel);
/** The application is done with the first `n` bytes of it. Opens further records: errors as tw_channel_input_done. */
TW_API TW_MUST_USE tw_err tw_channel_data_done(tw_channel *channel, size_t n);

/**
 * Send `data`: takes the first `*taken` bytes, 0 when the output stands at its high-water mark, when the channel is not
 * established yet, or while a used-up key waits for its successor. Try again after output_sent or an event.
 * Errors: TW_ERR_CLOSED after tw_channel_close or the end; TW_ERR_NO_MEMORY. What was taken before an error may arrive.
 */
TW_API TW_MUST_USE tw_err tw_channel_write(tw_channel *channel, tw_bytes data, size_t *taken);
/**
 * The same without a copy: put up to `*room` bytes (one record's content at most; 0 as with tw_channel_write) at
 * `*ptr`, then call tw_channel_write_done with their number (0 takes it back) before any other call.
 */
TW_API TW_MUST_USE tw_err tw_channel_write_buffer(tw_channel *channel, uint8_t **ptr, size_t *room);
/** `n` bytes stand there now and are sealed. TW_ERR_CLOSED; TW_ERR_ARGUMENT without the call before it, or more bytes.
 */
TW_API TW_MUST_USE tw_err tw_channel_write_done(tw_channel *channel, size_t n);
/** Whether tw_channel_write would take something now. */
TW_API bool tw_channel_writable(const tw_channel *channel);

/** End our application data with close_notify; nothing when done before. A channel not yet established ends. */
TW_API TW_MUST_USE tw_err tw_channel_close(tw_channel *channel);
/** End the channel with an error alert for `reason` (tw_channel_alert_of), e.g. TW_ERR_CREDENTIAL. */
TW_API void tw_channel_abort(tw_channel *channel, tw_err reason);

/**
 * Update our leaf key and the epoch now. TW_ERR_PENDING while an update of ours is outstanding, TW_ERR_STATE before
 * the channel is established.
 */
TW_API TW_MUST_USE tw_err tw_channel_rekey(tw_channel *channel, uint64_t now_ms);

/* ---- sessions ---- */

/** The session has changed: nothing that depends on it goes on before it is saved. Always false without `durable`. */
TW_API bool tw_channel_unsaved(const tw_channel *channel);
/**
 * The session in one blob, for `resume` and `session`; its name is tw_group_id of tw_channel_group. Secret: `saved` is
 * the caller's to clear. TW_ERR_STATE when there is none (after the end); TW_ERR_NO_MEMORY: nothing has changed.
 */
TW_API TW_MUST_USE tw_err tw_channel_save(const tw_channel *channel, tw_buf *saved);
/** How often the session had been saved when this channel began with it or saved it last; 0: it is a new one. */
TW_API uint64_t tw_channel_version(const tw_channel *channel);
/** It is, once more: what was held back goes on. Errors as tw_channel_input_done. */
TW_API TW_MUST_USE tw_err tw_channel_saved(tw_channel *channel);

/* ---- time ---- */

/** When tw_channel_tick wants to be called next; UINT64_MAX: not at all. */
TW_API uint64_t tw_channel_deadline(const tw_channel *channel);
/** Does what is due: timeouts, updates, release of buffers. TW_ERR_TIMEOUT ends the channel. */
TW_API TW_MUST_USE tw_err tw_channel_tick(tw_channel *channel, uint64_t now_ms);

/* ---- what happened ---- */

typedef enum tw_channel_event_kind {
  TW_CHANNEL_ESTABLISHED = 1, /* the peer is who the policy accepted, and holds the keys (D13); ask tw_channel_peer */
  TW_CHANNEL_REKEYED = 2,     /* a new epoch */
  TW_CHANNEL_PEER_CLOSED = 3, /* close_notify came: no more data; we may still send */
  TW_CHANNEL_CLOSED = 4,      /* the end; the last event */
  TW_CHANNEL_STANDARD = 5     /* the peer speaks TLS without MLS, and tw_channel_tls.standard is set; the last event */
} tw_channel_event_kind;

typedef enum tw_rekey_cause {
  TW_REKEY_TIME = 1,   /* our leaf key's age */
  TW_REKEY_BYTES = 2,  /* the epoch's bytes, or RFC 8446 section 5.5's limits */
  TW_REKEY_CALLER = 3, /* tw_channel_rekey */
  TW_REKEY_PEER = 4    /* the peer's update */
} tw_rekey_cause;

typedef struct tw_channel_event {
  tw_channel_event_kind kind;
  uint64_t epoch;           /* established, rekeyed: the epoch that begins */
  tw_rekey_cause cause;     /* rekeyed */
  uint64_t data_bytes;      /* rekeyed: application bytes, both ways, since the last epoch began here */
  uint64_t handshake_bytes; /* established, rekeyed: bytes on the wire, both ways, that it took, record headers and tags
                               included */
  uint32_t merged;          /* rekeyed: earlier such events that were not taken in time and are added up in this one */
  bool resumed;             /* established: a session went on */
  uint64_t early_bytes;     /* established: application bytes that we had sent before; they were taken, or sent again */
  tw_err reason; /* closed: TW_OK after close_notify in both directions, TW_ERR_ALERT when the peer gave one, else the
                    error */
  uint8_t alert; /* closed with an error: the alert (RFC 8446 section 6) that was received or sent */
} tw_channel_event;

/** Take the oldest event; false when there is none. Events are few and need no callback; take them after each call. */
TW_API bool tw_channel_next_event(tw_channel *channel, tw_channel_event *event);

/** The alert that an error is told to the peer with. */
TW_API uint8_t tw_channel_alert_of(tw_err reason);
/** An alert's name in RFC 8446's words, else "unknown"; static storage, never NULL. */
TW_API const char *tw_channel_alert_name(uint8_t alert);

typedef struct tw_channel_status {
  bool connecting_side;
  bool established;
  bool closed;
  tw_pair_status pair; /* zero before there is one */
  uint64_t data_sent;  /* application bytes since the start */
  uint64_t data_received;
  uint64_t wire_sent; /* bytes put into the output since the start, and bytes taken from the input */
  uint64_t wire_received;
} tw_channel_status;
/** How it stands, also after the end. Fails never. */
TW_API void tw_channel_get_status(const tw_channel *channel, tw_channel_status *status);

/** The peer's leaf; false before its credential was accepted. Borrowed until the next call that takes the channel. */
TW_API bool tw_channel_peer(const tw_channel *channel, tw_member *peer);
/** The peer's tw_channel_config.parameters; borrowed likewise. */
TW_API tw_bytes tw_channel_peer_parameters(const tw_channel *channel);
/** The protocol that ALPN chose; empty: none, or not TW_CHANNEL_TLS. Borrowed likewise. */
TW_API tw_bytes tw_channel_protocol_name(const tw_channel *channel);
/** The name that the client asked for and the server took; empty likewise. */
TW_API tw_bytes tw_channel_server_name(const tw_channel *channel);
/** After TW_CHANNEL_STANDARD: all bytes that have come in, from the first. Borrowed until tw_channel_free. */
TW_API tw_bytes tw_channel_received(const tw_channel *channel);

/** The epoch in force, for exporters, also while resuming; NULL before there is one. Borrowed likewise. */
TW_API tw_group *tw_channel_group(const tw_channel *channel);

#endif
