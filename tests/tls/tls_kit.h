/* A client and a server, and a retry between them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TLS_KIT_H
#define TW_TESTS_TLS_KIT_H

#include "tw_cmocka.h"

#include "support/tw_test_tls.h"

static tw_test_tls both;
static tw_test_tls_side *const alice = &both.alice;
static tw_test_tls_side *const bob = &both.bob;

static inline void start(uint16_t suite_id) {
  tw_test_env env;
  tw_test_env_init(&env, 1);
  const tw_suite *suite = tw_suite_by_id(&env.env, suite_id);
  tw_test_env_clear(&env);
  assert_non_null(suite);
  tw_test_tls_init(&both, suite);
}

static inline int teardown(void **state) {
  (void)state;
  tw_test_tls_clear(&both);
  both.tamper = NULL;
  return 0;
}

/* The server wants a cookie back. */
static inline void with_retry(void) {
  bob->config.retry = true;
  bob->config.cookie_key = TW_LITERAL("0123456789abcdef0123456789abcdef");
  bob->config.cookie_context = TW_LITERAL("192.0.2.1");
}

#endif
