/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *bench_program(void) {
  static char path[4096];
  if (path[0] != 0) return path;
  const ssize_t len = readlink("/proc/self/exe", path, sizeof path - 16);
  BENCH_TRUE(len > 0);
  path[len] = 0;
  memcpy(strrchr(path, '/') + 1, "treewire", sizeof "treewire");
  if (access(path, X_OK) == 0) return path;
  path[0] = 0;
  return NULL;
}

pid_t bench_program_run(const char *const *arguments, const char *input, const char *output) {
  const pid_t child = fork();
  BENCH_TRUE(child >= 0);
  if (child != 0) return child;
  const int in = open(input != NULL ? input : "/dev/null", O_RDONLY);
  const int out = open(output != NULL ? output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err = open("/dev/null", O_WRONLY);
  if (in >= 0 && out >= 0 && err >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2)
    execv(arguments[0], (char *const *)(uintptr_t)arguments);
  _exit(127);
}
