/* An admin's invitations, and who uses them. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/secret.h"
#include "node/config_value.h"
#include "node/enrol_internal.h"
#include "node/ini.h"

static tw_bytes text_of(const char *text) { return TW_BYTES((const uint8_t *)text, strlen(text)); }

static const tw_suite *suite_of(const tw_enrol *enrol) { return enrol->config.config->network.suite; }

tw_enrol_invitation *tw_enrol_find(const tw_enrol *enrol, const uint8_t id[TW_INVITATION_ID]) {
  for (size_t i = 0; i < enrol->invitation_count; i++)
    if (memcmp(enrol->invitations[i].id, id, TW_INVITATION_ID) == 0) return &enrol->invitations[i];
  return NULL;
}

static tw_enrol_invitation *find_open(const tw_enrol *enrol, tw_bytes name) {
  for (size_t i = 0; i < enrol->invitation_count; i++) {
    tw_enrol_invitation *invitation = &enrol->invitations[i];
    if (!invitation->enrolled && tw_bytes_equal(text_of(invitation->name), name)) return invitation;
  }
  return NULL;
}

void tw_enrol_invitation_clear(tw_enrol_invitation *invitation) {
  tw_buf_clear(&invitation->addresses);
  tw_buf_clear(&invitation->answer_key);
  tw_wipe(invitation, sizeof *invitation);
}

/* What cannot be written down happens again, after the next start. */
void tw_enrol_end(tw_enrol *enrol, tw_enrol_invitation *invitation, bool dismiss) {
  const tw_node_port *port = enrol->config.port;
  uint8_t id[TW_ENROL_ID_SIZE];
  uint8_t dismissal[TW_ENROL_KEY_ID_SIZE];
  tw_enrol_put_id(TW_ENROL_INVITATION, invitation->id, sizeof invitation->id, id);
  tw_enrol_put_id(TW_ENROL_DISMISSAL, invitation->guest.digest, sizeof invitation->guest.digest, dismissal);
  const tw_store_change changes[] = {
      {.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .remove = true},
      {.kind = TW_STORE_NODE, .id = TW_ARRAY(dismissal), .value = TW_LITERAL("x")},
  };
  tw_err err = port->save(port->ctx, changes, dismiss ? 2 : 1);
  if (err == TW_OK && dismiss) err = tw_enrol_add(&enrol->dismissals, &invitation->guest);
  if (err != TW_OK)
    tw_enrol_tell(enrol, "the end of an invitation could not be saved: %s", tw_node_port_why(enrol->config.port, err));
  const size_t at = (size_t)(invitation - enrol->invitations);
  tw_enrol_invitation_clear(invitation);
  enrol->invitation_count--;
  memmove(invitation, invitation + 1, (enrol->invitation_count - at) * sizeof *invitation);
  tw_wipe(&enrol->invitations[enrol->invitation_count], sizeof *invitation);
}

/* ---- what may be had ---- */

static bool name_is_taken(const tw_enrol *enrol, tw_bytes name) {
  const tw_node_config *config = enrol->config.config;
  char room[TW_FINGERPRINT_TEXT];
  for (size_t i = 0; i < config->peer_count; i++)
    if (tw_bytes_equal(text_of(tw_node_peer_label(&config->peers[i], room)), name)) return true;
  return find_open(enrol, name) != NULL;
}

static bool has_address(tw_bytes addresses, const tw_prefix *host) {
  tw_reader walk = tw_reader_of(addresses);
  for (tw_prefix prefix; tw_enrolled_prefix_next(&walk, &prefix);) {
    const tw_prefix other = tw_prefix_host(&prefix);
    if (tw_prefix_compare(&other, host) == 0) return true;
  }
  return false;
}

static bool has_host(const tw_node_prefixes *prefixes, const tw_prefix *host, bool as_addresses) {
  for (size_t i = 0; i < prefixes->count; i++) {
    const tw_prefix *prefix = &prefixes->list[i].prefix;
    const tw_prefix shown = as_addresses ? tw_prefix_host(prefix) : *prefix;
    if (tw_prefix_compare(&shown, host) == 0) return true;
  }
  return false;
}

