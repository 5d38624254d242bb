/*
 * ESP packets for other implementations, and of theirs.
 *
 *   esp_packets seal SUITE    prints a line for each of some packets: its number, key and salt, the packet, and the
 * IPv4 packet in it esp_packets open SUITE    reads lines of a number and a packet, sealed by the same key and salt,
 * and prints for each its number, its next header and what is in it
 *
 * All but the number, which is decimal, in hex. The packets have the form of RFC 4106: the IV, which is the number,
 * stands
 * behind the header. Exit status: 0 when all was sealed or opened. label: library. SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/writer.h"
#include "esp/esp.h"

enum { IV = 8, IP_HEADER = 20, ROOM = 4096 };

static tw_env env;
static tw_esp_keys keys;

__attribute__((noreturn)) static void fail(const char *what) {
  (void)fprintf(stderr, "esp_packets: %s\n", what);
  exit(1);
}

static void must(tw_err err) {
  if (err != TW_OK) fail(tw_err_text(err));
}

static void print_hex(const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) printf("%02x", (unsigned)bytes[i]);
}

/* From 192.0.2.1 to 192.0.2.2, protocol 253, with content that counts; the checksum is not looked at. */
static void make_inner(uint8_t *inner, size_t len) {
  static const uint8_t header[IP_HEADER] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
  memcpy(inner, header, IP_HEADER);
  tw_put_u16(inner + 2, (uint16_t)len);
  for (size_t i = IP_HEADER; i < len; i++) inner[i] = (uint8_t)i;
}

static void seal_one(uint64_t number, size_t len, size_t least) {
  uint8_t packet[ROOM];
  uint8_t inner[ROOM];
  tw_esp_out out = {0};
  must(tw_esp_out_init(&env, &keys, (tw_esp_mark){.next = number}, &out));
  out.limits.packets = UINT64_MAX - 1; /* numbers for AES-GCM, too, that no sender comes to */
  must(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 1)));
  make_inner(inner, len);
  memcpy(packet + TW_ESP_HEADER, inner, len);
  must(tw_esp_seal(&out, TW_ESP_NEXT_IPV4, packet, len, least));
  uint8_t iv[IV];
  tw_put_u64(iv, number);
  printf("%" PRIu64 " ", number);
  print_hex(keys.key, keys.suite->aead->key_size);
  print_hex(keys.salt, TW_ESP_SALT);
  printf(" ");
  print_hex(packet, TW_ESP_HEADER);
  print_hex(iv, IV);
  print_hex(packet + TW_ESP_HEADER, tw_esp_size(len, least) - TW_ESP_HEADER);
  printf(" ");
  print_hex(inner, len);
  printf("\n");
  tw_esp_out_clear(&out);
}

static void seal_all(void) {
  static const uint64_t numbers[] = {1,
                                     UINT32_MAX,
                                     UINT64_C(1) << 32,
                                     (UINT64_C(1) << 32) + 1,
                                     UINT64_C(0x1234567887654321),
                                     UINT64_C(0xfffffffffffffff0)};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    for (size_t len = IP_HEADER; len < IP_HEADER + 5; len++) seal_one(numbers[i], len, 0);
    seal_one(numbers[i], 1400, 0);
    seal_one(numbers[i], 100, 1280);
  }
}

static size_t read_hex(const char *text, uint8_t *out) {
  const size_t len = strlen(text) / 2;
  if (len > ROOM) fail("a line is too long");
  for (size_t i = 0; i < len; i++) {
    const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
    char *end;
    out[i] = (uint8_t)strtoul(digits, &end, 16);
    if (end != digits + 2) fail("not hex");
  }
  return len;
}

static void open_one(uint64_t number, uint8_t *packet, size_t size) {
  uint8_t iv[IV];
  tw_put_u64(iv, number);
  if (size < TW_ESP_PACKET_MIN + IV || memcmp(packet + TW_ESP_HEADER, iv, IV) != 0) fail("the IV is not the number");
  memmove(packet + TW_ESP_HEADER, packet + TW_ESP_HEADER + IV, size - TW_ESP_HEADER - IV);
  tw_esp_in in = {0};
  tw_esp_opened opened;
  must(tw_esp_in_init(&env, &keys, number - 1, &in));
  in.limits.packets = UINT64_MAX - 1;
  must(tw_esp_open(&in, packet, size - IV, &opened));
  if (opened.number != number) fail("another number");
  printf("%" PRIu64 " %u ", opened.number, (unsigned)opened.next_header);
  print_hex(packet + TW_ESP_HEADER, opened.len);
  printf("\n");
  tw_esp_in_clear(&in);
}

static void open_all(void) {
  static char line[3 * ROOM];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char *rest;
    uint8_t packet[ROOM];
    const uint64_t number = strtoull(line, &rest, 10);
    rest += strspn(rest, " ");
    rest[strcspn(rest, "\n")] = '\0';
    open_one(number, packet, read_hex(rest, packet));
  }
}

int main(int argc, char **argv) {
  if (argc != 3) fail("usage: esp_packets seal|open SUITE");
  must(tw_provider_openssl_new(NULL, &env.provider));
  keys = (tw_esp_keys){.suite = tw_suite_by_id(&env, (uint16_t)strtoul(argv[2], NULL, 0)), .spi = 0x4a4b4c4d};
  if (keys.suite == NULL) fail("no such suite");
  for (size_t i = 0; i < TW_AEAD_KEY_MAX; i++) keys.key[i] = (uint8_t)(i + 1);
  for (size_t i = 0; i < TW_ESP_SALT; i++) keys.salt[i] = (uint8_t)(0xa0 + i);
  if (strcmp(argv[1], "seal") == 0)
    seal_all();
  else if (strcmp(argv[1], "open") == 0)
    open_all();
  else
    fail("usage: esp_packets seal|open SUITE");
  tw_provider_free(env.provider);
  return 0;
}
