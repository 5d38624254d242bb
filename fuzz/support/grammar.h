/* Mutations that keep the form of MLS structures: vectors inside vectors with right lengths. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FUZZ_GRAMMAR_H
#define TW_FUZZ_GRAMMAR_H

#include <stddef.h>
#include <stdint.h>

/*
 * One step of libFuzzer's mutator for an input that begins with `skip` bytes and goes on as `form` says:
 *   1 2 4 8  an integer of so many bytes      v  opaque value<V>      [...]  a vector of elements      X  Extension
 * extensions<V> L  LeafNode      K  KeyPackage      P  Proposal      M  Commit      I  GroupInfo      S  PreSharedKeyID
 * W  Welcome G  GroupSecrets      R  ratchet_tree      Y  MLSMessage Opaque values are changed and resized, elements of
 * lists dropped, doubled and exchanged, and all lengths around them follow. Inputs that are not of the form, and some
 * that are, get a mutation of plain bytes.
 */
size_t tw_fuzz_mutate(const char *form, size_t skip, uint8_t *data, size_t size, size_t max_size, unsigned int seed);

#endif