static bool address_is_taken(const tw_enrol *enrol, const tw_prefix *host) {
  const tw_node_config *config = enrol->config.config;
  if (has_host(&config->interface.addresses, host, true)) return true;
  for (size_t i = 0; i < config->peer_count; i++)
    if (has_host(&config->peers[i].allowed, host, false)) return true;
  for (size_t i = 0; i < enrol->invitation_count; i++) {
    const tw_enrol_invitation *invitation = &enrol->invitations[i];
    if (!invitation->enrolled && has_address(tw_buf_bytes(&invitation->addresses), host)) return true;
  }
  return false;
}

static tw_err check_as(const tw_prefix *address, tw_report *report) {
  char shown[TW_PREFIX_TEXT];
  const char *why = tw_value_unfit_address(address);
  if (why == NULL) return TW_OK;
  tw_prefix_format(address, shown);
  return tw_report_fail(report, TW_ERR_ARGUMENT, "%s %s", shown, why);
}

/* With the lengths of our own subnets, too: an address that is fit by itself may be broadcast here. */
static tw_err check_fit(const tw_enrol *enrol, const tw_prefix *address, tw_report *report) {
  const tw_node_prefixes *own = &enrol->config.config->interface.addresses;
  const tw_prefix host = tw_prefix_host(address);
  TW_TRY(check_as(address, report));
  for (size_t i = 0; i < own->count; i++) {
    const tw_prefix subnet = tw_prefix_network(&own->list[i].prefix);
    tw_prefix as = *address;
    as.length = subnet.length;
    if (tw_prefix_contains(&subnet, &host)) TW_TRY(check_as(&as, report));
  }
  return TW_OK;
}

static tw_err check_addresses(const tw_enrol *enrol, const tw_enrol_wish *wish, tw_report *report) {
  char shown[TW_PREFIX_TEXT];
  if (wish->address_count == 0 || wish->address_count > TW_ENROL_ADDRESSES_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "a node has 1 to %d addresses", TW_ENROL_ADDRESSES_MAX);
  for (size_t i = 0; i < wish->address_count; i++) {
    const tw_prefix host = tw_prefix_host(&wish->addresses[i]);
    bool twice = false;
    TW_TRY(check_fit(enrol, &wish->addresses[i], report));
    for (size_t k = 0; k < i; k++) {
      const tw_prefix other = tw_prefix_host(&wish->addresses[k]);
      twice = twice || tw_prefix_compare(&other, &host) == 0;
    }
    tw_prefix_format(&host, shown);
    if (twice || address_is_taken(enrol, &host))
      return tw_report_fail(report, TW_ERR_ARGUMENT, "%s is somebody's already", shown);
  }
  return TW_OK;
}

static tw_err check_ca(const tw_enrol *enrol, tw_report *report) {
  tw_buf ca = TW_BUF_INIT(enrol->alloc);
  const tw_err err = tw_enrol_ca(enrol, &ca, report);
  tw_buf_clear(&ca);
  return err;
}

static tw_err check(const tw_enrol *enrol, const tw_enrol_wish *wish, uint64_t now_ms, tw_report *report) {
  const tw_node_config *config = enrol->config.config;
  const tw_bytes name = wish->name;
  if (config->network.admin_count == 0)
    return tw_report_fail(report, TW_ERR_FORBIDDEN,
                          "the network has no Admins: name in [Network] those who may invite, at all of its nodes");
  if (!tw_enrol_is_admin(enrol, &enrol->config.self))
    return tw_report_fail(report, TW_ERR_FORBIDDEN, "this node is none of the network's Admins");
  if (!config->relay.key.given || config->relay.endpoint.host == NULL)
    return tw_report_fail(report, TW_ERR_UNSUPPORTED,
                          "[Relay] needs a PublicKey: the token names the relay by it, for who has no CA yet");
  if (!tw_ini_is_printable(name) || !tw_value_is_peer_name(name))
    return tw_report_fail(report, TW_ERR_ARGUMENT,
                          "'%.*s' is no name of a peer: at most %d bytes, letters, digits, and behind the first . _ -",
                          (int)name.len, (const char *)name.ptr, TW_ENROLMENT_NAME_MAX);
  if (name_is_taken(enrol, name))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "there is a '%.*s' already", (int)name.len, (const char *)name.ptr);
  if (wish->until <= now_ms / 1000 || wish->until > now_ms / 1000 + TW_ENROL_UNTIL_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "an invitation is good for a second to a year");
  if (enrol->invitation_count == TW_ENROL_INVITATIONS_MAX)
    return tw_report_fail(report, TW_ERR_LIMIT, "%d invitations are open: that is all there may be",
                          TW_ENROL_INVITATIONS_MAX);
  TW_TRY(check_ca(enrol, report));
  return check_addresses(enrol, wish, report);
}

