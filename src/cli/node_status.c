/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_status.h"

#include <stdio.h>
#include <string.h>

#include "net/dial.h"
#include "net/text.h"

/* ---- as JSON ---- */

static void put(json_t *object, const char *key, json_t *value) { (void)json_object_set_new(object, key, value); }
static void put_number(json_t *object, const char *key, uint64_t value) {
  put(object, key, json_integer((json_int_t)value));
}

static void put_address(json_t *object, const char *key, const tw_udp_address *address) {
  char host[INET6_ADDRSTRLEN] = "";
  char text[TW_ADDRESS_TEXT];
  if (address->any.sa_family == AF_INET) {
    (void)inet_ntop(AF_INET, &address->in4.sin_addr, host, sizeof host);
    (void)snprintf(text, sizeof text, "%s:%u", host, (unsigned)ntohs(address->in4.sin_port));
  } else if (address->any.sa_family == AF_INET6) {
    (void)inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
    (void)snprintf(text, sizeof text, "[%s]:%u", host, (unsigned)ntohs(address->in6.sin6_port));
  } else {
    put(object, key, json_null());
    return;
  }
  put(object, key, json_string(text));
}

/* Seconds since then; null: never. The node's time comes from another clock, and may be a little ahead. */
static void put_age(json_t *object, const char *key, uint64_t since_ms, uint64_t now_ms) {
  const uint64_t age_ms = now_ms > since_ms ? now_ms - since_ms : 0;
  put(object, key, since_ms == 0 ? json_null() : json_integer((json_int_t)(age_ms / 1000)));
}

static json_t *count_json(const tw_plane_count *count) {
  json_t *object = json_object();
  put_number(object, "packets", count->packets);
  put_number(object, "bytes", count->bytes);
  return object;
}

