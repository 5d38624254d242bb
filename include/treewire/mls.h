/* MLS groups (RFC 9420, draft-ietf-mls-extensions). SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_MLS_H
#define TREEWIRE_MLS_H

#include <treewire/env.h>

/*
 * The shape of it: a tw_client says who we are and whom we accept. A tw_group is ONE EPOCH of one group. Making a
 * commit reads it and yields the next epoch beside it, and so does processing one: the old value stays as it was until
 * the caller frees it, so a commit that loses a race is simply thrown away. Within an epoch only three things change:
 * message keys are used up, proposals are collected, components take their exported secrets.
 *
 * Adopt, save, send: take the next epoch, tw_group_save it in one write, then release the bytes that depend on it.
 *
 * For all functions here:
 * - Bytes passed in are borrowed for the call; what a returned view borrows from is said with it.
 * - tw_buf outputs are appended to, and are as before on error. Other outputs are written on success alone.
 * - `now` is in seconds since 1970: lifetimes are made and checked by it, and the policy is told. What is checked is
 * not checked for its lifetime at 0.
 * - "List" of extensions: struct { uint16 type; opaque data<V>; } one after the other, no type twice, without the
 *   list's own length. tw_extension_append makes one.
 * - Every function that returns tw_err may return TW_ERR_NO_MEMORY, and those that make keys, nonces or messages,
 *   or join or load a group (whose tables are keyed at random), TW_ERR_RANDOM: nothing has changed then, try again.
 *   Errors named below come beside these.
 * - Functions that decode a peer's bytes return any error of the classes malformed (the bytes), forbidden (what they
 *   ask for), crypto (what they prove), stale, duplicate, resync. err.h says by class what to do.
 */

typedef struct tw_group tw_group;
typedef struct tw_key_package tw_key_package;

/** A credential (RFC 9420 section 5.3). */
typedef struct tw_credential {
  uint16_t type;     /* 1 basic, 2 x509 */
  tw_bytes identity; /* basic: the identity; x509: opaque cert_data<V> one after the other, end-entity one first */
} tw_credential;

/** When the Authentication Service is asked (RFC 9420 section 5.3.1). */
typedef enum tw_credential_event {
  TW_CREDENTIAL_IN_TREE = 1, /* a member of a group that we join; our own leaf is among them when a Welcome is taken */
  TW_CREDENTIAL_ADDED = 2,   /* a client that an Add proposal brings in */
  TW_CREDENTIAL_UPDATED = 3, /* a member's Update proposal or commit path, also when only its keys have changed */
  TW_CREDENTIAL_JOINS = 4,   /* a client that joins by an external commit */
  TW_CREDENTIAL_EXTERNAL = 5 /* an external sender named by the GroupContext extension external_senders */
} tw_credential_event;

/** One question to the Authentication Service. Borrowed for the call. */
typedef struct tw_credential_use {
  tw_credential_event event;
  tw_bytes group_id;
  uint32_t leaf_index; /* UINT32_MAX where there is none yet */
  tw_credential credential;
  tw_bytes signature_key;     /* as in LeafNode.signature_key; that an X.509 end-entity certificate has it is checked */
  const tw_credential *old;   /* TW_CREDENTIAL_UPDATED: what the leaf had before, else NULL */
  tw_bytes old_signature_key; /* TW_CREDENTIAL_UPDATED */
  uint64_t now;               /* as the caller gave it */
} tw_credential_use;

/** A PSK that is asked for (RFC 9420 section 8.4). Resumption PSKs of the group itself are found by the library. */
typedef struct tw_psk_query {
  uint8_t type;          /* 1 external, 2 resumption, 3 application (draft-ietf-mls-extensions) */
  tw_bytes psk_id;       /* external, application */
  uint16_t component_id; /* application */
  uint8_t usage;         /* resumption: 1 application, 2 reinit, 3 branch */
  tw_bytes psk_group_id; /* resumption */
  uint64_t psk_epoch;    /* resumption */
} tw_psk_query;

/**
 * The caller's decisions. `ctx` is handed back. A NULL callback refuses. Callbacks may be asked more than once about
 * the same thing, may not call functions that take the group in question, and have no effect of their own until the
 * call that asks returns TW_OK. An error of class resource (TW_ERR_NO_MEMORY) comes back to the caller as it is, any
 * other as the refusal named here.
 */