/* ---- inviting ---- */

static tw_err make(const tw_enrol *enrol, const tw_enrol_wish *wish, tw_enrol_invitation *out, tw_buf *token) {
  const tw_node_config *config = enrol->config.config;
  tw_invitation invitation = {.relay_key = config->relay.key.fingerprint,
                              .suite = suite_of(enrol),
                              .inviter = enrol->config.self,
                              .until = wish->until};
  tw_invitation_keys keys = {.signer = NULL};
  (void)snprintf(invitation.relay.host, sizeof invitation.relay.host, "%s", config->relay.endpoint.host);
  (void)snprintf(invitation.group, sizeof invitation.group, "%s", config->network.group);
  invitation.relay.port = config->relay.endpoint.port;
  tw_err err = tw_random(enrol->env, invitation.secret, sizeof invitation.secret);
  if (err == TW_OK) err = tw_invitation_keys_of(enrol->env, &invitation, &keys);
  if (err == TW_OK) err = tw_invitation_format(enrol->env, &invitation, token);
  if (err == TW_OK) {
    *out = (tw_enrol_invitation){.until = wish->until, .guest = keys.guest};
    out->addresses = out->answer_key = TW_BUF_INIT(enrol->alloc);
    memcpy(out->id, keys.id, sizeof out->id);
    memcpy(out->name, wish->name.ptr, wish->name.len);
    memcpy(out->request, keys.request, sizeof out->request);
    memcpy(out->reply, keys.reply, sizeof out->reply);
    tw_writer w = tw_writer_to(&out->addresses);
    for (size_t i = 0; i < wish->address_count; i++) tw_write_enrolled_prefix(&w, &wish->addresses[i]);
    err = tw_writer_end(&w);
  }
  tw_invitation_keys_clear(&keys);
  tw_invitation_clear(&invitation);
  return err;
}

static tw_err save(const tw_enrol *enrol, const tw_enrol_invitation *invitation) {
  const tw_node_port *port = enrol->config.port;
  uint8_t id[TW_ENROL_ID_SIZE];
  tw_buf value = TW_BUF_INIT(enrol->alloc);
  tw_enrol_put_id(TW_ENROL_INVITATION, invitation->id, sizeof invitation->id, id);
  tw_err err = tw_enrol_invitation_encode(enrol, invitation, &value);
  const tw_store_change change = {.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .value = tw_buf_bytes(&value)};
  if (err == TW_OK) err = port->save(port->ctx, &change, 1);
  tw_buf_clear(&value);
  return err;
}

tw_err tw_enrol_invite(tw_enrol *enrol, const tw_enrol_wish *wish, uint64_t now_ms, uint8_t id[TW_INVITATION_ID],
                       tw_buf *token, tw_report *report) {
  tw_enrol_invitation made = {.told = false};
  tw_buf text = TW_BUF_INIT(enrol->alloc);
  TW_TRY(check(enrol, wish, now_ms, report));
  tw_err err = make(enrol, wish, &made, &text);
  if (err == TW_OK) err = save(enrol, &made);
  if (err == TW_OK) err = tw_buf_append(token, tw_buf_bytes(&text));
  tw_buf_clear(&text);
  if (err != TW_OK) {
    tw_enrol_invitation_clear(&made);
    return tw_report_fail(report, err, "the invitation cannot be made: %s", tw_node_port_why(enrol->config.port, err));
  }
  memcpy(id, made.id, sizeof made.id);
  enrol->invitations[enrol->invitation_count++] = made;
  tw_enrol_go_on(enrol, now_ms);
  return TW_OK;
}

