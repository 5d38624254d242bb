/* Vectors of type message-protection. SPDX-License-Identifier: Apache-2.0 */
#include "mls/protect.h"
#include "vectors.h"

enum { SENDER = 1, MEMBERS = 2 };

/* What the messages of one vector have in common. */
typedef struct group {
  tw_bytes group_id;
  uint64_t epoch;
  tw_bytes signature_pub;
  tw_bytes encryption_secret;
  tw_bytes sender_data_secret;
  tw_bytes membership_key;
  tw_bytes confirmed_transcript_hash;
  tw_buf group_context;
  tw_signer *signer;
} group;

/* One kind of message: its raw form, and what it is called. */
typedef struct kind {
  uint8_t content_type;
  const char *name;
  const char *public_name;
  const char *private_name;
} kind;

static void read_group(tw_vector *v, group *g) {
  g->group_id = tw_vector_hex(v, v->json, "group_id");
  g->epoch = tw_vector_uint(v, v->json, "epoch", UINT64_MAX);
  g->signature_pub = tw_vector_hex(v, v->json, "signature_pub");
  g->encryption_secret = tw_vector_hex(v, v->json, "encryption_secret");
  g->sender_data_secret = tw_vector_hex(v, v->json, "sender_data_secret");
  g->membership_key = tw_vector_hex(v, v->json, "membership_key");
  g->confirmed_transcript_hash = tw_vector_hex(v, v->json, "confirmed_transcript_hash");
  const tw_bytes tree_hash = tw_vector_hex(v, v->json, "tree_hash");
  const tw_bytes priv = tw_vector_signature_priv(v, v->json, "signature_priv");
  if (!tw_vector_going(v)) return;
  const tw_group_context context = {.version = TW_MLS10,
                                    .cipher_suite = tw_suite_id(v->env, v->suite),
                                    .group_id = g->group_id,
                                    .epoch = g->epoch,
                                    .tree_hash = tree_hash,
                                    .confirmed_transcript_hash = g->confirmed_transcript_hash};
  tw_writer w = tw_writer_to(&g->group_context);
  tw_write_group_context(&w, &context);
  tw_vector_ok(v, tw_writer_end(&w), "group context");
  tw_vector_ok(v, tw_signer_import(v->env, v->suite, priv, &g->signer), "signature_priv");
}

static tw_bytes raw_of(const tw_framed_content *content) {
  return content->content_type == TW_CONTENT_APPLICATION ? content->application_data : content->body;
}

static void check_content(tw_vector *v, const group *g, const tw_unverified_content *content, const kind *k,
                          tw_bytes raw) {
  tw_verified_content verified = {0};
  const tw_framed_content *framed = &content->content;
  tw_vector_ok(
      v, tw_content_verify(v->env, v->suite, content, g->signature_pub, tw_buf_bytes(&g->group_context), &verified),
      "signature");
  tw_vector_true(v, framed->sender.type == TW_SENDER_MEMBER && framed->sender.index == SENDER, "sender is not leaf 1");
  tw_vector_true(v, framed->content_type == k->content_type, "content type");
  tw_vector_true(v, framed->epoch == g->epoch, "epoch");
  tw_vector_equal(v, framed->group_id, g->group_id, "group_id");
  tw_vector_equal(v, raw_of(framed), raw, k->name);
}

static void check_public(tw_vector *v, const group *g, const kind *k, tw_bytes encoded, tw_bytes raw) {
  tw_mls_message message;
  if (!tw_vector_ok(v, tw_mls_message_decode(v->env, encoded, &message), "decoding")) return;
  if (!tw_vector_true(v, message.wire_format == TW_WIRE_PUBLIC_MESSAGE, "not a PublicMessage")) return;
  tw_unverified_content content = {0};
  const tw_err err = tw_public_message_open(v->env, v->suite, &message.u.public_message, g->membership_key,
                                            tw_buf_bytes(&g->group_context), &content);
  if (tw_vector_ok(v, err, "opening")) check_content(v, g, &content, k, raw);
}

static void check_private(tw_vector *v, const group *g, const kind *k, tw_bytes encoded, tw_bytes raw) {
  tw_mls_message message;
  if (!tw_vector_ok(v, tw_mls_message_decode(v->env, encoded, &message), "decoding")) return;
  if (!tw_vector_true(v, message.wire_format == TW_WIRE_PRIVATE_MESSAGE, "not a PrivateMessage")) return;
  tw_private_keys keys = {.sender_data_secret = g->sender_data_secret};
  if (!tw_vector_ok(v, tw_secret_tree_new(v->env, v->suite, g->encryption_secret, MEMBERS, &keys.secret_tree),
                    "secret tree")) {
    return;
  }
  tw_buf plaintext = {0};
  tw_unverified_content content = {0};
  uint32_t generation = 0;
  const tw_err err = tw_private_message_open(v->env, v->suite, &message.u.private_message, &keys, &plaintext, &content,
                                             &generation);
  if (tw_vector_ok(v, err, "opening")) {
    check_content(v, g, &content, k, raw);
    tw_secret_tree_used(keys.secret_tree, content.content.sender.index, k->content_type, generation);
    const tw_err again = tw_private_message_open(v->env, v->suite, &message.u.private_message, &keys, &plaintext,
                                                 &content, &generation);
    tw_vector_true(v, again == TW_ERR_DUPLICATE, "opens twice");
  }
  tw_buf_clear(&plaintext);
  tw_secret_tree_free(keys.secret_tree);
}

