/*
 * Two channels over TCP on 127.0.0.1, for who listens in on them.
 *
 *   conversation mls-tls|tls [SUITE [PIECE]]   prints its port, waits for a line on standard input, and holds four
 *                                      conversations, each on a connection of its own: one from the start, with
 *                                      updates of both sides; one resumed with early data; one that breaks off after
 *                                      the answer to its request; one resumed whose early data is not taken. Sends
 *                                      at most PIECE bytes at a time.
 *
 * The key log goes to the file that SSLKEYLOGFILE names. Exit status: 0 when all of it came about.
 * label: library. SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <treewire/channel.h>
#include <unistd.h>

enum { TURNS_MAX = 10000, LONG = 40000 };

typedef struct side {
  tw_client client;
  tw_channel_config config;
  tw_channel *channel;
  int fd;
  size_t sent, got, data;
  bool resumed;
  tw_buf disk;
} side;

static tw_env env;
static side connecting, waiting;
static tw_channel_protocol protocol;
static FILE *key_log;
static size_t piece = SIZE_MAX;
static int listener = -1;
static struct sockaddr_in place;

__attribute__((noreturn)) static void fail(const char *what) {
  (void)fprintf(stderr, "conversation: %s\n", what);
  exit(1);
}

static void must(tw_err err) {
  if (err != TW_OK) fail(tw_err_text(err));
}

static uint64_t now_ms(void) { return (uint64_t)time(NULL) * 1000; }

static tw_err accept_anyone(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_OK;
}

static tw_err find_session(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  (void)group_id;
  const side *of = ctx;
  *found = (tw_channel_found){0};
  return of->disk.len > 0 ? tw_buf_append(saved, TW_BYTES(of->disk.ptr, of->disk.len)) : TW_ERR_NO_SESSION;
}

static void log_line(void *ctx, tw_bytes line) {
  (void)ctx;
  (void)fwrite(line.ptr, 1, line.len, key_log);
  (void)fputc('\n', key_log);
}

static void begin(side *of, const tw_suite *suite, const char *name) {
  static const tw_client *clients[2];
  const size_t at = of == &connecting ? 0 : 1;
  of->client = (tw_client){.env = &env, .suite = suite, .policy = {.credential = accept_anyone}};
  of->client.credential = (tw_credential){.type = 1, .identity = TW_BYTES((const uint8_t *)name, strlen(name))};
  must(tw_signer_generate(&env, suite, &of->client.signer));
  clients[at] = &of->client;
  of->config = (tw_channel_config){.clients = &clients[at],
                                   .client_count = 1,
                                   .protocol = protocol,
                                   .durable = true,
                                   .session = find_session,
                                   .session_ctx = of};
  if (key_log != NULL) of->config.keylog = log_line;
}

/* ---- a connection ---- */

static void save(side *of) {
  while (tw_channel_unsaved(of->channel)) {
    tw_buf_clear(&of->disk);
    must(tw_channel_save(of->channel, &of->disk));
    must(tw_channel_saved(of->channel));
  }
}