typedef struct tw_policy {
  void *ctx;
  /**
   * The Authentication Service: TW_OK to accept, TW_ERR_CREDENTIAL to refuse. For X.509 it has to verify the chain,
   * the names and the validity at `use->now`: the library checks the end-entity certificate's key alone. Such a policy
   * may refuse with TW_ERR_CERTIFICATE, TW_ERR_CERTIFICATE_USE, TW_ERR_CERTIFICATE_EXPIRED, TW_ERR_CERTIFICATE_REVOKED
   * or TW_ERR_UNKNOWN_CA too, which come back to the caller as they are, so that the peer can be told.
   */
  tw_err (*credential)(void *ctx, const tw_credential_use *use);
  /** Append the secret of a PSK (any length), or TW_ERR_MISSING_PSK. Errors come back to the caller as they are. */
  tw_err (*psk)(void *ctx, const tw_psk_query *query, tw_buf *secret);
  /**
   * AppDataUpdate: `update` comes on top of `old` (has_old false: none); append the component's new data. Called once
   * for each update in the commit's order. All members have to come to the same data. TW_ERR_PROPOSAL refuses it.
   */
  tw_err (*app_data_update)(void *ctx, uint16_t component_id, bool has_old, tw_bytes old, tw_bytes update,
                            tw_buf *data);
  /** AppEphemeral: TW_OK to accept, TW_ERR_PROPOSAL to refuse. */
  tw_err (*app_ephemeral)(void *ctx, uint16_t component_id, tw_bytes data);
} tw_policy;

/**
 * Who we are. Borrowed by groups and key packages: outlives them and does not move, and neither does what it points
 * to. Zero-initialise; env, suite, signer and credential are needed, the rest may stay zero (but see tw_policy).
 */
typedef struct tw_client {
  const tw_env *env;
  const tw_suite *suite;
  tw_signer *signer; /* fits the suite; groups and key packages take references of their own */
  tw_credential credential;
  tw_policy policy;
  /** Leaf extensions beyond the library's own, a list. Types unknown to RFC 9420 belong in extra_extensions too. */
  tw_bytes leaf_extensions;
  /**
   * Further code points for our capabilities, each a list of big-endian uint16. The library lists the suite, extension
   * 6, proposals 8, 9 and 10, credentials 1 and 2, and one GREASE value each (RFC 9420 section 13.5).
   */
  tw_bytes extra_extensions;
  tw_bytes extra_proposals;
  tw_bytes extra_credentials;
  /** Suites that we offer besides `suite`, big-endian uint16. */
  tw_bytes extra_suites;
} tw_client;

/* ---- key packages (RFC 9420 section 10) ---- */

/** Zero-initialised: the defaults. */
typedef struct tw_key_package_options {
  uint64_t not_before; /* seconds since 1970; 0: an hour before now, for peers whose clocks are slow */
  uint64_t not_after;  /* 0: 84 days after now */
  bool last_resort;    /* may be used more than once: component 4 of draft-ietf-mls-extensions */
  tw_bytes extensions; /* list, may be empty; types that RFC 9420 does not define also in client.extra_extensions */
} tw_key_package_options;

/**
 * Make a key package with fresh init and leaf keys. `options` NULL: the defaults. To be published by its message, kept
 * (tw_key_package_save) until a Welcome comes, used once, then freed and deleted, unless it is a last resort.
 * Errors: TW_ERR_ARGUMENT (an incomplete client, a signer of another suite), TW_ERR_ENCODING (a list is none).
 */
TW_API TW_MUST_USE tw_err tw_key_package_new(const tw_client *client, const tw_key_package_options *options,
                                             uint64_t now, tw_key_package **key_package);
/** MLSMessage(KeyPackage), to publish. Borrowed from the key package. */
TW_API tw_bytes tw_key_package_message(const tw_key_package *key_package);
/** KeyPackageRef (section 5.2), Nh bytes, by which a Welcome names it. Borrowed from the key package. */
TW_API tw_bytes tw_key_package_reference(const tw_key_package *key_package);
/** With its private keys, for durable storage; versioned. Secret: `out` is the caller's to clear. */
TW_API TW_MUST_USE tw_err tw_key_package_save(const tw_key_package *key_package, tw_buf *out);
/**
 * The key package of a blob of tw_key_package_save. Errors: TW_ERR_UNSUPPORTED for a version not known or another
 * suite than the client's; malformed, forbidden or crypto for a damaged blob: it is lost, make a new one.
 */
