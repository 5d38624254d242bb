/* A relay while it runs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_RELAY_RUN_H
#define TW_CLI_RELAY_RUN_H

#include "cli/serve.h"
#include "relay/relay.h"

/** Of `serve` the keys, certificates, peers, log and limits of connections are used. Does not move once it runs. */
typedef struct tw_relay_run {
  tw_serve serve;
  tw_delivery_limits quotas;
  tw_relay_config config;
  const char *state; /* NULL: in memory */
  uv_loop_t loop;
  uv_signal_t signals[3];
  uv_timer_t looks;
  tw_relay *relay;
  bool ending;
  tw_exit code;
} tw_relay_run;

/** Until SIGTERM or SIGINT. Reports itself. */
tw_exit tw_relay_run_until_end(tw_relay_run *run);

#endif
