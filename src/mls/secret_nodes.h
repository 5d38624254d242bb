/* A binary tree of secrets that is derived from its root on demand: RFC 9420 section 9. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_SECRET_NODES_H
#define TW_MLS_SECRET_NODES_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/label.h"

/*
 * What the secret tree and the Exporter Tree share. A node either holds its secret, or was consumed: then its children
 * exist, or it is a leaf whose secret was taken. The deletion schedule (section 9.2) holds by construction: children
 * come into being and their parent's secret is wiped in the same step.
 *
 * Taking a leaf goes in two steps, so that what an unverified message makes us derive changes nothing:
 * tw_secret_path_derive works beside the tree, tw_secret_path_adopt puts the outcome in and cannot fail.
 */
typedef struct tw_secret_node {
  struct tw_secret_node *children; /* two of them, left and right, or NULL */
  void *value;                     /* of a leaf that was taken: the user's */
  uint8_t secret[TW_HASH_MAX];
  bool consumed;
} tw_secret_node;

typedef struct tw_secret_nodes {
  const tw_env *env;
  const tw_suite *suite;
  unsigned depth;                                     /* 2^depth leaves, at most 2^31 */
  void (*free_value)(const tw_env *env, void *value); /* NULL: values are not used */
  tw_secret_node root;
} tw_secret_nodes;

/* `root_secret` of Nh bytes, else TW_ERR_ARGUMENT. Allocates nothing. */
TW_MUST_USE tw_err tw_secret_nodes_init(tw_secret_nodes *nodes, const tw_env *env, const tw_suite *suite,
                                        unsigned depth, tw_bytes root_secret);
void tw_secret_nodes_clear(tw_secret_nodes *nodes);
/* The value of a leaf that was taken; NULL when it was not. */
void *tw_secret_nodes_value(const tw_secret_nodes *nodes, uint32_t leaf);

/* A way to a leaf that is derived and not adopted. Zero-initialised is none. */
typedef struct tw_secret_path {
  tw_secret_node *from;     /* in the tree: the lowest node on the way that exists */
  tw_secret_node *children; /* its children to be, NULL when `from` is the leaf itself */
  tw_secret_node *leaf;     /* under `children`, or `from` */
  tw_secret leaf_secret;
} tw_secret_path;

/* TW_ERR_DUPLICATE when the leaf was taken before, TW_ERR_NO_MEMORY. `leaf` < 2^depth. */
TW_MUST_USE tw_err tw_secret_path_derive(tw_secret_nodes *nodes, uint32_t leaf, tw_secret_path *out);
/* The tree owns `value` (may be NULL) from now on; the path is empty afterwards. */
void tw_secret_path_adopt(tw_secret_path *path, void *value);
void tw_secret_path_clear(const tw_secret_nodes *nodes, tw_secret_path *path);

/*
 * State: in preorder, one byte for each node: 0, followed by its secret; 1, followed by its children; 2, a leaf that
 * was taken, followed by its value. Values are written and read by the user's functions. Reading goes into `nodes` that
 * hold nothing yet, with depth and free_value set; on error they are to be cleared all the same.
 */
void tw_write_secret_nodes(tw_writer *w, const tw_secret_nodes *nodes,
                           void (*write_value)(tw_writer *w, const tw_suite *suite, const void *value));
TW_MUST_USE tw_err tw_read_secret_nodes(tw_reader *r, tw_secret_nodes *nodes,
                                        tw_err (*read_value)(tw_reader *r, const tw_env *env, const tw_suite *suite,
                                                             void **value));

#endif