TW_API TW_MUST_USE tw_err tw_key_package_load(const tw_client *client, tw_bytes saved, tw_key_package **key_package);
/** NULL is fine. Private keys are wiped. */
TW_API void tw_key_package_free(tw_key_package *key_package);

/** What a KeyPackage message says. Borrowed from the message. */
typedef struct tw_key_package_info {
  uint16_t cipher_suite;
  tw_credential credential;
  tw_bytes signature_key;
  tw_bytes init_key;
  tw_bytes leaf_extensions; /* list */
  tw_bytes extensions;      /* list */
  uint64_t not_before;      /* seconds since 1970 */
  uint64_t not_after;
} tw_key_package_info;
/**
 * Check somebody's KeyPackage (section 10.1), signatures included, and tell what is in it. The policy is not asked.
 * Errors: TW_ERR_UNEXPECTED for another message, TW_ERR_UNSUPPORTED (version or suite), TW_ERR_LIFETIME,
 * TW_ERR_CAPABILITY, TW_ERR_KEY, TW_ERR_KEY_REUSED, TW_ERR_SIGNATURE, TW_ERR_CREDENTIAL (the certificate has another
 * key): get another one from its owner.
 */
TW_API TW_MUST_USE tw_err tw_key_package_inspect(const tw_env *env, tw_bytes message, uint64_t now,
                                                 tw_key_package_info *info);

/** The data of the extension `type` in a list; false when there is none. Borrowed from the list. */
TW_API bool tw_extension_lookup(tw_bytes extensions, uint16_t type, tw_bytes *data);
/** The data of a component in the list's app_data_dictionary; false when there is none. Borrowed from the list. */
TW_API bool tw_component_lookup(tw_bytes extensions, uint16_t component_id, tw_bytes *data);
/** Append an extension to a list. TW_ERR_ARGUMENT when the type is there already. */
TW_API TW_MUST_USE tw_err tw_extension_append(tw_buf *extensions, uint16_t type, tw_bytes data);
/**
 * Set a component's data in the list's app_data_dictionary (extension 6), adding the dictionary where there is none.
 * Malformed when the dictionary in the list is.
 */
TW_API TW_MUST_USE tw_err tw_component_set(tw_buf *extensions, uint16_t component_id, tw_bytes data);

/* ---- groups ---- */

/**
 * A group of one, ourselves, at epoch 0 (section 11). `group_id` must be unique among the application's groups.
 * `extensions` is the list of the GroupContext. Free with tw_group_free. The policy is not asked.
 * Errors: TW_ERR_ARGUMENT (client), TW_ERR_ENCODING (extensions), TW_ERR_CAPABILITY (our own leaf does not list what
 * the extensions need: client.extra_extensions and its like).
 */
TW_API TW_MUST_USE tw_err tw_group_create(const tw_client *client, tw_bytes group_id, tw_bytes extensions, uint64_t now,
                                          tw_group **group);

/** Zero-initialised: the tree is in the message, and the group is no branch or successor. */
typedef struct tw_join_options {
  tw_bytes ratchet_tree;        /* where the Welcome or GroupInfo has none: as from tw_group_ratchet_tree */
  bool replaces_self;           /* external joins: a leaf with our signature key, our former self, is removed */
  const tw_bytes *self_removes; /* external joins: all SelfRemoves of the epoch, MLSMessages as they came */
  size_t self_remove_count;
  /**
   * Welcomes: the signed GroupInfo has to name our KeyPackage, else TW_ERR_BINDING. Nothing else in a Welcome that is
   * signed names our init key: without this, whoever has stolen our signature key can pass a KeyPackage off as ours
   * that has our leaf and his init key, read the Welcome, and encrypt it again for us (docs/security.md).
   */
  bool wants_to_be_named;
  const tw_group *origin; /* the group that this one must be the successor or a branch of (sections 11.2 and 11.3) */
} tw_join_options;

