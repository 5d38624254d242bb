/* The program as a relay. SPDX-License-Identifier: Apache-2.0 */
#include "node/many/many.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void path_of(const many_relay *relay, const char *name, char out[160]) {
  (void)snprintf(out, 160, "%s/%s", relay->dir, name);
}

static const char *program(char room[512]) {
  const char *given = getenv("TREEWIRE");
  const char *build = getenv("TREEWIRE_BUILD");
  if (given != NULL) return given;
  (void)snprintf(room, 512, "%s/treewire", build != NULL ? build : "build");
  return room;
}

static pid_t spawn(const char *const *words, const char *output, mode_t mode) {
  posix_spawn_file_actions_t actions;
  pid_t pid = 0;
  assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
  assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, mode), 0);
  const int err = posix_spawn(&pid, words[0], &actions, NULL, (char *const *)words, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  assert_int_equal(err, 0);
  return pid;
}

static int wait_for(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

/* Of the event `listening`; 0: it is not there yet. */
static uint16_t read_port(const char *events) {
  FILE *file = fopen(events, "re");
  char line[512];
  uint16_t port = 0;
  while (file != NULL && port == 0 && fgets(line, sizeof line, file) != NULL) {
    json_t *event = json_loads(line, 0, NULL);
    const char *address = json_string_value(json_object_get(event, "address"));
    const char *kind = json_string_value(json_object_get(event, "event"));
    const char *colon = address == NULL ? NULL : strrchr(address, ':');
    if (kind != NULL && strcmp(kind, "listening") == 0 && colon != NULL) port = (uint16_t)strtoul(colon + 1, NULL, 10);
    json_decref(event);
  }
  if (file != NULL) (void)fclose(file);
  return port;
}

void many_relay_start(many_relay *relay, const char *suite) {
  char room[512];
  char key[160];
  char state[160];
  char events[160];
  const char *treewire = program(room);
  if (access(treewire, X_OK) != 0) skip();
  (void)snprintf(relay->dir, sizeof relay->dir, "/tmp/treewire-many-XXXXXX");
  assert_non_null(mkdtemp(relay->dir));
  path_of(relay, "key", key);
  path_of(relay, "state", state);
  path_of(relay, "events", events);
  const char *const genkey[] = {treewire, "genkey", "--suite", suite, NULL};
  assert_int_equal(wait_for(spawn(genkey, key, 0600)), 0);
  const char *const words[] = {treewire,      "relay",    "--key", key,       "--allow-any", "--listen",
                               "127.0.0.1:0", "--events", events,  "--state", state,         NULL};
  relay->pid = spawn(words, "/dev/null", 0600);
  for (int i = 0; i < 1000 && (relay->port = read_port(events)) == 0; i++) (void)usleep(10000);
  assert_int_not_equal(relay->port, 0);
}

/* A number behind `name` in a file of /proc; 0: it is not told. */
static unsigned long long number_in(const many_relay *relay, const char *file, const char *name) {
  char path[64];
  char line[256];
  unsigned long long number = 0;
  (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)relay->pid, file);
  FILE *in = fopen(path, "re");
  while (in != NULL && fgets(line, sizeof line, in) != NULL) {
    if (strncmp(line, name, strlen(name)) == 0) number = strtoull(line + strlen(name), NULL, 10);
  }
  if (in != NULL) (void)fclose(in);
  return number;
}

many_use many_relay_use(const many_relay *relay) {
  many_use use = {.resident = number_in(relay, "status", "VmRSS:") * 1024,
                  .written = number_in(relay, "io", "write_bytes:")};
  char path[64];
  char line[1024];
  (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)relay->pid);
  FILE *in = fopen(path, "re");
  if (in != NULL && fgets(line, sizeof line, in) != NULL) {
    const char *at = strrchr(line, ')'); /* the third field follows; utime and stime are the 14th and 15th */
    for (int i = 0; at != NULL && i < 12; i++) at = strchr(at + 1, ' ');
    if (at != NULL) {
      char *rest = NULL;
      const unsigned long user = strtoul(at, &rest, 10);
      use.seconds = (double)(user + strtoul(rest, NULL, 10)) / (double)sysconf(_SC_CLK_TCK);
    }
  }
  if (in != NULL) (void)fclose(in);
  return use;
}

static void remove_dir(const char *path) {
  char file[512];
  DIR *dir = opendir(path);
  for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
    (void)unlink(file);
  }
  if (dir != NULL) (void)closedir(dir);
  (void)rmdir(path);
}

void many_relay_stop(many_relay *relay) {
  char state[160];
  if (relay->pid <= 0) return;
  (void)kill(relay->pid, SIGTERM);
  assert_int_equal(wait_for(relay->pid), 0);
  relay->pid = 0;
  path_of(relay, "state", state);
  remove_dir(state);
  remove_dir(relay->dir);
}
