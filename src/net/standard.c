/* Standard TLS as a link. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <string.h>

#include "base/alloc.h"
#include "net/standard_parts.h"

enum {
  INPUT_SIZE = 2 * (int)TW_RECORD_WIRE_MAX,
  RECORDS_MAX = 1 << 22, /* far below the limit of AES-GCM keys, RFC 8446 section 5.5 */
  ALERT_REASONS = 1000   /* libssl's reasons from here on are alerts of the peer (SSL_AD_REASON_OFFSET) */
};

/* ---- one connection ---- */

static bool make_ssl(tw_standard *standard) {
  const tw_standard_config *config = &standard->context->config;
  BIO *bio = BIO_new_ex(config->lib, standard->context->bio);
  standard->ssl = SSL_new(standard->context->ssl);
  if (bio == NULL || standard->ssl == NULL) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, standard);
  BIO_set_init(bio, 1);
  SSL_set_bio(standard->ssl, bio, bio);
  (void)SSL_set_app_data(standard->ssl, standard);
  if (!config->connecting) {
    SSL_set_accept_state(standard->ssl);
    return true;
  }
  SSL_set_connect_state(standard->ssl);
  char name[TLSEXT_MAXLEN_host_name + 1];
  if (config->server_name_count == 0) return true;
  (void)BIO_snprintf(name, sizeof name, "%.*s", (int)config->server_names[0].len,
                     (const char *)config->server_names[0].ptr);
  return SSL_set_tlsext_host_name(standard->ssl, name) == 1;
}

tw_err tw_standard_new(tw_standard_context *context, uint64_t began_ms, tw_standard **out) {
  tw_standard *standard = tw_alloc_zero(NULL, sizeof *standard);
  if (standard == NULL) return TW_ERR_NO_MEMORY;
  const uint32_t timeout_ms = context->config.handshake_timeout_ms;
  standard->context = context;
  standard->deadline_ms = timeout_ms > 0 ? began_ms + timeout_ms : UINT64_MAX;
  ERR_clear_error();
  const bool made = make_ssl(standard);
  ERR_clear_error();
  if (!made) {
    tw_standard_free(standard);
    return TW_ERR_NO_MEMORY;
  }
  *out = standard;
  return TW_OK;
}

void tw_standard_free(tw_standard *standard) {
  if (standard == NULL) return;
  SSL_free(standard->ssl);
  tw_buf_clear(&standard->input);
  tw_buf_clear(&standard->output);
  tw_buf_clear(&standard->data);
  tw_buf_clear(&standard->certificates);
  tw_alloc_free(NULL, standard);
}

/* ---- the end ---- */

static void raise_event(tw_standard *standard, tw_channel_event event) {
  if (standard->event_count == TW_STANDARD_EVENTS) return;
  standard->events[(standard->event_first + standard->event_count++) % TW_STANDARD_EVENTS] = event;
}

static tw_err end(tw_standard *standard, tw_err reason, uint8_t alert) {
  if (standard->closed) return TW_ERR_CLOSED;
  standard->closed = true;
  tw_buf_clear(&standard->input);
  tw_buf_clear(&standard->data);
  standard->input_at = standard->data_at = 0;
  raise_event(standard, (tw_channel_event){.kind = TW_CHANNEL_CLOSED, .reason = reason, .alert = alert});
  return reason;
}

/* Our error for the alert that libssl tells the peer. */
static tw_err error_of(uint8_t alert) {
  switch (alert) {
  case SSL_AD_UNEXPECTED_MESSAGE: return TW_ERR_UNEXPECTED;
  case SSL_AD_BAD_RECORD_MAC: return TW_ERR_DECRYPT;
  case SSL_AD_DECRYPT_ERROR: return TW_ERR_MAC;
  case SSL_AD_DECODE_ERROR:
  case SSL_AD_RECORD_OVERFLOW: return TW_ERR_ENCODING;
  case SSL_AD_BAD_CERTIFICATE: return TW_ERR_CERTIFICATE;
  case SSL_AD_UNKNOWN_CA: return TW_ERR_UNKNOWN_CA;
  case TLS13_AD_CERTIFICATE_REQUIRED: return TW_ERR_CREDENTIAL;
  case SSL_AD_HANDSHAKE_FAILURE:
  case SSL_AD_PROTOCOL_VERSION:
  case SSL_AD_INSUFFICIENT_SECURITY:
  case TLS13_AD_MISSING_EXTENSION:
  case SSL_AD_UNSUPPORTED_EXTENSION:
  case SSL_AD_UNRECOGNIZED_NAME:
  case SSL_AD_NO_APPLICATION_PROTOCOL: return TW_ERR_UNSUPPORTED;
  default: return TW_ERR_FORBIDDEN;
  }
}

