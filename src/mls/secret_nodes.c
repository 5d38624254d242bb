/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/secret_nodes.h"

#include <string.h>

#include "base/alloc.h"

enum { DEPTH_MAX = 31, WAITING_MAX = DEPTH_MAX + 2 };
enum { NODE_SECRET = 0, NODE_PARENT = 1, NODE_TAKEN = 2 };

tw_err tw_secret_nodes_init(tw_secret_nodes *nodes, const tw_env *env, const tw_suite *suite, unsigned depth,
                            tw_bytes root_secret) {
  if (depth > DEPTH_MAX || root_secret.len != suite->hash->size) return TW_ERR_ARGUMENT;
  *nodes = (tw_secret_nodes){.env = env, .suite = suite, .depth = depth};
  memcpy(nodes->root.secret, root_secret.ptr, root_secret.len);
  return TW_OK;
}

/*
 * Frees all below `root`. Nodes wait on a stack of fixed size: going down one level takes one off and puts two on, so
 * that at most depth + 1 wait.
 */
static void free_below(const tw_secret_nodes *nodes, tw_secret_node *root) {
  struct {
    tw_secret_node *pair;
    unsigned next; /* which of the two comes next */
  } stack[WAITING_MAX];
  size_t waiting = 0;
  tw_secret_node *node = root;
  for (;;) {
    if (node->value != NULL) {
      nodes->free_value(nodes->env, node->value);
      node->value = NULL;
    }
    if (node->children != NULL) {
      stack[waiting].pair = node->children;
      stack[waiting++].next = 0;
      node->children = NULL;
    }
    while (waiting > 0 && stack[waiting - 1].next == 2) {
      tw_secret_node *pair = stack[--waiting].pair;
      tw_wipe(pair, 2 * sizeof *pair);
      tw_alloc_free(tw_env_alloc(nodes->env), pair);
    }
    if (waiting == 0) return;
    node = &stack[waiting - 1].pair[stack[waiting - 1].next++];
  }
}

void tw_secret_nodes_clear(tw_secret_nodes *nodes) {
  if (nodes == NULL) return;
  free_below(nodes, &nodes->root);
  tw_wipe(&nodes->root, sizeof nodes->root);
}

/* The lowest node that exists on the way to `leaf`; *below: how many levels are missing. */
static tw_secret_node *lowest(const tw_secret_nodes *nodes, uint32_t leaf, unsigned *below) {
  const tw_secret_node *node = &nodes->root;
  unsigned level = nodes->depth;
  while (node->children != NULL) {
    level--;
    node = &node->children[(leaf >> level) & 1];
  }
  *below = level;
  return (tw_secret_node *)(uintptr_t)node;
}

void *tw_secret_nodes_value(const tw_secret_nodes *nodes, uint32_t leaf) {
  unsigned below = 0;
  return lowest(nodes, leaf, &below)->value;
}

static tw_err derive_children(const tw_secret_nodes *nodes, tw_bytes secret, tw_secret_node **out) {
  const tw_alloc *alloc = tw_env_alloc(nodes->env);
  tw_secret_node *pair = tw_alloc_array(alloc, 2, sizeof *pair);
  if (pair == NULL) return TW_ERR_NO_MEMORY;
  const tw_bytes sides[2] = {TW_LITERAL("left"), TW_LITERAL("right")};
  tw_hmac_key key;
  tw_hmac_key_init(nodes->env, nodes->suite, secret, &key);
  tw_err err = TW_OK;
  for (size_t i = 0; i < 2 && err == TW_OK; i++) {
    err = tw_expand_with_label_key(nodes->env, &key, TW_LITERAL("tree"), sides[i], pair[i].secret, secret.len);
  }
  tw_wipe(&key, sizeof key);
  if (err == TW_OK) {
    *out = pair;
  } else {
    tw_wipe(pair, 2 * sizeof *pair);
    tw_alloc_free(alloc, pair);
  }
  return err;
}

