/* What a joiner is told. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrol_internal.h"
#include "node/peer_map.h"

static tw_bytes text_of(const char *text) {
  return text == NULL ? TW_NO_BYTES : TW_BYTES((const uint8_t *)text, strlen(text));
}

/* Networks, or (`hosts`) addresses alone. */
static void write_prefixes(tw_writer *w, const tw_node_prefixes *prefixes, bool hosts) {
  for (size_t i = 0; i < prefixes->count && i < TW_ENROLMENT_PREFIXES_MAX; i++) {
    const tw_prefix *prefix = &prefixes->list[i].prefix;
    const tw_prefix shown = hosts ? tw_prefix_host(prefix) : tw_prefix_network(prefix);
    tw_write_enrolled_prefix(w, &shown);
  }
}

static tw_err write_peer(const tw_enrol *enrol, const tw_node_peer *peer, tw_writer *w) {
  tw_buf allowed = TW_BUF_INIT(enrol->alloc);
  tw_writer prefixes = tw_writer_to(&allowed);
  write_prefixes(&prefixes, &peer->allowed, false);
  const tw_err err = tw_writer_end(&prefixes);
  const tw_enrolled node = {.name = text_of(peer->name),
                            .key = peer->key.fingerprint,
                            .allowed = tw_buf_bytes(&allowed),
                            .host = text_of(peer->endpoint.host),
                            .port = peer->endpoint.host == NULL ? 0 : peer->endpoint.port};
  if (err == TW_OK) tw_write_enrolled(w, &node);
  tw_buf_clear(&allowed);
  return err;
}

/* This node, where its own list does not have it. */
static tw_err write_self(const tw_enrol *enrol, tw_writer *w) {
  tw_buf hosts = TW_BUF_INIT(enrol->alloc);
  tw_writer prefixes = tw_writer_to(&hosts);
  write_prefixes(&prefixes, &enrol->config.config->interface.addresses, true);
  const tw_err err = tw_writer_end(&prefixes);
  const tw_enrolled node = {.key = enrol->config.self, .allowed = tw_buf_bytes(&hosts)};
  if (err == TW_OK) tw_write_enrolled(w, &node);
  tw_buf_clear(&hosts);
  return err;
}

static bool is_removed(const tw_enrol *enrol, uint32_t peer) {
  return enrol->config.is_removed != NULL && enrol->config.is_removed(enrol->config.ctx, peer);
}

static tw_err write_peers(const tw_enrol *enrol, const tw_fingerprint *joiner, tw_buf *out) {
  const tw_node_config *config = enrol->config.config;
  const bool certified = config->network.certified;
  tw_writer w = tw_writer_to(out);
  bool self = false;
  for (uint32_t i = 0; i < config->peer_count; i++) {
    const tw_node_peer *peer = &config->peers[i];
    const bool is_self = i == config->self;
    if (!peer->key.given || tw_enrol_same(&peer->key.fingerprint, joiner)) continue;
    if (certified && peer->origin == TW_NODE_FROM_CERTIFICATE) continue; /* as we have, it learns it, and its end */
    if (!is_self && is_removed(enrol, i)) continue;
    self = self || is_self;
    TW_TRY(write_peer(enrol, peer, &w));
  }
  if (!self) TW_TRY(write_self(enrol, &w));
  return tw_writer_end(&w);
}

/* Whom the peers of the settings are, and who is none of them by intent. */
static tw_err map_peers(const tw_enrol *enrol, const tw_fingerprint *joiner, tw_peer_map *there) {
  const tw_node_config *config = enrol->config.config;
  TW_TRY(tw_peer_map_put(there, &enrol->config.self, 0));
  TW_TRY(tw_peer_map_put(there, joiner, 0));
  for (uint32_t i = 0; i < config->peer_count; i++) {
    const tw_node_peer *peer = &config->peers[i];
    if (!peer->key.given) continue;
    if (config->network.certified && peer->origin == TW_NODE_FROM_CERTIFICATE && !is_removed(enrol, i)) continue;
    TW_TRY(tw_peer_map_put(there, &peer->key.fingerprint, 0));
  }
  return TW_OK;
}

