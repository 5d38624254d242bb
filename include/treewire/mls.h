/* MLS groups (RFC 9420, draft-ietf-mls-extensions). SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_MLS_H
#define TREEWIRE_MLS_H

#include <treewire/env.h>

/*
 * The shape of it: a tw_client says who we are and whom we accept. A tw_group is ONE EPOCH of one group. Making a commit
 * reads it and yields the next epoch beside it, and so does processing one: the old value stays as it was until the caller frees
 * it, so a commit that loses a race is simply thrown away. Within an epoch only two things change: message keys are used up
 * and proposals are collected.
 *
 * Adopt, save, send: take the next epoch, tw_group_save it in one write, then release the bytes that depend on it.
 *
 * Bytes passed in are borrowed for the call. tw_buf outputs are appended to, and are as before on error. `now` is in seconds since
 * 1970, used for lifetimes. Every function that decodes peers' bytes may return any error of the classes malformed, forbidden,
 * crypto, stale, duplicate and resync; every function may return TW_ERR_NO_MEMORY and TW_ERR_RANDOM.
 */

typedef struct tw_group tw_group;
typedef struct tw_key_package tw_key_package;

/** A credential (RFC 9420 section 5.3). */
typedef struct tw_credential {
  uint16_t type;    /* 1 basic, 2 x509 */
  tw_bytes identity; /* basic: the identity; x509: opaque cert_data<V> one after the other, end-entity certificate first */
} tw_credential;

/** When the Authentication Service is asked (RFC 9420 section 5.3.1). */
typedef enum tw_credential_event {
  TW_CREDENTIAL_IN_TREE = 1,     /* a member of a group that we join */
  TW_CREDENTIAL_ADDED = 2,       /* a client that an Add proposal brings in */
  TW_CREDENTIAL_UPDATED = 3,     /* a member's Update proposal or commit; `old` is what it had */
  TW_CREDENTIAL_JOINS = 4,       /* a client that joins by an external commit */
  TW_CREDENTIAL_EXTERNAL = 5     /* an external sender named by the GroupContext extension external_senders */
} tw_credential_event;

typedef struct tw_credential_use {
  tw_credential_event event;
  tw_bytes group_id;
  uint32_t leaf_index; /* UINT32_MAX where there is none yet */
  tw_credential credential;
  tw_bytes signature_key;
  const tw_credential *old; /* TW_CREDENTIAL_UPDATED, else NULL */
  tw_bytes old_signature_key;
  uint64_t now;
} tw_credential_use;

/** A PSK that is asked for (RFC 9420 section 8.4). Resumption PSKs of the group itself are found by the library. */
typedef struct tw_psk_query {
  uint8_t type;           /* 1 external, 2 resumption, 3 application */
  tw_bytes psk_id;        /* external, application */
  uint16_t component_id;  /* application */
  uint8_t usage;          /* resumption: 1 application, 2 reinit, 3 branch */
  tw_bytes psk_group_id;  /* resumption */
  uint64_t psk_epoch;     /* resumption */
} tw_psk_query;

/** The caller's decisions. `ctx` is handed back. A NULL callback refuses. */
typedef struct tw_policy {
  void *ctx;
  /** The Authentication Service: TW_OK to accept, TW_ERR_CREDENTIAL to refuse. */
  tw_err (*credential)(void *ctx, const tw_credential_use *use);
  /** Append the secret of a PSK, or TW_ERR_MISSING_PSK. */
  tw_err (*psk)(void *ctx, const tw_psk_query *query, tw_buf *secret);
  /**
   * AppDataUpdate: `update` comes on top of `old` (has_old false: none); append the component's new data. Called once for each
   * update in the commit's order. TW_ERR_PROPOSAL refuses it.
   */
  tw_err (*app_data_update)(void *ctx, uint16_t component_id, bool has_old, tw_bytes old, tw_bytes update, tw_buf *data);
  /** AppEphemeral: TW_OK to accept, TW_ERR_PROPOSAL to refuse. */
  tw_err (*app_ephemeral)(void *ctx, uint16_t component_id, tw_bytes data);
} tw_policy;

