/* A CA's folder. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_CA_STORE_H
#define TW_CLI_CA_STORE_H

#include "cli/ca_index.h"
#include "x509/make.h"

/*
 * DIR (0700): ca.key (0600), ca.pem, index (0600), crl.pem. Each file is replaced as a whole; one process at a time.
 */
enum { TW_CA_PATH = 1024 };

typedef struct tw_ca_store {
  const char *folder;
  int lock; /* the folder's descriptor; -1: not open */
  tw_x509 *x509;
  tw_x509_key *key;
  tw_buf certificate; /* PEM */
  tw_x509_holder holder;
  tw_ca_index index;
} tw_ca_store;

/**
 * Make a folder with a new CA in it: all of it or nothing. TW_ERR_STATE where the folder is there and not empty, and
 * others, with a report.
 */
TW_MUST_USE tw_err tw_ca_store_create(const char *folder, const char *name, const char *algorithm, uint64_t seconds,
                                      uint64_t crl_seconds, tw_report *report);
/** Open one, for this process alone. `store` is zeroed; tw_ca_store_close takes it on error too. */
TW_MUST_USE tw_err tw_ca_store_open(tw_ca_store *store, const char *folder, tw_report *report);
void tw_ca_store_close(tw_ca_store *store);
/** Write the index; TW_ERR_STATE with a report. */
TW_MUST_USE tw_err tw_ca_store_save(const tw_ca_store *store, tw_report *report);
/** Write the CRL of what the index says, valid for so long. TW_ERR_STATE with a report. */
TW_MUST_USE tw_err tw_ca_store_write_crl(const tw_ca_store *store, uint64_t seconds, tw_report *report);

#endif