/* Where a list names somebody who is not there yet, the joiner is to take that very list. */
static uint64_t version_of(const tw_enrol_known *known, const tw_peer_map *there) {
  tw_reader walk = tw_reader_of(tw_enrol_entries(&known->list));
  for (tw_enrolled node; tw_enrolled_next(&walk, &node);)
    if (tw_peer_map_find(there, &node.key) == UINT32_MAX) return known->version - 1;
  return known->version;
}

static tw_err write_admins(const tw_enrol *enrol, const tw_fingerprint *joiner, tw_buf *out) {
  tw_peer_map there = {.alloc = enrol->alloc};
  tw_writer w = tw_writer_to(out);
  tw_err err = map_peers(enrol, joiner, &there);
  for (size_t i = 0; err == TW_OK && i < enrol->known_count; i++) {
    const tw_enrolled_admin admin = {enrol->known[i].admin, version_of(&enrol->known[i], &there)};
    tw_write_enrolled_admin(&w, &admin);
  }
  if (err == TW_OK) err = tw_writer_end(&w);
  tw_peer_map_clear(&there);
  return err;
}

/* ---- by whose certificates others are members ---- */

tw_err tw_enrol_ca(const tw_enrol *enrol, tw_buf *out, tw_report *report) {
  const size_t before = out->len;
  if (!enrol->config.config->network.certified || enrol->config.trust == NULL) return TW_OK;
  tw_err err = tw_x509_trust_give_anchors(enrol->config.trust, out);
  if (err == TW_OK && out->len - before > TW_ENROLMENT_CA_MAX) err = TW_ERR_LIMIT;
  if (err == TW_OK) return TW_OK;
  out->len = before;
  if (err != TW_ERR_LIMIT) return tw_report_fail(report, err, "%s", tw_err_text(err));
  return tw_report_fail(report, err,
                        "the certificates of CA in [Interface] are more than the %d bytes that a joiner "
                        "can be sent: leave out those that this network does not need",
                        TW_ENROLMENT_CA_MAX);
}

static tw_err write_admit(const tw_enrol *enrol, tw_buf *out) {
  const tw_node_network *network = &enrol->config.config->network;
  tw_writer w = tw_writer_to(out);
  for (size_t i = 0; i < network->admit_count; i++) tw_write_vector(&w, text_of(network->admit[i]));
  return tw_writer_end(&w);
}

tw_err tw_enrol_settings(const tw_enrol *enrol, const tw_enrol_invitation *invitation, tw_buf *out) {
  const tw_node_config *config = enrol->config.config;
  const tw_node_network *network = &config->network;
  tw_buf peers = TW_BUF_INIT(enrol->alloc);
  tw_buf admins = TW_BUF_INIT(enrol->alloc);
  tw_buf groups = TW_BUF_INIT(enrol->alloc);
  tw_buf ca = TW_BUF_INIT(enrol->alloc);
  tw_buf admit = TW_BUF_INIT(enrol->alloc);
  tw_err err = write_peers(enrol, &invitation->joiner, &peers);
  if (err == TW_OK) err = write_admins(enrol, &invitation->joiner, &admins);
  if (err == TW_OK) err = tw_enrol_ca(enrol, &ca, NULL);
  if (err == TW_OK) err = write_admit(enrol, &admit);
  tw_writer w = tw_writer_to(&groups);
  write_prefixes(&w, &config->multicast.groups, false);
  if (err == TW_OK) err = tw_writer_end(&w);
  const tw_enrolment_settings settings = {.name = text_of(invitation->name),
                                          .addresses = tw_buf_bytes(&invitation->addresses),
                                          .peers = tw_buf_bytes(&peers),
                                          .admins = tw_buf_bytes(&admins),
                                          .groups = tw_buf_bytes(&groups),
                                          .broadcast = config->multicast.broadcast,
                                          .sign = network->sign,
                                          .mtu = config->interface.mtu,
                                          .rekey_after = network->rekey_after,
                                          .rekey_bytes = network->rekey_bytes,
                                          .rekey_packets = network->rekey_packets,
                                          .grace = network->grace,
                                          .keepalive = network->keepalive,
                                          .ca = tw_buf_bytes(&ca),
                                          .admit = tw_buf_bytes(&admit)};
  if (err == TW_OK) err = tw_enrolment_settings_encode(&settings, out);
  tw_buf_clear(&admit);
  tw_buf_clear(&ca);
  tw_buf_clear(&groups);
  tw_buf_clear(&admins);
  tw_buf_clear(&peers);
  return err;
}