/**
 * Join by a Welcome (section 12.4.3.1). `options` may be NULL. The key package stays the caller's: save the group,
 * then free and delete it. The policy is asked about every member. Validating takes time linear in the members.
 * That no other group of the caller's has the same id (tw_group_id) is the caller's to check: a call knows one group.
 * Errors: TW_ERR_WRONG_GROUP when the Welcome is not for this key package (try others), TW_ERR_UNSUPPORTED (suite),
 * TW_ERR_MISSING_TREE and TW_ERR_MISSING_PSK (fetch it and try again), TW_ERR_CREDENTIAL, TW_ERR_FORBIDDEN (a branch
 * or successor of another group than `origin`, or none where one was asked for), TW_ERR_ARGUMENT (the key package is
 * of another suite than the client).
 */
TW_API TW_MUST_USE tw_err tw_group_join(const tw_client *client, const tw_key_package *key_package, tw_bytes welcome,
                                        const tw_join_options *options, uint64_t now, tw_group **group);
/** The same epoch again, for holders that share it: each frees its own reference. NULL is fine. */
TW_API tw_group *tw_group_ref(tw_group *group);
/** Drop one reference; with the last one the epoch's secrets are wiped. NULL is fine. */
TW_API void tw_group_free(tw_group *group);

/** A constant. */
TW_API const tw_suite *tw_group_suite(const tw_group *group);
/** Borrowed from the group. */
TW_API tw_bytes tw_group_id(const tw_group *group);
/** 0 for a group just created. */
TW_API uint64_t tw_group_epoch(const tw_group *group);
/** Our leaf index. */
TW_API uint32_t tw_group_own_leaf(const tw_group *group);
/** Members, ourselves included. */
TW_API uint32_t tw_group_member_count(const tw_group *group);
/** The GroupContext's extensions, list. Borrowed from the group. */
TW_API tw_bytes tw_group_extensions(const tw_group *group);
/** GroupContext.tree_hash (section 7.8), Nh bytes. Borrowed from the group. */
TW_API tw_bytes tw_group_tree_hash(const tw_group *group);
/** GroupContext.confirmed_transcript_hash (section 8.2), empty in epoch 0. Borrowed from the group. */
TW_API tw_bytes tw_group_confirmed_transcript_hash(const tw_group *group);
/** Equal at all members of an epoch and at nobody else, to be compared out of band (section 8.7). Nh bytes, borrowed.
 */
TW_API tw_bytes tw_group_epoch_authenticator(const tw_group *group);
/** Whether a ReInit was committed: nothing more can be sent or committed then, see tw_group_reinit (section 12.4.2). */
TW_API bool tw_group_is_closed(const tw_group *group);

/** A member's leaf. Borrowed from the group. */
typedef struct tw_member {
  uint32_t leaf_index;
  tw_credential credential;
  tw_bytes signature_key;
  tw_bytes encryption_key;
  tw_bytes leaf_extensions; /* list */
} tw_member;
/**
 * The first member at or after `*leaf_index`, which becomes that member's; false when there is none. To go through all:
 * `for (uint32_t i = 0; tw_group_next_member(group, &i, &member); i++)`.
 */
TW_API bool tw_group_next_member(const tw_group *group, uint32_t *leaf_index, tw_member *member);

/*
 * ---- proposals (section 12.1) ----
 * Encoded ones are collected in a buffer, one after the other, for tw_commit_options.proposals; or one at a time for
 * tw_group_propose. Rules that need a group are checked there.
 */

/** Add the owner of a KeyPackage. TW_ERR_UNEXPECTED or malformed when the message is none. */
TW_API TW_MUST_USE tw_err tw_propose_add(tw_buf *proposals, tw_bytes key_package_message);
/** Remove a member, not the committer itself. That the leaf is one is checked by the call that takes the proposal. */
TW_API TW_MUST_USE tw_err tw_propose_remove(tw_buf *proposals, uint32_t leaf_index);
/**
 * An external, application or resumption (usage 1) PSK by its id; the nonce is drawn. All members need the secret, from
 * policy.psk or, for resumption PSKs of this group, their own kept epochs. TW_ERR_ARGUMENT for other types and usages.
 */
