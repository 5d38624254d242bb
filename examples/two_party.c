/* Two parties on a socketpair: an MLS-TLS channel, a message each way, a key update, a clean end. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <treewire/channel.h>
#include <unistd.h>

static tw_env env;

static uint64_t now_ms(void) { return (uint64_t)time(NULL) * 1000; }

/* The Authentication Service: here it greets everyone; yours compares use->signature_key with the keys that you trust.
 */
static tw_err accept_all(void *who, const tw_credential_use *use) {
  printf("%s: meets %.*s\n", (const char *)who, (int)use->credential.identity.len,
         (const char *)use->credential.identity.ptr);
  return TW_OK;
}

/* Someone with a fresh key, and their end of a channel. */
static tw_err start(char *name, bool connects, tw_client *client, tw_channel **channel) {
  *client = (tw_client){.env = &env, .suite = tw_suite_default(), .policy = {.ctx = name, .credential = accept_all}};
  client->credential = (tw_credential){.type = 1, .identity = TW_BYTES((const uint8_t *)name, strlen(name))};
  TW_TRY(tw_signer_generate(&env, client->suite, &client->signer));
  const tw_client *clients[] = {client};
  const tw_channel_config config = {.clients = clients, .client_count = 1};
  return connects ? tw_channel_connect(&config, now_ms(), channel) : tw_channel_accept(&config, now_ms(), channel);
}

/* One turn of one side: send what there is, receive what has come, show what happened. */
static tw_err turn(const char *name, tw_channel *channel, int fd) {
  const tw_bytes out = tw_channel_output(channel);
  if (out.len > 0) tw_channel_output_sent(channel, (size_t)send(fd, out.ptr, out.len, 0));
  uint8_t *room;
  size_t size;
  TW_TRY(tw_channel_input_buffer(channel, &room, &size));
  const ssize_t got = size > 0 ? recv(fd, room, size, MSG_DONTWAIT) : 0;
  if (got > 0) TW_TRY(tw_channel_input_done(channel, (size_t)got, now_ms()));
  for (tw_bytes data = tw_channel_data(channel); data.len > 0; data = tw_channel_data(channel)) {
    printf("%s: received \"%.*s\"\n", name, (int)data.len, (const char *)data.ptr);
    TW_TRY(tw_channel_data_done(channel, data.len));
  }
  tw_channel_event event;
  size_t taken;
  while (tw_channel_next_event(channel, &event)) {
    if (event.kind == TW_CHANNEL_ESTABLISHED) TW_TRY(tw_channel_write(channel, TW_LITERAL("hello"), &taken));
    if (event.kind == TW_CHANNEL_REKEYED) printf("%s: epoch %llu\n", name, (unsigned long long)event.epoch);
    if (event.kind == TW_CHANNEL_REKEYED) TW_TRY(tw_channel_close(channel));
  }
  return TW_OK;
}

static tw_err converse(tw_channel *alice, tw_channel *bob, const int fd[2]) {
  for (int i = 0; i < 10; i++) {
    TW_TRY(turn("alice", alice, fd[0]));
    TW_TRY(turn("bob", bob, fd[1]));
    if (i == 3) TW_TRY(tw_channel_rekey(alice, now_ms()));
  }
  return TW_OK;
}

int main(void) {
  char names[2][6] = {"alice", "bob"};
  tw_client clients[2] = {0};
  tw_channel *channels[2] = {NULL, NULL};
  int fd[2];
  tw_err err = socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0 ? tw_provider_openssl_new(NULL, &env.provider)
                                                            : TW_ERR_ARGUMENT;
  for (int i = 0; i < 2 && err == TW_OK; i++) err = start(names[i], i == 0, &clients[i], &channels[i]);
  if (err == TW_OK) err = converse(channels[0], channels[1], fd);
  tw_channel_status status = {0};
  if (err == TW_OK) tw_channel_get_status(channels[0], &status);
  printf("%s\n", err != TW_OK ? tw_err_text(err) : status.closed ? "closed cleanly" : "not closed");
  for (int i = 0; i < 2; i++) tw_channel_free(channels[i]), tw_signer_free(clients[i].signer), close(fd[i]);
  tw_provider_free(env.provider);
  return err == TW_OK && status.closed ? 0 : 1;
}
