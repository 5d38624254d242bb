/* A group of three: members are added, write, renew their keys, and one is removed. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <treewire/mls.h>

typedef struct member {
  tw_client client;
  tw_key_package *key_package; /* published so that others can add us */
  tw_group *group;             /* the epoch that we are in */
} member;

static tw_env env;

static uint64_t now(void) { return (uint64_t)time(NULL); }

/* The Authentication Service: here it takes everyone; yours checks that the key belongs to the identity. */
static tw_err accept_all(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  return use->credential.identity.len > 0 ? TW_OK : TW_ERR_CREDENTIAL;
}

static tw_err join_the_world(member *who, const char *name) {
  who->client = (tw_client){.env = &env, .suite = tw_suite_default(), .policy = {.credential = accept_all}};
  who->client.credential = (tw_credential){.type = 1, .identity = TW_BYTES((const uint8_t *)name, strlen(name))};
  TW_TRY(tw_signer_generate(&env, who->client.suite, &who->client.signer));
  return tw_key_package_new(&who->client, NULL, now(), &who->key_package);
}

/* Go on to the next epoch; with a real group, save it first. */
static void adopt(member *who, tw_group *next) {
  tw_group_free(who->group);
  who->group = next;
}

/* Everyone but the sender gets a message; `first` to `last` are those. */
static tw_err deliver(member *first, const member *last, tw_bytes message) {
  for (member *who = first; who <= last; who++) {
    tw_received received = {0};
    TW_TRY(tw_group_receive(who->group, message, now(), &received));
    const tw_bytes name = who->client.credential.identity;
    if (received.kind == TW_RECEIVED_APPLICATION)
      printf("%.*s reads: %.*s\n", (int)name.len, (const char *)name.ptr, (int)received.data.len,
             (const char *)received.data.ptr);
    if (received.kind == TW_RECEIVED_REMOVED) printf("%.*s is removed\n", (int)name.len, (const char *)name.ptr);
    if (received.kind == TW_RECEIVED_COMMIT) {
      adopt(who, received.next);
      received.next = NULL;
    }
    tw_received_clear(&received);
  }
  return TW_OK;
}

/* One commit of `sender` with these proposals: it renews the sender's keys, too. Welcomes are for `joiners`. */
static tw_err commit(member *sender, tw_bytes proposals, member *first, member *last, member *joiners, size_t joining) {
  const tw_commit_options options = {.proposals = proposals};
  tw_commit_result result = {0};
  tw_err err = tw_group_commit(sender->group, &options, now(), &result);
  if (err == TW_OK && first != NULL) err = deliver(first, last, tw_buf_bytes(&result.commit));
  for (size_t i = 0; i < joining && err == TW_OK; i++)
    err = tw_group_join(&joiners[i].client, joiners[i].key_package, tw_buf_bytes(&result.welcome), NULL, now(),
                        &joiners[i].group);
  if (err == TW_OK) {
    adopt(sender, result.next);
    result.next = NULL;
    printf("epoch %llu, %u members\n", (unsigned long long)tw_group_epoch(sender->group),
           tw_group_member_count(sender->group));
  }
  tw_commit_result_clear(&result);
  return err;
}

static tw_err say(member *sender, const char *text, member *first, const member *last) {
  tw_buf message = {0};
  tw_err err = tw_group_protect(sender->group, TW_BYTES((const uint8_t *)text, strlen(text)), TW_NO_BYTES, &message);
  if (err == TW_OK) err = deliver(first, last, tw_buf_bytes(&message));
  tw_buf_clear(&message);
  return err;
}

static tw_err run(member m[3], tw_buf *proposals) {
  const char *const names[3] = {"alice", "bob", "carol"};
  for (int i = 0; i < 3; i++) TW_TRY(join_the_world(&m[i], names[i]));
  TW_TRY(tw_group_create(&m[0].client, TW_LITERAL("the three"), TW_NO_BYTES, now(), &m[0].group));

  for (int i = 1; i < 3; i++) TW_TRY(tw_propose_add(proposals, tw_key_package_message(m[i].key_package)));
  TW_TRY(commit(&m[0], tw_buf_bytes(proposals), NULL, NULL, &m[1], 2));
  TW_TRY(say(&m[0], "hello from alice", &m[1], &m[2]));

  TW_TRY(commit(&m[2], TW_NO_BYTES, &m[0], &m[1], NULL, 0)); /* carol renews her keys */
  TW_TRY(say(&m[2], "carol has new keys", &m[0], &m[1]));

  tw_buf_clear(proposals);
  TW_TRY(tw_propose_remove(proposals, tw_group_own_leaf(m[2].group)));
  TW_TRY(commit(&m[0], tw_buf_bytes(proposals), &m[1], &m[2], NULL, 0));
  return say(&m[1], "just us two now", &m[0], &m[0]);
}

int main(void) {
  member m[3] = {0};
  tw_buf proposals = {0};
  tw_err err = tw_provider_openssl_new(NULL, &env.provider);
  if (err == TW_OK) err = run(m, &proposals);
  if (err != TW_OK) printf("failed: %s\n", tw_err_text(err));
  for (int i = 0; i < 3; i++) {
    tw_group_free(m[i].group);
    tw_key_package_free(m[i].key_package);
    tw_signer_free(m[i].client.signer);
  }
  tw_buf_clear(&proposals);
  tw_provider_free(env.provider);
  return err == TW_OK ? 0 : 1;
}
