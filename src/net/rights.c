/* Giving up rights. SPDX-License-Identifier: Apache-2.0 */
#include "net/rights.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/address.h"

enum { HALVES = _LINUX_CAPABILITY_U32S_3, LOOKUP_MAX = 4096 };

typedef struct sets {
  uint64_t effective;
  uint64_t permitted;
  uint64_t inheritable;
} sets;

/* By the system call itself: libcap would be one more library for two calls. */
static bool get_sets(sets *out) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[HALVES] = {{0}};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  out->effective = data[0].effective | (uint64_t)data[1].effective << 32;
  out->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  out->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
  return true;
}

static bool set_sets(const sets *in) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  const struct __user_cap_data_struct data[HALVES] = {
      {(uint32_t)in->effective, (uint32_t)in->permitted, (uint32_t)in->inheritable},
      {(uint32_t)(in->effective >> 32), (uint32_t)(in->permitted >> 32), (uint32_t)(in->inheritable >> 32)}};
  return syscall(SYS_capset, &header, data) == 0;
}

uint64_t tw_rights_now(void) {
  sets now = {0};
  return get_sets(&now) ? now.effective : 0;
}

/* ---- whom to become ---- */

static bool is_numeric(const char *text, tw_rights_user *user) {
  char number[24];
  const char *colon = strchr(text, ':');
  const size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
  if (len >= sizeof number) return false;
  memcpy(number, text, len);
  number[len] = '\0';
  uint64_t uid;
  if (!tw_number_parse(number, UINT32_MAX - 1, &uid)) return false;
  uint64_t gid = uid;
  if (colon != NULL && !tw_number_parse(colon + 1, UINT32_MAX - 1, &gid)) return false;
  *user = (tw_rights_user){true, (uid_t)uid, (gid_t)gid};
  return true;
}

tw_err tw_rights_find_user(const char *text, tw_rights_user *user, tw_report *report) {
  tw_rights_user found = {0};
  if (!is_numeric(text, &found)) {
    char memory[LOOKUP_MAX];
    struct passwd entry;
    struct passwd *result = NULL;
    if (getpwnam_r(text, &entry, memory, sizeof memory, &result) != 0 || result == NULL)
      return tw_report_fail(report, TW_ERR_ARGUMENT, "there is no user '%.40s': make one, or give UID:GID", text);
    found = (tw_rights_user){true, entry.pw_uid, entry.pw_gid};
  }
  if (found.uid == 0 || found.gid == 0)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "the user '%.40s' is root or of its group: give another", text);
  *user = found;
  return TW_OK;
}

/* ---- giving up ---- */

static bool has_one_thread(void) {
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return true; /* without /proc nobody can tell */
  unsigned count = 0;
  for (const struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks))
    if (entry->d_name[0] != '.') count++;
  (void)closedir(tasks);
  return count <= 1;
}

/* Takes CAP_SETPCAP; without it the bounding set stays, and no_new_privs makes it meaningless. */
static void bare_bounding_set(uint64_t keep) {
  for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
    if ((keep >> cap & 1) == 0) (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static bool become(const tw_rights_user *user) {
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return false;
  /* Groups first: without the user's rights they can be changed no more. */
  return setgroups(0, NULL) == 0 && setresgid(user->gid, user->gid, user->gid) == 0 &&
         setresuid(user->uid, user->uid, user->uid) == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0;
}

static bool is_done(const tw_rights_user *user, uint64_t keep) {
  sets now;
  if (!get_sets(&now) || now.effective != keep || now.permitted != keep || now.inheritable != 0) return false;
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return false;
  if (!user->changes) return true;
  uid_t uid[3];
  gid_t gid[3];
  if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0) return false;
  for (int i = 0; i < 3; i++)
    if (uid[i] != user->uid || gid[i] != user->gid) return false;
  return getgroups(0, NULL) == 0 && setuid(0) != 0;
}

tw_err tw_rights_drop(const tw_rights_user *user, uint64_t keep, tw_report *report) {
  if (!has_one_thread())
    return tw_report_fail(report, TW_ERR_STATE, "rights can be given up only before there are further threads");
  sets now;
  if (!get_sets(&now)) return tw_report_fail(report, TW_ERR_STATE, "cannot read our capabilities: %s", strerror(errno));
  if ((now.permitted & keep) != keep)
    return tw_report_fail(report, TW_ERR_STATE,
                          "a capability is missing%s: start as root, or give it to the service (systemd: "
                          "AmbientCapabilities=CAP_NET_ADMIN)",
                          keep == TW_RIGHTS_NET_ADMIN ? ", CAP_NET_ADMIN" : "");
  bare_bounding_set(keep);
  if (user->changes && !become(user))
    return tw_report_fail(report, TW_ERR_STATE, "cannot become user %u: %s (start as root, or leave the user out)",
                          (unsigned)user->uid, strerror(errno));
  (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* Linux 4.3 */
  const sets kept = {keep, keep, 0};
  if (!set_sets(&kept) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return tw_report_fail(report, TW_ERR_STATE, "cannot give up rights: %s", strerror(errno));
  if (!is_done(user, keep)) return tw_report_fail(report, TW_ERR_STATE, "giving up rights has not worked");
  return TW_OK;
}
