/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

/* All that a check has allocated, as a list. */
struct tw_vector_memory {
  tw_vector_memory *next;
  uint8_t data[];
};

static tw_vector_result finish(tw_vector *v) {
  while (v->memory != NULL) {
    tw_vector_memory *next = v->memory->next;
    free(v->memory);
    v->memory = next;
  }
  return v->result;
}

bool tw_vector_going(const tw_vector *v) { return v->result.status == TW_VECTOR_PASS; }

static void stop(tw_vector *v, tw_vector_status status, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void stop(tw_vector *v, tw_vector_status status, const char *format, va_list args) {
  if (!tw_vector_going(v)) return;
  v->result.status = status;
  char *message = v->result.message;
  size_t room = sizeof v->result.message;
  if (v->where[0] != '\0') {
    const int used = snprintf(message, room, "%s: ", v->where);
    if (used < 0 || (size_t)used >= room) return;
    message += used;
    room -= (size_t)used;
  }
  (void)vsnprintf(message, room, format, args);
}

void tw_vector_fail(tw_vector *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  stop(v, TW_VECTOR_FAIL, format, args);
  va_end(args);
}

void tw_vector_skip(tw_vector *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  stop(v, TW_VECTOR_SKIP, format, args);
  va_end(args);
}

void tw_vector_where(tw_vector *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(v->where, sizeof v->where, format, args);
  va_end(args);
}

tw_vector tw_vector_begin(const tw_env *env, json_t *vector) {
  tw_vector v = {.env = env, .json = vector};
  if (!json_is_object(vector)) {
    tw_vector_fail(&v, "not a JSON object");
    return v;
  }
  json_t *suite = json_object_get(vector, "cipher_suite");
  if (suite == NULL) return v;
  const uint64_t id = tw_vector_uint_value(&v, suite, "cipher_suite", UINT16_MAX);
  if (!tw_vector_going(&v)) return v;
  v.suite = tw_suite_by_id(env, (uint16_t)id);
  if (v.suite == NULL) tw_vector_skip(&v, "cipher suite 0x%04x is not known", (unsigned)id);
  return v;
}

tw_vector tw_vector_begin_with_suite(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin(env, vector);
  if (v.suite == NULL) tw_vector_fail(&v, "cipher_suite is missing");
  return v;
}

tw_vector_result tw_vector_end(tw_vector *v) { return finish(v); }

static json_t *field(tw_vector *v, json_t *object, const char *name) {
  if (!tw_vector_going(v)) return NULL;
  json_t *value = json_object_get(object, name);
  if (value == NULL) tw_vector_fail(v, "%s is missing", name);
  return value;
}

json_t *tw_vector_object(tw_vector *v, json_t *object, const char *name) {
  json_t *value = field(v, object, name);
  if (value == NULL || json_is_object(value)) return value;
  tw_vector_fail(v, "%s is not an object", name);
  return NULL;
}

json_t *tw_vector_array(tw_vector *v, json_t *object, const char *name) {
  json_t *value = field(v, object, name);
  if (value == NULL || json_is_array(value)) return value;
  tw_vector_fail(v, "%s is not an array", name);
  return NULL;
}

void *tw_vector_alloc(tw_vector *v, size_t size) {
  if (!tw_vector_going(v)) return NULL;
  tw_vector_memory *block = size <= SIZE_MAX - sizeof *block ? calloc(1, sizeof *block + size) : NULL;
  if (block == NULL) {
    tw_vector_fail(v, "out of memory");
    return NULL;
  }
  block->next = v->memory;
  v->memory = block;
  return block->data;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

tw_bytes tw_vector_hex_value(tw_vector *v, json_t *value, const char *what) {
  if (!tw_vector_going(v)) return TW_NO_BYTES;
  if (!json_is_string(value) || json_string_length(value) % 2 != 0) {
    tw_vector_fail(v, "%s is not a hex string", what);
    return TW_NO_BYTES;
  }
  const char *hex = json_string_value(value);
  const size_t len = json_string_length(value) / 2;
  uint8_t *bytes = tw_vector_alloc(v, len);
  if (bytes == NULL) return TW_NO_BYTES;
  for (size_t i = 0; i < len; i++) {
    const int high = hex_digit(hex[2 * i]);
    const int low = hex_digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      tw_vector_fail(v, "%s is not a hex string", what);
      return TW_NO_BYTES;
    }
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  return TW_BYTES(bytes, len);
}

tw_bytes tw_vector_hex(tw_vector *v, json_t *object, const char *name) {
  return tw_vector_hex_value(v, field(v, object, name), name);
}

tw_bytes tw_vector_optional_hex(tw_vector *v, json_t *object, const char *name, bool *present) {
  *present = false;
  if (!tw_vector_going(v)) return TW_NO_BYTES;
  json_t *value = json_object_get(object, name);
  if (value == NULL || json_is_null(value)) return TW_NO_BYTES;
  const tw_bytes bytes = tw_vector_hex_value(v, value, name);
  *present = tw_vector_going(v);
  return bytes;
}

static tw_bytes filled_up(tw_vector *v, tw_bytes key, size_t size) {
  if (key.len >= size || key.len == 0) return key;
  uint8_t *filled = tw_vector_alloc(v, size);
  if (filled == NULL) return TW_NO_BYTES;
  memcpy(filled + (size - key.len), key.ptr, key.len);
  return TW_BYTES(filled, size);
}

tw_bytes tw_vector_signature_priv(tw_vector *v, json_t *object, const char *name) {
  const tw_bytes key = tw_vector_hex(v, object, name);
  return tw_vector_going(v) && v->suite != NULL ? filled_up(v, key, v->suite->signature->private_size) : key;
}

tw_bytes tw_vector_hpke_priv(tw_vector *v, json_t *object, const char *name) {
  const tw_bytes key = tw_vector_hex(v, object, name);
  return tw_vector_going(v) && v->suite != NULL ? filled_up(v, key, v->suite->kem->private_size) : key;
}

tw_bytes tw_vector_text(tw_vector *v, json_t *object, const char *name) {
  json_t *value = field(v, object, name);
  if (value == NULL) return TW_NO_BYTES;
  if (!json_is_string(value)) {
    tw_vector_fail(v, "%s is not a string", name);
    return TW_NO_BYTES;
  }
  return TW_BYTES((const uint8_t *)json_string_value(value), json_string_length(value));
}

/* Decimal digits alone. */
static bool parse_decimal(const char *text, uint64_t *out) {
  uint64_t number = 0;
  if (text[0] == '\0') return false;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return false;
    const uint64_t digit = (uint64_t)(*text - '0');
    if (number > (UINT64_MAX - digit) / 10) return false;
    number = 10 * number + digit;
  }
  *out = number;
  return true;
}

/* An epoch may be any uint64: what the JSON library has no integer for comes as a string of digits. */
uint64_t tw_vector_uint_value(tw_vector *v, json_t *value, const char *what, uint64_t max) {
  if (!tw_vector_going(v)) return 0;
  uint64_t number = 0;
  bool valid = false;
  if (json_is_integer(value) && json_integer_value(value) >= 0) {
    number = (uint64_t)json_integer_value(value);
    valid = true;
  } else if (json_is_string(value)) {
    valid = parse_decimal(json_string_value(value), &number);
  }
  if (valid && number <= max) return number;
  tw_vector_fail(v, "%s is not an integer of at most %llu", what, (unsigned long long)max);
  return 0;
}

uint64_t tw_vector_uint(tw_vector *v, json_t *object, const char *name, uint64_t max) {
  return tw_vector_uint_value(v, field(v, object, name), name, max);
}

bool tw_vector_bool(tw_vector *v, json_t *object, const char *name) {
  json_t *value = field(v, object, name);
  if (value == NULL) return false;
  if (!json_is_boolean(value)) tw_vector_fail(v, "%s is not a boolean", name);
  return json_is_true(value);
}

bool tw_vector_ok(tw_vector *v, tw_err err, const char *what) {
  if (err != TW_OK) tw_vector_fail(v, "%s: %s", what, tw_err_text(err));
  return tw_vector_going(v);
}

bool tw_vector_true(tw_vector *v, bool condition, const char *what) {
  if (!condition) tw_vector_fail(v, "%s", what);
  return tw_vector_going(v);
}

static void to_hex(char *out, size_t room, tw_bytes bytes) {
  size_t at = 0;
  out[0] = '\0';
  for (size_t i = 0; i < bytes.len && at + 2 < room; i++, at += 2) {
    (void)snprintf(out + at, room - at, "%02x", (unsigned)bytes.ptr[i]);
  }
}

bool tw_vector_equal(tw_vector *v, tw_bytes got, tw_bytes expected, const char *what) {
  if (!tw_vector_going(v)) return false;
  if (tw_bytes_equal(got, expected)) return true;
  char left[33];
  char right[33];
  to_hex(left, sizeof left, got);
  to_hex(right, sizeof right, expected);
  tw_vector_fail(v, "%s is %s (%zu bytes), expected %s (%zu bytes)", what, left, got.len, right, expected.len);
  return false;
}