static tw_enrol_state state_of(const tw_enrol_invitation *invitation) {
  if (invitation->enrolled) return TW_ENROL_ENROLLED;
  return invitation->told ? TW_ENROL_OPEN : TW_ENROL_NEW;
}

bool tw_enrol_next(const tw_enrol *enrol, size_t index, tw_enrol_open *open) {
  if (index >= enrol->invitation_count) return false;
  const tw_enrol_invitation *invitation = &enrol->invitations[index];
  *open = (tw_enrol_open){invitation->name, invitation->until, state_of(invitation)};
  return true;
}

tw_enrol_state tw_enrol_look(const tw_enrol *enrol, const uint8_t id[TW_INVITATION_ID], tw_report *report) {
  const tw_enrol_invitation *invitation = tw_enrol_find(enrol, id);
  if (invitation != NULL) return state_of(invitation);
  if (enrol->refused_why.text[0] == '\0' || memcmp(enrol->refused_id, id, TW_INVITATION_ID) != 0)
    return TW_ENROL_UNKNOWN;
  if (report != NULL) *report = enrol->refused_why;
  return TW_ENROL_REFUSED;
}

bool tw_enrol_withdraw(tw_enrol *enrol, tw_bytes name, uint64_t now_ms) {
  tw_enrol_invitation *invitation = find_open(enrol, name);
  if (invitation == NULL) return false;
  tw_enrol_end(enrol, invitation, true);
  tw_enrol_go_on(enrol, now_ms);
  return true;
}

/* ---- replies ---- */

tw_err tw_enrol_seal_reply(const tw_enrol *enrol, const tw_enrol_invitation *invitation,
                           const tw_enrolment_reply *reply, tw_bytes answer_key, tw_buf *out) {
  const tw_suite *suite = suite_of(enrol);
  tw_buf plain = TW_BUF_INIT(enrol->alloc);
  tw_buf wrapped = TW_BUF_INIT(enrol->alloc);
  tw_buf sealed = TW_BUF_INIT(enrol->alloc);
  tw_err err = tw_enrolment_reply_make(enrol->env, enrol->config.signer, invitation->id, reply, &plain);
  if (err == TW_OK)
    err = tw_enrolment_wrap(enrol->env, suite, answer_key, invitation->id, tw_buf_bytes(&plain), &wrapped);
  if (err == TW_OK)
    err = tw_enrolment_seal(enrol->env, suite, invitation->reply, invitation->id, tw_buf_bytes(&wrapped), &sealed);
  tw_mail mail = {.kind = TW_MAIL_ENROLMENT, .body = tw_buf_bytes(&sealed)};
  memcpy(mail.ref, invitation->id, sizeof mail.ref);
  if (err == TW_OK) err = tw_mail_encode(&mail, out);
  tw_buf_clear(&sealed);
  tw_buf_clear(&wrapped);
  tw_buf_clear(&plain);
  return err;
}

tw_err tw_enrol_reply_mail(const tw_enrol *enrol, const tw_enrol_invitation *invitation, tw_buf *mail) {
  tw_buf settings = TW_BUF_INIT(enrol->alloc);
  tw_err err = tw_enrol_settings(enrol, invitation, &settings);
  const tw_enrolment_reply reply = {TW_ENROLMENT_IN, invitation->joiner, tw_buf_bytes(&settings)};
  if (err == TW_OK) err = tw_enrol_seal_reply(enrol, invitation, &reply, tw_buf_bytes(&invitation->answer_key), mail);
  tw_buf_clear(&settings);
  return err;
}

/* Who asks: its key, and what it wants the reply sealed to. */
typedef struct asker {
  tw_fingerprint key;
  tw_bytes answer_key;
} asker;

