/* Whom clients have let in, in the store over SQLite. SPDX-License-Identifier: Apache-2.0 */
#include "relay/store_parts.h"

tw_err tw_relay_sqlite_admit(tw_relay_store *base, const tw_fingerprint *id, const tw_relay_admission *admission) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_ADMISSION_PUT);
  tw_relay_query_bytes(&q, TW_ARRAY(id->digest));
  tw_relay_query_bytes(&q, TW_ARRAY(admission->inviter.digest));
  tw_relay_query_number(&q, admission->until);
  tw_relay_query_number(&q, admission->guest ? 1 : 0);
  return tw_relay_operation_end(store, tw_relay_query_run(&q));
}

tw_err tw_relay_sqlite_dismiss(tw_relay_store *base, const tw_fingerprint *id, const tw_fingerprint *inviter,
                               bool *found) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_ADMISSION_DROP);
  tw_relay_query_bytes(&q, TW_ARRAY(id->digest));
  tw_relay_query_bytes(&q, TW_ARRAY(inviter->digest));
  *found = tw_relay_query_row(&q);
  return tw_relay_operation_end(store, tw_relay_query_run(&q));
}

/* Outside of a batch it opens none: strangers are looked up, too, and nothing of theirs is to wait for a flush. */
tw_err tw_relay_sqlite_admitted(tw_relay_store *base, const tw_fingerprint *id, uint64_t now, uint32_t index,
                                tw_relay_admission *admission, bool *found) {
  tw_relay_query q = tw_relay_query_of(tw_relay_sqlite_of(base), TW_RELAY_ADMISSION_FIND);
  tw_relay_query_bytes(&q, TW_ARRAY(id->digest));
  tw_relay_query_number(&q, now);
  tw_relay_query_number(&q, index);
  *found = tw_relay_query_row(&q);
  if (*found) {
    tw_relay_column_fixed(&q, 0, admission->inviter.digest, sizeof admission->inviter.digest);
    admission->until = tw_relay_column_number(&q, 1);
    admission->guest = tw_relay_column_number(&q, 2) != 0;
  }
  return tw_relay_query_end(&q);
}

tw_err tw_relay_sqlite_admitted_count(tw_relay_store *base, const tw_fingerprint *inviter, const tw_fingerprint *except,
                                      uint64_t now, uint32_t *count) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_ADMISSION_COUNT);
  tw_relay_query_bytes(&q, TW_ARRAY(inviter->digest));
  tw_relay_query_bytes(&q, TW_ARRAY(except->digest));
  tw_relay_query_number(&q, now);
  *count = tw_relay_query_row(&q) ? (uint32_t)tw_relay_column_number(&q, 0) : 0;
  return tw_relay_operation_end(store, tw_relay_query_end(&q));
}
