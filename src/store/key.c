/* The key of a state: of a file, or of a passphrase by Argon2id. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/suites.h"
#include "store/store_internal.h"

/* What is stored is not believed beyond these: a changed file shall not make us fill the machine's memory. */
enum { MEMORY_MAX_KIB = 4 << 20, PASSES_MAX = 64, LANES_MAX = 64 };
static const tw_store_cost cost_default = {.memory_kib = 65536, .passes = 3, .lanes = 4};
static const tw_suite algorithms = {.name = "state", .hash = &tw_hash_sha384, .aead = &tw_aead_aes256gcm};

static tw_err read_key(int fd, const char *path, uint8_t key[TW_STORE_KEY_SIZE], tw_report *report) {
  uint8_t bytes[TW_STORE_KEY_SIZE + 1];
  size_t len = 0;
  while (len < sizeof bytes) {
    const ssize_t got = read(fd, bytes + len, sizeof bytes - len);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(errno));
    if (got == 0) break;
    len += (size_t)got;
  }
  if (len == TW_STORE_KEY_SIZE) memcpy(key, bytes, TW_STORE_KEY_SIZE);
  tw_wipe(bytes, sizeof bytes);
  if (len == TW_STORE_KEY_SIZE) return TW_OK;
  return tw_report_fail(report, TW_ERR_KEY, "%.200s: not a key of a state, which is %d random bytes", path,
                        TW_STORE_KEY_SIZE);
}

static tw_err read_key_file(const char *path, uint8_t key[TW_STORE_KEY_SIZE], tw_report *report) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(errno));
  struct stat status;
  tw_err err;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    err = tw_report_fail(report, TW_ERR_STATE, "%.200s: not a file", path);
  else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    err = tw_report_fail(report, TW_ERR_FORBIDDEN, "%.200s: its mode %04o lets others at the key (chmod 600 it)", path,
                         (unsigned)(status.st_mode & 07777));
  else
    err = read_key(fd, path, key, report);
  (void)close(fd);
  return err;
}

/* RFC 9106. In a library context for this alone, so that the process's configuration of OpenSSL does not matter. */
static tw_err argon2id(tw_bytes passphrase, const tw_store_seal *seal, uint8_t out[TW_STORE_KEY_SIZE],
                       tw_report *report) {
  uint8_t salt[TW_STORE_SALT];
  tw_store_cost cost = seal->cost;
  uint32_t threads = 1;
  memcpy(salt, seal->salt, sizeof salt);
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)passphrase.ptr, passphrase.len),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof salt),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &cost.passes),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_THREADS, &threads),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_LANES, &cost.lanes),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_MEMCOST, &cost.memory_kib),
      OSSL_PARAM_construct_end()};
  (void)ERR_set_mark();
  OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
  EVP_KDF *kdf = lib == NULL ? NULL : EVP_KDF_fetch(lib, "ARGON2ID", NULL);
  EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
  const bool made = ctx != NULL && EVP_KDF_derive(ctx, out, TW_STORE_KEY_SIZE, params) == 1;
  EVP_KDF_CTX_free(ctx);
  EVP_KDF_free(kdf);
  OSSL_LIB_CTX_free(lib);
  (void)ERR_pop_to_mark();
  if (made) return TW_OK;
  return tw_report_fail(report, TW_ERR_NO_MEMORY, "the passphrase's key wants %u MiB of memory, which failed",
                        cost.memory_kib / 1024);
}

static tw_err protection_of(const tw_store_key *key, tw_store_protection *protection, tw_report *report) {
  if (key->file != NULL && key->passphrase.len > 0)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "a state is sealed with a key file or a passphrase, not with both");
  if (key->passphrase.ptr != NULL && key->passphrase.len == 0)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "an empty passphrase seals nothing");
  if (key->passphrase.len > TW_STORE_PASSPHRASE_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "a passphrase has at most %d bytes", TW_STORE_PASSPHRASE_MAX);
  *protection = key->file != NULL ? TW_STORE_KEY_FILE : key->passphrase.len > 0 ? TW_STORE_PASSPHRASE : TW_STORE_CLEAR;
  return TW_OK;
}

/* In the words of who is asked for it: none, a key file, a passphrase. */
static tw_err check_protection(tw_store_protection stored, tw_store_protection given, tw_report *report) {
  static const char *const with[] = {"", "a key file", "a passphrase"};
  if (stored == given) return TW_OK;
  if (stored == TW_STORE_CLEAR)
    return tw_report_fail(report, TW_ERR_KEY, "the state is not sealed, but %s was given", with[given]);
  if (given == TW_STORE_CLEAR)
    return tw_report_fail(report, TW_ERR_KEY, "the state is sealed with %s, and none was given", with[stored]);
  return tw_report_fail(report, TW_ERR_KEY, "the state is sealed with %s, not with %s", with[stored], with[given]);
}

static bool cost_is_valid(const tw_store_cost *cost) {
  return cost->lanes >= 1 && cost->lanes <= LANES_MAX && cost->passes >= 1 && cost->passes <= PASSES_MAX &&
         cost->memory_kib >= 8 * cost->lanes && cost->memory_kib <= MEMORY_MAX_KIB;
}

tw_err tw_store_seal_derive(const tw_env *env, const tw_store_key *key, tw_store_seal *seal, tw_report *report) {
  tw_store_protection given = TW_STORE_CLEAR;
  TW_TRY(protection_of(key, &given, report));
  TW_TRY(check_protection(seal->protection, given, report));
  if (given == TW_STORE_CLEAR) return TW_OK;
  uint8_t master[TW_STORE_KEY_SIZE];
  tw_secret prk = {0};
  tw_err err;
  if (given == TW_STORE_KEY_FILE)
    err = read_key_file(key->file, master, report);
  else if (cost_is_valid(&seal->cost))
    err = argon2id(key->passphrase, seal, master, report);
  else
    err = tw_report_fail(report, TW_ERR_ENCODING, "the cost of the passphrase's key is out of bounds");
  if (err == TW_OK) {
    err = tw_hkdf_extract(env, &algorithms, TW_ARRAY(seal->name), TW_ARRAY(master), &prk);
    if (err == TW_OK)
      tw_hmac_key_init(env, &algorithms, tw_secret_bytes(&prk), &seal->prk);
    else
      err = tw_report_fail(report, err, "%s", tw_err_text(err));
  }
  tw_wipe(master, sizeof master);
  tw_secret_clear(&prk);
  return err;
}

tw_err tw_store_seal_make(const tw_env *env, const tw_store_key *key, tw_store_seal *seal, tw_report *report) {
  TW_TRY(protection_of(key, &seal->protection, report));
  memset(seal->salt, 0, sizeof seal->salt);
  seal->cost = (tw_store_cost){0};
  if (seal->protection == TW_STORE_PASSPHRASE) {
    const tw_err err = tw_random(env, seal->salt, sizeof seal->salt);
    if (err != TW_OK) return tw_report_fail(report, err, "%s", tw_err_text(err));
    seal->cost.memory_kib = key->cost.memory_kib != 0 ? key->cost.memory_kib : cost_default.memory_kib;
    seal->cost.passes = key->cost.passes != 0 ? key->cost.passes : cost_default.passes;
    seal->cost.lanes = key->cost.lanes != 0 ? key->cost.lanes : cost_default.lanes;
  }
  return tw_store_seal_derive(env, key, seal, report);
}