static void send_output(side *of) {
  save(of);
  for (tw_bytes out = tw_channel_output(of->channel); out.len > 0; out = tw_channel_output(of->channel)) {
    const ssize_t n = send(of->fd, out.ptr, out.len < piece ? out.len : piece, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail("send");
    tw_channel_output_sent(of->channel, (size_t)n);
    of->sent += (size_t)n;
  }
}

static void take(side *of) {
  uint8_t *room;
  size_t size;
  must(tw_channel_input_buffer(of->channel, &room, &size));
  const ssize_t got = size > 0 ? recv(of->fd, room, size, MSG_DONTWAIT) : 0;
  if (got > 0) {
    of->got += (size_t)got;
    must(tw_channel_input_done(of->channel, (size_t)got, now_ms()));
  }
  save(of);
  for (tw_bytes data = tw_channel_data(of->channel); data.len > 0; data = tw_channel_data(of->channel)) {
    of->data += data.len;
    must(tw_channel_data_done(of->channel, data.len));
    save(of);
  }
  tw_channel_event event;
  while (tw_channel_next_event(of->channel, &event))
    if (event.kind == TW_CHANNEL_ESTABLISHED) of->resumed = event.resumed;
}

/* Until all that was sent has come and nothing more is to be said. */
static void settle(void) {
  for (int turn = 0; turn < TURNS_MAX; turn++) {
    send_output(&connecting);
    send_output(&waiting);
    take(&connecting);
    take(&waiting);
    const size_t left = tw_channel_output(connecting.channel).len + tw_channel_output(waiting.channel).len;
    if (left == 0 && connecting.sent == waiting.got && waiting.sent == connecting.got) return;
    const struct timespec moment = {0, 100000};
    (void)nanosleep(&moment, NULL);
  }
  fail("it does not settle");
}

static void open_connection(bool resume) {
  connecting.fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connecting.fd, (const struct sockaddr *)&place, sizeof place) != 0) fail("connect");
  waiting.fd = accept(listener, NULL, NULL);
  if (waiting.fd < 0) fail("accept");
  const int yes = 1;
  (void)setsockopt(connecting.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  (void)setsockopt(waiting.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  connecting.sent = connecting.got = waiting.sent = waiting.got = 0;
  connecting.config.resume = resume ? TW_BYTES(connecting.disk.ptr, connecting.disk.len) : TW_NO_BYTES;
  must(tw_channel_connect(&connecting.config, now_ms(), &connecting.channel));
  must(tw_channel_accept(&waiting.config, now_ms(), &waiting.channel));
  save(&connecting);
}

static void close_connection(void) {
  tw_channel_free(connecting.channel);
  tw_channel_free(waiting.channel);
  connecting.channel = waiting.channel = NULL;
  (void)close(connecting.fd);
  (void)close(waiting.fd);
}

static void say(side *of, tw_bytes words) {
  size_t taken;
  must(tw_channel_write(of->channel, words, &taken));
  if (taken != words.len) fail("not all was taken");
}

static void say_and_settle(side *of, tw_bytes words) {
  side *other = of == &connecting ? &waiting : &connecting;
  const size_t before = other->data;
  say(of, words);
  settle();
  if (other->data != before + words.len) fail("not all has come");
}

static void talk(void) {
  static uint8_t many[LONG];
  memset(many, '.', sizeof many);
  say_and_settle(&connecting, TW_LITERAL("words of the connecting side"));
  say_and_settle(&waiting, TW_LITERAL("words of the waiting side"));
  say_and_settle(&connecting, TW_BYTES(many, sizeof many));
}

static void renew(side *of) {
  must(tw_channel_rekey(of->channel, now_ms()));
  settle();
}

static void finish(void) {
  must(tw_channel_close(connecting.channel));
  settle();
  must(tw_channel_close(waiting.channel));
  send_output(&waiting);
  close_connection();
}

static void converse(void) {
  open_connection(false);
  settle();
  talk();
  renew(&connecting);
  talk();
  renew(&waiting);
  talk();
  finish();

  open_connection(true);
  say(&connecting, TW_LITERAL("early words"));
  settle();
  talk();
  renew(&waiting);
  talk();
  finish();

  open_connection(true);
  send_output(&connecting);
  while (waiting.got < connecting.sent) take(&waiting);
  send_output(&waiting);
  close_connection();

  open_connection(true);
  say(&connecting, TW_LITERAL("early words that come twice"));
  settle();
  if (!connecting.resumed || !waiting.resumed) fail("nothing was resumed");
  talk();
  finish();
}

int main(int argc, char **argv) {
  const bool tls = argc > 1 && strcmp(argv[1], "tls") == 0;
  if (argc < 2 || (!tls && strcmp(argv[1], "mls-tls") != 0)) fail("mls-tls or tls?");
  protocol = tls ? TW_CHANNEL_TLS : TW_CHANNEL_MLS_TLS;
  const tw_suite *suite = argc > 2 ? tw_suite_by_name(argv[2]) : tw_suite_default();
  if (suite == NULL) fail("no such suite");
  if (argc > 3) piece = (size_t)strtoul(argv[3], NULL, 10);
  if (piece == 0) fail("pieces of nothing");
  const char *path = getenv("SSLKEYLOGFILE");
  if (path != NULL && (key_log = fopen(path, "ae")) == NULL) fail("SSLKEYLOGFILE");
  must(tw_provider_openssl_new(NULL, &env.provider));
  begin(&connecting, suite, "alice");
  begin(&waiting, suite, "bob");
  socklen_t size = sizeof place;
  place = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (const struct sockaddr *)&place, size) != 0 || listen(listener, 1) != 0) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&place, &size) != 0) fail("getsockname");
  (void)printf("%u\n", ntohs(place.sin_port));
  (void)fflush(stdout);
  (void)getchar();
  converse();
  (void)close(listener);
  if (key_log != NULL) (void)fclose(key_log);
  tw_buf_clear(&connecting.disk);
  tw_buf_clear(&waiting.disk);
  tw_signer_free(connecting.client.signer);
  tw_signer_free(waiting.client.signer);
  tw_provider_free(env.provider);
  return 0;
}