static const char *pair_state_name(const tw_pairs_status *status) {
  static const char *const names[] = {"",         "hello sent", "unconfirmed", "steady",
                                      "updating", "updating",   "asking",      "answered"};
  if (!status->there) return "none";
  const size_t state = (size_t)status->pair.state;
  return state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

static json_t *pair_json(const tw_pairs_status *status, uint64_t now_ms) {
  json_t *object = json_object();
  put(object, "state", json_string(pair_state_name(status)));
  if (!status->there) return object;
  put(object, "confirmed", json_boolean(status->confirmed));
  put_number(object, "epoch", status->pair.epoch);
  put_age(object, "own_key_age", status->pair.own_leaf_since_ms, now_ms);
  put_age(object, "peer_key_age", status->pair.peer_leaf_since_ms, now_ms);
  put_number(object, "own_updates", status->pair.own_updates);
  put_number(object, "peer_updates", status->pair.peer_updates);
  put_number(object, "ties", status->pair.ties);
  put_number(object, "resumptions", status->pair.resumptions);
  put_number(object, "unsent", status->unsent);
  return object;
}

/* Who has a connection of the relay's is not known while we have none. */
static json_t *path_json(const tw_path *path, bool relay_up) {
  json_t *object = json_object();
  const char *by = path->is_direct ? "direct" : path->relay_number != 0 ? "relay" : "none";
  put(object, "by", json_string(by));
  put_address(object, "address", path->is_direct ? &path->direct : &(tw_udp_address){0});
  put_number(object, "changes", path->changes);
  put(object, "online", relay_up ? json_boolean(path->online) : json_null());
  return object;
}

static const char *origin_name(tw_node_origin origin) {
  static const char *const names[] = {"file", "certificate", "enrolment"};
  return origin <= TW_NODE_FROM_LAST ? names[origin] : "unknown";
}

static json_t *peer_json(const tw_node_config *config, uint32_t index, const tw_node_peer_status *status, bool relay_up,
                         uint64_t now_ms) {
  json_t *object = json_object();
  char room[TW_FINGERPRINT_TEXT];
  put(object, "name", json_string(tw_node_peer_label(&config->peers[index], room)));
  tw_fingerprint_format(&config->peers[index].key.fingerprint, room);
  put(object, "key", json_string(room));
  put(object, "from", json_string(origin_name(config->peers[index].origin)));
  put(object, "removed", json_boolean(status->removed));
  put(object, "member", json_boolean(status->is_member));
  put(object, "can_sign", json_boolean(status->can_sign));
  put(object, "pair", pair_json(&status->pair, now_ms));
  put(object, "path", path_json(&status->plane->path, relay_up));
  put(object, "sent", count_json(&status->plane->sent));
  put(object, "received", count_json(&status->plane->received));
  put_age(object, "heard", status->plane->heard_ms, now_ms);
  put_number(object, "receiving_keys", status->receiving_sas);
  put(object, "note", json_string(status->last_words));
  return object;
}

/* Known by a certificate's name, which nobody has shown yet. */
static json_t *unknown_json(const tw_node_peer *peer) {
  json_t *object = json_object();
  char room[TW_FINGERPRINT_TEXT];
  put(object, "name", json_string(tw_node_peer_label(peer, room)));
  put(object, "key", json_null());
  put(object, "from", json_string(origin_name(peer->origin)));
  put(object, "removed", json_false());
  put(object, "member", json_false());
  return object;
}

static json_t *network_json(const tw_node_config *config, const tw_network_status *status, bool signs,
                            uint64_t now_ms) {
  static const char *const names[] = {"idle", "finding", "opening", "waiting", "rejoining", "member", "stuck"};
  json_t *object = json_object();
  put(object, "group", json_string(config->network.group));
  put(object, "suite", json_string(tw_suite_name(config->network.suite)));
  put(object, "state", json_string(names[status->state]));
  put_number(object, "epoch", status->epoch);
  put(object, "sending_epoch", status->sends ? json_integer((json_int_t)status->sending_epoch) : json_null());
  put_number(object, "members", status->members);
  put_age(object, "own_key_age", status->leaf_made_ms, now_ms);
  put(object, "sign", json_boolean(signs));
  put(object, "committing", json_boolean(status->pending_since_ms != 0));
  put(object, "unwanted", json_boolean(status->unwanted));
  put_number(object, "forks", status->forks);
  put_number(object, "refused", status->refused);
  return object;
}

/* Where it is, and who. */
static json_t *configured_relay(const tw_node_config *config) {
  const tw_node_relay *relay = &config->relay;
  json_t *object = json_object();
  char text[TW_ADDRESS_TEXT + 8];
  char key[TW_FINGERPRINT_TEXT];
  (void)snprintf(text, sizeof text, "%s:%u", relay->endpoint.host, (unsigned)relay->endpoint.port);
  tw_fingerprint_format(&relay->key.fingerprint, key);
  put(object, "endpoint", json_string(text));
  put(object, "key", relay->key.given ? json_string(key) : json_null());
  put(object, "name", relay->name != NULL ? json_string(relay->name) : json_null());
  return object;
}

static json_t *relay_json(const tw_node_config *config, const tw_node_status *status, uint64_t now_ms) {
  json_t *object = configured_relay(config);
  put(object, "up", json_boolean(status->relay_up));
  put(object, "why", status->relay_why[0] == '\0' ? json_null() : json_string(status->relay_why));
  put(object, "packets", json_boolean(status->relay_bound));
  put_address(object, "seen_at", &status->seen_at);
  put_number(object, "mail_read", status->mail_read);
  put_age(object, "twin_told", status->twin_ms, now_ms);
  put_address(object, "twin_at", status->twin_ms != 0 ? &status->twin : &(tw_udp_address){0});
  return object;
}

static json_t *drops_json(const tw_plane_drops *drops) {
  json_t *object = json_object();
  put_number(object, "no_route", drops->no_route);
  put_number(object, "no_keys", drops->no_keys);
  put_number(object, "no_path", drops->no_path);
  put_number(object, "malformed", drops->malformed);
  put_number(object, "used_up", drops->used_up);
  put_number(object, "unsent", drops->unsent);
  put_number(object, "unknown", drops->unknown);
  put_number(object, "forged", drops->forged);
  put_number(object, "not_signed", drops->not_signed);
  put_number(object, "unchecked", drops->unchecked);
  put_number(object, "replayed", drops->replayed);
  put_number(object, "not_theirs", drops->not_theirs);
  put_number(object, "device", drops->device);
  put_number(object, "too_big", drops->too_big);
  put_number(object, "stray", drops->stray);
  return object;
}

static json_t *invitations_json(const tw_enrol *enrol, uint64_t now_ms) {
  json_t *list = json_array();
  tw_enrol_open open;
  for (size_t i = 0; tw_enrol_next(enrol, i, &open); i++) {
    json_t *object = json_object();
    put(object, "name", json_string(open.name));
    put(object, "used", json_boolean(open.state == TW_ENROL_ENROLLED));
    put_number(object, "left", open.until > now_ms / 1000 ? open.until - now_ms / 1000 : 0);
    (void)json_array_append_new(list, object);
  }
  return list;
}

json_t *tw_node_status_json(tw_node *node, const tw_node_config *config, const tw_tun *tun, uint64_t now_ms) {
  tw_node_status status;
  tw_node_get_status(node, &status);
  json_t *object = json_object();
  if (object == NULL) return NULL;
  put(object, "name", json_string(config->name));
  put(object, "device", json_string(tun->name));
  put_number(object, "mtu", config->interface.mtu);
  put_number(object, "packet_threads", tun->queue_count);
  put(object, "aes_gcm", json_string(status.aes_gcm));
  put(object, "relay", relay_json(config, &status, now_ms));
  put(object, "network", network_json(config, &status.network, status.signs, now_ms));
  json_t *peers = json_array();
  for (uint32_t i = 0; i < config->peer_count; i++) {
    tw_node_peer_status peer;
    if (i != config->self && !config->peers[i].key.given)
      (void)json_array_append_new(peers, unknown_json(&config->peers[i]));
    else if (tw_node_get_peer_status(node, i, &peer))
      (void)json_array_append_new(peers, peer_json(config, i, &peer, status.relay_up, now_ms));
  }
  put(object, "peers", peers);
  put(object, "invitations", invitations_json(tw_node_enrol(node), now_ms));
  put(object, "dropped", drops_json(status.drops));
  return object;
}

bool tw_node_status_has_relay(tw_bytes status, const tw_node_config *config) {
  json_t *there = json_loadb((const char *)status.ptr, status.len, 0, NULL);
  json_t *wanted = configured_relay(config);
  const json_t *relay = json_object_get(there, "relay");
  const char *part;
  json_t *value;
  bool has = wanted != NULL && json_is_true(json_object_get(relay, "up"));
  json_object_foreach(wanted, part, value) has = has && json_equal(json_object_get(relay, part), value) == 1;
  json_decref(there);
  json_decref(wanted);
  return has;
}

/* ---- for people ---- */

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "-";
}