static void refuse(tw_enrol *enrol, const tw_enrol_invitation *invitation, const asker *who, tw_enrolment_status status,
                   const char *words) {
  char shown[TW_FINGERPRINT_TEXT];
  tw_fingerprint_format(&who->key, shown);
  tw_enrol_tell(enrol, "the invitation of %s was not for %s: %s", invitation->name, shown, words);
  if (enrol->refusal_count == TW_ENROL_REFUSALS) return; /* it asks again */
  tw_enrol_refusal *refusal = &enrol->refusals[enrol->refusal_count];
  const tw_enrolment_reply reply = {status, who->key, text_of(words)};
  *refusal = (tw_enrol_refusal){.guest = invitation->guest, .mail = TW_BUF_INIT(enrol->alloc)};
  if (tw_enrol_seal_reply(enrol, invitation, &reply, who->answer_key, &refusal->mail) == TW_OK)
    enrol->refusal_count++;
  else
    tw_buf_clear(&refusal->mail);
}

/* ---- requests ---- */

static const char *why_not(const tw_enrol *enrol, const tw_enrol_invitation *invitation, const tw_fingerprint *key) {
  const tw_node_config *config = enrol->config.config;
  char room[TW_FINGERPRINT_TEXT];
  if (tw_enrol_same(key, &enrol->config.self)) return "this key is the admin's own";
  if (tw_enrol_same(key, &invitation->guest)) return "this key is the invitation's";
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_node_peer *peer = &config->peers[i];
    if (peer->key.given && tw_enrol_same(&peer->key.fingerprint, key)) return "this key is a node's already";
    if (strcmp(tw_node_peer_label(peer, room), invitation->name) == 0) return "its name has become another node's";
  }
  return NULL;
}

/* In one step: the invitation is used, and who has used it is on our list. */
static tw_err enrol_joiner(tw_enrol *enrol, tw_enrol_invitation *invitation, const asker *who, uint64_t now_ms) {
  uint8_t id[TW_ENROL_ID_SIZE];
  tw_buf value = TW_BUF_INIT(enrol->alloc);
  tw_buf hosts = TW_BUF_INIT(enrol->alloc);
  tw_reader walk = tw_reader_of(tw_buf_bytes(&invitation->addresses));
  tw_writer w = tw_writer_to(&hosts);
  for (tw_prefix prefix; tw_enrolled_prefix_next(&walk, &prefix);) {
    const tw_prefix host = tw_prefix_host(&prefix);
    tw_write_enrolled_prefix(&w, &host);
  }
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK) err = tw_buf_assign(&invitation->answer_key, who->answer_key);
  const tw_enrolled node = {.name = text_of(invitation->name), .key = who->key, .allowed = tw_buf_bytes(&hosts)};
  tw_enrol_put_id(TW_ENROL_INVITATION, invitation->id, sizeof invitation->id, id);
  invitation->enrolled = true;
  invitation->joiner = who->key;
  if (err == TW_OK) err = tw_enrol_invitation_encode(enrol, invitation, &value);
  const tw_store_change used = {.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .value = tw_buf_bytes(&value)};
  if (err == TW_OK) err = tw_enrol_change_list(enrol, &node, NULL, &used, 1, now_ms);
  invitation->enrolled = err == TW_OK;
  tw_buf_clear(&hosts);
  tw_buf_clear(&value);
  return err;
}

/* It has not got the answer, or was begun anew: again, to the key that it has now. What cannot be kept is asked for
 * again after the next start. */
static void answer_again(const tw_enrol *enrol, tw_enrol_invitation *invitation, const asker *who) {
  invitation->answered = false;
  if (tw_bytes_equal(tw_buf_bytes(&invitation->answer_key), who->answer_key)) return;
  invitation->outdated = true;
  tw_err err = tw_buf_assign(&invitation->answer_key, who->answer_key);
  if (err == TW_OK) err = save(enrol, invitation);
  if (err != TW_OK)
    tw_enrol_tell(enrol, "what is to be answered could not be saved: %s", tw_node_port_why(enrol->config.port, err));
}

