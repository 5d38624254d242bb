/* Groups: sorted lists of members' numbers. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "relay/forward_parts.h"

tw_forward_group *tw_forward_group_of(const tw_forward *forward, uint32_t number) {
  return tw_forward_table_get(&forward->groups, number);
}

uint32_t tw_forward_group_above(const tw_forward_group *group, uint32_t number) {
  uint32_t low = 0;
  uint32_t high = group->count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (group->members[middle] <= number)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool tw_forward_group_has(const tw_forward_group *group, uint32_t member) {
  const uint32_t above = tw_forward_group_above(group, member);
  return above > 0 && group->members[above - 1] == member;
}

bool tw_forward_group_lists(const tw_forward *forward, uint32_t group, uint32_t client) {
  const tw_forward_group *known = tw_forward_group_of(forward, group);
  return known != NULL && tw_forward_group_has(known, client);
}

static size_t size_of(uint32_t count) { return sizeof(tw_forward_group) + count * sizeof(uint32_t); }

static int by_number(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a;
  const uint32_t y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* A number that is there twice is there once then. */
static void sort(tw_forward_group *group) {
  uint32_t kept = 0;
  qsort(group->members, group->count, sizeof *group->members, by_number);
  for (uint32_t i = 0; i < group->count; i++)
    if (i == 0 || group->members[i] != group->members[kept - 1]) group->members[kept++] = group->members[i];
  group->count = kept;
}

static void release(tw_forward *forward, tw_forward_group *group) {
  forward->memory -= size_of(group->count);
  tw_alloc_free(forward->env->alloc, group);
}

tw_err tw_forward_group_set(tw_forward *forward, uint32_t group, const uint32_t *members, uint32_t count) {
  if ((group & TW_FORWARD_GROUP_BIT) == 0 || count > TW_FORWARD_MEMBERS_MAX) return TW_ERR_ARGUMENT;
  for (uint32_t i = 0; i < count; i++)
    if (members[i] == 0 || (members[i] & TW_FORWARD_GROUP_BIT) != 0) return TW_ERR_ARGUMENT;
  TW_TRY(tw_forward_table_reserve(&forward->groups));
  tw_forward_group *made = tw_alloc_zero(forward->env->alloc, size_of(count));
  if (made == NULL) return TW_ERR_NO_MEMORY;
  made->count = count;
  if (count > 0) {
    memcpy(made->members, members, count * sizeof *members);
    sort(made);
  }
  tw_forward_group_remove(forward, group);
  tw_forward_table_put(&forward->groups, group, made);
  forward->memory += size_of(made->count);
  return TW_OK;
}

void tw_forward_group_remove(tw_forward *forward, uint32_t group) {
  tw_forward_group *known = tw_forward_group_of(forward, group);
  if (known == NULL) return;
  tw_forward_table_drop(&forward->groups, group);
  release(forward, known);
}

void tw_forward_groups_clear(tw_forward *forward) {
  for (uint32_t i = 0; forward->groups.entries != NULL && i <= forward->groups.mask; i++)
    if (forward->groups.entries[i].value != NULL) release(forward, forward->groups.entries[i].value);
  tw_forward_table_clear(&forward->groups);
}
