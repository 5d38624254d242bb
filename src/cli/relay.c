/* treewire relay. SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_file.h"
#include "cli/relay_run.h"
#include "cli/reload.h"

enum {
  KEY,
  PEERS,
  ALLOW_ANY,
  LISTEN,
  STATE,
  EVENTS,
  VERBOSE,
  HANDSHAKE_TIMEOUT,
  MAX_CLIENTS,
  MAILBOX_BYTES,
  MAILBOX_MESSAGES,
  MAIL_DAYS,
  CLIENT_DAYS,
  KEY_PACKAGES,
  GROUPS,
  INVITES,
  REQUEST_RATE,
  PACKET_RATE,
  REKEY_AFTER,
  NO_OFFLOAD,
  CERTIFICATES,
  LIMITS = CERTIFICATES + TW_CERTIFICATE_OPTION_COUNT,
  OPTION_COUNT = LIMITS + TW_LIMIT_OPTION_COUNT
};
static const tw_option options[OPTION_COUNT] = {{"key", 'k', "FILE"},
                                                {"peers", 'p', "FILE"},
                                                {"allow-any", 0, NULL},
                                                {"listen", 'l', "ADDR:PORT"},
                                                {"state", 0, "DIR"},
                                                {"events", 0, "FILE"},
                                                {"verbose", 'v', NULL},
                                                {"handshake-timeout", 0, "SECONDS"},
                                                {"max-clients", 0, "N"},
                                                {"mailbox-bytes", 0, "N"},
                                                {"mailbox-messages", 0, "N"},
                                                {"mail-days", 0, "N"},
                                                {"client-days", 0, "N"},
                                                {"key-packages", 0, "N"},
                                                {"groups", 0, "N"},
                                                {"invites", 0, "N"},
                                                {"request-rate", 0, "N"},
                                                {"packet-rate", 0, "N"},
                                                {"rekey-after", 0, "SECONDS"},
                                                {"no-offload", 0, NULL},
                                                TW_CERTIFICATE_OPTIONS,
                                                TW_LIMIT_OPTIONS};
#define DAY_MS UINT64_C(86400000)
/* Seconds; the first as nodes have it: there are many connections, and little goes by each. */
enum { REKEY_AFTER_DEFAULT = 3600, REKEY_AFTER_MOST = 30 * 86400 };
/* Where many come at once, buffers that stay any longer are spread over memory that nobody gets back. */
enum { IDLE_RELEASE_MS = 50 };

/* ---- options ---- */

static tw_err take_key(tw_serve *serve, const char *path, tw_report *report) {
  if (serve->key_count == TW_KEYS_MAX) return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d keys", TW_KEYS_MAX);
  serve->keys[serve->key_count++] = path;
  return TW_OK;
}

static tw_err take_number(int which, const char *value, uint64_t min, uint64_t max, uint32_t *out, tw_report *report) {
  uint64_t number = 0;
  TW_TRY(tw_option_number(options[which].name, value, min, max, false, &number, report));
  *out = (uint32_t)number;
  return TW_OK;
}

static tw_err take_days(int which, const char *value, uint64_t *ms, tw_report *report) {
  TW_TRY(tw_option_number(options[which].name, value, 1, 36500, false, ms, report));
  *ms *= DAY_MS;
  return TW_OK;
}

static tw_err take_rate(tw_delivery_limits *quotas, const char *value, tw_report *report) {
  TW_TRY(take_number(REQUEST_RATE, value, 1, 1000000, &quotas->requests_per_second, report));
  quotas->requests_at_once = 4 * quotas->requests_per_second;
  return TW_OK;
}

static tw_err take_quota(tw_relay_run *run, int which, const char *value, tw_report *report) {
  tw_delivery_limits *quotas = &run->quotas;
  switch (which) {
  case MAX_CLIENTS: return take_number(which, value, 1, UINT32_MAX, &run->config.clients_max, report);
  case MAILBOX_BYTES:
    return tw_option_number("mailbox-bytes", value, 65536, INT64_MAX, true, &quotas->mailbox_bytes, report);
  case MAILBOX_MESSAGES:
    return tw_option_number("mailbox-messages", value, 4, UINT32_MAX, false, &quotas->mailbox_entries, report);
  case MAIL_DAYS: return take_days(which, value, &quotas->mail_ms, report);
  case CLIENT_DAYS: return take_days(which, value, &quotas->unseen_ms, report);
  case KEY_PACKAGES: return take_number(which, value, 1, 100000, &quotas->key_packages, report);
  case GROUPS: return take_number(which, value, 0, UINT32_MAX, &quotas->groups, report);
  case INVITES: return take_number(which, value, 0, 1000000, &quotas->admissions, report);
  case REQUEST_RATE: return take_rate(quotas, value, report);
  default:
    return tw_option_number("packet-rate", value, 1000, UINT64_C(10000000000), true, &run->config.forward.rate, report);
  }
}

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  tw_relay_run *run = ctx;
  tw_serve *serve = &run->serve;
  uint64_t seconds = 0;
  if (which >= MAX_CLIENTS && which <= PACKET_RATE) return take_quota(run, which, value, report);
  switch (which) {
  case KEY: return take_key(serve, value, report);
  case PEERS: serve->peers_path = value; return TW_OK;
  case ALLOW_ANY: serve->identity.anyone = true; return TW_OK;
  case LISTEN: return tw_address_parse(value, TW_ADDRESS_LOCAL, TW_PORT_DEFAULT, &run->config.listen_at, report);
  case STATE: run->state = value; return TW_OK;
  case EVENTS: serve->events_path = value; return TW_OK;
  case VERBOSE: serve->verbose = true; return TW_OK;
  case HANDSHAKE_TIMEOUT:
    TW_TRY(tw_option_number("handshake-timeout", value, 0, 3600, false, &seconds, report));
    serve->channel_options.handshake_timeout_ms = (uint32_t)seconds * 1000;
    return TW_OK;
  case REKEY_AFTER:
    TW_TRY(tw_option_number("rekey-after", value, 0, REKEY_AFTER_MOST, false, &seconds, report));
    serve->channel_options.rekey_after_ms = seconds * 1000;
    return TW_OK;
  case NO_OFFLOAD: run->config.no_offload = true; return TW_OK;
  case TW_OPTION_OPERAND:
    return tw_report_fail(report, TW_ERR_ARGUMENT, "relay takes no argument (found '%.60s')", value);
  default: break;
  }
  if (which >= LIMITS) return tw_limit_option(which - LIMITS, value, &serve->limits, &serve->channel_options, report);
  return tw_certificates_option(&serve->identity.certificates, which - CERTIFICATES, value, report);
}

