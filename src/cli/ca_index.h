/* What a CA has issued: a text file. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_CA_INDEX_H
#define TW_CLI_CA_INDEX_H

#include <treewire/bytes.h>

#include "net/report.h"
#include "x509/x509.h"

/*
 * One certificate a line: SERIAL STATE NOT_BEFORE NOT_AFTER REVOKED NAMES, with blanks between. SERIAL in hexadecimal;
 * STATE valid or revoked; times as in RFC 3339, UTC; REVOKED is "-" for who is not; NAMES with commas between. Lines
 * that begin with '#' are comments and are not kept.
 */
typedef struct tw_ca_entry {
  char serial[TW_X509_SERIAL];
  uint64_t not_before;
  uint64_t not_after;
  uint64_t revoked; /* 0: not */
  size_t names;     /* offset in the index's */
} tw_ca_entry;

enum { TW_CA_INDEX_MAX = 64 * 1024 * 1024 };

typedef struct tw_ca_index {
  tw_ca_entry *list;
  size_t count;
  size_t room;
  tw_buf names; /* strings with their ends */
} tw_ca_index;

/** Parse a file's text; `index` is zeroed. TW_ERR_ENCODING with "SOURCE:LINE: …". */
TW_MUST_USE tw_err tw_ca_index_parse(const char *source, tw_bytes text, tw_ca_index *index, tw_report *report);
/** The text of it, appended. */
TW_MUST_USE tw_err tw_ca_index_format(const tw_ca_index *index, tw_buf *text);
/** One more; `names` as in the file. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_ca_index_add(tw_ca_index *index, const tw_ca_entry *entry, const char *names);
/** The entry with this serial number, case of digits ignored; NULL when there is none. */
tw_ca_entry *tw_ca_index_find(const tw_ca_index *index, const char *serial);
const char *tw_ca_entry_names(const tw_ca_index *index, const tw_ca_entry *entry);
void tw_ca_index_clear(tw_ca_index *index);

/** The bytes of a serial number in hexadecimal; 0 when it is none. `out` has room for 20. */
size_t tw_ca_serial_bytes(const char *serial, uint8_t *out);
/** "2026-11-28T03:20:22Z" */
void tw_ca_time_text(uint64_t time, char out[24]);

#endif
