/* treewire connect. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/key_file.h"
#include "cli/serve.h"
#include "crypto/crypto.h"

enum { PEER = TW_SERVE_OPTIONS_END, LISTEN, RETRY, EARLY_DATA, NO_FRESH, OPTION_COUNT };
static const tw_option options[OPTION_COUNT] = {
    TW_SERVE_OPTIONS,        TW_CERTIFICATE_OPTIONS,  TW_SESSION_OPTIONS,
    TW_TLS_OPTIONS,          {"peer", 'p', "PUB"},    {"listen", 'l', "ADDR:PORT"},
    {"retry", 0, "SECONDS"}, {"early-data", 0, NULL}, {"no-fresh", 0, NULL}};
enum { RETRY_S = 30 };

typedef struct words_found {
  tw_serve *serve;
  const char *peer;
  const char *host;
  bool listen;
  bool retry;
} words_found;

static tw_err take_retry(words_found *found, const char *value, tw_report *report) {
  uint64_t seconds = 0;
  TW_TRY(tw_option_number("retry", value, 0, 365 * 24 * 3600, false, &seconds, report));
  found->serve->service.retry_ms = seconds * 1000;
  found->retry = true;
  return TW_OK;
}

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  words_found *found = ctx;
  tw_serve *serve = found->serve;
  switch (which) {
  case PEER: found->peer = value; return TW_OK;
  case LISTEN:
    found->listen = true;
    return tw_address_parse(value, TW_ADDRESS_LOCAL, 0, &serve->service.accept_at, report);
  case RETRY: return take_retry(found, value, report);
  case EARLY_DATA: serve->service.early_data = true; return TW_OK;
  case NO_FRESH: serve->no_fresh = true; return TW_OK;
  case TW_OPTION_OPERAND:
    if (found->host != NULL)
      return tw_report_fail(report, TW_ERR_ARGUMENT, "connect takes one HOST[:PORT] (found '%.60s' too)", value);
    found->host = value;
    return tw_address_parse(value, TW_ADDRESS_REMOTE, TW_PORT_DEFAULT, &serve->service.peer, report);
  default: return tw_serve_option(serve, which, value, report);
  }
}

/* Who we are and whom we expect. */
static tw_exit check_identity(tw_serve *serve, const words_found *found) {
  tw_certificates *certificates = &serve->identity.certificates;
  tw_report report;
  if (tw_certificates_check(certificates, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
  const bool certified = certificates->cert_path != NULL;
  if (serve->key_count == 0 && !certified)
    return tw_cli_fail(TW_EXIT_USAGE, "connect needs --key FILE, or --cert FILE and --cert-key FILE");
  if (serve->key_count + (certified ? 1 : 0) > 1)
    return tw_cli_fail(TW_EXIT_USAGE, "connect takes one --key or --cert");
  if (certificates->suite_count > 1) return tw_cli_fail(TW_EXIT_USAGE, "connect takes one --suite");
  if (found->peer == NULL && certificates->ca_path == NULL)
    return tw_cli_fail(TW_EXIT_USAGE, "connect needs --peer PUB, the other side's public key, or --ca FILE, or both");
  if (found->host == NULL) return tw_cli_fail(TW_EXIT_USAGE, "connect needs the HOST[:PORT] of the other side");
  if (certificates->name_count > 1) return tw_cli_fail(TW_EXIT_USAGE, "connect takes one --name");
  if (certificates->ca_path == NULL || certificates->name_count > 0) return TW_EXIT_OK;
  if (tw_certificates_add_name(certificates, serve->service.peer.host, &report) == TW_OK) return TW_EXIT_OK;
  return tw_cli_report(TW_EXIT_USAGE, &report);
}

static tw_exit parse(tw_serve *serve, const char *const *words, words_found *found) {
  tw_report report;
  tw_exit code = tw_cli_options(words, options, OPTION_COUNT, take, found);
  if (code == TW_EXIT_OK) code = check_identity(serve, found);
  if (code != TW_EXIT_OK) return code;
  if (found->listen == serve->stdio)
    return tw_cli_fail(TW_EXIT_USAGE, "connect needs either --listen ADDR:PORT or --stdio");
  if (tw_tls_options_check(&serve->tls, &serve->identity, &report) != TW_OK)
    return tw_cli_report(TW_EXIT_USAGE, &report);
  if (tw_session_options_check(&serve->session_options, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
  if (found->listen && !found->retry) serve->service.retry_ms = RETRY_S * 1000;
  return TW_EXIT_OK;
}

/* Sessions are those with this destination and with whom we expect there. */
static tw_exit make_tag(tw_serve *serve, const words_found *found) {
  char where[TW_ADDRESS_TEXT];
  uint8_t hash[TW_HASH_MAX];
  tw_address_format(&serve->service.peer, where);
  const tw_certificates *certificates = &serve->identity.certificates;
  const char *name = certificates->name_count > 0 ? certificates->names[0] : "";
  const tw_peers *peers = &serve->identity.peers;
  const tw_bytes pin = found->peer != NULL ? TW_ARRAY(peers->list[0].fingerprint.digest) : TW_NO_BYTES;
  tw_buf agreed = {0};
  tw_bytes parts[] = {TW_BYTES((const uint8_t *)where, strlen(where) + 1),
                      TW_BYTES((const uint8_t *)name, strlen(name) + 1), pin, TW_NO_BYTES};
  tw_err err = tw_tls_session_words(&serve->tls, &agreed);
  parts[3] = tw_buf_bytes(&agreed);
  if (err == TW_OK) err = tw_hash_parts(&serve->env, tw_suite_default(), parts, sizeof parts / sizeof parts[0], hash);
  tw_buf_clear(&agreed);
  if (err != TW_OK) return tw_cli_fail(TW_EXIT_LOCAL, "%s", tw_err_text(err));
  memcpy(serve->tag, hash, sizeof serve->tag);
  return TW_EXIT_OK;
}

static tw_exit take_peer(tw_serve *serve, const words_found *found) {
  if (found->peer == NULL) return TW_EXIT_OK;
  tw_report report = {"out of memory"};
  tw_peers *peers = &serve->identity.peers;
  const tw_err err = tw_peer_argument(&serve->env, found->peer, peers, &report);
  if (err != TW_OK) return tw_cli_report(err == TW_ERR_ARGUMENT ? TW_EXIT_USAGE : TW_EXIT_LOCAL, &report);
  const tw_suite *theirs = peers->list[0].suite;
  if (!tw_identity_has_suite(&serve->identity, theirs))
    return tw_cli_fail(TW_EXIT_LOCAL, "the peer's key is of suite %s, ours of %s: both sides need the same one",
                       tw_suite_name(theirs), tw_suite_name(serve->identity.keys[0].suite));
  serve->identity.pinned = true;
  return TW_EXIT_OK;
}

static tw_exit serve_applications(tw_serve *serve, const words_found *found) {
  tw_exit code = take_peer(serve, found);
  if (code == TW_EXIT_OK) code = make_tag(serve, found);
  if (code != TW_EXIT_OK) return code;
  serve->service.accepts = found->listen;
  serve->service.app = serve->stdio ? TW_APP_STDIO : TW_APP_SOCKET;
  return tw_serve_run(serve);
}

static tw_exit run(const char *const *words) {
  tw_serve serve;
  words_found found = {.serve = &serve};
  tw_serve_init(&serve, true);
  tw_exit code = parse(&serve, words, &found);
  serve.identity.certificates.keep_key = serve.tls.standard;
  if (code == TW_EXIT_OK) code = tw_serve_prepare(&serve);
  if (code == TW_EXIT_OK) code = serve_applications(&serve, &found);
  tw_serve_clear(&serve);
  return code;
}

const tw_verb tw_verb_connect = {
    "connect", run,
    "treewire connect (--key FILE | --cert FILE --cert-key FILE) (--peer PUB | --ca FILE) HOST[:PORT]\n"
    "                 (--listen ADDR:PORT | --stdio)\n"
    "\n"
    "Opens a channel to a listener for each TCP connection that is made to ADDR:PORT, or one for standard input and\n"
    "output (as a ProxyCommand). The default port is 9420. With --peer and --ca the listener has to be both.\n"
    "\n"
    "  -k, --key FILE            our private key, mode 0600\n"
    "  -p, --peer PUB            the listener's public key or sha256: fingerprint, or @FILE with either\n"
    "  -l, --listen ADDR:PORT    where applications connect to\n" TW_CERTIFICATE_HELP
    "  -n, --name NAME           the listener's certificate has to be for this name (default: HOST)\n" TW_SESSION_HELP
        TW_TLS_HELP
    "      --tls-standard        with tls: a listener that speaks TLS 1.3 without MLS is good, too; needs --ca\n"
    "      --retry SECONDS       how long to go on trying to reach it (default 30; with --stdio 0)\n"
    "      --early-data          send an application's first bytes with the request to resume a session; they arrive\n"
    "                            once, and are lost with the connection when the listener has lost the session\n"
    "      --no-fresh            where the listener has lost a session, do not begin a new one\n" TW_SERVE_HELP};
