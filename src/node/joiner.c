/* SPDX-License-Identifier: Apache-2.0 */
#include "node/joiner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "node/config_value.h"
#include "node/mail.h"

/* ---- mail ---- */

tw_err tw_joiner_begin(tw_joiner *joiner) {
  tw_joiner_end(joiner);
  return tw_enrolment_answer_key_make(joiner->env, joiner->invitation->suite, &joiner->answer_key);
}

void tw_joiner_end(tw_joiner *joiner) { tw_enrolment_answer_key_clear(&joiner->answer_key); }

tw_err tw_joiner_mail(const tw_joiner *joiner, tw_enrolment_act act, tw_buf *out) {
  const tw_env *env = joiner->env;
  const tw_invitation_keys *keys = joiner->keys;
  const tw_bytes answer_key = act == TW_ENROLMENT_JOIN ? tw_buf_bytes(&joiner->answer_key.public_key) : TW_NO_BYTES;
  tw_buf plain = TW_BUF_INIT(tw_env_alloc(env));
  tw_buf sealed = TW_BUF_INIT(tw_env_alloc(env));
  if (act == TW_ENROLMENT_JOIN && answer_key.len == 0) return TW_ERR_STATE;
  tw_err err = tw_enrolment_request_make(env, joiner->signer, act, answer_key, keys->id, &plain);
  if (err == TW_OK)
    err = tw_enrolment_seal(env, joiner->invitation->suite, keys->request, keys->id, tw_buf_bytes(&plain), &sealed);
  tw_mail mail = {.kind = TW_MAIL_ENROLMENT, .body = tw_buf_bytes(&sealed)};
  memcpy(mail.ref, keys->id, sizeof mail.ref);
  if (err == TW_OK) err = tw_mail_encode(&mail, out);
  tw_buf_clear(&sealed);
  tw_buf_clear(&plain);
  return err;
}

tw_err tw_joiner_take(const tw_joiner *joiner, tw_bytes message, tw_buf *plain, tw_enrolment_reply *reply) {
  const tw_invitation *invitation = joiner->invitation;
  const tw_invitation_keys *keys = joiner->keys;
  tw_enrolment_reply read;
  tw_mail mail;
  tw_buf_clear(plain);
  TW_TRY(tw_mail_decode(message, &mail));
  if (mail.kind != TW_MAIL_ENROLMENT || memcmp(mail.ref, keys->id, sizeof mail.ref) != 0) return TW_ERR_UNEXPECTED;
  tw_buf wrapped = TW_BUF_INIT(tw_env_alloc(joiner->env));
  tw_err err = tw_enrolment_open(joiner->env, invitation->suite, keys->reply, keys->id, mail.body, &wrapped);
  if (err == TW_OK)
    err = tw_enrolment_unwrap(joiner->env, invitation->suite, &joiner->answer_key, keys->id, tw_buf_bytes(&wrapped),
                              plain);
  tw_buf_clear(&wrapped);
  if (err != TW_OK) return err;
  TW_TRY(tw_enrolment_reply_read(joiner->env, invitation->suite, &invitation->inviter, keys->id, tw_buf_bytes(plain),
                                 &read));
  if (memcmp(&read.joiner, &joiner->self, sizeof read.joiner) != 0) return TW_ERR_UNEXPECTED; /* to another key */
  *reply = read;
  return TW_OK;
}

/* ---- the file ---- */

enum { LINE = 512 };