/** Who we are. Borrowed by groups and key packages: outlives them and does not move. */
typedef struct tw_client {
  const tw_env *env;
  const tw_suite *suite;
  tw_signer *signer; /* fits the suite */
  tw_credential credential;
  tw_policy policy;
  /** Leaf extensions and capabilities beyond the defaults. Lists of struct { uint16 type; opaque data<V>; }; may be empty. */
  tw_bytes leaf_extensions;
  /** Further code points for our capabilities, each a list of big-endian uint16; may be empty. */
  tw_bytes extra_extensions;
  tw_bytes extra_proposals;
  tw_bytes extra_credentials;
  /** Suites that we offer besides `suite`; may be empty. */
  tw_bytes extra_suites;
} tw_client;

/* ---- key packages (RFC 9420 section 10) ---- */

typedef struct tw_key_package_options {
  uint64_t not_before; /* 0: an hour before now */
  uint64_t not_after;  /* 0: 84 days after now */
  bool last_resort;    /* may be used more than once (draft-ietf-mls-extensions) */
  tw_bytes extensions; /* list, may be empty */
} tw_key_package_options;

/** `options` NULL: the defaults. Free with tw_key_package_free as soon as it was used (unless last resort). */
TW_API TW_MUST_USE tw_err tw_key_package_new(const tw_client *client, const tw_key_package_options *options, uint64_t now,
                                             tw_key_package **key_package);
/** The MLSMessage to publish; borrowed. */
TW_API tw_bytes tw_key_package_message(const tw_key_package *key_package);
/** KeyPackageRef; borrowed. */
TW_API tw_bytes tw_key_package_reference(const tw_key_package *key_package);
/** With its private keys, for durable storage. `out` is the caller's to clear. */
TW_API TW_MUST_USE tw_err tw_key_package_save(const tw_key_package *key_package, tw_buf *out);
TW_API TW_MUST_USE tw_err tw_key_package_load(const tw_client *client, tw_bytes saved, tw_key_package **key_package);
TW_API void tw_key_package_free(tw_key_package *key_package);

/** What a KeyPackage message says, checked (section 10.1) at `now` (0: lifetime not checked); borrowed from the message. */
typedef struct tw_key_package_info {
  uint16_t cipher_suite;
  tw_credential credential;
  tw_bytes signature_key;
  tw_bytes init_key;
  tw_bytes leaf_extensions; /* list */
  tw_bytes extensions;      /* list */
  uint64_t not_before;
  uint64_t not_after;
} tw_key_package_info;
TW_API TW_MUST_USE tw_err tw_key_package_inspect(const tw_env *env, tw_bytes message, uint64_t now, tw_key_package_info *info);

/** The data of the extension `type` in an extension list; false when there is none. */
TW_API bool tw_extension_lookup(tw_bytes extensions, uint16_t type, tw_bytes *data);
/** The data of a component in an extension list's app_data_dictionary; false when there is none. */
TW_API bool tw_component_lookup(tw_bytes extensions, uint16_t component_id, tw_bytes *data);
/** Append an extension to an extension list. */
TW_API TW_MUST_USE tw_err tw_extension_append(tw_buf *extensions, uint16_t type, tw_bytes data);
/** Set a component's data in an extension list's app_data_dictionary, adding the dictionary where there is none. */
TW_API TW_MUST_USE tw_err tw_component_set(tw_buf *extensions, uint16_t component_id, tw_bytes data);

/* ---- groups ---- */

/** A group of one: ourselves. `extensions`: of the GroupContext, list. */
TW_API TW_MUST_USE tw_err tw_group_create(const tw_client *client, tw_bytes group_id, tw_bytes extensions, uint64_t now,
                                          tw_group **group);

