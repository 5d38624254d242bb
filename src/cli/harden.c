/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/harden.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* LeakSanitizer looks at its own process by ptrace. */
#if defined(__SANITIZE_ADDRESS__)
#define TW_TRACEABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TW_TRACEABLE 1
#endif
#endif
#ifndef TW_TRACEABLE
#define TW_TRACEABLE 0
#endif

void tw_harden_process(void) {
  const struct rlimit none = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
  if (!TW_TRACEABLE) (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/*
 * The key lives in more places than one (our copy, libcrypto's), all of them in the heap by now. mlockall would count
 * the libraries' code too, and with MCL_FUTURE each connection's memory, against a limit that is 8 MiB for ordinary
 * users.
 */
bool tw_harden_lock_memory(void) {
  FILE *maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return false;
  bool locked = false;
  bool failed = false;
  char line[512];
  while (fgets(line, sizeof line, maps) != NULL) {
    if (strstr(line, "[heap]") == NULL) continue;
    char *dash;
    const uintmax_t from = strtoumax(line, &dash, 16);
    const uintmax_t to = *dash == '-' ? strtoumax(dash + 1, NULL, 16) : 0;
    if (to <= from) continue;
    if (mlock((const void *)(uintptr_t)from, (size_t)(to - from)) == 0)
      locked = true; /* NOLINT(performance-no-int-to-ptr) */
    else
      failed = true;
  }
  (void)fclose(maps);
  return locked && !failed;
}
