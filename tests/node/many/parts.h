/* What the files here have of each other. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_MANY_PARTS_H
#define TW_TESTS_NODE_MANY_PARTS_H

#include "node/many/many.h"
#include "node/many/verified.h"

/* Room for one more behind `count`; grows by doubling. */
void *many_grow(void *list, size_t count, size_t size);
/* MANY_NETWORK: nobody's. */
uint32_t many_find(const many_world *world, const tw_client_id *id);
void many_node_wire(many_node *node);
void many_node_tick(many_node *node, bool pairs);
void many_keys_wire(many_node *node);
void many_keys_tick(many_node *node);

#endif
