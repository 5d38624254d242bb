/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar.h"

#include <stdbool.h>
#include <string.h>

#include "codec/writer.h"
#include "fuzz_env.h"
#include "mls/protocol.h"

/* NOLINTBEGIN(misc-no-recursion): forms nest, and DEPTH bounds it. */

enum { NODES = 512, NO_NODE = -1, DEPTH = 24 };

typedef enum node_kind { NODE_OPAQUE, NODE_LIST, NODE_ELEMENT } node_kind;

/* A vector with its header, or an element of one (header 0). */
typedef struct node {
  node_kind kind;
  size_t start;
  size_t header;
  size_t len;
  int parent;
} node;

typedef struct parse {
  const uint8_t *data;
  size_t size;
  size_t at;
  bool failed;
  node nodes[NODES];
  int count;
} parse;

static void form_of(parse *p, const char *form, int parent, int depth);

static uint64_t number(parse *p, size_t size) {
  uint64_t value = 0;
  if (p->failed || size > p->size - p->at) {
    p->failed = true;
    return 0;
  }
  for (size_t i = 0; i < size; i++) value = value << 8 | p->data[p->at++];
  return value;
}

static int vector(parse *p, node_kind kind, int parent) {
  const size_t start = p->at;
  const uint64_t first = number(p, 1);
  const size_t header = (size_t)1 << (first >> 6);
  const uint64_t rest = header <= 4 ? number(p, header - 1) : 0;
  const uint64_t len = (first & 0x3f) << (8 * (header - 1)) | rest;
  if (p->failed || header > 4 || len > p->size - p->at || p->count == NODES) {
    p->failed = true;
    return NO_NODE;
  }
  p->nodes[p->count] = (node){kind, start, header, (size_t)len, parent};
  return p->count++;
}

static void opaque(parse *p, int parent) {
  const int n = vector(p, NODE_OPAQUE, parent);
  if (n != NO_NODE) p->at += p->nodes[n].len;
}

static void list(parse *p, const char *form, int parent, int depth) {
  const int n = vector(p, NODE_LIST, parent);
  if (n == NO_NODE) return;
  const size_t end = p->at + p->nodes[n].len;
  while (!p->failed && p->at < end) {
    if (p->count == NODES) {
      p->failed = true;
      return;
    }
    const int element = p->count++;
    p->nodes[element] = (node){NODE_ELEMENT, p->at, 0, 0, n};
    form_of(p, form, element, depth);
    p->nodes[element].len = p->at - p->nodes[element].start;
    if (p->nodes[element].len == 0) p->failed = true;
  }
  if (p->at != end) p->failed = true;
}

static void leaf(parse *p, int parent, int depth) {
  form_of(p, "vv", parent, depth);
  form_of(p, number(p, 2) == TW_CREDENTIAL_X509 ? "[v]" : "v", parent, depth);
  form_of(p, "[2][2][2][2][2]", parent, depth);
  const uint64_t source = number(p, 1);
  if (source == TW_LEAF_KEY_PACKAGE) form_of(p, "88", parent, depth);
  if (source == TW_LEAF_COMMIT) opaque(p, parent);
  form_of(p, "Xv", parent, depth);
}

static void psk_id(parse *p, int parent, int depth) {
  static const char *const forms[] = {"vv", "vv", "1v8v", "2vv"};
  form_of(p, forms[number(p, 1) & 3], parent, depth);
}

static void proposal(parse *p, int parent, int depth) {
  static const char *const forms[] = {"", "K", "L", "4", "S", "v22X", "v", "X", "", "2v", ""};
  const uint64_t type = number(p, 2);
  if (type == TW_PROPOSAL_APP_DATA_UPDATE) {
    (void)number(p, 2);
    if (number(p, 1) == TW_APP_DATA_UPDATE) opaque(p, parent);
  } else if (type <= TW_PROPOSAL_SELF_REMOVE) {
    form_of(p, forms[type], parent, depth);
  } else {
    p->failed = true;
  }
}

static void framed(parse *p, int parent, int depth) {
  static const char *const bodies[] = {"", "v", "P", "M"};
  form_of(p, "v8", parent, depth);
  const uint64_t sender = number(p, 1);
  if (sender == TW_SENDER_MEMBER || sender == TW_SENDER_EXTERNAL) (void)number(p, 4);
  opaque(p, parent);
  const uint64_t type = number(p, 1) & 3;
  form_of(p, bodies[type], parent, depth);
  form_of(p, type == TW_CONTENT_COMMIT ? "vv" : "v", parent, depth);
  if (sender == TW_SENDER_MEMBER) opaque(p, parent);
}

static void message(parse *p, int parent, int depth) {
  static const char *const forms[] = {"", "F", "v81vvv", "W", "I", "K"};
  (void)number(p, 2);
  const uint64_t wire_format = number(p, 2);
  if (wire_format > TW_WIRE_KEY_PACKAGE)
    p->failed = true;
  else
    form_of(p, forms[wire_format], parent, depth);
}

/* What follows a byte: ProposalOrRef, Node, and an optional one. */
static void chosen(parse *p, const char *first, const char *second, int parent, int depth) {
  const uint64_t choice = number(p, 1);
  form_of(p, choice == 1 ? first : choice == 2 ? second : "", parent, depth);
}

static const char *past_list(const char *form) {
  int open = 1;
  while (open > 0 && *form != '\0') {
    if (*form == '[') open++;
    if (*form == ']') open--;
    form++;
  }
  return form;
}

