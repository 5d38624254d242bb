/* SPDX-License-Identifier: Apache-2.0 */
#include "node/joiner.h"

#include <stdio.h>
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "node/config_value.h"
#include "node/mail.h"

/* ---- mail ---- */

tw_err tw_joiner_mail(const tw_joiner *joiner, tw_enrolment_act act, tw_buf *out) {
  const tw_env *env = joiner->env;
  const tw_invitation_keys *keys = joiner->keys;
  tw_buf plain = TW_BUF_INIT(tw_env_alloc(env));
  tw_buf sealed = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_enrolment_request_make(env, joiner->signer, act, keys->id, &plain);
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
  TW_TRY(tw_enrolment_open(joiner->env, invitation->suite, keys->reply, keys->id, mail.body, plain));
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
  for (tw_client_id admin; tw_control_client_next(&walk, &admin); before = ", ") add_key(w, before, &admin, "");
  add(w, "\n\n[Multicast]\n");
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

static tw_err write_config(const tw_joiner *joiner, const tw_enrolment_settings *settings, const char *identity,
                           tw_buf *text) {
  const tw_invitation *invitation = joiner->invitation;
  tw_writer w = tw_writer_to(text);
  char relay[TW_ADDRESS_TEXT];
  tw_enrolled peer;
  add(&w, "# %.*s, by an invitation\n[Interface]\n", (int)settings->name.len, (const char *)settings->name.ptr);
  add_prefixes(&w, "Address", settings->addresses);
  tw_write_fixed(&w, TW_LITERAL("Identity = "));
  tw_write_fixed(&w, TW_BYTES((const uint8_t *)identity, strlen(identity)));
  add(&w, "\nMTU = %u\n", (unsigned)settings->mtu);
  tw_address_format(&invitation->relay, relay);
  add(&w, "\n[Relay]\nEndpoint = %s\n", relay);
  add_key(&w, "PublicKey = ", &invitation->relay_key, "\n");
  add_network(&w, invitation, settings);
  tw_reader walk = tw_reader_of(settings->peers);
  while (tw_enrolled_next(&walk, &peer)) add_peer(&w, &peer);
  return tw_writer_end(&w);
}

/* What is written is text, and what was meant are values: that of each that comes from elsewhere is looked at again. */
static bool is_meant(const tw_joiner *joiner, const tw_enrolment_settings *settings, const tw_node_config *config,
                     const char *identity) {
  const char *kept = config->interface.identity;
  tw_reader walk = tw_reader_of(settings->peers);
  tw_enrolled peer;
  size_t i = 0;
  for (; tw_enrolled_next(&walk, &peer); i++) {
    if (i >= config->peer_count) return false;
    if (memcmp(&config->peers[i].key.fingerprint, &peer.key, sizeof peer.key) != 0) return false;
  }
  const size_t kept_len = kept == NULL ? 0 : strlen(kept);
  const size_t identity_len = strlen(identity);
  const char *group = config->network.group;
  if (group == NULL || kept == NULL || kept_len < identity_len) return false;
  return i == config->peer_count && strcmp(group, joiner->invitation->group) == 0 &&
         config->network.suite == joiner->invitation->suite && strcmp(kept + kept_len - identity_len, identity) == 0;
}

tw_err tw_joiner_config(const tw_joiner *joiner, tw_bytes encoded, const char *name, const char *identity, tw_buf *text,
                        tw_report *report) {
  tw_enrolment_settings settings;
  tw_node_config config = {0};
  tw_problems problems = {0};
  const size_t start = text->len;
  tw_err err = tw_enrolment_settings_decode(encoded, &settings);
  if (err == TW_OK) err = write_config(joiner, &settings, identity, text);
  if (err != TW_OK) return tw_report_fail(report, err, "the inviter's settings: %s", tw_err_text(err));
  const tw_bytes made = TW_BYTES(text->ptr + start, text->len - start);
  err = tw_node_config_parse(joiner->env, name, "the inviter's settings", made, &config, &problems);
  if (err == TW_OK) err = tw_node_config_settle(&config, &joiner->self, NULL, 0, &problems);
  if (err == TW_OK && !is_meant(joiner, &settings, &config, identity)) err = TW_ERR_ENCODING;
  tw_node_config_clear(&config);
  if (err == TW_OK) return TW_OK;
  text->len = start;
  return tw_report_fail(report, err, "%s", problems.count > 0 ? problems.first.text : tw_err_text(err));
}
