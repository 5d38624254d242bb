/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "world.h"

static tw_err accept_all(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_OK;
}

void bench_person_init(bench_person *person, const tw_env *env, const tw_suite *suite, unsigned number) {
  *person = (bench_person){.client = {.env = env, .suite = suite, .policy = {.credential = accept_all}}};
  snprintf(person->name, sizeof person->name, "member-%08u", number);
  person->client.credential = (tw_credential){
      .type = 1, .identity = TW_BYTES((const uint8_t *)person->name, strlen(person->name))};
  BENCH_OK(tw_signer_generate(env, suite, &person->client.signer));
}

void bench_person_clear(bench_person *person) {
  tw_signer_free(person->client.signer);
  person->client.signer = NULL;
}

/* One of the two commits with a path, the other one follows. */
static void update(bench_two *two, unsigned who) {
  const tw_commit_options options = {.plaintext = true};
  tw_commit_result made = {0};
  tw_received received = {0};
  BENCH_OK(tw_group_commit(two->group[who], &options, BENCH_NOW, &made));
  BENCH_OK(tw_group_receive(two->group[1 - who], tw_buf_bytes(&made.commit), BENCH_NOW, &received));
  tw_group_free(two->group[0]);
  tw_group_free(two->group[1]);
  two->group[who] = tw_group_ref(made.next);
  two->group[1 - who] = tw_group_ref(received.next);
  tw_received_clear(&received);
  tw_commit_result_clear(&made);
}

void bench_two_init(bench_two *two, const tw_env *env, const tw_suite *suite) {
  tw_key_package *package;
  tw_buf add = TW_BUF_INIT(NULL);
  tw_commit_result made = {0};
  tw_group *alone;
  for (unsigned i = 0; i < 2; i++) bench_person_init(&two->person[i], env, suite, i);
  BENCH_OK(tw_group_create(&two->person[0].client, TW_LITERAL("bench: two"), TW_NO_BYTES, BENCH_NOW, &alone));
  BENCH_OK(tw_key_package_new(&two->person[1].client, NULL, BENCH_NOW, &package));
  BENCH_OK(tw_propose_add(&add, tw_key_package_message(package)));
  BENCH_OK(tw_group_commit(alone, &(tw_commit_options){.proposals = tw_buf_bytes(&add)}, BENCH_NOW, &made));
  BENCH_OK(
      tw_group_join(&two->person[1].client, package, tw_buf_bytes(&made.welcome), NULL, BENCH_NOW, &two->group[1]));
  two->group[0] = tw_group_ref(made.next);
  tw_commit_result_clear(&made);
  tw_buf_clear(&add);
  tw_key_package_free(package);
  tw_group_free(alone);
  update(two, 0);
  update(two, 1);
}

void bench_two_clear(bench_two *two) {
  for (unsigned i = 0; i < 2; i++) {
    tw_group_free(two->group[i]);
    bench_person_clear(&two->person[i]);
  }
}