static unsigned long long number_of(const json_t *object, const char *key) {
  return (unsigned long long)json_integer_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key) { return json_is_true(json_object_get(object, key)); }

/* "3 min 5 s", "never" */
static const char *age_text(const json_t *object, const char *key, char room[32]) {
  const json_t *age = json_object_get(object, key);
  if (!json_is_integer(age)) return "never";
  const unsigned long long s = (unsigned long long)json_integer_value(age);
  if (s < 60)
    (void)snprintf(room, 32, "%llu s", s);
  else if (s < 3600)
    (void)snprintf(room, 32, "%llu min %llu s", s / 60, s % 60);
  else if (s < 86400)
    (void)snprintf(room, 32, "%llu h %llu min", s / 3600, s / 60 % 60);
  else
    (void)snprintf(room, 32, "%llu d %llu h", s / 86400, s / 3600 % 24);
  return room;
}

static const char *bytes_text(const json_t *count, char room[32]) {
  const double bytes = (double)json_integer_value(json_object_get(count, "bytes"));
  if (bytes < 1024)
    (void)snprintf(room, 32, "%.0f B", bytes);
  else if (bytes < 1024 * 1024.0)
    (void)snprintf(room, 32, "%.1f KiB", bytes / 1024);
  else if (bytes < 1024 * 1024 * 1024.0)
    (void)snprintf(room, 32, "%.1f MiB", bytes / (1024 * 1024));
  else
    (void)snprintf(room, 32, "%.2f GiB", bytes / (1024 * 1024 * 1024));
  return room;
}

