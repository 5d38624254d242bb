/* treewire listen. SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_file.h"
#include "cli/reload.h"

enum { RETRY_ABOVE_DEFAULT = 256 };
enum {
  PEERS = TW_SERVE_OPTIONS_END,
  BIND,
  FORWARD,
  STANDARD_ANYONE,
  RETRY_ABOVE,
  LIMITS,
  OPTION_COUNT = LIMITS + TW_LIMIT_OPTION_COUNT
};
static const tw_option options[OPTION_COUNT] = {TW_SERVE_OPTIONS,
                                                TW_CERTIFICATE_OPTIONS,
                                                TW_SESSION_OPTIONS,
                                                TW_TLS_OPTIONS,
                                                {"peers", 'p', "FILE"},
                                                {"bind", 'b', "ADDR:PORT"},
                                                {"forward", 'f', "HOST:PORT"},
                                                {"tls-standard-anyone", 0, NULL},
                                                {"retry-above", 0, "N"},
                                                TW_LIMIT_OPTIONS};

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  tw_serve *serve = ctx;
  switch (which) {
  case PEERS: serve->peers_path = value; return TW_OK;
  case BIND: return tw_address_parse(value, TW_ADDRESS_LOCAL, TW_PORT_DEFAULT, &serve->service.accept_at, report);
  case FORWARD: return tw_address_parse(value, TW_ADDRESS_REMOTE, 0, &serve->service.target, report);
  case STANDARD_ANYONE: serve->tls.anyone = true; return TW_OK;
  case RETRY_ABOVE:
    serve->tls.retry_given = true;
    return tw_option_number("retry-above", value, 0, UINT32_MAX, false, &serve->tls.retry_above, report);
  case TW_OPTION_OPERAND:
    return tw_report_fail(report, TW_ERR_ARGUMENT, "listen takes no argument (found '%.60s')", value);
  default: break;
  }
  if (which >= LIMITS) return tw_limit_option(which - LIMITS, value, &serve->limits, &serve->channel_options, report);
  return tw_serve_option(serve, which, value, report);
}

static tw_exit parse(tw_serve *serve, const char *const *words) {
  tw_report report;
  const tw_exit code = tw_cli_options(words, options, OPTION_COUNT, take, serve);
  if (code != TW_EXIT_OK) return code;
  const tw_certificates *certificates = &serve->identity.certificates;
  if (tw_certificates_check(certificates, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
  if (serve->key_count == 0 && certificates->cert_path == NULL)
    return tw_cli_fail(TW_EXIT_USAGE, "listen needs --key FILE, or --cert FILE and --cert-key FILE");
  if (serve->peers_path == NULL && certificates->ca_path == NULL)
    return tw_cli_fail(TW_EXIT_USAGE, "listen needs --peers FILE or --ca FILE, or both: who is let in");
  if ((serve->service.target.host[0] != '\0') == serve->stdio)
    return tw_cli_fail(TW_EXIT_USAGE, "listen needs either --forward HOST:PORT or --stdio");
  if (tw_tls_options_check(&serve->tls, &serve->identity, &report) != TW_OK)
    return tw_cli_report(TW_EXIT_USAGE, &report);
  if (tw_session_options_check(&serve->session_options, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
  return TW_EXIT_OK;
}

static tw_exit serve_peers(tw_serve *serve) {
  tw_report report = {"out of memory"};
  if (serve->peers_path != NULL) {
    if (tw_peers_file_read(&serve->env, serve->peers_path, &serve->identity.peers, &report) != TW_OK)
      return tw_cli_fail(TW_EXIT_LOCAL, "--peers %s", report.text);
    tw_serve_check_peers(serve);
  }
  serve->service.accepts = true;
  serve->service.app = serve->stdio ? TW_APP_STDIO : TW_APP_TARGET;
  return tw_serve_run(serve);
}

static tw_exit run(const char *const *words) {
  tw_serve serve;
  tw_serve_init(&serve, false);
  serve.service.accept_at.port = TW_PORT_DEFAULT;
  serve.tls.retry_above = RETRY_ABOVE_DEFAULT;
  tw_exit code = parse(&serve, words);
  serve.identity.certificates.keep_key = serve.tls.standard;
  if (code == TW_EXIT_OK) code = tw_serve_prepare(&serve);
  if (code == TW_EXIT_OK) code = serve_peers(&serve);
  tw_serve_clear(&serve);
  return code;
}

const tw_verb tw_verb_listen = {
    "listen", run,
    "treewire listen (--key FILE | --cert FILE --cert-key FILE) (--peers FILE | --ca FILE)\n"
    "                [--bind ADDR:PORT] (--forward HOST:PORT | --stdio)\n"
    "\n"
    "Accepts channels from the peers in a file, or with certificates of a CA, and connects each to a TCP service, or "
    "one\n"
    "to standard input and output.\n"
    "\n"
    "  -k, --key FILE            our private key, mode 0600; may be given once for each suite\n"
    "  -p, --peers FILE          one public key or fingerprint a line, then a name; read again on SIGHUP\n"
    "  -b, --bind ADDR:PORT      where to listen (default *:9420)\n"
    "  -f, --forward HOST:PORT   the service\n" TW_CERTIFICATE_HELP
    "  -n, --name NAME           certificates have to be for this name (default: any); may be repeated\n"
    "                            SIGHUP has CAs and revocation lists read again\n" TW_SESSION_HELP TW_TLS_HELP
    "      --tls-standard        with tls: clients that speak TLS 1.3 without MLS, too; needs --cert, and --ca, of "
    "which\n"
    "                            they have to show a certificate\n"
    "      --tls-standard-anyone without a certificate of theirs: whoever comes is let in\n"
    "      --retry-above N       with tls: ask clients for a second hello while so many handshakes are open (default "
    "256)\n" TW_SERVE_HELP TW_LIMIT_HELP};