static tw_err fail(tw_standard *standard) {
  const unsigned long error = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(error);
  ERR_clear_error();
  if (reason == ERR_R_MALLOC_FAILURE || error == 0) return end(standard, TW_ERR_NO_MEMORY, standard->alert_sent);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > ALERT_REASONS && reason < ALERT_REASONS + 256)
    return end(standard, TW_ERR_ALERT, (uint8_t)(reason - ALERT_REASONS));
  if (standard->refused != TW_OK) return end(standard, standard->refused, standard->alert_sent);
  standard->words = ERR_reason_error_string(error);
  standard->silent = standard->alert_sent == 0;
  return end(standard, error_of(standard->alert_sent), standard->alert_sent);
}

/* ---- what libssl does ---- */

static void note_established(tw_standard *standard) {
  standard->established = true;
  standard->deadline_ms = UINT64_MAX;
  raise_event(standard, (tw_channel_event){.kind = TW_CHANNEL_ESTABLISHED,
                                           .handshake_bytes = standard->wire_received + standard->wire_sent +
                                                              standard->output.len - standard->output_at});
}

static void note_close(tw_standard *standard) {
  standard->got_close = true;
  raise_event(standard, (tw_channel_event){.kind = TW_CHANNEL_PEER_CLOSED});
  if (standard->sent_close) (void)end(standard, TW_OK, SSL_AD_CLOSE_NOTIFY);
}

/* What a call of libssl came to that did not succeed: it waits, or this is the end. */
static tw_err settle(tw_standard *standard, int result) {
  const int error = SSL_get_error(standard->ssl, result);
  if (error == SSL_ERROR_ZERO_RETURN) {
    note_close(standard);
    return TW_OK;
  }
  if (error != SSL_ERROR_WANT_READ) return fail(standard);
  ERR_clear_error();
  if (!standard->ended) return TW_OK;
  return end(standard, TW_ERR_TRUNCATION, 0);
}

static tw_err read_data(tw_standard *standard) {
  size_t got = 0;
  tw_buf *data = &standard->data;
  data->len = standard->data_at = 0;
  if (data->cap < TW_STANDARD_CONTENT_MAX) {
    const tw_err err = tw_buf_reserve(data, TW_STANDARD_CONTENT_MAX);
    if (err != TW_OK) return end(standard, err, 0);
  }
  const int result = SSL_read_ex(standard->ssl, data->ptr, data->cap, &got);
  if (result != 1) return settle(standard, result);
  data->len = got;
  standard->data_received += got;
  return TW_OK;
}

/* As far as it goes: until there is data for the application, or nothing more to read. */
static tw_err pump(tw_standard *standard) {
  if (standard->closed) return TW_OK;
  ERR_clear_error();
  if (!standard->established) {
    const int result = SSL_do_handshake(standard->ssl);
    if (result != 1) return settle(standard, result);
    note_established(standard);
  }
  return standard->data.len == standard->data_at && !standard->got_close ? read_data(standard) : TW_OK;
}

void tw_standard_begin(tw_standard *standard, tw_bytes received, uint64_t sent) {
  standard->wire_sent = sent;
  standard->wire_received = received.len;
  const tw_err err = tw_standard_give(standard, received);
  (void)(err == TW_OK ? pump(standard) : end(standard, err, 0));
}

/* ---- the link ---- */

static void do_free(void *self) { tw_standard_free(self); }

static tw_err input_buffer(void *self, uint8_t **ptr, size_t *room) {
  tw_standard *standard = self;
  *ptr = NULL;
  *room = 0;
  if (standard->closed || standard->ended || standard->data.len > standard->data_at) return TW_OK;
  tw_buf *in = &standard->input;
  tw_buf_consume(in, standard->input_at);
  standard->input_at = 0;
  if (in->cap - in->len == 0 || in->cap < INPUT_SIZE) TW_TRY(tw_buf_reserve(in, INPUT_SIZE));
  *ptr = in->ptr + in->len;
  *room = in->cap - in->len;
  return TW_OK;
}

static tw_err input_done(void *self, size_t n, uint64_t now_ms) {
  (void)now_ms;
  tw_standard *standard = self;
  if (standard->closed) return TW_ERR_CLOSED;
  standard->wire_received += n;
  if (standard->got_close) return TW_OK; /* ignored, RFC 8446 section 6.1 */
  standard->input.len += n;
  return pump(standard);
}

static tw_err input_end(void *self, uint64_t now_ms) {
  (void)now_ms;
  tw_standard *standard = self;
  standard->ended = true;
  return pump(standard);
}

static tw_bytes output(const void *self) {
  const tw_standard *standard = self;
  const size_t left = standard->output.len - standard->output_at;
  return left == 0 ? TW_NO_BYTES : TW_BYTES(standard->output.ptr + standard->output_at, left);
}

static void output_sent(void *self, size_t n) {
  tw_standard *standard = self;
  standard->output_at += n;
  standard->wire_sent += n;
  if (standard->output_at < standard->output.len) return;
  standard->output.len = standard->output_at = 0;
}

static tw_bytes data(const void *self) {
  const tw_standard *standard = self;
  const size_t left = standard->data.len - standard->data_at;
  return left == 0 ? TW_NO_BYTES : TW_BYTES(standard->data.ptr + standard->data_at, left);
}