typedef struct tw_join_options {
  tw_bytes ratchet_tree;   /* where the Welcome or GroupInfo has none: opaque, as from tw_group_ratchet_tree */
  const tw_bytes *self_removes; /* external joins: the MLSMessages of the epoch's SelfRemove proposals, which came with the GroupInfo */
  size_t self_remove_count;
  const tw_group *origin;  /* the group that this one must reinitialise or branch from, else NULL (sections 11.2 and 11.3) */
} tw_join_options;

/** Join by a Welcome (section 12.4.3.1). `options` may be NULL. The key package stays the caller's to free. */
TW_API TW_MUST_USE tw_err tw_group_join(const tw_client *client, const tw_key_package *key_package, tw_bytes welcome,
                                        const tw_join_options *options, uint64_t now, tw_group **group);
/** The same epoch again: for holders that share it. */
TW_API tw_group *tw_group_ref(tw_group *group);
TW_API void tw_group_free(tw_group *group);

TW_API const tw_suite *tw_group_suite(const tw_group *group);
TW_API tw_bytes tw_group_id(const tw_group *group);
TW_API uint64_t tw_group_epoch(const tw_group *group);
TW_API uint32_t tw_group_own_leaf(const tw_group *group);
TW_API uint32_t tw_group_member_count(const tw_group *group);
/** GroupContext extensions, list; borrowed. */
TW_API tw_bytes tw_group_extensions(const tw_group *group);
TW_API tw_bytes tw_group_tree_hash(const tw_group *group);
TW_API tw_bytes tw_group_confirmed_transcript_hash(const tw_group *group);
/** Equal at all members of an epoch and at nobody else: to be compared out of band (section 8.7). Nh bytes. */
TW_API tw_bytes tw_group_epoch_authenticator(const tw_group *group);
/** Whether a ReInit was committed: the group is then closed for everything but its successor (section 12.4.2). */
TW_API bool tw_group_is_closed(const tw_group *group);

typedef struct tw_member {
  uint32_t leaf_index;
  tw_credential credential;
  tw_bytes signature_key;
  tw_bytes encryption_key;
  tw_bytes leaf_extensions; /* list */
} tw_member;
/** The first member at or after `*leaf_index`; false when there is none. Borrowed from the group. */
TW_API bool tw_group_next_member(const tw_group *group, uint32_t *leaf_index, tw_member *member);

/* ---- proposals (section 12.1): encoded ones are collected in a buffer, one after the other ---- */

TW_API TW_MUST_USE tw_err tw_propose_add(tw_buf *proposals, tw_bytes key_package_message);
TW_API TW_MUST_USE tw_err tw_propose_remove(tw_buf *proposals, uint32_t leaf_index);
/** External or application PSK by its id; the nonce is drawn. */
TW_API TW_MUST_USE tw_err tw_propose_psk(const tw_group *group, tw_buf *proposals, const tw_psk_query *psk);
TW_API TW_MUST_USE tw_err tw_propose_reinit(const tw_group *group, tw_buf *proposals, tw_bytes new_group_id, const tw_suite *suite,
                                            tw_bytes extensions);
TW_API TW_MUST_USE tw_err tw_propose_extensions(tw_buf *proposals, tw_bytes extensions);
TW_API TW_MUST_USE tw_err tw_propose_app_data_update(tw_buf *proposals, uint16_t component_id, tw_bytes update);
TW_API TW_MUST_USE tw_err tw_propose_app_data_remove(tw_buf *proposals, uint16_t component_id);
TW_API TW_MUST_USE tw_err tw_propose_app_ephemeral(tw_buf *proposals, uint16_t component_id, tw_bytes data);
TW_API TW_MUST_USE tw_err tw_propose_self_remove(tw_buf *proposals);

typedef struct tw_message_options {
  bool plaintext;          /* PublicMessage in place of PrivateMessage (handshake messages only) */
  tw_bytes authenticated_data;
} tw_message_options;

/**
 * Send one encoded proposal by itself; it is also collected here. TW_ERR_PROPOSAL when it could never be committed;
 * TW_ERR_LIFETIME for an Add of a key package outside its lifetime at `now` (0: not checked).
 */
