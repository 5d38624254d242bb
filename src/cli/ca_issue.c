/* treewire ca issue. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/ca.h"
#include "cli/file_write.h"
#include "cli/key_file.h"

enum { PEER_DAYS = 90, EARLY_S = 3600 };

typedef struct issue_plan {
  char names[TW_NAMES_MAX][TW_X509_NAME];
  const char *pointers[TW_NAMES_MAX];
  char listed[TW_CA_TEXT_MAX]; /* with commas */
  char certificate[TW_CA_PATH];
  char key[TW_CA_PATH];
} issue_plan;

static tw_err plan_names(const tw_ca_order *o, issue_plan *plan, tw_report *report) {
  size_t used = 0;
  for (size_t i = 0; i < o->operand_count; i++) {
    TW_TRY(tw_x509_name_parse(o->operands[i], TW_X509_NAME_GIVEN, plan->names[i], report));
    plan->pointers[i] = plan->names[i];
    used += (size_t)snprintf(plan->listed + used, sizeof plan->listed - used, "%s%s", i == 0 ? "" : ",",
                             plan->names[i]);
    if (used >= sizeof plan->listed) return tw_report_fail(report, TW_ERR_ARGUMENT, "too many names");
  }
  return TW_OK;
}

static tw_err check_folder(const char *path, tw_report *report) {
  char folder[TW_CA_PATH];
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return TW_OK;
  (void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  if (access(folder, W_OK | X_OK) == 0) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", folder, strerror(errno));
}

/* Named by the first name, with a star as an underscore. */
static tw_err plan_files(const tw_ca_order *o, issue_plan *plan, tw_report *report) {
  char prefix[TW_CA_PATH - 16];
  const char *from = o->out != NULL ? o->out : plan->names[0];
  const int len = snprintf(prefix, sizeof prefix, "%s", from);
  if (len < 0 || (size_t)len >= sizeof prefix)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--out %.60s…: too long", from);
  if (o->out == NULL && prefix[0] == '*') prefix[0] = '_';
  TW_TRY(check_folder(prefix, report));
  (void)snprintf(plan->certificate, sizeof plan->certificate, "%s.pem", prefix);
  (void)snprintf(plan->key, sizeof plan->key, "%s.key", prefix);
  const char *there = access(plan->certificate, F_OK) == 0 ? plan->certificate : NULL;
  if (there == NULL && o->csr == NULL && access(plan->key, F_OK) == 0) there = plan->key;
  if (there == NULL) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "%.200s is there already (--out names others)", there);
}

static tw_err get_key(const tw_ca_order *o, const tw_ca_store *store, tw_x509_key **key, tw_report *report) {
  if (o->csr == NULL)
    return tw_x509_key_generate(store->x509, o->algorithm == NULL ? "ed25519" : o->algorithm, key, report);
  tw_buf pem = {0};
  tw_err err = tw_file_read(o->csr, TW_X509_PEM_MAX, &pem, report);
  if (err == TW_OK) err = tw_x509_key_request(store->x509, o->csr, tw_buf_bytes(&pem), key, report);
  tw_buf_clear(&pem);
  return err;
}

static void plan_entry(const tw_ca_order *o, const tw_ca_store *store, const uint8_t serial[TW_X509_SERIAL_SIZE],
                       tw_ca_entry *entry) {
  const uint64_t now = (uint64_t)time(NULL);
  *entry = (tw_ca_entry){.not_before = now - EARLY_S,
                         .not_after = now + (o->seconds == 0 ? PEER_DAYS * (uint64_t)TW_CA_DAY : o->seconds)};
  if (entry->not_before < store->holder.not_before) entry->not_before = store->holder.not_before;
  if (entry->not_after > store->holder.not_after) entry->not_after = store->holder.not_after;
  for (size_t i = 0; i < TW_X509_SERIAL_SIZE; i++)
    (void)snprintf(entry->serial + 2 * i, sizeof entry->serial - 2 * i, "%02x", serial[i]);
}

/* What is issued is in the index before it is anywhere else, so that it can be revoked. */
static tw_err write_issued(const tw_ca_order *o, tw_ca_store *store, const issue_plan *plan, const tw_x509_key *key,
                           tw_ca_entry *entry, tw_report *report) {
  uint8_t serial[TW_X509_SERIAL_SIZE];
  tw_buf pem = {0};
  tw_buf private_pem = {0};
  TW_TRY(tw_x509_make_serial(store->x509, serial));
  plan_entry(o, store, serial, entry);
  const tw_x509_wish wish = {.names = plan->pointers,
                             .name_count = o->operand_count,
                             .serial = TW_ARRAY(serial),
                             .not_before = entry->not_before,
                             .not_after = entry->not_after};
  const tw_x509_issuer issuer = {tw_buf_bytes(&store->certificate), store->key};
  tw_err err = tw_x509_certify(store->x509, &issuer, key, &wish, &pem);
  if (err == TW_OK && o->csr == NULL) err = tw_x509_key_save(key, &private_pem);
  if (err == TW_OK) err = tw_ca_index_add(&store->index, entry, plan->listed);
  if (err == TW_OK) err = tw_ca_store_save(store, report);
  if (err == TW_OK && o->csr == NULL)
    err = tw_file_write(plan->key, TW_WRITE_NEW, 0600, tw_buf_bytes(&private_pem), report);
  if (err == TW_OK) err = tw_file_write(plan->certificate, TW_WRITE_NEW, 0600, tw_buf_bytes(&pem), report);
  tw_buf_clear(&pem);
  tw_buf_clear(&private_pem);
  return err;
}

tw_exit tw_ca_issue(const tw_ca_order *o, tw_ca_store *store) {
  static issue_plan plan;
  tw_report report = {"out of memory"};
  tw_x509_key *key = NULL;
  tw_ca_entry entry = {0};
  if (o->operand_count == 0) return tw_cli_fail(TW_EXIT_USAGE, "ca issue needs a NAME, of DNS or an IP address");
  if (o->csr != NULL && o->algorithm != NULL)
    return tw_cli_fail(TW_EXIT_USAGE, "the key of --csr has its algorithm: no --algorithm");
  tw_err err = plan_names(o, &plan, &report);
  if (err == TW_OK) err = plan_files(o, &plan, &report);
  if (err == TW_OK) err = get_key(o, store, &key, &report);
  if (err == TW_OK) err = write_issued(o, store, &plan, key, &entry, &report);
  tw_x509_key_free(key);
  if (err != TW_OK) return tw_ca_fail(err, &report);
  char until[24];
  tw_ca_time_text(entry.not_after, until);
  return tw_ca_print("%s%s%s: serial %s, valid until %s\n", plan.certificate, o->csr == NULL ? " and " : "",
                     o->csr == NULL ? plan.key : "", entry.serial, until);
}
