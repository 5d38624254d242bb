/* The speed table: bench_treewire [--json FILE] [PART…]. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench.h"

static const struct {
  const char *name;
  void (*run)(void);
} parts[] = {
    {"two-party", bench_part_two_party}, {"primitives", bench_part_primitives}, {"exporter", bench_part_exporter},
    {"trees", bench_part_trees},         {"adding", bench_part_adding},         {"proposals", bench_part_proposals},
    {"records", bench_part_records},     {"stream", bench_part_stream},         {"program", bench_part_program},
    {"memory", bench_part_memory},       {"bytes", bench_part_bytes},           {"store", bench_part_store},
    {"handshake", bench_part_handshake}, {"resumption", bench_part_resumption}, {"esp", bench_part_esp},
    {"delivery", bench_part_delivery},   {"network", bench_part_network},
};

static bool wanted(const char *name, char **names, int count) {
  for (int i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return count == 0;
}

int main(int argc, char **argv) {
  const char *json = NULL;
  int first = 1;
  if (argc > 2 && strcmp(argv[1], "--json") == 0) {
    json = argv[2];
    first = 3;
  }
  const double start = bench_wall_seconds();
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (wanted(parts[i].name, argv + first, argc - first)) parts[i].run();
  }
  const unsigned missed = bench_finish(json);
  printf("\n%u missed, %.0f s\n", missed, bench_wall_seconds() - start);
  return 0;
}
