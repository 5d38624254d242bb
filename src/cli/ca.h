/* treewire ca: what its parts share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_CA_H
#define TW_CLI_CA_H

#include "cli/ca_store.h"
#include "cli/certificates.h"
#include "cli/cli.h"

enum { TW_CA_DAY = 24 * 3600, TW_CA_TEXT_MAX = 8192 };

/** What the command line asks for. */
typedef struct tw_ca_order {
  const char *act;
  const char *folder;
  const char *operands[TW_NAMES_MAX];
  size_t operand_count;
  const char *name;
  const char *algorithm;
  const char *out;
  const char *csr;
  uint64_t seconds; /* 0: the default */
  uint64_t crl_seconds;
} tw_ca_order;

/* One for each word after `ca`; `store` is open but for init. They report themselves. */
tw_exit tw_ca_init(const tw_ca_order *o, tw_ca_store *store);
tw_exit tw_ca_issue(const tw_ca_order *o, tw_ca_store *store);
tw_exit tw_ca_revoke(const tw_ca_order *o, tw_ca_store *store);
tw_exit tw_ca_crl(const tw_ca_order *o, tw_ca_store *store);
tw_exit tw_ca_show(const tw_ca_order *o, tw_ca_store *store);

/** A failed call's report, with the exit code for its error. */
tw_exit tw_ca_fail(tw_err err, const tw_report *report);
/** To standard output. */
tw_exit tw_ca_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