TW_API TW_MUST_USE tw_err tw_propose_psk(const tw_group *group, tw_buf *proposals, const tw_psk_query *psk);
/** Close the group in favour of a successor of `suite`, with the list `extensions` (section 11.2). */
TW_API TW_MUST_USE tw_err tw_propose_reinit(const tw_group *group, tw_buf *proposals, tw_bytes new_group_id,
                                            const tw_suite *suite, tw_bytes extensions);
/** GroupContextExtensions: `extensions`, a list, takes the place of the whole list in force. */
TW_API TW_MUST_USE tw_err tw_propose_extensions(tw_buf *proposals, tw_bytes extensions);
/** AppDataUpdate: what `update` means is up to policy.app_data_update. */
TW_API TW_MUST_USE tw_err tw_propose_app_data_update(tw_buf *proposals, uint16_t component_id, tw_bytes update);
/** AppDataUpdate with op remove: the component's data leaves the GroupContext. */
TW_API TW_MUST_USE tw_err tw_propose_app_data_remove(tw_buf *proposals, uint16_t component_id);
/** AppEphemeral: data that comes with the commit and leaves nothing in the group. */
TW_API TW_MUST_USE tw_err tw_propose_app_ephemeral(tw_buf *proposals, uint16_t component_id, tw_bytes data);
/** SelfRemove: others remove us. By itself and as a PublicMessage only (tw_group_propose with plaintext). */
TW_API TW_MUST_USE tw_err tw_propose_self_remove(tw_buf *proposals);

/** Zero-initialised: a PrivateMessage without authenticated data. */
typedef struct tw_message_options {
  bool plaintext;              /* PublicMessage in place of PrivateMessage */
  tw_bytes authenticated_data; /* readable by all on the way; a SafeAAD where the GroupContext has component 2 */
} tw_message_options;

/**
 * Send one encoded proposal by itself; it is collected here too, for the next commit. `options` may be NULL.
 * Errors: TW_ERR_PROPOSAL when it could never be committed (an Update or ExternalInit too, and a second SelfRemove of
 * ours), TW_ERR_CAPABILITY when a member does not support its type, TW_ERR_LIMIT (limits.proposals), TW_ERR_CLOSED,
 * TW_ERR_ARGUMENT (a SelfRemove that is not plaintext, authenticated data that is no SafeAAD where one is needed), for
 * an Add those of tw_key_package_inspect and TW_ERR_CREDENTIAL.
 */
TW_API TW_MUST_USE tw_err tw_group_propose(tw_group *group, tw_bytes proposal, const tw_message_options *options,
                                           uint64_t now, tw_buf *message);
/**
 * An Update proposal of our own leaf with a fresh key (section 12.1.2), to be committed by somebody else. `client`
 * NULL: identity as before; else its identity and signer become ours with that commit. Its private key is kept with the
 * collected proposals (tw_group_save has it). Errors: TW_ERR_ARGUMENT (a client of another suite or env), TW_ERR_LIMIT,
 * TW_ERR_CLOSED.
 */
TW_API TW_MUST_USE tw_err tw_group_propose_update(tw_group *group, const tw_client *client,
                                                  const tw_message_options *options, tw_buf *message);
/** Forget the proposals collected in this epoch; a commit that refers to one of them is TW_ERR_MISSING_PROPOSAL then.
 */
TW_API void tw_group_forget_proposals(tw_group *group);
/**
 * A proposal by an external sender (section 12.1.8.1): `sender_index` counts in the GroupContext's external_senders,
 * which has to hold the client's credential and key. Only the proposal's encoding is checked here. Always a
 * PublicMessage.
 */
TW_API TW_MUST_USE tw_err tw_external_propose(const tw_client *client, tw_bytes group_id, uint64_t epoch,
                                              uint32_t sender_index, tw_bytes proposal, tw_buf *message);
/** A new member's own Add (section 12.1.8): a member commits it and sends the Welcome. Always a PublicMessage. */
TW_API TW_MUST_USE tw_err tw_external_propose_self(const tw_key_package *key_package, const tw_client *client,
                                                   tw_bytes group_id, uint64_t epoch, tw_buf *message);

/* ---- commits (section 12.4) ---- */

