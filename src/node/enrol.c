/* Enrolment: what is asked of the relay, one thing after the other. SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "base/secret.h"
#include "node/enrol_internal.h"

const tw_fingerprint *tw_enrol_admin_key(const tw_enrol *enrol, size_t index) {
  const tw_node_config *config = enrol->config.config;
  const tw_node_admin *admin = &config->network.admins[index];
  if (admin->peer == TW_NODE_NONE) return &admin->fingerprint;
  if (admin->peer == config->self) return &enrol->config.self;
  const tw_node_key *key = &config->peers[admin->peer].key;
  return key->given ? &key->fingerprint : NULL;
}

/* Of our own list we have the last word. */
static uint64_t least_version(const tw_enrol *enrol, const tw_fingerprint *admin) {
  const tw_node_network *network = &enrol->config.config->network;
  uint64_t version = 0;
  if (tw_enrol_same(admin, &enrol->config.self)) return 0;
  for (size_t i = 0; i < network->lists_after_count; i++) {
    const tw_node_list_after *after = &network->lists_after[i];
    if (tw_enrol_same(&after->admin, admin) && after->version > version) version = after->version;
  }
  return version;
}

/* A place for each of the Admins, of whom the configuration has the same once or more. */
static tw_err make_known(tw_enrol *enrol) {
  const tw_node_config *config = enrol->config.config;
  const size_t most = config->network.admin_count;
  enrol->known = tw_alloc_array(enrol->alloc, most + 1, sizeof *enrol->known);
  if (enrol->known == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = 0; i < most; i++) {
    const tw_fingerprint *key = tw_enrol_admin_key(enrol, i);
    if (key == NULL || tw_enrol_known_of(enrol, key) != NULL) continue;
    enrol->known[enrol->known_count++] = (tw_enrol_known){
        .admin = *key, .version = least_version(enrol, key), .list = TW_BUF_INIT(enrol->alloc)};
  }
  return TW_OK;
}

tw_err tw_enrol_new(const tw_enrol_config *config, tw_enrol **out) {
  const tw_alloc *alloc = tw_env_alloc(config->env);
  const char *group = config->config->network.group;
  tw_enrol *enrol = tw_alloc_zero(alloc, sizeof *enrol);
  if (enrol == NULL) return TW_ERR_NO_MEMORY;
  *enrol = (tw_enrol){.config = *config,
                      .env = config->env,
                      .alloc = alloc,
                      .group = TW_BYTES((const uint8_t *)group, strlen(group)),
                      .dismissals = TW_BUF_INIT(alloc),
                      .queue = TW_BUF_INIT(alloc),
                      .members = TW_BUF_INIT(alloc),
                      .readmit = SIZE_MAX};
  enrol->invitations = tw_alloc_array(alloc, TW_ENROL_INVITATIONS_MAX, sizeof *enrol->invitations);
  if (enrol->invitations == NULL || make_known(enrol) != TW_OK) {
    tw_enrol_free(enrol);
    return TW_ERR_NO_MEMORY;
  }
  *out = enrol;
  return TW_OK;
}

void tw_enrol_free(tw_enrol *enrol) {
  if (enrol == NULL) return;
  const tw_alloc *alloc = enrol->alloc;
  for (size_t i = 0; i < enrol->invitation_count; i++) tw_enrol_invitation_clear(&enrol->invitations[i]);
  for (size_t i = 0; i < enrol->known_count; i++) tw_buf_clear(&enrol->known[i].list);
  for (size_t i = 0; i < enrol->refusal_count; i++) tw_buf_clear(&enrol->refusals[i].mail);
  tw_alloc_free(alloc, enrol->invitations);
  tw_alloc_free(alloc, enrol->known);
  tw_buf_clear(&enrol->dismissals);
  tw_buf_clear(&enrol->queue);
  tw_buf_clear(&enrol->members);
  tw_alloc_free(alloc, enrol);
}

void tw_enrol_tell(const tw_enrol *enrol, const char *format, ...) {
  char line[TW_REPORT_MAX];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (enrol->config.tell != NULL) enrol->config.tell(enrol->config.ctx, line);
}

/* By name in its Admins: where there are none everybody may do everything, and nobody is to be believed more. */
bool tw_enrol_is_admin(const tw_enrol *enrol, const tw_client_id *id) { return tw_enrol_known_of(enrol, id) != NULL; }

/* ---- sets ---- */

