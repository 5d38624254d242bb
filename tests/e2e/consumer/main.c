/* A program of somebody else's, on the installed headers and library alone. */
#include <stdio.h>
#include <string.h>

#include <treewire/bytes.h>
#include <treewire/err.h>

int main(void) {
  const tw_bytes hello = TW_BYTES((const uint8_t *)"hello", 5);
  if (!tw_bytes_equal(hello, hello) || strcmp(tw_err_class_name(tw_err_class_of(TW_ERR_MAC)), "crypto") != 0) return 1;
  return printf("treewire %d.%d.%d\n", TW_VERSION_MAJOR, TW_VERSION_MINOR, TW_VERSION_PATCH) < 0;
}