static void join(tw_enrol *enrol, tw_enrol_invitation *invitation, const asker *who, uint64_t now_ms) {
  char shown[TW_FINGERPRINT_TEXT];
  if (invitation->enrolled && !tw_enrol_same(&invitation->joiner, &who->key)) {
    refuse(enrol, invitation, who, TW_ENROLMENT_USED, "another key has used it");
    return;
  }
  if (invitation->enrolled) {
    answer_again(enrol, invitation, who);
    return;
  }
  invitation->answered = false;
  if (now_ms / 1000 >= invitation->until) {
    refuse(enrol, invitation, who, TW_ENROLMENT_OVER, "its time is over");
    return;
  }
  const char *why = why_not(enrol, invitation, &who->key);
  if (why != NULL) {
    refuse(enrol, invitation, who, TW_ENROLMENT_REFUSED, why);
    return;
  }
  const tw_err err = enrol_joiner(enrol, invitation, who, now_ms);
  if (err != TW_OK) {
    tw_enrol_tell(enrol, "%s could not be enrolled: %s", invitation->name, tw_node_port_why(enrol->config.port, err));
    return;
  }
  invitation->told = false; /* of the joiner */
  tw_fingerprint_format(&who->key, shown);
  tw_enrol_tell(enrol, "%s is enrolled, by the key %s", invitation->name, shown);
  tw_enrol_match_learned(enrol);
}

void tw_enrol_requested(tw_enrol *enrol, const tw_mail *mail, uint64_t now_ms) {
  tw_enrol_invitation *invitation = tw_enrol_find(enrol, mail->ref);
  tw_buf plain = TW_BUF_INIT(enrol->alloc);
  tw_enrolment_request request = {.act = TW_ENROLMENT_DONE};
  asker who;
  if (invitation == NULL) return; /* used and done with, or over */
  tw_err err = tw_enrolment_open(enrol->env, suite_of(enrol), invitation->request, invitation->id, mail->body, &plain);
  if (err == TW_OK)
    err = tw_enrolment_request_read(enrol->env, suite_of(enrol), invitation->id, tw_buf_bytes(&plain), &request,
                                    &who.key);
  if (err == TW_OK && request.act == TW_ENROLMENT_JOIN)
    err = tw_kem_check_public(enrol->env, suite_of(enrol), request.answer_key);
  who.answer_key = request.answer_key;
  if (err != TW_OK)
    tw_enrol_tell(enrol, "a request to enrol %s is of no use: %s", invitation->name, tw_err_text(err));
  else if (request.act == TW_ENROLMENT_JOIN)
    join(enrol, invitation, &who, now_ms);
  else if (invitation->enrolled && tw_enrol_same(&invitation->joiner, &who.key))
    tw_enrol_end(enrol, invitation, true);
  tw_buf_clear(&plain);
}

/* ---- who goes ---- */

static tw_err unlist(tw_enrol *enrol, const tw_client_id *id, uint64_t now_ms) {
  uint8_t dismissal[TW_ENROL_KEY_ID_SIZE];
  tw_enrol_put_id(TW_ENROL_DISMISSAL, id->digest, sizeof id->digest, dismissal);
  const tw_store_change change = {.kind = TW_STORE_NODE, .id = TW_ARRAY(dismissal), .value = TW_LITERAL("x")};
  TW_TRY(tw_enrol_change_list(enrol, NULL, id, &change, 1, now_ms));
  return tw_enrol_add(&enrol->dismissals, id);
}

void tw_enrol_removed(tw_enrol *enrol, const tw_client_id *id, uint64_t now_ms) {
  tw_reader walk = tw_reader_of(tw_enrol_own_entries(enrol));
  tw_enrolled node;
  bool listed = false;
  while (!listed && tw_enrolled_next(&walk, &node)) listed = tw_enrol_same(&node.key, id);
  if (!listed) return;
  const tw_err err = unlist(enrol, id, now_ms);
  if (err != TW_OK)
    tw_enrol_tell(enrol, "the list without it could not be saved: %s", tw_node_port_why(enrol->config.port, err));
  for (size_t i = 0; i < enrol->invitation_count; i++) {
    if (!enrol->invitations[i].enrolled || !tw_enrol_same(&enrol->invitations[i].joiner, id)) continue;
    tw_enrol_end(enrol, &enrol->invitations[i], true);
    break;
  }
  if (err == TW_OK) tw_enrol_match_learned(enrol);
  tw_enrol_go_on(enrol, now_ms);
}
