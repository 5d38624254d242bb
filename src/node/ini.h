/* A strict reader of INI files. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_INI_H
#define TW_NODE_INI_H

#include <treewire/bytes.h>

#include "net/report.h"

/*
 * One line is one of
 *     [Section]
 *     Key = value          blanks around each part do not count
 *     # comment            also with ';', and both also behind a blank at a line's end
 * or empty. Names of sections and keys in any case of ASCII letters. Lines end with LF or CR LF, the last one may lack
 * it. Text is UTF-8 (a mark at its begin is left out) without control characters other than tab.
 */
enum {
  TW_INI_LINE_MAX = 16384, /* bytes of a line without its end */
  TW_INI_SECTIONS_MAX = 16,
  TW_INI_KEYS_MAX = 32 /* of one section */
};

typedef enum tw_ini_key_rule {
  TW_INI_ONCE = 0,
  TW_INI_MANY = 1,  /* may be repeated in its section */
  TW_INI_EMPTY = 2, /* may be without a value */
} tw_ini_key_rule;

/** A key that may stand in a section. */
typedef struct tw_ini_key {
  const char *name;
  unsigned rules;      /* of tw_ini_key_rule */
  const char *instead; /* not NULL: a key that people try in vain; these words say what to do */
} tw_ini_key;

typedef struct tw_ini_section {
  const char *name;
  bool many; /* may be repeated */
  const tw_ini_key *keys;
  size_t key_count;
} tw_ini_section;

typedef enum tw_ini_kind {
  TW_INI_END = 0,
  TW_INI_SECTION = 1, /* a section begins */
  TW_INI_VALUE = 2
} tw_ini_kind;

typedef struct tw_ini_item {
  tw_ini_kind kind;
  size_t line;    /* from 1 */
  size_t section; /* index in the schema */
  size_t key;     /* of a value: index in the section's keys */
  tw_bytes value; /* borrowed from the text; without blanks around it */
} tw_ini_item;

/** Borrows all that it is made of. Allocates nothing. */
typedef struct tw_ini {
  const char *source; /* the file's name, for reports */
  const tw_ini_section *schema;
  size_t schema_count;
  tw_bytes text; /* what is left */
  size_t line;
  bool inside;  /* a section has begun */
  bool skipped; /* it is one that cannot be taken, and nor can its values */
  size_t section;
  size_t section_lines[TW_INI_SECTIONS_MAX]; /* where each was first seen; 0: not yet */
  size_t key_lines[TW_INI_KEYS_MAX];         /* likewise, of the section that we are in */
} tw_ini;

/** `schema` has at most TW_INI_SECTIONS_MAX sections of TW_INI_KEYS_MAX keys. */
tw_ini tw_ini_of(const char *source, tw_bytes text, const tw_ini_section *schema, size_t schema_count);

/** Whether it begins with the byte order mark of UTF-16, so that no line of it can be read. UTF-8's is passed over. */
bool tw_ini_is_utf16(tw_bytes text);

/**
 * The next section or value. TW_ERR_ENCODING with a report "SOURCE:LINE: …": a line that is none of the above, an
 * unknown section or key, one given twice, a missing value. That line is left out and the caller may go on, to find
 * what else is wrong; values in a section that was refused are then passed over in silence.
 */
TW_MUST_USE tw_err tw_ini_next(tw_ini *ini, tw_ini_item *item, tw_report *report);

/** Whether `text` is UTF-8 (RFC 3629) without control characters (C0, DEL, C1). */
bool tw_ini_is_printable(tw_bytes text);

#endif
