# libipsec-mb, Intel's library of ciphers for packets: for x86-64 alone, and left out where it is not found or not wanted
# (TW_IPSEC_MB=OFF). Sets TW_IPSEC_MB_LIBRARY to the name to link with, or to nothing.
include(CheckSymbolExists)
include(CMakePushCheckState)

set(TW_IPSEC_MB_LIBRARY)
if(TW_IPSEC_MB)
  cmake_push_check_state(RESET)
  set(CMAKE_REQUIRED_LIBRARIES IPSec_MB)
  set(CMAKE_REQUIRED_QUIET ON)
  check_symbol_exists(init_mb_mgr_auto intel-ipsec-mb.h tw_has_ipsec_mb)
  cmake_pop_check_state()
  if(tw_has_ipsec_mb)
    set(TW_IPSEC_MB_LIBRARY IPSec_MB)
  else()
    unset(tw_has_ipsec_mb CACHE) # it may be there the next time
  endif()
endif()
if(TW_IPSEC_MB_LIBRARY)
  message(STATUS "AES-GCM of packets: libipsec-mb")
else()
  message(STATUS "AES-GCM of packets: libcrypto")
endif()
