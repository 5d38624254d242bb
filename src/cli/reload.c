/* SIGHUP, and certificates whose time is over. SPDX-License-Identifier: Apache-2.0 */
#include "cli/reload.h"

#include <stdio.h>
#include <time.h>

#include "cli/key_file.h"
#include "cli/tell.h"

enum { WARNINGS_MAX = 8 };

void tw_serve_check_peers(const tw_serve *serve) {
  const tw_peers *peers = &serve->identity.peers;
  int warnings = 0;
  if (peers->count == 0 && serve->identity.certificates.trust == NULL)
    (void)tw_cli_fail(TW_EXIT_OK, "%s: no peers in it yet, nobody can connect (SIGHUP has it read again)",
                      serve->peers_path);
  for (size_t i = 0; i < peers->count && warnings < WARNINGS_MAX; i++) {
    const tw_peer *peer = &peers->list[i];
    if (tw_identity_has_suite(&serve->identity, peer->suite)) continue;
    warnings++;
    (void)tw_cli_fail(TW_EXIT_OK, "%s:%zu: a key of suite %s, for which we have no key: this peer cannot connect",
                      serve->peers_path, peer->line, tw_suite_name(peer->suite));
  }
}

/* Who has said a name is asked again, even if nothing has proved yet that it is his: that check comes once. */
static tw_err ask_again(void *ctx, tw_tunnel *tunnel) {
  const tw_suite *suite;
  tw_acquaintance known;
  const tw_err err = tw_tell_ask(ctx, tunnel, false, &suite, &known);
  if (err == TW_ERR_STATE) return TW_OK; /* not judged yet, at its end, or let in without a question */
  if (err == TW_OK) tw_tell_renew(tunnel, &known);
  return err;
}

/* What was said of a tunnel that had ended anyway is not for the next one. */
static void weed(tw_serve *serve, tw_service *service, tw_err (*judge)(void *ctx, tw_tunnel *tunnel)) {
  tw_service_weed(service, judge, serve);
  serve->identity.refusal.given = false;
}

tw_err tw_serve_read_anew(tw_serve *serve, tw_report *report) {
  tw_identity *identity = &serve->identity;
  tw_x509_trust *trust = NULL;
  if (identity->certificates.trust != NULL) TW_TRY(tw_certificates_read_trust(&identity->certificates, &trust, report));
  if (serve->peers_path != NULL) {
    const tw_err err = tw_peers_file_read(&serve->env, serve->peers_path, &identity->peers, report);
    if (err != TW_OK) {
      tw_x509_trust_free(trust);
      return err;
    }
  }
  if (trust == NULL) return TW_OK;
  tw_x509_trust_free(identity->certificates.trust);
  identity->certificates.trust = trust;
  return TW_OK;
}

void tw_serve_reload(void *ctx, tw_service *service) {
  tw_serve *serve = ctx;
  tw_report report = {"out of memory"};
  if (tw_serve_read_anew(serve, &report) != TW_OK) {
    (void)fprintf(stderr, "treewire: %s (%s as they were)\n", report.text,
                  serve->identity.certificates.trust == NULL ? "the peers stay" : "peers, CAs and CRLs stay");
    tw_tell_reload(serve, report.text);
    return;
  }
  if (serve->peers_path != NULL) tw_serve_check_peers(serve);
  tw_tell_reload(serve, NULL);
  weed(serve, service, ask_again);
}

/* Another certificate or CA may have come in the place of what has expired. */
static tw_err ask_when_over(void *ctx, tw_tunnel *tunnel) {
  return (uint64_t)time(NULL) < tw_tell_valid_until(tunnel) ? TW_OK : ask_again(ctx, tunnel);
}

void tw_serve_look(void *ctx, tw_service *service) { weed(ctx, service, ask_when_over); }