static size_t find_in(const tw_buf *set, const tw_client_id *id) {
  for (size_t at = 0; at < set->len; at += sizeof *id)
    if (memcmp(set->ptr + at, id->digest, sizeof *id) == 0) return at;
  return SIZE_MAX;
}

bool tw_enrol_has(const tw_buf *set, const tw_client_id *id) { return find_in(set, id) != SIZE_MAX; }

tw_err tw_enrol_add(tw_buf *set, const tw_client_id *id) {
  return tw_enrol_has(set, id) ? TW_OK : tw_buf_append(set, TW_ARRAY(id->digest));
}

void tw_enrol_drop(tw_buf *set, const tw_client_id *id) {
  const size_t at = find_in(set, id);
  if (at == SIZE_MAX) return;
  set->len -= sizeof *id;
  memmove(set->ptr + at, set->ptr + at + sizeof *id, set->len - at);
}

/* ---- what is to be done ---- */

/* True: nothing that comes behind it is to be asked now. Where there is no room for one more request it waits. */
static bool request(tw_enrol *enrol, const tw_control_request *asked, tw_enrol_duty duty, const void *about,
                    size_t len) {
  const uint64_t tag = TW_ENROL_TAG | ++enrol->sequence;
  enrol->waits = enrol->config.port->request(enrol->config.port->ctx, asked, tag) != TW_OK;
  if (enrol->waits) return true;
  enrol->asking = true;
  enrol->outdated = false;
  enrol->duty = duty;
  memset(enrol->about, 0, sizeof enrol->about);
  memcpy(enrol->about, about, len);
  return true;
}

static bool request_of(tw_enrol *enrol, const tw_control_request *asked, tw_enrol_duty duty,
                       const tw_client_id *about) {
  return request(enrol, asked, duty, about->digest, sizeof about->digest);
}

static bool send(tw_enrol *enrol, const tw_client_id *to, tw_bytes mail, tw_enrol_duty duty, const void *about,
                 size_t len) {
  const tw_control_request asked = {.type = TW_CONTROL_SEND, .body.send = {*to, mail}};
  return request(enrol, &asked, duty, about, len);
}

static bool admit(tw_enrol *enrol, const tw_client_id *client, uint64_t until, bool guest, tw_enrol_duty duty,
                  const void *about, size_t len) {
  const tw_control_request asked = {.type = TW_CONTROL_ADMIT, .body.admit = {*client, until, guest}};
  return request(enrol, &asked, duty, about, len);
}

static bool send_reply(tw_enrol *enrol, tw_enrol_invitation *invitation) {
  tw_buf mail = TW_BUF_INIT(enrol->alloc);
  const tw_err err = tw_enrol_reply_mail(enrol, invitation, &mail);
  bool sent = false;
  invitation->outdated = false;
  if (err == TW_OK)
    sent = send(enrol, &invitation->guest, tw_buf_bytes(&mail), TW_ENROL_REPLY, invitation->id, sizeof invitation->id);
  else
    tw_enrol_tell(enrol, "the reply to %s could not be made: %s", invitation->name,
                  tw_node_port_why(enrol->config.port, err));
  tw_buf_clear(&mail);
  return sent;
}

static bool tell_invitation(tw_enrol *enrol, tw_enrol_invitation *invitation) {
  if (!invitation->told && invitation->enrolled)
    return admit(enrol, &invitation->joiner, 0, false, TW_ENROL_ADMIT_JOINER, invitation->id, sizeof invitation->id);
  if (!invitation->told)
    return admit(enrol, &invitation->guest, invitation->until, true, TW_ENROL_ADMIT_GUEST, invitation->id,
                 sizeof invitation->id);
  return invitation->enrolled && !invitation->answered && invitation->answer_key.len > 0 &&
         send_reply(enrol, invitation);
}

static bool readmit(tw_enrol *enrol) {
  tw_reader walk = tw_reader_of(tw_enrol_own_entries(enrol));
  tw_enrolled node;
  for (size_t i = 0; tw_enrolled_next(&walk, &node); i++) {
    if (i < enrol->readmit) continue;
    return admit(enrol, &node.key, 0, false, TW_ENROL_READMIT, node.key.digest, sizeof node.key.digest);
  }
  enrol->readmit = SIZE_MAX;
  (void)!tw_enrol_delete(enrol, TW_ENROL_READMISSION, NULL, 0); /* told; where it stays all are told again */
  return false;
}

