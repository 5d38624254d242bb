/* A group of two whose members could be restarted at any line: adopt, save, send. docs/library.md explains it. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <treewire/mls.h>

typedef struct member {
  tw_env env;
  tw_client client;
  tw_group *group;
  tw_buf disk; /* stands for a file that is replaced in one write: write a new one, fsync, rename */
} member;

static uint64_t now(void) { return (uint64_t)time(NULL); }

/* The Authentication Service: whom do we take? A real one looks use->signature_key up in what it trusts. */
static tw_err judge(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  const bool known = tw_bytes_equal(use->credential.identity, TW_LITERAL("alice")) ||
                     tw_bytes_equal(use->credential.identity, TW_LITERAL("bob"));
  return known ? TW_OK : TW_ERR_CREDENTIAL;
}

static tw_err start(member *who, tw_bytes name) {
  TW_TRY(tw_provider_openssl_new(NULL, &who->env.provider));
  who->client = (tw_client){
      .env = &who->env,
      .suite = tw_suite_default(),
      .credential = {.type = 1, .identity = name},
      .policy = {.credential = judge},
  };
  return tw_signer_generate(&who->env, who->client.suite, &who->client.signer);
}

/* What is on disk is what a restart goes on from. */
static tw_err save(member *who, const tw_group *group) {
  tw_buf blob = {0};
  tw_err err = tw_group_save(group, &blob);
  if (err == TW_OK) err = tw_buf_assign(&who->disk, tw_buf_bytes(&blob));
  tw_buf_clear(&blob);
  return err;
}

static tw_err adopt_and_save(member *who, tw_group **next) {
  TW_TRY(save(who, *next));
  tw_group_free(who->group);
  who->group = *next;
  *next = NULL;
  return TW_OK;
}

static tw_err restart(member *who) {
  tw_group_free(who->group);
  who->group = NULL;
  return tw_group_load(&who->client, tw_buf_bytes(&who->disk), &who->group);
}

/* One message in. What to do about an error is said by its class. */
static tw_err take(member *who, tw_bytes message) {
  tw_received received = {0};
  tw_err err = tw_group_receive(who->group, message, now(), &received);
  switch (tw_err_class_of(err)) {
  case TW_CLASS_OK: break;
  case TW_CLASS_STALE:
  case TW_CLASS_DUPLICATE: return TW_OK; /* a network repeats and delays: nothing has changed */
  default: return err;
  }
  if (received.kind == TW_RECEIVED_COMMIT) {
    err = adopt_and_save(who, &received.next);
  } else if (received.kind != TW_RECEIVED_REMOVED) {
    err = save(who, who->group); /* a message key was used up, or a proposal collected */
  }
  if (err == TW_OK && received.kind == TW_RECEIVED_APPLICATION)
    printf("received: %.*s\n", (int)received.data.len, (const char *)received.data.ptr);
  tw_received_clear(&received);
  return err;
}

static tw_err add(member *alice, member *bob, tw_buf *proposals, tw_commit_result *made) {
  tw_key_package *key_package = NULL;
  TW_TRY(tw_key_package_new(&bob->client, NULL, now(), &key_package));
  tw_err err = tw_propose_add(proposals, tw_key_package_message(key_package));
  const tw_commit_options options = {.proposals = tw_buf_bytes(proposals)};
  if (err == TW_OK) err = tw_group_commit(alice->group, &options, now(), made);
  if (err == TW_OK) err = adopt_and_save(alice, &made->next);
  /* ... only now made->commit and made->welcome may go out */
  tw_group *joined = NULL;
  if (err == TW_OK) err = tw_group_join(&bob->client, key_package, tw_buf_bytes(&made->welcome), NULL, now(), &joined);
  if (err == TW_OK) err = adopt_and_save(bob, &joined);
  tw_group_free(joined);
  tw_key_package_free(key_package);
  return err;
}

static tw_err say(member *from, tw_bytes text, tw_buf *message) {
  TW_TRY(tw_group_protect(from->group, text, TW_NO_BYTES, message));
  return save(from, from->group); /* so that a restart does not use the same message key again */
}

static tw_err renew(member *from, tw_commit_result *made) {
  TW_TRY(tw_group_commit(from->group, NULL, now(), made)); /* fresh keys for ourselves: heals after a compromise */
  return adopt_and_save(from, &made->next);
}

static tw_err compare(const member *a, const member *b) {
  uint8_t key[2][32];
  TW_TRY(tw_group_export(a->group, TW_LITERAL("example"), TW_NO_BYTES, key[0], sizeof key[0]));
  TW_TRY(tw_group_export(b->group, TW_LITERAL("example"), TW_NO_BYTES, key[1], sizeof key[1]));
  const bool same = memcmp(key[0], key[1], sizeof key[0]) == 0;
  printf("epoch %llu, %s keys\n", (unsigned long long)tw_group_epoch(a->group), same ? "equal" : "different");
  return same ? TW_OK : TW_ERR_INTERNAL;
}

static tw_err run(member *alice, member *bob, tw_buf *memory, tw_commit_result *made) {
  TW_TRY(start(alice, TW_LITERAL("alice")));
  TW_TRY(start(bob, TW_LITERAL("bob")));
  TW_TRY(tw_group_create(&alice->client, TW_LITERAL("the two"), TW_NO_BYTES, now(), &alice->group));
  TW_TRY(add(alice, bob, memory, made));
  tw_buf_clear(memory);
  TW_TRY(say(alice, TW_LITERAL("hello"), memory));
  TW_TRY(restart(bob));
  TW_TRY(take(bob, tw_buf_bytes(memory)));
  TW_TRY(take(bob, tw_buf_bytes(memory))); /* once more: a duplicate, ignored */
  tw_commit_result_clear(made);
  TW_TRY(renew(bob, made));
  TW_TRY(take(alice, tw_buf_bytes(&made->commit)));
  TW_TRY(restart(alice));
  return compare(alice, bob);
}

static void stop(member *who) {
  tw_group_free(who->group);
  tw_signer_free(who->client.signer);
  tw_buf_clear(&who->disk);
  tw_provider_free(who->env.provider);
}

int main(void) {
  member alice = {0};
  member bob = {0};
  tw_buf memory = {0};
  tw_commit_result made = {0};
  const tw_err err = run(&alice, &bob, &memory, &made);
  if (err != TW_OK) printf("failed: %s (%s)\n", tw_err_text(err), tw_err_class_name(tw_err_class_of(err)));
  tw_commit_result_clear(&made);
  tw_buf_clear(&memory);
  stop(&alice);
  stop(&bob);
  return err == TW_OK ? 0 : 1;
}
