/*
 * The definitions below take the place of libc's and libcrypto's for the whole program, SQLite and libuv included; in
 * the test itself they change nothing. SPDX-License-Identifier: Apache-2.0
 */
#include "points.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static kill_shared *mine;
static struct timespec born;

/* ---- calls ---- */

static void die(void) {
  (void)syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) (void)syscall(SYS_pause);
}

/* Whether this call is the one. Only the main thread's count: what libuv's threads write is its own. */
static bool is_due(void) {
  if (mine == NULL || atomic_load(&mine->at) == 0 || syscall(SYS_gettid) != getpid()) return false;
  return atomic_fetch_add(&mine->passed, 1) + 1 == atomic_load(&mine->at);
}

/* How much of `n` bytes is written; dies if that is nothing. */
static size_t before(bool due, size_t n) {
  if (!due || atomic_load(&mine->how) == KILL_AFTER) return n;
  if (atomic_load(&mine->how) == KILL_BEFORE || n < 2) die();
  return n / 2;
}

static long after(bool due, long result) {
  if (due) die();
  return result;
}

/* Seen by the shared libraries, whatever the build hides. */
#pragma GCC visibility push(default)

ssize_t write(int fd, const void *buf, size_t n) {
  const bool due = is_due();
  n = before(due, n);
  return after(due, syscall(SYS_write, fd, buf, n));
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t offset) {
  const bool due = is_due();
  n = before(due, n);
  return after(due, syscall(SYS_pwrite64, fd, buf, n, offset));
}

/* A killed process loses nothing that was not flushed: a flush is a point and no work. */
static int flush(int fd, long number) {
  const bool due = is_due();
  (void)before(due, 0);
  return (int)after(due, mine != NULL ? 0 : syscall(number, fd));
}

int fsync(int fd) { return flush(fd, SYS_fsync); }
int fdatasync(int fildes) { return flush(fildes, SYS_fdatasync); }

int ftruncate64(int fd, off64_t length) {
  const bool due = is_due();
  (void)before(due, 0);
  return (int)after(due, syscall(SYS_ftruncate, fd, length));
}

int unlink(const char *name) {
  const bool due = is_due();
  (void)before(due, 0);
  return (int)after(due, syscall(SYS_unlink, name));
}

/* ---- time ---- */

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
  const long status = syscall(SYS_clock_gettime, clock_id, tp);
  const bool hurries = mine != NULL && (clock_id == CLOCK_MONOTONIC || clock_id == CLOCK_MONOTONIC_COARSE);
  if (status != 0 || !hurries) return (int)status;
  const int64_t second = 1000000000;
  int64_t ns = (tp->tv_sec - born.tv_sec) * second + (tp->tv_nsec - born.tv_nsec);
  if (ns < 0) ns = 0; /* the coarse clock lags */
  ns = ns * KILL_HASTE + born.tv_nsec;
  tp->tv_sec = born.tv_sec + ns / second;
  tp->tv_nsec = ns % second;
  return 0;
}

static int hurried(int timeout) { return mine == NULL || timeout <= 0 ? timeout : (timeout - 1) / KILL_HASTE + 1; }

int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout, const sigset_t *ss) {
  return (int)syscall(SYS_epoll_pwait, epfd, events, maxevents, hurried(timeout), ss, (size_t)_NSIG / 8);
}

int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout) {
  return epoll_pwait(epfd, events, maxevents, timeout, NULL);
}

/* ---- sealing ---- */

enum { CONTEXTS = 4096 }; /* a power of two */

typedef struct context {
  const EVP_CIPHER_CTX *ctx;
  uint64_t key, nonce, aad, stream;
  bool sealing, record;
} context;

static context contexts[CONTEXTS];
static uint32_t streams;

/* Two lanes, so that an accident is out of the question. */
static uint64_t hash(uint64_t seed, const unsigned char *bytes, size_t n) {
  uint64_t one = seed ^ 0xcbf29ce484222325u;
  uint64_t two = seed + 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < n; i++) {
    one = (one ^ bytes[i]) * 0x100000001b3u;
    two = (two + bytes[i]) * 0xff51afd7ed558ccdu;
    two ^= two >> 32;
  }
  return one ^ (two * 31) ^ n;
}

static context *context_of(const EVP_CIPHER_CTX *ctx) {
  size_t at = (size_t)((uintptr_t)ctx >> 4) & (CONTEXTS - 1);
  while (contexts[at].ctx != NULL && contexts[at].ctx != ctx) at = (at + 1) & (CONTEXTS - 1);
  contexts[at].ctx = ctx;
  return &contexts[at];
}

static void note(const context *c, uint64_t plaintext) {
  kill_seal *seal = &mine->seal[atomic_fetch_add(&mine->seals, 1) % SEALS];
  if (atomic_load(&seal->ready))
    die(); /* the test did not keep up; it takes this for a point that it did not ask for */
  seal->key = c->key;
  seal->nonce = c->nonce;
  seal->plaintext = plaintext;
  seal->stream = c->stream;
  seal->record = c->record;
  atomic_store(&seal->ready, true);
}

int EVP_CipherInit_ex2(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv,
                       int enc, const OSSL_PARAM *params) {
  static int (*real)(EVP_CIPHER_CTX *, const EVP_CIPHER *, const unsigned char *, const unsigned char *, int,
                     const OSSL_PARAM *);
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "EVP_CipherInit_ex2");
  const int status = real(ctx, cipher, key, iv, enc, params);
  if (mine == NULL || status != 1) return status;
  context *c = context_of(ctx);
  if (key != NULL) {
    c->key = hash(1, key, (size_t)EVP_CIPHER_CTX_get_key_length(ctx));
    c->stream = (uint64_t)mine->incarnation << 32 | ++streams;
    c->record = iv == NULL; /* nonces come later, one for each record */
  }
  if (iv != NULL) c->nonce = hash(2, iv, 12);
  if (enc >= 0) c->sealing = enc == 1;
  c->aad = 0;
  return status;
}

int EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in, int inl) {
  static int (*real)(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "EVP_CipherUpdate");
  if (mine != NULL) {
    context *c = context_of(ctx);
    if (c->sealing && out == NULL) c->aad = hash(3, in, (size_t)inl);
    if (c->sealing && out != NULL) note(c, hash(c->aad, in, (size_t)inl));
  }
  return real(ctx, out, outl, in, inl);
}

#pragma GCC visibility pop

void kill_become_victim(kill_shared *shared) {
  (void)clock_gettime(CLOCK_MONOTONIC, &born);
  mine = shared;
}
