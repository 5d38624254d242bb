/* A network namespace. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_netns.h"

#include <linux/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool tw_test_netns_enter(void) {
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  struct ifreq request = {.ifr_flags = IFF_UP};
  memcpy(request.ifr_name, "lo", sizeof "lo");
  const bool up = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  (void)close(fd);
  return up;
}
