/* What is too old in the store over SQLite. SPDX-License-Identifier: Apache-2.0 */
#include "relay/store_parts.h"

static tw_err run_with(tw_relay_sqlite *store, tw_relay_statement statement, uint64_t number) {
  tw_relay_query q = tw_relay_query_of(store, statement);
  tw_relay_query_number(&q, number);
  return tw_relay_query_run(&q);
}

static tw_err next_client(tw_relay_sqlite *store, uint32_t after, uint32_t *number, uint64_t *seen_ms) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_CLIENT_NEXT);
  tw_relay_query_number(&q, after);
  const bool found = tw_relay_query_row(&q);
  *number = found ? (uint32_t)tw_relay_column_number(&q, 0) : 0;
  *seen_ms = found ? tw_relay_column_number(&q, 1) : 0;
  return tw_relay_query_end(&q);
}

static tw_err sweep_client(tw_relay_sqlite *store, const tw_relay_ages *ages, uint32_t number, uint64_t seen_ms) {
  if (seen_ms < ages->seen_ms) {
    TW_TRY(tw_relay_mail_cut(store, number, INT64_MAX, 0));
    TW_TRY(run_with(store, TW_RELAY_PACKAGES_DROP, number));
    return run_with(store, TW_RELAY_CLIENT_DROP, number);
  }
  TW_TRY(tw_relay_mail_cut(store, number, 0, ages->mail_ms));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PACKAGES_OLD);
  tw_relay_query_number(&q, number);
  tw_relay_query_number(&q, ages->packages_ms);
  return tw_relay_query_run(&q);
}

static tw_err sweep_clients(tw_relay_sqlite *store, const tw_relay_ages *ages, uint32_t most, uint32_t *after) {
  for (uint32_t i = 0; i < most; i++) {
    uint64_t seen_ms;
    TW_TRY(next_client(store, *after, after, &seen_ms));
    if (*after == 0) return TW_OK;
    TW_TRY(sweep_client(store, ages, *after, seen_ms));
  }
  return TW_OK;
}

tw_err tw_relay_sqlite_sweep_clients(tw_relay_store *base, const tw_relay_ages *ages, uint32_t most, uint32_t *after) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, sweep_clients(store, ages, most, after));
}

static tw_err forget_group(tw_relay_sqlite *store, uint32_t group) {
  TW_TRY(tw_relay_commits_forget(store, group, UINT64_MAX));
  TW_TRY(run_with(store, TW_RELAY_MEMBERS_DROP, group));
  return run_with(store, TW_RELAY_GROUP_DROP, group);
}

/* The number that the statement gives for a parameter, or 0. */
static tw_err first_number(tw_relay_sqlite *store, tw_relay_statement statement, uint32_t parameter, uint32_t *number) {
  tw_relay_query q = tw_relay_query_of(store, statement);
  tw_relay_query_number(&q, parameter);
  *number = tw_relay_query_row(&q) ? (uint32_t)tw_relay_column_number(&q, 0) : 0;
  return tw_relay_query_end(&q);
}

static tw_err sweep_groups(tw_relay_sqlite *store, const tw_relay_ages *ages, uint32_t most, uint32_t *after) {
  for (uint32_t i = 0; i < most; i++) {
    uint32_t member;
    TW_TRY(first_number(store, TW_RELAY_GROUP_NEXT, *after, after));
    if (*after == 0) return run_with(store, TW_RELAY_ADMISSIONS_OLD, ages->now_ms / 1000);
    TW_TRY(first_number(store, TW_RELAY_MEMBER_KNOWN, *after, &member));
    if (member == 0) TW_TRY(forget_group(store, *after));
  }
  return TW_OK;
}

tw_err tw_relay_sqlite_sweep_groups(tw_relay_store *base, const tw_relay_ages *ages, uint32_t most, uint32_t *after) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, sweep_groups(store, ages, most, after));
}
