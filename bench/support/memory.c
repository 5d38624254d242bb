/* What is allocated. SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <unistd.h>

#include "bench.h"

static void *counting_resize(void *ctx, void *ptr, size_t size) {
  bench_memory *memory = ctx;
  memory->calls++;
  memory->now -= malloc_usable_size(ptr);
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  void *next = realloc(ptr, size);
  memory->now += malloc_usable_size(next != NULL ? next : ptr);
  if (memory->now > memory->peak) memory->peak = memory->now;
  return next;
}

void bench_memory_init(bench_memory *memory) {
  *memory = (bench_memory){.alloc = {.ctx = memory, .resize = counting_resize}};
}

size_t bench_heap(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

size_t bench_resident(void) {
  char line[128];
  char *rest;
  FILE *file = fopen("/proc/self/statm", "r");
  BENCH_TRUE(file != NULL);
  BENCH_TRUE(fgets(line, sizeof line, file) != NULL);
  fclose(file);
  (void)strtoul(line, &rest, 10); /* the size of the program; what is resident is next */
  const unsigned long resident = strtoul(rest, NULL, 10);
  return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}
