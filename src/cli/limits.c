/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/limits.h"

/* The largest key package and the largest Welcome of our suites have less than 32 KiB. */
enum { MESSAGE_LEAST = 1024, MESSAGE_MOST = 16 * 1024 * 1024 - 1, COUNT_MOST = 1000000 };

static tw_err take_count(const char *name, const char *value, uint64_t min, uint32_t *out, tw_report *report) {
  uint64_t number = 0;
  TW_TRY(tw_option_number(name, value, min, COUNT_MOST, false, &number, report));
  *out = (uint32_t)number;
  return TW_OK;
}

static tw_err take_size(const char *name, const char *value, uint32_t *out, tw_report *report) {
  uint64_t number = 0;
  TW_TRY(tw_option_number(name, value, MESSAGE_LEAST, MESSAGE_MOST, true, &number, report));
  *out = (uint32_t)number;
  return TW_OK;
}

tw_err tw_limit_option(int which, const char *value, tw_admission_limits *limits, tw_channel_options *channel,
                       tw_report *report) {
  switch (which) {
  case TW_LIMIT_HALF_OPEN: return take_count("half-open", value, 0, &limits->half_open, report);
  case TW_LIMIT_HALF_OPEN_PER_ADDRESS:
    return take_count("half-open-per-address", value, 0, &limits->half_open_per_address, report);
  case TW_LIMIT_HANDSHAKE_RATE: return take_count("handshake-rate", value, 0, &limits->handshakes_per_second, report);
  case TW_LIMIT_HANDSHAKE_BURST: return take_count("handshake-burst", value, 1, &limits->handshake_burst, report);
  case TW_LIMIT_HANDSHAKES_IN_ALL: return take_count("handshakes-in-all", value, 0, &limits->handshakes_in_all, report);
  case TW_LIMIT_MESSAGE_MAX: return take_size("message-max", value, &channel->handshake_message_max, report);
  default: return take_count("stranger-lines", value, 0, &limits->stranger_lines, report);
  }
}
