/* treewire ca. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/ca.h"
#include "cli/harden.h"

enum { NAME, ALGORITHM, DAYS, SECONDS, CRL_DAYS, OUT, CSR, OPTION_COUNT };
static const tw_option options[OPTION_COUNT] = {
    {"name", 'n', "NAME"}, {"algorithm", 'a', "NAME"}, {"days", 'd', "N"}, {"seconds", 0, "N"},
    {"crl-days", 0, "N"},  {"out", 'o', "PREFIX"},     {"csr", 0, "FILE"},
};

enum { CRL_DAYS_DEFAULT = 30 };

/* ---- the command line ---- */

static tw_err take_operand(tw_ca_order *o, const char *value, tw_report *report) {
  if (o->folder == NULL) {
    o->folder = value;
    return TW_OK;
  }
  if (o->operand_count == TW_NAMES_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d names", TW_NAMES_MAX);
  o->operands[o->operand_count++] = value;
  return TW_OK;
}

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  tw_ca_order *o = ctx;
  uint64_t number = 0;
  switch (which) {
  case NAME: o->name = value; return TW_OK;
  case ALGORITHM: o->algorithm = value; return TW_OK;
  case DAYS:
    TW_TRY(tw_option_number("days", value, 1, 36500, false, &number, report));
    o->seconds = number * TW_CA_DAY;
    return TW_OK;
  case SECONDS: return tw_option_number("seconds", value, 1, UINT32_MAX, false, &o->seconds, report);
  case CRL_DAYS:
    TW_TRY(tw_option_number("crl-days", value, 1, 3650, false, &number, report));
    o->crl_seconds = number * TW_CA_DAY;
    return TW_OK;
  case OUT: o->out = value; return TW_OK;
  case CSR: o->csr = value; return TW_OK;
  default: return take_operand(o, value, report);
  }
}

/* ---- the verb ---- */

static const struct {
  const char *name;
  tw_exit (*run)(const tw_ca_order *o, tw_ca_store *store);
  bool opens;
} acts[] = {{"init", tw_ca_init, false},
            {"issue", tw_ca_issue, true},
            {"revoke", tw_ca_revoke, true},
            {"crl", tw_ca_crl, true},
            {"show", tw_ca_show, true}};

static tw_exit open_and_run(size_t act, const tw_ca_order *o) {
  tw_ca_store store = {.lock = -1};
  tw_report report = {"out of memory"};
  tw_exit code = TW_EXIT_OK;
  if (acts[act].opens && tw_ca_store_open(&store, o->folder, &report) != TW_OK)
    code = tw_cli_report(TW_EXIT_LOCAL, &report);
  if (code == TW_EXIT_OK) code = acts[act].run(o, &store);
  tw_ca_store_close(&store);
  return code;
}

static tw_exit run(const char *const *words) {
  tw_ca_order o = {.act = words[0], .crl_seconds = CRL_DAYS_DEFAULT * (uint64_t)TW_CA_DAY};
  if (words[0] == NULL) return tw_cli_fail(TW_EXIT_USAGE, "ca needs one of: init, issue, revoke, crl, show");
  const tw_exit code = tw_cli_options(words + 1, options, OPTION_COUNT, take, &o);
  if (code != TW_EXIT_OK) return code;
  for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
    if (strcmp(acts[i].name, o.act) != 0) continue;
    if (o.folder == NULL) return tw_cli_fail(TW_EXIT_USAGE, "ca %s needs the CA's folder", o.act);
    tw_harden_process();
    return open_and_run(i, &o);
  }
  return tw_cli_fail(TW_EXIT_USAGE, "ca %.60s: not known (init, issue, revoke, crl, show)", o.act);
}

const tw_verb tw_verb_ca = {
    "ca", run,
    "treewire ca init DIR --name NAME [--algorithm A] [--days N]\n"
    "treewire ca issue DIR NAME... [--algorithm A | --csr FILE] [--days N] [--out PREFIX]\n"
    "treewire ca revoke DIR FILE|SERIAL\n"
    "treewire ca crl DIR\n"
    "treewire ca show DIR\n"
    "\n"
    "A small CA in a folder of its own: ca.pem is for --ca, crl.pem for --crl. `issue` makes a key and a certificate\n"
    "for DNS names and IP addresses, NAME.key and NAME.pem here, good for listeners and connectors. `revoke` puts one\n"
    "on the CRL, `crl` writes that anew, which has to be done before it is out of date. Nothing is overwritten.\n"
    "\n"
    "  -n, --name NAME        what the CA is called\n"
    "  -a, --algorithm A      ed25519 (default), ed448, p256, p384, p521, ml-dsa-44, ml-dsa-65 or ml-dsa-87\n"
    "  -d, --days N           valid for so long (default: 3650 for the CA, 90 for what it issues)\n"
    "      --seconds N        the same in seconds\n"
    "      --csr FILE         certify the key in a certificate request or a public key (PEM)\n"
    "  -o, --out PREFIX       write PREFIX.pem and PREFIX.key\n"
    "      --crl-days N       how long the CRL is valid (default 30)\n"};
