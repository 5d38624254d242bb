/* treewire ca init, revoke, crl, show. SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/ca.h"
#include "cli/key_file.h"

enum { CA_DAYS = 3650 };

tw_exit tw_ca_fail(tw_err err, const tw_report *report) {
  return tw_cli_report(err == TW_ERR_ARGUMENT ? TW_EXIT_USAGE : TW_EXIT_LOCAL, report);
}

tw_exit tw_ca_print(const char *format, ...) {
  char text[TW_CA_TEXT_MAX];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return tw_cli_print(text);
}

/* ---- init ---- */

tw_exit tw_ca_init(const tw_ca_order *o, tw_ca_store *store) {
  tw_report report = {"out of memory"};
  (void)store;
  if (o->name == NULL || o->name[0] == '\0' || strlen(o->name) > 64)
    return tw_cli_fail(TW_EXIT_USAGE, "ca init needs --name NAME, what the CA is called (at most 64 bytes)");
  json_t *text = json_string(o->name);
  json_decref(text);
  if (text == NULL) return tw_cli_fail(TW_EXIT_USAGE, "--name %.64s: not UTF-8", o->name);
  if (o->operand_count > 0) return tw_cli_fail(TW_EXIT_USAGE, "ca init takes one folder");
  const tw_err err = tw_ca_store_create(o->folder, o->name, o->algorithm == NULL ? "ed25519" : o->algorithm,
                                        o->seconds == 0 ? CA_DAYS * (uint64_t)TW_CA_DAY : o->seconds, o->crl_seconds,
                                        &report);
  if (err != TW_OK) return tw_ca_fail(err, &report);
  return tw_ca_print("%s/ca.pem is what --ca wants, %s/crl.pem what --crl wants; keep %s/ca.key\n", o->folder,
                     o->folder, o->folder);
}

/* ---- revoke, crl, show ---- */

static tw_err serial_in_file(const tw_ca_store *store, const char *path, char *serial, tw_report *report) {
  tw_buf pem = {0};
  tw_buf chain = {0};
  tw_x509_holder holder;
  const tw_x509_issuer issuer = {tw_buf_bytes(&store->certificate), store->key};
  tw_err err = tw_file_read(path, TW_X509_PEM_MAX, &pem, report);
  if (err == TW_OK) err = tw_x509_chain_read(store->x509, path, tw_buf_bytes(&pem), &chain, report);
  if (err == TW_OK) err = tw_x509_describe(store->x509, tw_buf_bytes(&chain), &holder);
  if (err == TW_OK && !tw_x509_is_issued_by(store->x509, tw_buf_bytes(&pem), &issuer))
    err = tw_report_fail(report, TW_ERR_SIGNATURE, "%.200s: not from this CA", path);
  if (err == TW_OK) (void)snprintf(serial, TW_X509_SERIAL, "%s", holder.serial);
  tw_buf_clear(&pem);
  tw_buf_clear(&chain);
  return err;
}

tw_exit tw_ca_revoke(const tw_ca_order *o, tw_ca_store *store) {
  char serial[TW_X509_SERIAL];
  uint8_t bytes[TW_X509_SERIAL];
  tw_report report = {"out of memory"};
  if (o->operand_count != 1) return tw_cli_fail(TW_EXIT_USAGE, "ca revoke needs one FILE or SERIAL");
  const char *what = o->operands[0];
  if (access(what, F_OK) == 0) {
    if (serial_in_file(store, what, serial, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  } else {
    if (tw_ca_serial_bytes(what, bytes) == 0)
      return tw_cli_fail(TW_EXIT_LOCAL, "%.200s: neither a file nor a serial number", what);
    (void)snprintf(serial, sizeof serial, "%s", what);
  }
  tw_ca_entry *entry = tw_ca_index_find(&store->index, serial);
  if (entry == NULL) return tw_cli_fail(TW_EXIT_LOCAL, "%s: no certificate of this CA's index", serial);
  const bool before = entry->revoked != 0;
  if (!before) {
    entry->revoked = (uint64_t)time(NULL);
    if (tw_ca_store_save(store, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  }
  if (tw_ca_store_write_crl(store, o->crl_seconds, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  return tw_ca_print("%s (%s) %s; %s/crl.pem has it\n", entry->serial, tw_ca_entry_names(&store->index, entry),
                     before ? "was revoked before" : "is revoked", store->folder);
}

tw_exit tw_ca_crl(const tw_ca_order *o, tw_ca_store *store) {
  tw_report report = {"out of memory"};
  if (o->operand_count > 0) return tw_cli_fail(TW_EXIT_USAGE, "ca crl takes one folder");
  if (tw_ca_store_write_crl(store, o->crl_seconds, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  return TW_EXIT_OK;
}

tw_exit tw_ca_show(const tw_ca_order *o, tw_ca_store *store) {
  char until[24];
  const uint64_t now = (uint64_t)time(NULL);
  if (o->operand_count > 0) return tw_cli_fail(TW_EXIT_USAGE, "ca show takes one folder");
  tw_ca_time_text(store->holder.not_after, until);
  tw_exit code = tw_ca_print("%s, valid until %s\n", store->holder.subject, until);
  for (size_t i = 0; code == TW_EXIT_OK && i < store->index.count; i++) {
    const tw_ca_entry *entry = &store->index.list[i];
    tw_ca_time_text(entry->not_after, until);
    const char *state = entry->revoked != 0 ? "revoked" : entry->not_after <= now ? "expired" : "valid";
    code = tw_ca_print("%s  %-7s  %s  %s\n", entry->serial, state, until, tw_ca_entry_names(&store->index, entry));
  }
  return code;
}