/* Whom it goes to may not be a member yet, or not any more: it asks then. */
static bool send_list(tw_enrol *enrol) {
  while (enrol->queue.len > 0) {
    tw_client_id member;
    tw_buf mail = TW_BUF_INIT(enrol->alloc);
    memcpy(member.digest, enrol->queue.ptr, sizeof member.digest);
    const tw_err err = tw_enrol_list_mail(enrol, &member, &mail);
    const bool sent = err == TW_OK && send(enrol, &member, tw_buf_bytes(&mail), TW_ENROL_SEND_LIST, member.digest,
                                           sizeof member.digest);
    tw_buf_clear(&mail);
    if (sent || err == TW_OK || err == TW_ERR_NO_MEMORY) return sent;
    tw_enrol_drop(&enrol->queue, &member);
  }
  if (enrol->queue_saved && tw_enrol_delete(enrol, TW_ENROL_QUEUE, NULL, 0) == TW_OK) enrol->queue_saved = false;
  return false;
}

static bool ask_list(tw_enrol *enrol, tw_enrol_known *known) {
  uint8_t version[8];
  tw_buf encoded = TW_BUF_INIT(enrol->alloc);
  tw_mail mail = {.kind = TW_MAIL_LIST_WANTED, .body = TW_ARRAY(version)};
  bool sent = false;
  tw_put_u64(version, known->version);
  memcpy(mail.ref, known->admin.digest, sizeof mail.ref);
  if (tw_mail_encode(&mail, &encoded) == TW_OK)
    sent = send(enrol, &known->admin, tw_buf_bytes(&encoded), TW_ENROL_ASK_LIST, known->admin.digest,
                sizeof known->admin.digest);
  tw_buf_clear(&encoded);
  return sent;
}

static bool ask_next(tw_enrol *enrol) {
  tw_client_id client;
  if (enrol->dismissals.len > 0) {
    memcpy(client.digest, enrol->dismissals.ptr, sizeof client.digest);
    const tw_control_request asked = {.type = TW_CONTROL_DISMISS, .body.dismiss = client};
    return request_of(enrol, &asked, TW_ENROL_DISMISS, &client);
  }
  /* Whoever follows the network has to know of a joiner first, as far as it can be had. */
  if (send_list(enrol)) return true;
  for (size_t i = 0; i < enrol->invitation_count; i++)
    if (tell_invitation(enrol, &enrol->invitations[i])) return true;
  if (enrol->refusal_count > 0) {
    const tw_enrol_refusal *refusal = &enrol->refusals[0];
    return send(enrol, &refusal->guest, tw_buf_bytes(&refusal->mail), TW_ENROL_REFUSE, refusal->guest.digest,
                sizeof refusal->guest.digest);
  }
  if (enrol->readmit != SIZE_MAX && readmit(enrol)) return true;
  for (size_t i = 0; i < enrol->known_count; i++)
    if (enrol->known[i].ask && ask_list(enrol, &enrol->known[i])) return true;
  return false;
}

static void later(tw_enrol *enrol, uint64_t now_ms) { enrol->again_ms = now_ms + TW_ENROL_AGAIN_MS; }

void tw_enrol_go_on(tw_enrol *enrol, uint64_t now_ms) {
  if (enrol->unmatched) tw_enrol_match_learned(enrol);
  if (!enrol->up || enrol->asking || now_ms < enrol->again_ms) return;
  enrol->again_ms = 0;
  enrol->waits = false;
  (void)ask_next(enrol);
  if (enrol->waits) later(enrol, now_ms);
}

/* ---- answers ---- */

bool tw_enrol_is_tag(uint64_t tag) { return tag >> 56 == TW_ENROL_TAG >> 56; }

static void tell_refused(const tw_enrol *enrol, const char *name, const tw_control_answer *answer) {
  char words[200];
  const tw_bytes text = answer->status == TW_CONTROL_TAKEN ? TW_NO_BYTES : answer->body.words;
  tw_report_printable(words, sizeof words, (const char *)text.ptr, text.len);
  tw_enrol_tell(enrol, "the relay does not let %s in: %s", name, words);
}

