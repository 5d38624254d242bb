/* What a private network of fifty says, in bytes, by the messages that it would send. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "control/message.h"
#include "control/patch.h"
#include "filled.h"

/*
 * Once an hour each member renews its keys by a commit, which goes to the relay with the group's new GroupInfo and what
 * it changes of tree and roster, and from there to all others. Bytes are those of the control connections' frames,
 * without records, TCP and IP. The tree is filled, as it becomes after a round of renewals.
 */
enum { MEMBERS = 50, RENEWALS_A_DAY = 24 };

static size_t request_size(const tw_control_request *request) {
  tw_buf frame = TW_BUF_INIT(NULL);
  BENCH_OK(tw_control_request_encode(request, &frame));
  const size_t len = frame.len;
  tw_buf_clear(&frame);
  return len;
}

static size_t answer_size(const tw_control_answer *answer) {
  tw_buf frame = TW_BUF_INIT(NULL);
  BENCH_OK(tw_control_answer_encode(answer, &frame));
  const size_t len = frame.len;
  tw_buf_clear(&frame);
  return len;
}

static size_t push_size(void) {
  const tw_control_push push = {.type = TW_CONTROL_MAIL};
  tw_buf frame = TW_BUF_INIT(NULL);
  BENCH_OK(tw_control_push_encode(&push, &frame));
  const size_t len = frame.len;
  tw_buf_clear(&frame);
  return len;
}

/* What goes to the relay beside the commit. */
typedef struct beside {
  tw_buf group_info;
  tw_buf whole_tree;
  tw_buf tree;
  tw_buf members;
} beside;

static void list_members(unsigned count, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  for (unsigned i = 0; i < count; i++) tw_control_write_client(&w, &(tw_client_id){.digest = {(uint8_t)i}});
  BENCH_OK(tw_writer_end(&w));
}

static void beside_init(beside *b, const tw_env *env, const tw_group *group, const tw_group *next, unsigned added) {
  tw_buf before = TW_BUF_INIT(NULL);
  tw_buf members = TW_BUF_INIT(NULL);
  tw_buf next_members = TW_BUF_INIT(NULL);
  memset(b, 0, sizeof *b);
  BENCH_OK(tw_group_info_message(next, false, TW_NO_BYTES, &b->group_info));
  BENCH_OK(tw_group_ratchet_tree(group, &before));
  BENCH_OK(tw_group_ratchet_tree(next, &b->whole_tree));
  BENCH_OK(tw_control_patch_make(env, tw_buf_bytes(&before), tw_buf_bytes(&b->whole_tree), &b->tree));
  list_members(MEMBERS, &members);
  list_members(MEMBERS + added, &next_members);
  BENCH_OK(tw_control_patch_make(env, tw_buf_bytes(&members), tw_buf_bytes(&next_members), &b->members));
  tw_buf_clear(&next_members);
  tw_buf_clear(&members);
  tw_buf_clear(&before);
}

static void beside_clear(beside *b) {
  tw_buf_clear(&b->group_info);
  tw_buf_clear(&b->whole_tree);
  tw_buf_clear(&b->tree);
  tw_buf_clear(&b->members);
}

/* To the relay, and its answer. */
static size_t committer_bytes(const tw_group *group, const tw_commit_result *made, const beside *b, tw_bytes welcomes) {
  const tw_control_group_commit commit = {.group_id = tw_group_id(group),
                                          .epoch = tw_group_epoch(group),
                                          .commit = tw_buf_bytes(&made->commit),
                                          .group_info = tw_buf_bytes(&b->group_info),
                                          .tree = tw_buf_bytes(&b->tree),
                                          .members = tw_buf_bytes(&b->members),
                                          .welcomes = welcomes};
  const size_t sent = request_size(
      &(tw_control_request){.type = TW_CONTROL_GROUP_COMMIT, .number = 1, .body.group_commit = commit});
  return sent + answer_size(&(tw_control_answer){.to = TW_CONTROL_GROUP_COMMIT, .request = 1});
}

/* Mail is told, fetched, answered; and the next fetch, which says that it was taken, with its empty answer. */
static size_t member_bytes(const tw_group *group, tw_control_kind kind, tw_bytes message) {
  tw_buf entries = TW_BUF_INIT(NULL);
  tw_writer w = tw_writer_to(&entries);
  tw_control_write_entry(&w, &(tw_control_entry){.number = 1,
                                                 .kind = kind,
                                                 .group_id = tw_group_id(group),
                                                 .epoch = tw_group_epoch(group),
                                                 .message = message});
  BENCH_OK(tw_writer_end(&w));
  tw_control_answer answer = {.to = TW_CONTROL_FETCH, .request = 1};
  const size_t empty = answer_size(&answer);
  answer.body.fetch.entries = tw_buf_bytes(&entries);
  const size_t full = answer_size(&answer);
  tw_buf_clear(&entries);
  const size_t fetch = request_size(
      &(tw_control_request){.type = TW_CONTROL_FETCH, .number = 1, .body.fetch = {0, 64}});
  return push_size() + 2 * fetch + full + empty;
}