static tw_exit parse(tw_relay_run *run, const char *const *words) {
  const tw_serve *serve = &run->serve;
  tw_report report;
  const tw_exit code = tw_cli_options(words, options, OPTION_COUNT, take, run);
  if (code != TW_EXIT_OK) return code;
  const tw_certificates *certificates = &serve->identity.certificates;
  if (tw_certificates_check(certificates, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
  if (serve->key_count == 0 && certificates->cert_path == NULL)
    return tw_cli_fail(TW_EXIT_USAGE, "relay needs --key FILE, or --cert FILE and --cert-key FILE");
  const bool some = serve->peers_path != NULL || certificates->ca_path != NULL;
  if (some == serve->identity.anyone)
    return tw_cli_fail(TW_EXIT_USAGE, some ? "--allow-any goes without --peers and --ca"
                                           : "relay needs --peers FILE, --ca FILE, or both: who is served; or "
                                             "--allow-any");
  return TW_EXIT_OK;
}

/* ---- the verb ---- */

static tw_exit read_peers(tw_serve *serve) {
  tw_report report = {"out of memory"};
  if (serve->peers_path == NULL) return TW_EXIT_OK;
  if (tw_peers_file_read(&serve->env, serve->peers_path, &serve->identity.peers, &report) != TW_OK)
    return tw_cli_fail(TW_EXIT_LOCAL, "--peers %s", report.text);
  tw_serve_check_peers(serve);
  return TW_EXIT_OK;
}

static tw_exit run(const char *const *words) {
  tw_relay_run relay = {.quotas = tw_delivery_limits_default, .config.listen_at.port = TW_PORT_DEFAULT};
  tw_serve_init(&relay.serve, false);
  relay.serve.channel_options.rekey_after_ms = REKEY_AFTER_DEFAULT * UINT64_C(1000);
  relay.serve.channel_options.idle_release_ms = IDLE_RELEASE_MS;
  tw_exit code = parse(&relay, words);
  if (code == TW_EXIT_OK) code = tw_serve_prepare(&relay.serve);
  if (code == TW_EXIT_OK) code = read_peers(&relay.serve);
  if (code == TW_EXIT_OK) code = tw_relay_run_until_end(&relay);
  tw_serve_clear(&relay.serve);
  return code;
}

const tw_verb tw_verb_relay = {
    "relay", run,
    "treewire relay (--key FILE | --cert FILE --cert-key FILE) (--peers FILE | --ca FILE | --allow-any)\n"
    "               [--listen ADDR:PORT] [--state DIR]\n"
    "\n"
    "Serves nodes of private networks: keeps messages for them (TCP), and forwards their packets (UDP). It has no keys "
    "of\n"
    "theirs.\n"
    "\n"
    "  -k, --key FILE            our private key, mode 0600; may be given once for each suite\n"
    "  -p, --peers FILE          who is served: one public key or fingerprint a line, then a name; read again on "
    "SIGHUP\n"
    "      --allow-any           whoever has a key is served\n"
    "  -l, --listen ADDR:PORT    where to listen, TCP and UDP (default *:9420)\n"
    "      --state DIR           what is kept over the end, mode 0700 (default: nothing is)\n" TW_CERTIFICATE_HELP
    "  -n, --name NAME           certificates have to be for this name (default: any); may be repeated\n"
    "                            SIGHUP has CAs and revocation lists read again\n"
    "      --max-clients N       connected at a time (default 65536)\n"
    "      --mailbox-bytes N     waiting for one client; K, M, G may follow (default 32M)\n"
    "      --mailbox-messages N  likewise, in messages (default 8192)\n"
    "      --mail-days N         after which what was not fetched goes (default 60)\n"
    "      --client-days N       after which a client that was not seen is forgotten (default 180)\n"
    "      --key-packages N      of one client and kind (default 100)\n"
    "      --groups N            opened by one client (default 16)\n"
    "      --invites N           whom one client may let in beside them (treewire invite; default 0: nobody)\n"
    "      --request-rate N      requests a second of one client (default 50)\n"
    "      --packet-rate N       bytes a second that one client may have forwarded; K, M, G may follow (default: no "
    "limit)\n"
    "      --rekey-after SECONDS renew our key on a node's connection after so long (default 3600; 0: not by time)\n"
    "      --no-offload          one datagram at a time to and from the kernel\n"
    "      --events FILE         append what happens to FILE, one JSON object a line\n"
    "      --handshake-timeout SECONDS   for a client to show who it is (default 30)\n"
    "  -v, --verbose             tell more on standard error\n" TW_LIMIT_HELP};