tw_err tw_secret_path_derive(tw_secret_nodes *nodes, uint32_t leaf, tw_secret_path *out) {
  const size_t size = nodes->suite->hash->size;
  unsigned below = 0;
  tw_secret_path path = {.from = lowest(nodes, leaf, &below)};
  if (path.from->consumed) return TW_ERR_DUPLICATE;
  /* `from` keeps its secret until the path is adopted; what hangs below `children` is only the path's. */
  tw_err err = tw_secret_set(&path.leaf_secret, TW_BYTES(path.from->secret, size));
  path.leaf = path.from;
  while (below > 0 && err == TW_OK) {
    tw_secret_node *pair = NULL;
    err = derive_children(nodes, tw_secret_bytes(&path.leaf_secret), &pair);
    if (err != TW_OK) break;
    if (path.leaf == path.from) {
      path.children = pair;
    } else {
      path.leaf->children = pair;
    }
    path.leaf = &pair[(leaf >> --below) & 1];
    err = tw_secret_set(&path.leaf_secret, TW_BYTES(path.leaf->secret, size));
    tw_wipe(path.leaf->secret, sizeof path.leaf->secret);
    path.leaf->consumed = true;
  }
  if (err == TW_OK) {
    *out = path;
  } else {
    tw_secret_path_clear(nodes, &path);
  }
  tw_secret_clear(&path.leaf_secret);
  return err;
}

void tw_secret_path_adopt(tw_secret_path *path, void *value) {
  tw_wipe(path->from->secret, sizeof path->from->secret);
  path->from->consumed = true;
  path->from->children = path->children;
  path->leaf->value = value;
  tw_wipe(path, sizeof *path);
}

void tw_secret_path_clear(const tw_secret_nodes *nodes, tw_secret_path *path) {
  tw_secret_node top = {.children = path->children};
  free_below(nodes, &top);
  tw_wipe(path, sizeof *path);
}

void tw_write_secret_nodes(tw_writer *w, const tw_secret_nodes *nodes,
                           void (*write_value)(tw_writer *w, const tw_suite *suite, const void *value)) {
  const tw_secret_node *waiting[WAITING_MAX] = {&nodes->root};
  size_t count = 1;
  while (count > 0) {
    const tw_secret_node *node = waiting[--count];
    if (!node->consumed) {
      tw_write_u8(w, NODE_SECRET);
      tw_write_fixed(w, TW_BYTES(node->secret, nodes->suite->hash->size));
    } else if (node->children != NULL) {
      tw_write_u8(w, NODE_PARENT);
      waiting[count++] = &node->children[1];
      waiting[count++] = &node->children[0];
    } else {
      tw_write_u8(w, NODE_TAKEN);
      if (write_value != NULL) write_value(w, nodes->suite, node->value);
    }
  }
}

static tw_err read_parent(tw_secret_nodes *nodes, tw_secret_node *node) {
  node->children = tw_alloc_array(tw_env_alloc(nodes->env), 2, sizeof *node->children);
  return node->children != NULL ? TW_OK : TW_ERR_NO_MEMORY;
}

/* One node; a parent's children are there afterwards, still to be read. */
static tw_err read_node(tw_reader *r, tw_secret_nodes *nodes, tw_secret_node *node, bool is_leaf,
                        tw_err (*read_value)(tw_reader *r, const tw_env *env, const tw_suite *suite, void **value)) {
  const uint8_t type = tw_read_u8(r);
  TW_TRY(tw_reader_err(r));
  if (type == NODE_SECRET) {
    const tw_bytes secret = tw_read_fixed(r, nodes->suite->hash->size);
    TW_TRY(tw_reader_err(r));
    memcpy(node->secret, secret.ptr, secret.len);
    return TW_OK;
  }
  node->consumed = true;
  if (type == NODE_PARENT && !is_leaf) return read_parent(nodes, node);
  if (type != NODE_TAKEN || !is_leaf) return TW_ERR_ENCODING;
  return read_value != NULL ? read_value(r, nodes->env, nodes->suite, &node->value) : TW_OK;
}

tw_err tw_read_secret_nodes(tw_reader *r, tw_secret_nodes *nodes,
                            tw_err (*read_value)(tw_reader *r, const tw_env *env, const tw_suite *suite,
                                                 void **value)) {
  struct {
    tw_secret_node *node;
    unsigned level;
  } waiting[WAITING_MAX] = {{&nodes->root, nodes->depth}};
  size_t count = 1;
  while (count > 0) {
    count--;
    tw_secret_node *node = waiting[count].node;
    const unsigned level = waiting[count].level;
    const tw_err err = read_node(r, nodes, node, level == 0, read_value);
    if (err != TW_OK) {
      tw_reader_fail(r, err);
      return err;
    }
    if (node->children == NULL) continue;
    waiting[count].node = &node->children[1];
    waiting[count++].level = level - 1;
    waiting[count].node = &node->children[0];
    waiting[count++].level = level - 1;
  }
  return TW_OK;
}