static tw_err data_done(void *self, size_t n) {
  tw_standard *standard = self;
  if (standard->closed) return TW_ERR_CLOSED;
  standard->data_at += n;
  return pump(standard);
}

static bool writable(const void *self) {
  const tw_standard *standard = self;
  return standard->established && !standard->closed && !standard->sent_close &&
         standard->output.len - standard->output_at < standard->context->config.output_high_water;
}

static tw_err write_buffer(void *self, uint8_t **ptr, size_t *room) {
  tw_standard *standard = self;
  *ptr = standard->context->writing;
  *room = writable(standard) ? sizeof standard->context->writing : 0;
  return TW_OK;
}

static tw_err write_done(void *self, size_t n) {
  tw_standard *standard = self;
  size_t written = 0;
  if (n == 0) return TW_OK;
  ERR_clear_error();
  if (++standard->records >= RECORDS_MAX && SSL_key_update(standard->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
    standard->records = 0;
  const int result = SSL_write_ex(standard->ssl, standard->context->writing, n, &written);
  standard->data_sent += written;
  return result == 1 ? TW_OK : settle(standard, result);
}

static tw_err do_close(void *self) {
  tw_standard *standard = self;
  if (standard->closed) return TW_ERR_CLOSED;
  if (!standard->established) return end(standard, TW_OK, SSL_AD_CLOSE_NOTIFY);
  if (standard->sent_close) return TW_OK;
  ERR_clear_error();
  const int result = SSL_shutdown(standard->ssl);
  standard->sent_close = true;
  if (result < 0 && SSL_get_error(standard->ssl, result) != SSL_ERROR_WANT_READ) return fail(standard);
  ERR_clear_error();
  return standard->got_close ? end(standard, TW_OK, SSL_AD_CLOSE_NOTIFY) : TW_OK;
}

static void do_abort(void *self, tw_err reason) {
  tw_standard *standard = self;
  standard->silent = !standard->closed;
  (void)end(standard, reason, 0);
}

static uint64_t deadline(const void *self) {
  const tw_standard *standard = self;
  return standard->closed ? UINT64_MAX : standard->deadline_ms;
}

static tw_err tick(void *self, uint64_t now_ms) {
  tw_standard *standard = self;
  if (standard->closed) return TW_ERR_CLOSED;
  return now_ms >= standard->deadline_ms ? end(standard, TW_ERR_TIMEOUT, 0) : TW_OK;
}

static bool next_event(void *self, tw_channel_event *event) {
  tw_standard *standard = self;
  if (standard->event_count == 0) return false;
  *event = standard->events[standard->event_first];
  standard->event_first = (standard->event_first + 1) % TW_STANDARD_EVENTS;
  standard->event_count--;
  return true;
}

static bool unsaved(const void *self) {
  (void)self;
  return false;
}

static tw_err saved(void *self) {
  (void)self;
  return TW_OK;
}

static void get_status(const void *self, tw_channel_status *status) {
  const tw_standard *standard = self;
  *status = (tw_channel_status){
      .connecting_side = standard->context->config.connecting,
      .established = standard->established,
      .closed = standard->closed,
      .data_sent = standard->data_sent,
      .data_received = standard->data_received,
      .wire_sent = standard->wire_sent,
      .wire_received = standard->wire_received,
  };
}

static void get_info(const void *self, tw_link_info *info) {
  const tw_standard *standard = self;
  const unsigned char *alpn = NULL;
  unsigned int alpn_len = 0;
  SSL_get0_alpn_selected(standard->ssl, &alpn, &alpn_len);
  const char *name = SSL_get_servername(standard->ssl, TLSEXT_NAMETYPE_host_name);
  *info = (tw_link_info){
      .version = SSL_get_version(standard->ssl),
      .cipher = SSL_get_cipher_name(standard->ssl),
      .alpn = TW_BYTES(alpn, alpn_len),
      .server_name = name == NULL ? TW_NO_BYTES : TW_BYTES((const uint8_t *)name, strlen(name)),
      .certificates = tw_buf_bytes(&standard->certificates),
  };
}

static const char *words(const void *self) { return ((const tw_standard *)self)->words; }
static bool is_silent(const void *self) { return ((const tw_standard *)self)->silent; }

static const tw_link_acts acts = {
    .half_open = true,
    .free = do_free,
    .input_buffer = input_buffer,
    .input_done = input_done,
    .input_end = input_end,
    .output = output,
    .output_sent = output_sent,
    .data = data,
    .data_done = data_done,
    .write_buffer = write_buffer,
    .write_done = write_done,
    .writable = writable,
    .close = do_close,
    .abort = do_abort,
    .deadline = deadline,
    .tick = tick,
    .next_event = next_event,
    .unsaved = unsaved,
    .saved = saved,
    .get_status = get_status,
    .get_info = get_info,
    .words = words,
    .is_silent = is_silent,
};

tw_link tw_link_of_standard(tw_standard *standard) { return (tw_link){&acts, standard}; }