/** Zero-initialised: a PrivateMessage with a path and all collected proposals. */
typedef struct tw_commit_options {
  tw_bytes proposals;     /* by value, as collected with tw_propose_… */
  bool without_collected; /* leave out the proposals collected in this epoch; the default takes all that fit together */
  bool without_path;      /* no fresh keys where the proposals allow that (section 17.4): no healing of ours then */
  bool plaintext;         /* PublicMessage */
  bool tree_outside;      /* keep the ratchet tree out of the Welcome and GroupInfo: tw_group_ratchet_tree gives it */
  bool want_group_info;   /* also a GroupInfo of the new epoch for external joins */
  /**
   * The Welcome's signed GroupInfo names the KeyPackages that it was made for (a component of its app_data_dictionary,
   * docs/protocols.md), for joiners that insist: see tw_join_options.
   */
  bool names_key_packages;
  tw_bytes group_info_extensions; /* list */
  tw_bytes authenticated_data;    /* as in tw_message_options */
  const tw_client
      *client; /* a new identity, signer or leaf for ourselves, borrowed by the next epoch; NULL: as before */
} tw_commit_options;

/** Zero-initialise; tw_commit_result_clear takes it in any state. A call overwrites it: clear it before another one. */
typedef struct tw_commit_result {
  tw_group *next;    /* the epoch to adopt once the commit is accepted; free it if it is not */
  tw_buf commit;     /* MLSMessage, for all members */
  tw_buf welcome;    /* MLSMessage, for all who were added; empty when nobody was */
  tw_buf group_info; /* MLSMessage, empty unless asked for */
} tw_commit_result;
/** Frees what is still in there; take out what you keep and leave NULL or zeros. */
TW_API void tw_commit_result_clear(tw_commit_result *result);

/**
 * Make a commit. `options` NULL: the defaults. The group stays in its epoch: send the commit, and when the Delivery
 * Service has accepted it (not another one), adopt `next` and send the Welcome. Where nobody orders commits, adopt at
 * once. Of the collected proposals, our own Updates and SelfRemoves, those that do not fit with others, want a PSK that
 * we lack or pass a limit stay behind.
 * Errors: TW_ERR_PROPOSAL, TW_ERR_CAPABILITY, TW_ERR_KEY_REUSED, TW_ERR_CREDENTIAL and those of
 * tw_key_package_inspect for proposals by value that may not be committed (section 12.2), TW_ERR_MISSING_PSK,
 * TW_ERR_LIMIT (limits.proposals, limits.psks, limits.tree_leaves), TW_ERR_CLOSED, TW_ERR_ARGUMENT (options).
 */
TW_API TW_MUST_USE tw_err tw_group_commit(tw_group *group, const tw_commit_options *options, uint64_t now,
                                          tw_commit_result *result);
/**
 * Join by an external commit (section 12.4.3.2), given an MLSMessage(GroupInfo) with external_pub. `join` and `options`
 * may be NULL. Of the options, `proposals` (PSKs, AppDataUpdates, AppEphemerals, and one Remove of our former leaf),
 * authenticated_data, want_group_info, tree_outside and group_info_extensions count; the commit is a PublicMessage with
 * a path. `join->self_removes` go in by reference; an error about one of them fails the call, leave that one out.
 * There is no Welcome. Errors: as tw_group_join and tw_group_commit, TW_ERR_UNEXPECTED for another message,
 * TW_ERR_FORBIDDEN when the GroupInfo has no external_pub.
 */
TW_API TW_MUST_USE tw_err tw_group_join_external(const tw_client *client, tw_bytes group_info,
                                                 const tw_join_options *join, const tw_commit_options *options,
                                                 uint64_t now, tw_commit_result *result);

/* ---- messages ---- */

/**
 * Application data to the group: a PrivateMessage (section 15). Uses up a message key: where the group is durable, save
 * it before sending, so that a restart does not use that key again.
 * Errors: TW_ERR_PENDING while proposals are collected that have to be committed first (section 12.4), TW_ERR_KEY_LIMIT
 * after 2^32 messages of an epoch (commit), TW_ERR_CLOSED, TW_ERR_ARGUMENT (authenticated data that is no SafeAAD where
 * one is needed).
 */
