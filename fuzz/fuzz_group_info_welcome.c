/* GroupInfo (signed again and verified), Welcome and GroupSecrets; the first byte chooses. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "../tests/support/samples.h"
#include "fuzz_env.h"
#include "grammar.h"
#include "mls/app_data.h"
#include "mls/group_info.h"

static void seed_from(const char *sample_name, uint8_t choice, size_t skip) {
  const tw_sample *sample = NULL;
  for (size_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    if (strcmp(sample->name, sample_name) != 0) continue;
    tw_buf seed = {0};
    TW_FUZZ_ASSERT(sample->make(&seed) == TW_OK);
    if (skip > 0) tw_buf_consume(&seed, skip);
    tw_buf chosen = {0};
    TW_FUZZ_ASSERT(tw_buf_append(&chosen, TW_BYTES(&choice, 1)) == TW_OK);
    TW_FUZZ_ASSERT(tw_buf_append(&chosen, tw_buf_bytes(&seed)) == TW_OK);
    tw_fuzz_write_seed(sample_name, tw_buf_bytes(&chosen));
    tw_buf_clear(&seed);
    tw_buf_clear(&chosen);
  }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  seed_from("message-group_info", 0, 4);
  seed_from("message-welcome", 1, 4);
  seed_from("group_secrets", 2, 0);
  tw_fuzz_seeds_done();
  return 0;
}

static void group_info(tw_bytes input) {
  tw_group_info info;
  if (tw_group_info_decode(input, &info) != TW_OK) return;
  const tw_env *env = tw_fuzz_env();
  const tw_suite *suite = tw_suite_by_id(env, 1);
  tw_signer *signer = tw_fuzz_signer(suite);
  const tw_bytes key = tw_signer_public_key(signer);
  tw_buf again = {0};
  tw_group_info made;
  TW_FUZZ_ASSERT(tw_group_info_make(env, suite, signer, info.group_context_encoded, info.extensions,
                                    info.confirmation_tag, info.signer, &again) == TW_OK);
  TW_FUZZ_ASSERT(tw_group_info_decode(tw_buf_bytes(&again), &made) == TW_OK);
  TW_FUZZ_ASSERT(tw_group_info_verify(env, suite, &made, key) == TW_OK);
  TW_FUZZ_ASSERT(tw_bytes_equal(made.content, info.content));
  const tw_err err = tw_group_context_extensions_check(info.group_context.extensions);
  TW_FUZZ_ASSERT(err == TW_OK || tw_err_class_of(err) == TW_CLASS_MALFORMED || err == TW_ERR_UNSUPPORTED);
  tw_buf_clear(&again);
}

static void welcome(tw_bytes input) {
  tw_reader r = tw_reader_of(input);
  const tw_welcome view = tw_read_welcome(&r);
  if (tw_reader_end(&r) != TW_OK) return;
  tw_reader walk = tw_reader_of(view.secrets);
  tw_encrypted_group_secrets secrets;
  while (tw_encrypted_group_secrets_next(&walk, &secrets)) {}
  TW_FUZZ_ASSERT(tw_reader_end(&walk) == TW_OK);
}

static void group_secrets(tw_bytes input) {
  tw_group_secrets secrets;
  if (tw_group_secrets_decode(input, &secrets) != TW_OK) return;
  tw_reader walk = tw_reader_of(secrets.psks);
  tw_psk_id id;
  uint32_t count = 0;
  while (tw_psk_id_next(&walk, &id)) {
    TW_FUZZ_ASSERT(tw_psk_id_same(&id, &id));
    count++;
  }
  TW_FUZZ_ASSERT(tw_reader_end(&walk) == TW_OK && count == secrets.psk_count);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
  static const char *const forms[] = {"I", "W", "G"};
  return tw_fuzz_mutate(size > 0 && data[0] < 3 ? forms[data[0]] : "", 1, data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0 || data[0] > 2) return -1;
  const tw_bytes input = TW_BYTES(data + 1, size - 1);
  tw_fuzz_restart();
  if (data[0] == 0) group_info(input);
  if (data[0] == 1) welcome(input);
  if (data[0] == 2) group_secrets(input);
  return 0;
}