/* The raw content signed by us: FramedContent in `framed`, authentication in the rest. */
typedef struct signed_content {
  tw_content_fields fields;
  tw_buf body;
  tw_buf framed;
  tw_buf signature;
  uint8_t tag[TW_HASH_MAX];
  tw_content_auth auth;
} signed_content;

static void sign(tw_vector *v, const group *g, const kind *k, uint16_t wire_format, tw_bytes raw, signed_content *out) {
  tw_writer body = tw_writer_to(&out->body);
  if (k->content_type == TW_CONTENT_APPLICATION) {
    tw_write_vector(&body, raw);
  } else {
    tw_write_fixed(&body, raw);
  }
  if (!tw_vector_ok(v, tw_writer_end(&body), "encoding")) return;
  out->fields = (tw_content_fields){.group_id = g->group_id,
                                    .epoch = g->epoch,
                                    .sender = {TW_SENDER_MEMBER, SENDER},
                                    .authenticated_data = TW_LITERAL("authenticated"),
                                    .content_type = k->content_type,
                                    .body = tw_buf_bytes(&out->body)};
  tw_writer w = tw_writer_to(&out->framed);
  tw_write_framed_content(&w, &out->fields);
  if (!tw_vector_ok(v, tw_writer_end(&w), "encoding")) return;
  const tw_err err = tw_content_sign(v->env, g->signer, wire_format, tw_buf_bytes(&out->framed), TW_SENDER_MEMBER,
                                     tw_buf_bytes(&g->group_context), &out->signature);
  tw_vector_ok(v, err, "signing");
  out->auth.signature = tw_buf_bytes(&out->signature);
  if (k->content_type != TW_CONTENT_COMMIT) return;
  /* Any tag does: that the key schedule agrees with it is the group's concern. */
  tw_vector_ok(v, tw_confirmation_tag(v->env, v->suite, g->membership_key, g->confirmed_transcript_hash, out->tag),
               "tag");
  out->auth.confirmation_tag = TW_BYTES(out->tag, v->suite->hash->size);
}

static void clear_signed(signed_content *s) {
  tw_buf_clear(&s->body);
  tw_buf_clear(&s->framed);
  tw_buf_clear(&s->signature);
}

static void protect_public(tw_vector *v, const group *g, const kind *k, tw_bytes raw) {
  signed_content s = {0};
  tw_buf out = {0};
  sign(v, g, k, TW_WIRE_PUBLIC_MESSAGE, raw, &s);
  if (tw_vector_going(v)) {
    const tw_err err = tw_public_message_seal(v->env, v->suite, tw_buf_bytes(&s.framed), TW_SENDER_MEMBER,
                                              k->content_type, &s.auth, g->membership_key,
                                              tw_buf_bytes(&g->group_context), &out);
    if (k->content_type == TW_CONTENT_APPLICATION) {
      tw_vector_true(v, err != TW_OK && out.len == 0, "application data became a PublicMessage");
    } else if (tw_vector_ok(v, err, "sealing")) {
      check_public(v, g, k, tw_buf_bytes(&out), raw);
    }
  }
  tw_buf_clear(&out);
  clear_signed(&s);
}

static void protect_private(tw_vector *v, const group *g, const kind *k, tw_bytes raw, uint32_t padding_block) {
  signed_content s = {0};
  tw_buf out = {0};
  tw_private_keys keys = {.sender_data_secret = g->sender_data_secret};
  sign(v, g, k, TW_WIRE_PRIVATE_MESSAGE, raw, &s);
  if (tw_vector_going(v)) {
    tw_vector_ok(v, tw_secret_tree_new(v->env, v->suite, g->encryption_secret, MEMBERS, &keys.secret_tree),
                 "secret tree");
  }
  if (tw_vector_going(v)) {
    const tw_err err = tw_private_message_seal(v->env, v->suite, &s.fields, &s.auth, &keys, padding_block, &out);
    if (tw_vector_ok(v, err, "sealing")) check_private(v, g, k, tw_buf_bytes(&out), raw);
  }
  tw_secret_tree_free(keys.secret_tree);
  tw_buf_clear(&out);
  clear_signed(&s);
}

static void check_kind(tw_vector *v, const group *g, const kind *k) {
  const tw_bytes raw = tw_vector_hex(v, v->json, k->name);
  const tw_bytes private_message = tw_vector_hex(v, v->json, k->private_name);
  if (k->public_name != NULL) {
    const tw_bytes public_message = tw_vector_hex(v, v->json, k->public_name);
    if (!tw_vector_going(v)) return;
    tw_vector_where(v, "%s", k->public_name);
    check_public(v, g, k, public_message, raw);
  }
  if (!tw_vector_going(v)) return;
  tw_vector_where(v, "%s", k->private_name);
  check_private(v, g, k, private_message, raw);
  tw_vector_where(v, "protecting %s", k->name);
  protect_public(v, g, k, raw);
  protect_private(v, g, k, raw, 1);
  protect_private(v, g, k, raw, 256);
  tw_vector_where(v, "%s", "");
}

tw_vector_result tw_vector_message_protection(const tw_env *env, json_t *vector) {
  static const kind kinds[] = {
      {TW_CONTENT_PROPOSAL, "proposal", "proposal_pub", "proposal_priv"},
      {TW_CONTENT_COMMIT, "commit", "commit_pub", "commit_priv"},
      {TW_CONTENT_APPLICATION, "application", NULL, "application_priv"},
  };
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  group g = {0};
  read_group(&v, &g);
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && tw_vector_going(&v); i++) check_kind(&v, &g, &kinds[i]);
  tw_buf_clear(&g.group_context);
  tw_signer_free(g.signer);
  return tw_vector_end(&v);
}