static void form_of(parse *p, const char *form, int parent, int depth) {
  if (depth > DEPTH) p->failed = true;
  while (!p->failed && *form != '\0' && *form != ']') {
    const char token = *form++;
    switch (token) {
    case 'v': opaque(p, parent); break;
    case '[':
      list(p, form, parent, depth + 1);
      form = past_list(form);
      break;
    case 'X': list(p, "2v", parent, depth + 1); break;
    case 'L': leaf(p, parent, depth + 1); break;
    case 'K': form_of(p, "22vLXv", parent, depth + 1); break;
    case 'P': proposal(p, parent, depth + 1); break;
    case 'M': form_of(p, "[O]U", parent, depth + 1); break;
    case 'O': chosen(p, "P", "v", parent, depth + 1); break;
    case 'U': chosen(p, "L[v[vv]]", "", parent, depth + 1); break;
    case 'I': form_of(p, "22v8vvXXv4v", parent, depth + 1); break;
    case 'S': psk_id(p, parent, depth + 1); break;
    case 'W': form_of(p, "2[vvv]v", parent, depth + 1); break;
    case 'G': form_of(p, "vQ[S]", parent, depth + 1); break;
    case 'Q': chosen(p, "v", "", parent, depth + 1); break;
    case 'R': form_of(p, "[N]", parent, depth + 1); break;
    case 'N': chosen(p, "T", "", parent, depth + 1); break;
    case 'T': chosen(p, "L", "vv[4]", parent, depth + 1); break;
    case 'F': framed(p, parent, depth + 1); break;
    case 'Y': message(p, parent, depth + 1); break;
    default: (void)number(p, (size_t)(token - '0')); break;
    }
  }
}

/* NOLINTEND(misc-no-recursion) */

/* Puts `len` bytes in the place of the content of node n (of the whole element); the lengths around it follow. 0: no
 * room. */
static size_t replace(const parse *p, int n, const uint8_t *bytes, size_t len, uint8_t *data, size_t size,
                      size_t max_size) {
  if (size - p->nodes[n].len + len + 4 * DEPTH > max_size) return 0;
  size_t at = p->nodes[n].start + p->nodes[n].header;
  size_t after = at + p->nodes[n].len;
  memmove(data + at + len, data + after, size - after);
  if (len > 0) memcpy(data + at, bytes, len);
  size = size - p->nodes[n].len + len;
  /* How much longer the content of the next vector outwards is, its inner headers included. */
  size_t grown = len;
  size_t was = p->nodes[n].len;
  for (int outer = n; outer != NO_NODE; outer = p->nodes[outer].parent) {
    const node *o = &p->nodes[outer];
    if (o->kind == NODE_ELEMENT) continue;
    uint8_t header[4];
    const size_t content = o->len - was + grown;
    if (content >= 1u << 30) return 0;
    const size_t header_size = tw_put_varint(header, content);
    memmove(data + o->start + header_size, data + o->start + o->header, size - o->start - o->header);
    memcpy(data + o->start, header, header_size);
    size = size - o->header + header_size;
    was = was + o->header;
    grown = grown + header_size;
  }
  return size;
}

static int pick(const parse *p, node_kind kind, unsigned seed) {
  int found = NO_NODE;
  unsigned seen = 0;
  for (int i = 0; i < p->count; i++) {
    if (p->nodes[i].kind != kind) continue;
    /* The last of those that the seed's remainder falls on: each is as likely. */
    seen++;
    seed = seed * 1103515245u + 12345u;
    if ((seed >> 16) % seen == 0) found = i;
  }
  return found;
}

static size_t change_opaque(const parse *p, unsigned seed, uint8_t *data, size_t size, size_t max_size) {
  static uint8_t scratch[1 << 16];
  const int n = pick(p, NODE_OPAQUE, seed);
  if (n == NO_NODE || p->nodes[n].len > sizeof scratch / 2) return 0;
  const size_t len = p->nodes[n].len;
  memcpy(scratch, data + p->nodes[n].start + p->nodes[n].header, len);
  const size_t changed = LLVMFuzzerMutate(scratch, len, len + 64 < sizeof scratch ? len + 64 : len);
  return replace(p, n, scratch, changed, data, size, max_size);
}

static size_t change_element(const parse *p, unsigned seed, uint8_t *data, size_t size, size_t max_size) {
  static uint8_t scratch[1 << 17];
  const int n = pick(p, NODE_ELEMENT, seed);
  if (n == NO_NODE) return 0;
  const node *e = &p->nodes[n];
  if (seed % 3 == 0) return replace(p, n, NULL, 0, data, size, max_size);
  const int other = seed % 3 == 1 ? n : pick(p, NODE_ELEMENT, seed ^ 0x5bd1e995u);
  const node *o = &p->nodes[other];
  if (e->len + o->len > sizeof scratch) return 0;
  /* Doubled, or with a copy of another element before it. */
  memcpy(scratch, data + o->start, o->len);
  memcpy(scratch + o->len, data + e->start, e->len);
  const size_t len = seed % 5 == 0 ? o->len : o->len + e->len;
  return replace(p, n, scratch, len, data, size, max_size);
}

size_t tw_fuzz_mutate(const char *form, size_t skip, uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
  static parse p;
  p = (parse){.data = data, .size = size, .at = skip};
  if (size > skip && seed % 4 != 0) {
    form_of(&p, form, NO_NODE, 0);
    if (!p.failed && p.at == size) {
      const size_t changed = seed % 4 == 1 ? change_element(&p, seed >> 2, data, size, max_size)
                                           : change_opaque(&p, seed >> 2, data, size, max_size);
      if (changed > 0) return changed;
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}