static void add(tw_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(tw_writer *w, const char *format, ...) {
  char line[LINE];
  va_list args;
  va_start(args, format);
  const int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (len < 0 || (size_t)len >= sizeof line)
    tw_writer_fail(w, TW_ERR_LIMIT);
  else
    tw_write_fixed(w, TW_BYTES((const uint8_t *)line, (size_t)len));
}

static void add_prefixes(tw_writer *w, const char *key, tw_bytes prefixes) {
  char shown[TW_PREFIX_TEXT];
  tw_reader walk = tw_reader_of(prefixes);
  for (tw_prefix prefix; tw_enrolled_prefix_next(&walk, &prefix);) {
    tw_prefix_format(&prefix, shown);
    add(w, "%s = %s\n", key, shown);
  }
}

static void add_key(tw_writer *w, const char *before, const tw_fingerprint *key, const char *after) {
  char shown[TW_FINGERPRINT_TEXT];
  tw_fingerprint_format(key, shown);
  add(w, "%s%s%s", before, shown, after);
}

static void add_rule(tw_writer *w, const tw_enrolment_settings *settings) {
  tw_reader walk = tw_reader_of(settings->admit);
  add(w, "Members = certified\n");
  for (char name[TW_X509_NAME]; tw_enrolled_admit_next(&walk, name);) add(w, "Admit = %s\n", name);
}

/* What is older is of before we came, and its peers may be gone again. */
static void add_lists_after(tw_writer *w, tw_bytes admins) {
  tw_reader walk = tw_reader_of(admins);
  for (tw_enrolled_admin admin; tw_enrolled_admin_next(&walk, &admin);) {
    if (admin.version == 0) continue;
    add_key(w, "ListsAfter = ", &admin.key, " ");
    add(w, "%" PRIu64 "\n", admin.version);
  }
}

static void add_network(tw_writer *w, const tw_invitation *invitation, const tw_enrolment_settings *settings) {
  char units[TW_VALUE_UNITS_TEXT];
  const char *before = "Admins = ";
  tw_reader walk = tw_reader_of(settings->admins);
  add(w, "\n[Network]\nGroup = %s\nSuite = %s\n", invitation->group, tw_suite_name(invitation->suite));
  tw_value_format_seconds(settings->rekey_after, units);
  add(w, "RekeyAfter = %s\n", settings->rekey_after == 0 ? "off" : units);
  tw_value_format_amount(settings->rekey_bytes, units);
  add(w, "RekeyBytes = %s\n", settings->rekey_bytes == 0 ? "off" : units);
  tw_value_format_amount(settings->rekey_packets, units);
  add(w, "RekeyPackets = %s\n", settings->rekey_packets == 0 ? "off" : units);
  tw_value_format_seconds(settings->grace, units);
  add(w, "Grace = %s\n", units);
  tw_value_format_seconds(settings->keepalive, units);
  add(w, "Keepalive = %s\n", settings->keepalive == 0 ? "off" : units);
  if (settings->sign) add(w, "Sign = yes\n");
  for (tw_enrolled_admin admin; tw_enrolled_admin_next(&walk, &admin); before = ", ")
    add_key(w, before, &admin.key, "");
  add(w, "\n");
  add_lists_after(w, settings->admins);
  if (settings->ca.len > 0) add_rule(w, settings);
  add(w, "\n[Multicast]\n");
  add_prefixes(w, "Groups", settings->groups);
  if (settings->broadcast) add(w, "Groups = broadcast\n");
  if (settings->groups.len == 0 && !settings->broadcast) add(w, "Groups =\n");
}

static void add_peer(tw_writer *w, const tw_enrolled *peer) {
  char shown[TW_ADDRESS_TEXT];
  tw_address address = {.port = peer->port};
  add(w, "\n[Peer]\n");
  if (peer->name.len > 0) add(w, "Name = %.*s\n", (int)peer->name.len, (const char *)peer->name.ptr);
  add_key(w, "PublicKey = ", &peer->key, "\n");
  add_prefixes(w, "AllowedIPs", peer->allowed);
  if (peer->host.len == 0) return;
  memcpy(address.host, peer->host.ptr, peer->host.len); /* no longer than that: it is a host */
  tw_address_format(&address, shown);
  add(w, "Endpoint = %s\n", shown);
}

static void add_path(tw_writer *w, tw_bytes key, const char *path) {
  tw_write_fixed(w, key);
  tw_write_fixed(w, TW_BYTES((const uint8_t *)path, strlen(path)));
  add(w, "\n");
}

static tw_err write_config(const tw_joiner *joiner, const tw_enrolment_settings *settings, const tw_joiner_names *names,
                           tw_buf *text) {
  const tw_invitation *invitation = joiner->invitation;
  tw_writer w = tw_writer_to(text);
  char relay[TW_ADDRESS_TEXT];
  tw_enrolled peer;
  add(&w, "# %.*s, by an invitation\n[Interface]\n", (int)settings->name.len, (const char *)settings->name.ptr);
  add_prefixes(&w, "Address", settings->addresses);
  add_path(&w, TW_LITERAL("Identity = "), names->identity);
  if (settings->ca.len > 0) {
    add_path(&w, TW_LITERAL("CA = "), names->ca);
    add(&w, "# CRL = FILE: none came with it, since it ages; without one no certificate is known to be revoked\n");
  }
  add(&w, "MTU = %u\n", (unsigned)settings->mtu);
  tw_address_format(&invitation->relay, relay);
  add(&w, "\n[Relay]\nEndpoint = %s\n", relay);
  add_key(&w, "PublicKey = ", &invitation->relay_key, "\n");
  add_network(&w, invitation, settings);
  tw_reader walk = tw_reader_of(settings->peers);
  while (tw_enrolled_next(&walk, &peer)) add_peer(&w, &peer);
  return tw_writer_end(&w);
}

static bool is_path(const char *path, const char *as_written) {
  const size_t len = path == NULL ? 0 : strlen(path);
  const size_t written = strlen(as_written);
  return path != NULL && len >= written && strcmp(path + len - written, as_written) == 0;
}

static bool is_rule_meant(const tw_enrolment_settings *settings, const tw_node_config *config, const char *ca) {
  tw_reader walk = tw_reader_of(settings->admit);
  size_t count = 0;
  for (char name[TW_X509_NAME]; tw_enrolled_admit_next(&walk, name); count++)
    if (count >= config->network.admit_count || strcmp(config->network.admit[count], name) != 0) return false;
  if (settings->ca.len == 0) return !config->network.certified && config->interface.ca == NULL;
  return config->network.certified && count == config->network.admit_count && is_path(config->interface.ca, ca);
}

static bool are_lists_meant(const tw_enrolment_settings *settings, const tw_node_network *network) {
  tw_reader walk = tw_reader_of(settings->admins);
  size_t i = 0;
  for (tw_enrolled_admin admin; tw_enrolled_admin_next(&walk, &admin);) {
    if (admin.version == 0) continue;
    if (i >= network->lists_after_count || network->lists_after[i].version != admin.version) return false;
    if (memcmp(&network->lists_after[i++].admin, &admin.key, sizeof admin.key) != 0) return false;
  }
  return i == network->lists_after_count;
}

/* What is written is text, and what was meant are values: that of each that comes from elsewhere is looked at again. */
static bool is_meant(const tw_joiner *joiner, const tw_enrolment_settings *settings, const tw_node_config *config,
                     const tw_joiner_names *names) {
  tw_reader walk = tw_reader_of(settings->peers);
  tw_enrolled peer;
  size_t i = 0;
  for (; tw_enrolled_next(&walk, &peer); i++) {
    if (i >= config->peer_count) return false;
    if (memcmp(&config->peers[i].key.fingerprint, &peer.key, sizeof peer.key) != 0) return false;
  }
  const char *group = config->network.group;
  return i == config->peer_count && group != NULL && strcmp(group, joiner->invitation->group) == 0 &&
         config->network.suite == joiner->invitation->suite && is_path(config->interface.identity, names->identity) &&
         is_rule_meant(settings, config, names->ca) && are_lists_meant(settings, &config->network);
}

static tw_err read_again(const tw_joiner *joiner, const tw_enrolment_settings *settings, const tw_joiner_names *names,
                         tw_bytes text, tw_report *report) {
  tw_node_config config = {0};
  tw_problems problems = {0};
  tw_err err = tw_node_config_parse(joiner->env, names->node, "the inviter's settings", text, &config, &problems);
  if (err == TW_OK) err = tw_node_config_settle(&config, &joiner->self, NULL, 0, &problems);
  if (err == TW_OK && !is_meant(joiner, settings, &config, names)) err = TW_ERR_ENCODING;
  tw_node_config_clear(&config);
  if (err == TW_OK) return TW_OK;
  return tw_report_fail(report, err, "%s", problems.count > 0 ? problems.first.text : tw_err_text(err));
}

static tw_err write_ca(tw_bytes certificates, tw_buf *pem, tw_report *report) {
  tw_x509 *x509 = NULL;
  const tw_err made = tw_x509_new(&x509);
  if (made != TW_OK) return tw_report_fail(report, made, "%s", tw_err_text(made));
  const tw_err err = tw_x509_anchors_file(x509, certificates, pem, report);
  tw_x509_free(x509);
  return err;
}

tw_err tw_joiner_config(const tw_joiner *joiner, tw_bytes encoded, const tw_joiner_names *names, tw_buf *text,
                        tw_buf *ca, tw_report *report) {
  tw_enrolment_settings settings;
  const size_t start = text->len;
  tw_err err = tw_enrolment_settings_decode(encoded, &settings);
  if (err == TW_OK) err = write_config(joiner, &settings, names, text);
  if (err == TW_ERR_UNSUPPORTED)
    err = tw_report_fail(report, err, "the inviter's settings are of another version of the program than this one");
  else if (err != TW_OK)
    err = tw_report_fail(report, err, "the inviter's settings: %s", tw_err_text(err));
  else
    err = read_again(joiner, &settings, names, TW_BYTES(text->ptr + start, text->len - start), report);
  if (err == TW_OK && settings.ca.len > 0) err = write_ca(settings.ca, ca, report);
  if (err != TW_OK) text->len = start;
  return err;
}
