# Finds OpenSSL >= TW_OPENSSL_MIN: where OPENSSL_ROOT_DIR says, else in the cache that tools/deps fills, else in the
# system. Sets TW_OPENSSL_ROOT (empty for the system's) and defines OpenSSL::Crypto and OpenSSL::SSL.
set(TW_OPENSSL_MIN 3.5.0)

function(tw_openssl_cache_dir out)
  if(NOT "$ENV{TREEWIRE_CACHE}" STREQUAL "")
    set(${out} "$ENV{TREEWIRE_CACHE}" PARENT_SCOPE)
  elseif(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(${out} "$ENV{XDG_CACHE_HOME}/treewire" PARENT_SCOPE)
  else()
    set(${out} "$ENV{HOME}/.cache/treewire" PARENT_SCOPE)
  endif()
endfunction()

if(NOT OPENSSL_ROOT_DIR AND NOT "$ENV{OPENSSL_ROOT_DIR}" STREQUAL "")
  set(OPENSSL_ROOT_DIR "$ENV{OPENSSL_ROOT_DIR}" CACHE PATH "OpenSSL >= ${TW_OPENSSL_MIN}")
endif()

if(NOT OPENSSL_ROOT_DIR)
  tw_openssl_cache_dir(cache)
  file(GLOB candidates LIST_DIRECTORIES true "${cache}/openssl-[0-9]*")
  list(SORT candidates COMPARE NATURAL ORDER DESCENDING)
  foreach(dir IN LISTS candidates)
    string(REGEX REPLACE ".*/openssl-" "" version "${dir}")
    if(EXISTS "${dir}/lib/libcrypto.so" AND version VERSION_GREATER_EQUAL TW_OPENSSL_MIN)
      set(OPENSSL_ROOT_DIR "${dir}")
      break()
    endif()
  endforeach()
endif()

set(TW_OPENSSL_ROOT "${OPENSSL_ROOT_DIR}")
if(TW_OPENSSL_ROOT)
  # Exactly this one: a root that lacks a library must not be completed from the system's older OpenSSL.
  set(tw_saved_paths "${CMAKE_FIND_USE_CMAKE_SYSTEM_PATH}")
  set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)
  find_package(OpenSSL QUIET)
  set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH "${tw_saved_paths}")
  if("${tw_saved_paths}" STREQUAL "")
    unset(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH)
  endif()
else()
  find_package(OpenSSL QUIET)
endif()

if(NOT OPENSSL_FOUND OR OPENSSL_VERSION VERSION_LESS TW_OPENSSL_MIN)
  if(OPENSSL_FOUND)
    set(found "found only ${OPENSSL_VERSION} (${OPENSSL_CRYPTO_LIBRARY})")
  else()
    set(found "found none")
  endif()
  # What was found must not stick: after tools/deps the same build folder has to look again.
  foreach(var OPENSSL_INCLUDE_DIR OPENSSL_CRYPTO_LIBRARY OPENSSL_SSL_LIBRARY)
    unset(${var} CACHE)
  endforeach()
  message(FATAL_ERROR "Treewire needs OpenSSL >= ${TW_OPENSSL_MIN}, ${found}.\n"
    "Run tools/deps: it installs or builds one. Or set OPENSSL_ROOT_DIR to the folder of one of your own.")
endif()
message(STATUS "OpenSSL ${OPENSSL_VERSION}: ${OPENSSL_CRYPTO_LIBRARY}")

get_filename_component(TW_OPENSSL_LIBDIR "${OPENSSL_CRYPTO_LIBRARY}" DIRECTORY)
if(TW_OPENSSL_ROOT)
  set(CMAKE_BUILD_RPATH "${TW_OPENSSL_LIBDIR}")
  set(CMAKE_INSTALL_RPATH "${TW_OPENSSL_LIBDIR}")
endif()

# One that is not the system's may lie where only the builder can read it, such as in a cache: it is installed along.
get_filename_component(tw_openssl_real_libdir "${TW_OPENSSL_LIBDIR}" REALPATH)
set(tw_openssl_is_own OFF)
if(TW_OPENSSL_ROOT AND OPENSSL_CRYPTO_LIBRARY MATCHES "[.]so$"
    AND NOT tw_openssl_real_libdir IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
  set(tw_openssl_is_own ON)
endif()
option(TW_INSTALL_OPENSSL "Install the OpenSSL that was built with, beside the library" ${tw_openssl_is_own})
