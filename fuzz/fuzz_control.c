/* Control messages, as the first byte says: what is read is written the same. And streams of them, in pieces. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "../tests/control/message_samples.h"
#include "control/split.h"
#include "fuzz_env.h"

enum { READ_STREAM = 128 }; /* from here: a stream in pieces of (first byte - 127) bytes */

static void write_seed(size_t index, uint8_t as, tw_bytes bytes) {
  char name[32];
  tw_buf seed = {0};
  (void)snprintf(name, sizeof name, "%02u-%zu", (unsigned)as, index);
  if (tw_buf_append(&seed, TW_BYTES(&as, 1)) == TW_OK && tw_buf_append(&seed, bytes) == TW_OK)
    tw_fuzz_write_seed(name, tw_buf_bytes(&seed));
  tw_buf_clear(&seed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  control_samples samples;
  tw_buf stream = {0};
  TW_FUZZ_ASSERT(control_samples_make(&samples) == TW_OK);
  for (size_t i = 0; i < samples.count; i++) {
    write_seed(i, samples.list[i].as, sample_frame(&samples.list[i]));
    TW_FUZZ_ASSERT(tw_buf_append(&stream, tw_buf_bytes(&samples.list[i].whole)) == TW_OK);
  }
  write_seed(0, READ_STREAM + 10, tw_buf_bytes(&stream));
  tw_buf_clear(&stream);
  control_samples_clear(&samples);
  tw_fuzz_seeds_done();
  return 0;
}

static void check_message(uint8_t as, tw_bytes frame) {
  tw_buf out = {0};
  const tw_err err = control_recode(as, frame, &out);
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(tw_bytes_equal(TW_BYTES(out.ptr + TW_CONTROL_HEADER, out.len - TW_CONTROL_HEADER), frame));
  } else {
    TW_FUZZ_ASSERT(tw_err_class_of(err) == TW_CLASS_MALFORMED && out.len == 0);
  }
  tw_buf_clear(&out);
}

/* The frames lie in the stream one behind the other, whatever the pieces. */
static void check_stream(size_t size, tw_bytes stream) {
  tw_control_split split = {0};
  tw_reader whole = tw_reader_of(stream);
  tw_err err = TW_OK;
  for (size_t at = 0; at < stream.len && err == TW_OK; at += size) {
    tw_bytes piece = TW_BYTES(stream.ptr + at, stream.len - at < size ? stream.len - at : size);
    tw_bytes frame;
    do {
      err = tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame);
      if (err != TW_OK || frame.len == 0) break;
      const uint32_t length = tw_read_u32(&whole);
      TW_FUZZ_ASSERT(tw_bytes_equal(tw_read_fixed(&whole, length), frame));
    } while (frame.len > 0);
    TW_FUZZ_ASSERT(err != TW_OK || piece.len == 0);
  }
  TW_FUZZ_ASSERT(err == TW_OK || err == TW_ERR_ENCODING);
  TW_FUZZ_ASSERT(err != TW_OK || tw_control_split_is_empty(&split) == (whole.left == 0));
  tw_control_split_clear(&split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const tw_bytes input = TW_BYTES(data + 1, size - 1);
  if (data[0] >= READ_STREAM)
    check_stream((size_t)data[0] - READ_STREAM + 1, input);
  else if (data[0] <= TW_CONTROL_REQUEST_LAST || data[0] == READ_PUSH)
    check_message(data[0], input);
  else
    return -1;
  return 0;
}