TW_API TW_MUST_USE tw_err tw_group_propose(tw_group *group, tw_bytes proposal, const tw_message_options *options, uint64_t now,
                                           tw_buf *message);
/** An Update proposal of our own leaf with a fresh key (section 12.1.2). `client` NULL: identity as before. */
TW_API TW_MUST_USE tw_err tw_group_propose_update(tw_group *group, const tw_client *client, const tw_message_options *options,
                                                  tw_buf *message);
/** Forget the proposals collected in this epoch. */
TW_API void tw_group_forget_proposals(tw_group *group);
/** A proposal by an external sender, or by a new member for itself (section 12.1.8), for a group that we know by its GroupInfo. */
TW_API TW_MUST_USE tw_err tw_external_propose(const tw_client *client, tw_bytes group_id, uint64_t epoch, uint32_t sender_index,
                                              tw_bytes proposal, tw_buf *message);
TW_API TW_MUST_USE tw_err tw_external_propose_self(const tw_key_package *key_package, const tw_client *client, tw_bytes group_id,
                                                   uint64_t epoch, tw_buf *message);

/* ---- commits (section 12.4) ---- */

typedef struct tw_commit_options {
  tw_bytes proposals;       /* by value, as collected with tw_propose_… */
  bool without_collected;   /* leave out the proposals collected in this epoch (else all that are valid go in by reference) */
  bool without_path;        /* no fresh keys where the proposals allow that; the default is always a path */
  bool plaintext;           /* PublicMessage */
  bool tree_outside;        /* keep the ratchet tree out of the Welcome */
  bool want_group_info;     /* also a GroupInfo of the new epoch for external joins */
  tw_bytes group_info_extensions; /* list */
  tw_bytes authenticated_data;
  const tw_client *client;  /* a new identity, signer or leaf for ourselves; NULL: as before */
} tw_commit_options;

/** Zero-initialise; tw_commit_result_clear takes it in any state. */
typedef struct tw_commit_result {
  tw_group *next;    /* the epoch to adopt once the commit is accepted; free it if it is not */
  tw_buf commit;     /* MLSMessage */
  tw_buf welcome;    /* MLSMessage, empty when nobody was added */
  tw_buf group_info; /* MLSMessage, empty unless asked for */
} tw_commit_result;
TW_API void tw_commit_result_clear(tw_commit_result *result);

/** `options` NULL: a commit of all collected proposals with a path. */
TW_API TW_MUST_USE tw_err tw_group_commit(tw_group *group, const tw_commit_options *options, uint64_t now, tw_commit_result *result);
/** Join by an external commit (section 12.4.3.2); `options->proposals` may hold PSK proposals and one Remove of our former leaf. */
TW_API TW_MUST_USE tw_err tw_group_join_external(const tw_client *client, tw_bytes group_info, const tw_join_options *join,
                                                 const tw_commit_options *options, uint64_t now, tw_commit_result *result);

/* ---- messages ---- */

/** Application data to the group: a PrivateMessage (section 15). */
TW_API TW_MUST_USE tw_err tw_group_protect(tw_group *group, tw_bytes data, tw_bytes authenticated_data, tw_buf *message);

typedef enum tw_received_kind {
  TW_RECEIVED_APPLICATION = 1, /* `data` */
  TW_RECEIVED_PROPOSAL = 2,    /* collected */
  TW_RECEIVED_COMMIT = 3,      /* `next` */
  TW_RECEIVED_REMOVED = 4      /* a commit that removes us: there is no next epoch for us */
} tw_received_kind;

/** Zero-initialise; tw_received_clear takes it in any state. */
typedef struct tw_received {
  tw_received_kind kind;
  uint8_t sender_type;    /* 1 member, 2 external, 3 new member's proposal, 4 new member's commit */
  uint32_t sender;        /* leaf index, or index in external_senders */
  tw_buf data;            /* application data, or the encoded proposal */
  tw_buf authenticated_data;
  tw_group *next;
} tw_received;
TW_API void tw_received_clear(tw_received *received);