static void guest_admitted(tw_enrol *enrol, const tw_control_answer *answer) {
  tw_enrol_invitation *invitation = tw_enrol_find(enrol, enrol->about);
  if (invitation == NULL || invitation->enrolled) return;
  if (answer->status == TW_CONTROL_DONE) {
    invitation->told = true;
    return;
  }
  tell_refused(enrol, invitation->name, answer);
  memcpy(enrol->refused_id, invitation->id, sizeof enrol->refused_id);
  if (answer->status == TW_CONTROL_FORBIDDEN)
    (void)!tw_report_fail(&enrol->refused_why, TW_OK,
                          "the relay lets nobody in by us: its operator has to allow it (treewire relay --invites)");
  else
    (void)!tw_report_fail(&enrol->refused_why, TW_OK, "the relay refuses: %.*s", (int)answer->body.words.len,
                          answer->body.words.len == 0 ? "" : (const char *)answer->body.words.ptr);
  tw_enrol_end(enrol, invitation, false);
}

static void joiner_admitted(tw_enrol *enrol, const tw_control_answer *answer, uint64_t now_ms) {
  tw_enrol_invitation *invitation = tw_enrol_find(enrol, enrol->about);
  if (invitation == NULL) return;
  invitation->told = answer->status == TW_CONTROL_DONE;
  if (invitation->told) return;
  tell_refused(enrol, invitation->name, answer);
  later(enrol, now_ms);
}

static void done(tw_enrol *enrol, const tw_control_answer *answer, uint64_t now_ms) {
  tw_client_id client;
  memcpy(client.digest, enrol->about, sizeof client.digest);
  tw_enrol_invitation *invitation = tw_enrol_find(enrol, enrol->about);
  tw_enrol_known *known = tw_enrol_known_of(enrol, &client);
  switch (enrol->duty) {
  case TW_ENROL_DISMISS:
    if (tw_enrol_delete(enrol, TW_ENROL_DISMISSAL, client.digest, sizeof client.digest) != TW_OK)
      later(enrol, now_ms);
    else
      tw_enrol_drop(&enrol->dismissals, &client);
    break;
  case TW_ENROL_ADMIT_GUEST: guest_admitted(enrol, answer); break;
  case TW_ENROL_ADMIT_JOINER: joiner_admitted(enrol, answer, now_ms); break;
  case TW_ENROL_REPLY:
    if (invitation != NULL) invitation->answered = !invitation->outdated;
    break;
  case TW_ENROL_REFUSE:
    tw_buf_clear(&enrol->refusals[0].mail);
    memmove(&enrol->refusals[0], &enrol->refusals[1], --enrol->refusal_count * sizeof enrol->refusals[0]);
    break;
  case TW_ENROL_READMIT:
    if (!enrol->outdated) enrol->readmit++;
    break;
  case TW_ENROL_SEND_LIST:
    if (!enrol->outdated) tw_enrol_drop(&enrol->queue, &client);
    break;
  case TW_ENROL_ASK_LIST:
    if (known != NULL) known->ask = false;
    break;
  default: break;
  }
}

void tw_enrol_answer(tw_enrol *enrol, uint64_t tag, const tw_control_answer *answer, uint64_t now_ms) {
  if (!enrol->asking || (uint32_t)tag != enrol->sequence) return;
  enrol->asking = false;
  if (answer == NULL) return; /* again when the relay is there again */
  if (answer->status == TW_CONTROL_BUSY)
    later(enrol, now_ms);
  else
    done(enrol, answer, now_ms);
  tw_enrol_go_on(enrol, now_ms);
}

/* ---- what happens ---- */

void tw_enrol_loaded(tw_enrol *enrol) { tw_enrol_match_learned(enrol); }

static void ask_for_lists(tw_enrol *enrol, uint64_t now_ms) {
  for (size_t i = 0; i < enrol->known_count; i++) {
    enrol->known[i].ask = !tw_enrol_same(&enrol->known[i].admin, &enrol->config.self);
    enrol->known[i].again = false;
  }
  enrol->ask_ms = now_ms + (enrol->lacks_list ? enrol->ask_wait_ms : TW_ENROL_ASK_MS);
  enrol->ask_wait_ms = enrol->ask_wait_ms < TW_ENROL_ASK_MS / 2 ? 2 * enrol->ask_wait_ms : TW_ENROL_ASK_MS;
}

void tw_enrol_connected(tw_enrol *enrol, uint64_t now_ms) {
  enrol->up = true;
  enrol->asking = false;
  enrol->again_ms = 0;
  for (size_t i = 0; i < enrol->invitation_count; i++) enrol->invitations[i].told = false;
  if (enrol->ask_ms <= now_ms) ask_for_lists(enrol, now_ms);
  tw_enrol_go_on(enrol, now_ms);
}

