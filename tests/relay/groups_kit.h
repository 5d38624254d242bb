/* A group of three among five clients, and what comes to their mailboxes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_RELAY_GROUPS_KIT_H
#define TW_TESTS_RELAY_GROUPS_KIT_H

#include "relay/relay_kit.h"

#define GROUP TW_LITERAL("group id")

/* The entries of a mailbox as text: kind, epoch and what the message has, each. */
static inline const char *mail_of(relay_kit *k, unsigned peer, char out[512]) {
  const tw_control_answer *answer = relay_fetch(k, peer, 0, 100);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  size_t len = 0;
  out[0] = '\0';
  for (tw_control_entry entry; tw_control_entry_next(&walk, &entry);) {
    tw_mls_message message;
    tw_control_welcomed welcomed = {.welcome = entry.message};
    if (entry.kind == TW_CONTROL_KIND_WELCOME) {
      assert_int_equal(tw_control_welcomed_decode(entry.message, &welcomed), TW_OK);
      tw_test_same(welcomed.tree, relay_tree(k, entry.epoch));
    }
    assert_int_equal(tw_mls_message_decode(&k->at.test.env, welcomed.welcome, &message), TW_OK);
    const tw_bytes text = message.wire_format == TW_WIRE_PRIVATE_MESSAGE ? message.u.private_message.ciphertext
                          : message.wire_format == TW_WIRE_WELCOME
                              ? message.u.welcome.encrypted_group_info
                              : message.u.public_message.content.authenticated_data;
    tw_test_same(entry.group_id, GROUP);
    len += (size_t)snprintf(out + len, 512 - len, "%s%d:%llu:%.*s", len > 0 ? " " : "", entry.kind,
                            (unsigned long long)entry.epoch, (int)text.len, (const char *)text.ptr);
  }
  return out;
}

/* Members 0, 1 and 2 of five clients, at epoch 7. */
static inline void open_three(relay_kit *k) {
  for (unsigned i = 0; i < 5; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  const tw_control_request open = relay_open_of(k, "net", GROUP, 7, relay_ids(k, 0, 1, 2, -1));
  const tw_control_answer *answer = relay_do(k, 0, &open);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  assert_int_equal(answer->body.group_open, 1);
}

static inline void commits(relay_kit *k, unsigned by, uint64_t epoch, const char *text, tw_bytes members,
                           tw_control_status status) {
  const tw_control_request request = relay_commit_of(k, GROUP, epoch, text, members);
  relay_expects(k, by, &request, status);
}

#endif
