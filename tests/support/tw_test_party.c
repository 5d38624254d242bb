/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_party.h"

#include <string.h>

#include "support/tw_cmocka.h"

static tw_err decide(void *ctx, const tw_credential_use *use) {
  tw_test_party *party = ctx;
  if (tw_bytes_equal(use->signature_key, tw_signer_public_key(party->client.signer))) return TW_OK;
  party->asked++;
  return party->refuses ? TW_ERR_CREDENTIAL : TW_OK;
}

void tw_test_party_init(tw_test_party *party, tw_test_env *test, const tw_suite *suite, const char *name) {
  memset(party, 0, sizeof *party);
  tw_signer *signer = NULL;
  assert_int_equal(tw_signer_generate(&test->env, suite, &signer), TW_OK);
  party->policy = (tw_policy){.ctx = party, .credential = decide};
  party->client = (tw_client){.env = &test->env,
                              .suite = suite,
                              .signer = signer,
                              .credential = {.type = 1, .identity = TW_BYTES((const uint8_t *)name, strlen(name))},
                              .policy = party->policy};
  party->clients[0] = &party->client;
}

void tw_test_party_clear(tw_test_party *party) {
  tw_signer_free(party->client.signer);
  memset(party, 0, sizeof *party);
}