void tw_enrol_list_changed(tw_enrol *enrol) {
  enrol->outdated = enrol->duty == TW_ENROL_SEND_LIST || enrol->duty == TW_ENROL_READMIT;
  if (enrol->readmit != SIZE_MAX) enrol->readmit = 0;
}

/* Where the mark cannot be written down it is begun nevertheless; the next loss, if not the next start, does it again.
 */
void tw_enrol_relay_lost(tw_enrol *enrol, uint64_t now_ms) {
  if (tw_enrol_own_entries(enrol).len == 0) return;
  (void)!tw_enrol_mark(enrol, TW_ENROL_READMISSION);
  enrol->outdated = enrol->outdated || enrol->duty == TW_ENROL_READMIT;
  enrol->readmit = 0;
  tw_enrol_go_on(enrol, now_ms);
}

bool tw_enrol_is_mail(tw_bytes message) {
  return message.len > 0 && message.ptr[0] >= TW_MAIL_ENROLMENT && message.ptr[0] <= TW_MAIL_LIST_WANTED;
}

void tw_enrol_mail(tw_enrol *enrol, const tw_client_id *from, tw_bytes message, uint64_t now_ms) {
  tw_mail mail;
  if (tw_mail_decode(message, &mail) != TW_OK) return;
  switch (mail.kind) {
  case TW_MAIL_ENROLMENT: tw_enrol_requested(enrol, &mail, now_ms); break;
  case TW_MAIL_LIST: tw_enrol_got_list(enrol, &mail); break;
  case TW_MAIL_LIST_WANTED: tw_enrol_list_wanted(enrol, from, &mail); break;
  default: break;
  }
  tw_enrol_go_on(enrol, now_ms);
}

/* Whoever has become a member may know less than we. */
void tw_enrol_network_changed(tw_enrol *enrol, uint64_t now_ms) {
  tw_buf members = TW_BUF_INIT(enrol->alloc);
  tw_client_id id;
  tw_err err = TW_OK;
  tw_network_status status;
  const bool has_list = tw_enrol_own_entries(enrol).len > 0;
  for (size_t i = 0; err == TW_OK && tw_network_next_member(enrol->config.network, i, &id, NULL); i++) {
    err = tw_buf_append(&members, TW_ARRAY(id.digest));
    if (err == TW_OK && has_list && enrol->members.len > 0 && !tw_enrol_has(&enrol->members, &id))
      err = tw_enrol_add(&enrol->queue, &id);
  }
  tw_buf_clear(&enrol->members);
  if (err == TW_OK)
    enrol->members = members;
  else
    tw_buf_clear(&members);
  tw_network_get_status(enrol->config.network, &status);
  const bool lacks = status.state == TW_NETWORK_STUCK || status.unwanted;
  if (lacks && !enrol->lacks_list) {
    enrol->ask_ms = now_ms;
    enrol->ask_wait_ms = TW_ENROL_ASK_SOON_MS;
  }
  enrol->lacks_list = lacks;
  tw_enrol_go_on(enrol, now_ms);
}

/* ---- time ---- */

/* One whose joiner the relay has not let in yet is still needed. */
static bool may_end(const tw_enrol_invitation *invitation) { return !invitation->enrolled || invitation->told; }

uint64_t tw_enrol_deadline(const tw_enrol *enrol) {
  uint64_t at = UINT64_MAX;
  for (size_t i = 0; i < enrol->invitation_count; i++) {
    const uint64_t until_ms = enrol->invitations[i].until * 1000;
    if (may_end(&enrol->invitations[i]) && until_ms < at) at = until_ms;
  }
  if (enrol->up && enrol->again_ms != 0 && enrol->again_ms < at) at = enrol->again_ms;
  if (enrol->up && enrol->known_count > 0 && enrol->ask_ms < at) at = enrol->ask_ms;
  return at;
}

void tw_enrol_tick(tw_enrol *enrol, uint64_t now_ms) {
  for (size_t i = 0; i < enrol->invitation_count;) {
    tw_enrol_invitation *invitation = &enrol->invitations[i];
    if (now_ms < invitation->until * 1000 || !may_end(invitation)) {
      i++;
      continue;
    }
    if (!invitation->enrolled) tw_enrol_tell(enrol, "the invitation of %s is over", invitation->name);
    tw_enrol_end(enrol, invitation, false); /* the relay ends it by itself */
  }
  if (enrol->up && enrol->ask_ms <= now_ms) ask_for_lists(enrol, now_ms);
  tw_enrol_go_on(enrol, now_ms);
}