/* While others are given time to read of a new epoch: the one before. */
static const char *sending_text(const json_t *network, char room[40]) {
  const json_t *epoch = json_object_get(network, "sending_epoch");
  if (!json_is_integer(epoch) || json_equal(epoch, json_object_get(network, "epoch"))) return "";
  (void)snprintf(room, 40, "; sends under %llu's keys", number_of(network, "sending_epoch"));
  return room;
}

static tw_err say_peer(tw_buf *out, const json_t *peer, bool signs) {
  char a[32], b[32], c[32];
  const json_t *pair = json_object_get(peer, "pair");
  const json_t *path = json_object_get(peer, "path");
  const bool in_file = strcmp(text_of(peer, "from"), "file") == 0;
  TW_TRY(tw_text_append(out, "\npeer %s%s\n", text_of(peer, "name"), is_true(peer, "removed") ? " (removed)" : ""));
  const bool is_mute = signs && is_true(peer, "member") && !is_true(peer, "can_sign");
  TW_TRY(tw_text_append(out, "  key        %s%s%s%s%s\n", text_of(peer, "key"),
                        is_true(peer, "member") ? "" : ", not in the network", in_file ? "" : "; by ",
                        in_file ? "" : text_of(peer, "from"), is_mute ? "; cannot sign what goes to all" : ""));
  if (pair == NULL) return tw_text_append(out, "  certificate not seen yet\n");
  if (json_is_integer(json_object_get(pair, "epoch"))) {
    TW_TRY(tw_text_append(out, "  pair       %s, epoch %llu; key ages: ours %s, theirs %s%s\n", text_of(pair, "state"),
                          number_of(pair, "epoch"), age_text(pair, "own_key_age", a), age_text(pair, "peer_key_age", b),
                          is_true(pair, "confirmed") ? "" : "; not heard yet"));
  } else {
    TW_TRY(tw_text_append(out, "  pair       none: made with the first packet\n"));
  }
  const bool direct = strcmp(text_of(path, "by"), "direct") == 0;
  TW_TRY(tw_text_append(out, "  way        %s%s%s%s\n", direct ? "straight to " : "by ",
                        direct ? text_of(path, "address") : text_of(path, "by"), "",
                        json_is_false(json_object_get(path, "online")) ? " (the relay has no connection of its)" : ""));
  TW_TRY(tw_text_append(
      out, "  packets    sent %llu (%s), received %llu (%s), heard %s%s\n",
      number_of(json_object_get(peer, "sent"), "packets"), bytes_text(json_object_get(peer, "sent"), a),
      number_of(json_object_get(peer, "received"), "packets"), bytes_text(json_object_get(peer, "received"), b),
      age_text(peer, "heard", c), json_is_integer(json_object_get(peer, "heard")) ? " ago" : ""));
  if (text_of(peer, "note")[0] == '\0') return TW_OK;
  return tw_text_append(out, "  note       %s\n", text_of(peer, "note"));
}

static tw_err say_drops(tw_buf *out, const json_t *drops) {
  const char *key;
  json_t *value;
  bool any = false;
  json_object_foreach((json_t *)(uintptr_t)drops, key, value) {
    if (json_integer_value(value) == 0) continue;
    TW_TRY(tw_text_append(out, "%s%s %llu", any ? ", " : "\ndropped      ", key,
                          (unsigned long long)json_integer_value(value)));
    any = true;
  }
  return any ? tw_text_append(out, "\n") : TW_OK;
}