TW_API TW_MUST_USE tw_err tw_group_protect(tw_group *group, tw_bytes data, tw_bytes authenticated_data,
                                           tw_buf *message);

typedef enum tw_received_kind {
  TW_RECEIVED_APPLICATION = 1, /* `data` */
  TW_RECEIVED_PROPOSAL = 2,    /* `data`; collected */
  TW_RECEIVED_COMMIT = 3,      /* `next`, to be adopted */
  TW_RECEIVED_REMOVED = 4      /* a commit that removes us: there is no next epoch; free the group */
} tw_received_kind;

/** Zero-initialise; tw_received_clear takes it in any state. A call overwrites it: clear it before another one. */
typedef struct tw_received {
  tw_received_kind kind;
  uint8_t sender_type; /* 1 member, 2 external, 3 new member's proposal, 4 new member's commit */
  uint32_t sender;  /* leaf index (4: the one it gets), or index in external_senders; 0 for a new member's proposal */
  bool update_only; /* commit: it has a path and no proposals, so that nothing but its sender's keys has changed */
  tw_buf data;      /* application data, or the encoded proposal */
  tw_buf authenticated_data;
  tw_group *next;
} tw_received;
/** Frees what is still in there; take out `next` and leave NULL to keep it. */
TW_API void tw_received_clear(tw_received *received);

/**
 * Take a PublicMessage or PrivateMessage of this epoch: open, verify, and for a commit derive the next epoch. On error
 * nothing has changed, no key is used up. Application data and proposals change the group: save it. A commit's `next`
 * is adopted in place of the group.
 * Errors, beside those of the classes: TW_ERR_OLD_EPOCH, TW_ERR_OLD_GENERATION, TW_ERR_DUPLICATE (ours as a
 * PrivateMessage, too) and TW_ERR_OWN_MESSAGE (ours as a PublicMessage): ignore; TW_ERR_FUTURE_EPOCH: keep it until the
 * commits before it have come; TW_ERR_MISSING_PROPOSAL, TW_ERR_MISSING_PSK: get it and try again, or rejoin;
 * TW_ERR_LIMIT for a generation more than limits.skipped_generations ahead; TW_ERR_WRONG_GROUP: for another group;
 * TW_ERR_UNEXPECTED: not such a message; TW_ERR_CLOSED.
 */
TW_API TW_MUST_USE tw_err tw_group_receive(tw_group *group, tw_bytes message, uint64_t now, tw_received *received);

/**
 * The group and epoch that a PublicMessage or PrivateMessage is for, for routing. Nothing but the encoding is checked.
 * The group id is borrowed from the message. TW_ERR_UNEXPECTED for other messages.
 */
TW_API TW_MUST_USE tw_err tw_message_peek(const tw_env *env, tw_bytes message, tw_bytes *group_id, uint64_t *epoch);

/* ---- what the group gives ---- */

/**
 * MLS-Exporter (section 8.5): `len` bytes (at most 255 * Nh, else TW_ERR_ARGUMENT), equal at all members of the epoch.
 * Allocates nothing; the label asked for last is the cheapest.
 */
TW_API TW_MUST_USE tw_err tw_group_export(const tw_group *group, tw_bytes label, tw_bytes context, uint8_t *out,
                                          size_t len);
/**
 * SafeExportSecret (draft-ietf-mls-extensions): `*len` = Nh <= 64 bytes into `out`, once per epoch and component, then
 * it is gone from the group (forward secrecy): TW_ERR_DUPLICATE. Changes the group: save it.
 */
TW_API TW_MUST_USE tw_err tw_group_safe_export(tw_group *group, uint16_t component_id, uint8_t *out, size_t *len);
/**
 * The group's resumption PSK (section 8.6) of this epoch or of one of the limits.past_epochs before it, for another
 * group's policy.psk. Secret. TW_ERR_MISSING_PSK when it is not kept.
 */
TW_API TW_MUST_USE tw_err tw_group_resumption_psk(const tw_group *group, uint64_t epoch, tw_buf *secret);
/**
 * MLSMessage(GroupInfo) with external_pub, for external joins (section 12.4.3). `with_tree`: the ratchet tree is in it.
 * `extensions`: further ones, list. It lets its holder join: give it to those who may. TW_ERR_CLOSED.
 */
