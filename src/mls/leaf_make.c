/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/leaf_make.h"

#include "mls/app_data.h"
#include "mls/grease.h"

tw_err tw_client_check(const tw_client *client) {
  if (client == NULL || client->env == NULL || client->suite == NULL || client->signer == NULL) return TW_ERR_ARGUMENT;
  return tw_signer_scheme(client->signer) == client->suite->signature ? TW_OK : TW_ERR_ARGUMENT;
}

void tw_own_leaf_clear(tw_own_leaf *leaf) {
  tw_buf_clear(&leaf->memory);
  leaf->fields = (tw_leaf_node_fields){0};
}

void tw_leaf_fields_from(const tw_leaf_node *leaf, tw_leaf_node_fields *fields) {
  *fields = (tw_leaf_node_fields){
      .credential = leaf->credential.encoded, .capabilities = leaf->capabilities, .extensions = leaf->extensions};
}

/* Where each part of `memory` begins; the views are set when it has stopped growing. */
enum {
  PART_CREDENTIAL,
  PART_VERSIONS,
  PART_SUITES,
  PART_EXTENSIONS,
  PART_PROPOSALS,
  PART_CREDENTIALS,
  PART_LEAF_EXTENSIONS,
  PARTS
};

typedef struct parts {
  size_t end[PARTS];
} parts;

static tw_bytes part(const tw_buf *memory, const parts *p, size_t index) {
  const size_t start = index == 0 ? 0 : p->end[index - 1];
  return TW_BYTES(memory->ptr + start, p->end[index] - start);
}

static void write_values(tw_writer *w, const uint16_t *values, size_t count, tw_bytes extra, uint16_t grease) {
  for (size_t i = 0; i < count; i++) tw_write_u16(w, values[i]);
  tw_write_fixed(w, extra);
  if (grease != 0) tw_write_u16(w, grease);
}

/* ComponentsList app_components: what our leaf's dictionary holds and what every implementation knows. */
static tw_err set_components(const tw_env *env, tw_buf *extensions) {
  tw_bytes present;
  if (tw_component_lookup(tw_buf_bytes(extensions), TW_COMPONENT_APP_COMPONENTS, &present)) return TW_OK;
  tw_buf list = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_app_components_list(tw_buf_bytes(extensions), &list);
  if (err == TW_OK) err = tw_component_set(extensions, TW_COMPONENT_APP_COMPONENTS, tw_buf_bytes(&list));
  tw_buf_clear(&list);
  return err;
}

static tw_err make_extensions(const tw_client *client, uint16_t grease, tw_buf *extensions) {
  TW_TRY(tw_buf_append(extensions, client->leaf_extensions));
  TW_TRY(set_components(client->env, extensions));
  TW_TRY(tw_grease_components(client->env, extensions));
  return tw_grease_extension(client->env, grease, extensions);
}

static tw_err write_parts(const tw_client *client, tw_bytes extensions, const uint16_t grease[4], tw_buf *memory,
                          parts *p) {
  static const uint16_t versions[] = {TW_MLS10};
  static const uint16_t our_extensions[] = {TW_EXTENSION_APP_DATA_DICTIONARY};
  static const uint16_t our_proposals[] = {TW_PROPOSAL_APP_DATA_UPDATE, TW_PROPOSAL_APP_EPHEMERAL,
                                           TW_PROPOSAL_SELF_REMOVE};
  static const uint16_t our_credentials[] = {TW_CREDENTIAL_BASIC, TW_CREDENTIAL_X509};
  const uint16_t suite = tw_suite_id(client->env, client->suite);
  tw_writer w = tw_writer_to(memory);
  tw_write_credential(&w, client->credential.type, client->credential.identity);
  p->end[PART_CREDENTIAL] = memory->len;
  write_values(&w, versions, 1, TW_NO_BYTES, 0);
  p->end[PART_VERSIONS] = memory->len;
  write_values(&w, &suite, 1, client->extra_suites, grease[0]);
  p->end[PART_SUITES] = memory->len;
  /* The GREASE extension in the leaf has to stand in its capabilities too (section 13.5). */
  write_values(&w, our_extensions, 1, client->extra_extensions, grease[1]);
  p->end[PART_EXTENSIONS] = memory->len;
  write_values(&w, our_proposals, 3, client->extra_proposals, grease[2]);
  p->end[PART_PROPOSALS] = memory->len;
  write_values(&w, our_credentials, 2, client->extra_credentials, grease[3]);
  p->end[PART_CREDENTIALS] = memory->len;
  tw_write_fixed(&w, extensions);
  p->end[PART_LEAF_EXTENSIONS] = memory->len;
  return tw_writer_end(&w);
}

tw_err tw_own_leaf_make(const tw_client *client, tw_own_leaf *leaf) {
  TW_TRY(tw_client_check(client));
  uint16_t grease[4] = {0};
  for (size_t i = 0; i < 4; i++) TW_TRY(tw_grease_value(client->env, &grease[i]));
  tw_buf extensions = TW_BUF_INIT(tw_env_alloc(client->env));
  tw_own_leaf next = {.memory = TW_BUF_INIT(tw_env_alloc(client->env))};
  parts p = {{0}};
  tw_err err = make_extensions(client, grease[1], &extensions);
  if (err == TW_OK) err = write_parts(client, tw_buf_bytes(&extensions), grease, &next.memory, &p);
  tw_buf_clear(&extensions);
  if (err != TW_OK) {
    tw_own_leaf_clear(&next);
    return err;
  }
  next.fields.credential = part(&next.memory, &p, PART_CREDENTIAL);
  next.fields.capabilities = (tw_capabilities){
      .versions = part(&next.memory, &p, PART_VERSIONS),
      .cipher_suites = part(&next.memory, &p, PART_SUITES),
      .extensions = part(&next.memory, &p, PART_EXTENSIONS),
      .proposals = part(&next.memory, &p, PART_PROPOSALS),
      .credentials = part(&next.memory, &p, PART_CREDENTIALS),
  };
  next.fields.extensions = part(&next.memory, &p, PART_LEAF_EXTENSIONS);
  *leaf = next;
  return TW_OK;
}
