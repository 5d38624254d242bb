/* The key log: who is given it reads what the channel carries. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "channel/channel_internal.h"

enum { DECIMAL_MAX = 20, LINE_MAX = 64 + DECIMAL_MAX + 2 * TW_CHANNEL_LOG_ID + 2 * TW_HASH_MAX };

typedef struct log_line {
  uint8_t text[LINE_MAX];
  size_t len;
} log_line;

static void put_text(log_line *line, const char *text) {
  const size_t len = strlen(text);
  memcpy(line->text + line->len, text, len);
  line->len += len;
}

static void put_decimal(log_line *line, uint64_t number) {
  uint8_t digits[DECIMAL_MAX];
  size_t at = sizeof digits;
  do {
    digits[--at] = (uint8_t)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  memcpy(line->text + line->len, digits + at, sizeof digits - at);
  line->len += sizeof digits - at;
}

/* A nibble's digit without a look at the nibble: '0' + n, and 'a' - 10 - '0' more from 10 on. */
static uint8_t hex_digit(unsigned nibble) { return (uint8_t)('0' + nibble + (((9 - nibble) >> 8) & ('a' - 10 - '0'))); }

static void put_hex(log_line *line, tw_bytes bytes) {
  for (size_t i = 0; i < bytes.len; i++) {
    line->text[line->len++] = hex_digit((unsigned)bytes.ptr[i] >> 4);
    line->text[line->len++] = hex_digit(bytes.ptr[i] & 15u);
  }
}

/* <label>[<number>] <id> <secret>, as RFC 9850 has it. */
static void tell(const tw_channel *channel, const char *label, const uint64_t *number, const tw_secret *secret) {
  log_line line = {.len = 0};
  put_text(&line, label);
  if (number != NULL) put_decimal(&line, *number);
  put_text(&line, " ");
  put_hex(&line, TW_ARRAY(channel->log_id));
  put_text(&line, " ");
  put_hex(&line, tw_secret_bytes(secret));
  channel->config.keylog(channel->config.keylog_ctx, TW_BYTES(line.text, line.len));
  tw_wipe(&line, sizeof line);
}

tw_err tw_channel_log_first(tw_channel *channel, tw_bytes message) {
  if (channel->config.keylog == NULL) return TW_OK;
  /* By SHA-256 whatever the suite's hash is. */
  const tw_suite *sha256 = tw_suite_by_id(NULL, 0x0001);
  uint8_t hash[TW_HASH_MAX];
  TW_TRY(tw_hash_parts(channel->env, sha256, &message, 1, hash));
  memcpy(channel->log_id, hash, sizeof channel->log_id);
  return TW_OK;
}

void tw_channel_log_handshake(tw_channel *channel, const uint8_t *client_random, tw_tls_level level, bool of_client,
                              const tw_secret *secret) {
  if (channel->config.keylog == NULL) return;
  memcpy(channel->log_id, client_random, sizeof channel->log_id);
  if (level == TW_TLS_APPLICATION) {
    tell(channel, of_client ? "CLIENT_TRAFFIC_SECRET_0" : "SERVER_TRAFFIC_SECRET_0", NULL, secret);
  } else {
    tell(channel, of_client ? "CLIENT_HANDSHAKE_TRAFFIC_SECRET" : "SERVER_HANDSHAKE_TRAFFIC_SECRET", NULL, secret);
  }
}

void tw_channel_log_epoch(const tw_channel *channel, uint64_t epoch, tw_channel_key_kind kind,
                          const tw_secret *secret) {
  if (channel->config.keylog == NULL) return;
  if (channel->tls_suite != NULL && !channel->resumed) {
    const uint64_t updates = epoch - 1; /* since the handshake's, which was epoch 1 */
    tell(channel, kind == TW_CHANNEL_KEY_SERVER ? "SERVER_TRAFFIC_SECRET_" : "CLIENT_TRAFFIC_SECRET_", &updates,
         secret);
    return;
  }
  static const char *const labels[] = {[TW_CHANNEL_KEY_CLIENT] = "MLS_TLS_CLIENT_TRAFFIC_SECRET_",
                                       [TW_CHANNEL_KEY_SERVER] = "MLS_TLS_SERVER_TRAFFIC_SECRET_",
                                       [TW_CHANNEL_KEY_EARLY] = "MLS_TLS_CLIENT_EARLY_TRAFFIC_SECRET_"};
  tell(channel, labels[kind], &epoch, secret);
}