TW_API TW_MUST_USE tw_err tw_group_info_message(const tw_group *group, bool with_tree, tw_bytes extensions,
                                                tw_buf *out);
/** The ratchet_tree (section 12.4.3.3) for those who get it out of band, see tw_join_options. */
TW_API TW_MUST_USE tw_err tw_group_ratchet_tree(const tw_group *group, tw_buf *out);

/*
 * The Safe Application Interface of draft-ietf-mls-extensions: signatures and encryption by leaf keys, separated from
 * MLS's own uses and from each other by component and label. TW_ERR_ARGUMENT for a leaf that is blank.
 */
/** SafeSignWithLabel by our leaf's signature key. */
TW_API TW_MUST_USE tw_err tw_group_safe_sign(const tw_group *group, uint16_t component_id, tw_bytes label,
                                             tw_bytes content, tw_buf *signature);
/** SafeVerifyWithLabel by a member's. TW_ERR_SIGNATURE. */
TW_API TW_MUST_USE tw_err tw_group_safe_verify(const tw_group *group, uint32_t leaf_index, uint16_t component_id,
                                               tw_bytes label, tw_bytes content, tw_bytes signature);
/** SafeEncryptWithLabel to a member's leaf encryption key. */
TW_API TW_MUST_USE tw_err tw_group_safe_encrypt(const tw_group *group, uint32_t leaf_index, uint16_t component_id,
                                                tw_bytes label, tw_bytes context, tw_bytes plaintext,
                                                tw_buf *kem_output, tw_buf *ciphertext);
/** SafeDecryptWithLabel by ours of this epoch. TW_ERR_DECRYPT. */
TW_API TW_MUST_USE tw_err tw_group_safe_decrypt(const tw_group *group, uint16_t component_id, tw_bytes label,
                                                tw_bytes context, tw_bytes kem_output, tw_bytes ciphertext,
                                                tw_buf *plaintext);

/* ---- subgroups (sections 11.2 and 11.3) ---- */

/**
 * A new group with some members of this one, by fresh key packages of theirs (messages), linked to it by a resumption
 * PSK. It has this group's suite and extensions. `result` is at epoch 1: adopt and save `next`, send the Welcome; its
 * commit is for nobody. Joiners name this group as tw_join_options.origin.
 * Errors: TW_ERR_ARGUMENT when a key package's credential is not, byte for byte, that of a member, or the client is of
 * another suite; TW_ERR_CLOSED; those of tw_group_commit.
 */
TW_API TW_MUST_USE tw_err tw_group_branch(tw_group *group, const tw_client *client, tw_bytes group_id,
                                          const tw_bytes *key_packages, size_t count, uint64_t now,
                                          tw_commit_result *result);
/**
 * The successor of a closed group, by its ReInit's group id, suite and extensions, with all its members but ourselves
 * in `key_packages`. `client` has that suite. Otherwise as tw_group_branch. Errors: TW_ERR_STATE when the group is not
 * closed, TW_ERR_UNSUPPORTED when the ReInit asks for a version other than mls10, TW_ERR_ARGUMENT when a member is
 * missing or the client is of another suite; those of tw_group_commit.
 */
TW_API TW_MUST_USE tw_err tw_group_reinit(tw_group *closed, const tw_client *client, const tw_bytes *key_packages,
                                          size_t count, uint64_t now, tw_commit_result *result);

/* ---- durable state ---- */

/**
 * One blob with all of the epoch: secrets, collected proposals, message keys that are left. The client's signer is not
 * in it; one that an older leaf still uses is. Versioned, with a digest against damage (not against malice). Secret:
 * encrypt it where it is kept; `out` is the caller's to clear.
 */
TW_API TW_MUST_USE tw_err tw_group_save(const tw_group *group, tw_buf *out);
/**
 * The group of a blob of tw_group_save. Errors: TW_ERR_UNSUPPORTED for a version not known or another suite than the
 * client's, malformed for a damaged one (rejoin), TW_ERR_ARGUMENT when it was saved with another signer than the
 * client's.
 */
TW_API TW_MUST_USE tw_err tw_group_load(const tw_client *client, tw_bytes saved, tw_group **group);

#endif