/** A PublicMessage or PrivateMessage of this epoch. On error nothing has changed. */
TW_API TW_MUST_USE tw_err tw_group_receive(tw_group *group, tw_bytes message, uint64_t now, tw_received *received);

/** The group and epoch that a PublicMessage or PrivateMessage is for, without checking anything else; for routing. */
TW_API TW_MUST_USE tw_err tw_message_peek(const tw_env *env, tw_bytes message, tw_bytes *group_id, uint64_t *epoch);

/* ---- what the group gives ---- */

/** MLS-Exporter (section 8.5). */
TW_API TW_MUST_USE tw_err tw_group_export(const tw_group *group, tw_bytes label, tw_bytes context, uint8_t *out, size_t len);
/** SafeExportSecret (draft-ietf-mls-extensions): Nh bytes, once per epoch and component (TW_ERR_DUPLICATE). */
TW_API TW_MUST_USE tw_err tw_group_safe_export(tw_group *group, uint16_t component_id, uint8_t *out, size_t *len);
/** The group's resumption PSK of this epoch or a kept earlier one, for another group's psk callback. TW_ERR_MISSING_PSK. */
TW_API TW_MUST_USE tw_err tw_group_resumption_psk(const tw_group *group, uint64_t epoch, tw_buf *secret);
/** MLSMessage(GroupInfo) for external joins; `with_tree`: the ratchet_tree extension in it. */
TW_API TW_MUST_USE tw_err tw_group_info_message(const tw_group *group, bool with_tree, tw_bytes extensions, tw_buf *out);
/** The ratchet_tree for those who get it out of band. */
TW_API TW_MUST_USE tw_err tw_group_ratchet_tree(const tw_group *group, tw_buf *out);
/** Safe application interface (draft-ietf-mls-extensions) with our leaf's keys. */
TW_API TW_MUST_USE tw_err tw_group_safe_sign(const tw_group *group, uint16_t component_id, tw_bytes label, tw_bytes content,
                                             tw_buf *signature);
TW_API TW_MUST_USE tw_err tw_group_safe_verify(const tw_group *group, uint32_t leaf_index, uint16_t component_id, tw_bytes label,
                                               tw_bytes content, tw_bytes signature);
TW_API TW_MUST_USE tw_err tw_group_safe_encrypt(const tw_group *group, uint32_t leaf_index, uint16_t component_id, tw_bytes label,
                                                tw_bytes context, tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext);
TW_API TW_MUST_USE tw_err tw_group_safe_decrypt(const tw_group *group, uint16_t component_id, tw_bytes label, tw_bytes context,
                                                tw_bytes kem_output, tw_bytes ciphertext, tw_buf *plaintext);

/* ---- subgroups (sections 11.2 and 11.3) ---- */

/** A new group with some members of this one: their fresh key packages' messages in `key_packages`. */
TW_API TW_MUST_USE tw_err tw_group_branch(tw_group *group, const tw_client *client, tw_bytes group_id, const tw_bytes *key_packages,
                                          size_t count, uint64_t now, tw_commit_result *result);
/** The successor of a closed group, with all its members: by its ReInit's group id, suite, extensions. `client` has that suite. */
TW_API TW_MUST_USE tw_err tw_group_reinit(tw_group *closed, const tw_client *client, const tw_bytes *key_packages, size_t count,
                                          uint64_t now, tw_commit_result *result);

/* ---- durable state ---- */

/** One blob with all of the epoch, its secrets included (the signer is the client's); versioned. `out` is the caller's to clear. */
TW_API TW_MUST_USE tw_err tw_group_save(const tw_group *group, tw_buf *out);
/**
 * TW_ERR_UNSUPPORTED for a version not known or another suite than the client's, malformed for a damaged one, TW_ERR_ARGUMENT
 * when it was saved with another signer than the client's.
 */
TW_API TW_MUST_USE tw_err tw_group_load(const tw_client *client, tw_bytes saved, tw_group **group);

#endif