static tw_err say_relay(tw_buf *out, const json_t *relay) {
  const bool up = is_true(relay, "up");
  const bool told = !up && json_is_string(json_object_get(relay, "why"));
  const char *state = !up ? "not reached" : is_true(relay, "packets") ? "up" : "up, but no packets by it yet";
  return tw_text_append(out, "  relay      %s, %s%s%s%s; it %s us at %s\n", text_of(relay, "endpoint"), state,
                        told ? " (" : "", told ? text_of(relay, "why") : "", told ? ")" : "", up ? "sees" : "saw",
                        text_of(relay, "seen_at"));
}

/* Also while we have the relay: then the other one has not, for now. */
static tw_err say_twin(tw_buf *out, const json_t *relay) {
  char room[32];
  if (!json_is_integer(json_object_get(relay, "twin_told"))) return TW_OK;
  return tw_text_append(out,
                        "  identity   another machine uses it, too, at %s (told %s ago): each needs one of its own\n",
                        text_of(relay, "twin_at"), age_text(relay, "twin_told", room));
}

void tw_node_status_missing(tw_bytes status, char out[TW_NODE_MISSING]) {
  json_t *there = json_loadb((const char *)status.ptr, status.len, 0, NULL);
  const json_t *relay = json_object_get(there, "relay");
  const json_t *network = json_object_get(there, "network");
  const bool told = json_is_string(json_object_get(relay, "why"));
  out[0] = '\0';
  if (relay != NULL && !is_true(relay, "up"))
    (void)snprintf(out, TW_NODE_MISSING, "the relay %s is not reached%s%s", text_of(relay, "endpoint"),
                   told ? ": " : "", told ? text_of(relay, "why") : "");
  else if (relay != NULL && !is_true(relay, "packets"))
    (void)snprintf(out, TW_NODE_MISSING, "no packets come by the relay %s yet", text_of(relay, "endpoint"));
  else if (network != NULL)
    (void)snprintf(out, TW_NODE_MISSING, "the network is %s", text_of(network, "state"));
  json_decref(there);
}

tw_err tw_node_status_text(const json_t *status, tw_buf *out) {
  char room[32], sending[40];
  const json_t *network = json_object_get(status, "network");
  TW_TRY(tw_text_append(out, "node %s, device %s, MTU %llu\n", text_of(status, "name"), text_of(status, "device"),
                        number_of(status, "mtu")));
  TW_TRY(say_relay(out, json_object_get(status, "relay")));
  TW_TRY(say_twin(out, json_object_get(status, "relay")));
  TW_TRY(tw_text_append(out, "  network    %s: %s, epoch %llu, %llu members%s; our key's age %s%s\n",
                        text_of(network, "group"), text_of(network, "state"), number_of(network, "epoch"),
                        number_of(network, "members"), sending_text(network, sending),
                        age_text(network, "own_key_age", room),
                        is_true(network, "unwanted") ? "; nothing goes to all before somebody is removed" : ""));
  TW_TRY(tw_text_append(out, "  suite      %s%s\n", text_of(network, "suite"),
                        is_true(network, "sign") ? "; what goes to all is signed" : ""));
  size_t i;
  json_t *peer;
  json_array_foreach(json_object_get(status, "peers"), i, peer) TW_TRY(say_peer(out, peer, is_true(network, "sign")));
  json_t *invitation;
  json_array_foreach(json_object_get(status, "invitations"), i, invitation)
      TW_TRY(tw_text_append(out, "\ninvited %s: %s, good for %s\n", text_of(invitation, "name"),
                            is_true(invitation, "used") ? "it has a key, and the answer waits for it" : "not used yet",
                            age_text(invitation, "left", room)));
  return say_drops(out, json_object_get(status, "dropped"));
}