static void row(const char *what, const char *suite, double bytes) {
  char name[96];
  snprintf(name, sizeof name, "%s, %s", what, suite);
  bench_row(name, bytes, "bytes", BENCH_INFO, 0);
}

/* One comes in: its Welcome goes up without the tree, and down with it. */
static void measure_admission(tw_group *group, const tw_env *env, const tw_suite *suite, const char *name) {
  const uint8_t newcomer[TW_FINGERPRINT_SIZE] = {MEMBERS};
  bench_person person;
  tw_key_package *package;
  tw_buf proposals = TW_BUF_INIT(NULL);
  tw_buf welcomes = TW_BUF_INIT(NULL);
  tw_buf mail = TW_BUF_INIT(NULL);
  tw_commit_result made = {0};
  beside b;
  bench_person_init(&person, env, suite, MEMBERS);
  BENCH_OK(tw_key_package_new(&person.client, NULL, BENCH_NOW, &package));
  BENCH_OK(tw_propose_add(&proposals, tw_key_package_message(package)));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals),
                                     .without_collected = true,
                                     .names_key_packages = true,
                                     .tree_outside = true};
  BENCH_OK(tw_group_commit(group, &options, BENCH_NOW, &made));
  beside_init(&b, env, group, made.next, 1);
  tw_writer w = tw_writer_to(&welcomes);
  tw_control_write_welcome(&w, &(tw_control_welcome){TW_ARRAY(newcomer), tw_buf_bytes(&made.welcome)});
  BENCH_OK(tw_writer_end(&w));
  w = tw_writer_to(&mail);
  tw_control_write_welcomed(&w, &(tw_control_welcomed){tw_buf_bytes(&made.welcome), tw_buf_bytes(&b.whole_tree)});
  BENCH_OK(tw_writer_end(&w));
  row("network of 50: another one's Welcome, without its tree", name, (double)made.welcome.len);
  row("network of 50: letting it in, the wire of who does", name,
      (double)committer_bytes(group, &made, &b, tw_buf_bytes(&welcomes)));
  row("network of 50: the same, the newcomer's wire", name,
      (double)member_bytes(group, TW_CONTROL_KIND_WELCOME, tw_buf_bytes(&mail)));
  beside_clear(&b);
  tw_commit_result_clear(&made);
  tw_key_package_free(package);
  bench_person_clear(&person);
  tw_buf_clear(&proposals);
  tw_buf_clear(&welcomes);
  tw_buf_clear(&mail);
}

static void measure(const tw_suite *suite, const char *name) {
  static const tw_commit_options options = {.without_collected = true};
  tw_env env = {0};
  bench_filled filled;
  tw_commit_result made = {0};
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  bench_filled_init(&filled, &env, suite, MEMBERS);
  tw_group *group = filled.group[BENCH_COMMITTER];
  BENCH_OK(tw_group_commit(group, &options, BENCH_NOW, &made));
  beside b;
  beside_init(&b, &env, group, made.next, 0);
  const double own = (double)committer_bytes(group, &made, &b, TW_NO_BYTES);
  const double others = (double)member_bytes(group, TW_CONTROL_KIND_COMMIT, tw_buf_bytes(&made.commit));
  row("network of 50: a commit", name, (double)made.commit.len);
  row("network of 50: the GroupInfo with it, without its tree", name, (double)b.group_info.len);
  row("network of 50: the tree", name, (double)b.whole_tree.len);
  row("network of 50: what a commit changes of it", name, (double)b.tree.len);
  row("network of 50: what a renewal changes of the members", name, (double)b.members.len);
  row("network of 50: a renewal, the wire of who renews", name, own);
  row("network of 50: the same, the wire of each other member", name, others);
  row("network of 50: a day of a node, hourly renewals by all", name, RENEWALS_A_DAY * (own + (MEMBERS - 1) * others));
  beside_clear(&b);
  tw_commit_result_clear(&made);
  measure_admission(group, &env, suite, name);
  bench_filled_clear(&filled);
  tw_provider_free(env.provider);
}

void bench_part_network(void) {
  bench_title("Renewals in a network of 50: frames of the control connections");
  measure(tw_suite_default(), "default suite");
  measure(tw_suite_at(0), "classical");
}
