/* To be preloaded: the time of day is as many seconds off as the file that CLOCK_OFF names says. SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the names of the header are reserved ones */
int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*system_one)(clockid_t clock, struct timespec * now);
  if (system_one == NULL) *(void **)(&system_one) = dlsym(RTLD_NEXT, "clock_gettime");
  const int result = system_one(clock, now);
  if (result != 0 || clock != CLOCK_REALTIME) return result;
  const char *path = getenv("CLOCK_OFF");
  FILE *file = path != NULL ? fopen(path, "r") : NULL;
  if (file == NULL) return result;
  char line[32] = "";
  if (fgets(line, sizeof line, file) != NULL) now->tv_sec += strtol(line, NULL, 10);
  (void)fclose(file);
  return result;
}
