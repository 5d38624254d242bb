/* Which file a database is. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/writer.h"
#include "store/store_internal.h"

tw_err tw_store_origin(const tw_store *store, uint8_t origin[TW_STORE_ORIGIN_SIZE], tw_report *report) {
  struct statx file;
  if (statx(store->place.dir, TW_STORE_DB, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &file) != 0)
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", store->place.path, strerror(errno));
  const bool born = (file.stx_mask & STATX_BTIME) != 0;
  tw_put_u64(origin, file.stx_ino);
  tw_put_u64(origin + 8, born ? (uint64_t)file.stx_btime.tv_sec * 1000000000 + file.stx_btime.tv_nsec : 0);
  return TW_OK;
}
