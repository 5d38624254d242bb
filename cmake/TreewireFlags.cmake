# Warnings, hardening and sanitizers, as interface targets that our own targets link privately.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(tw_warnings INTERFACE)
target_compile_options(tw_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wvla
  -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wundef -Wwrite-strings -Wformat=2
  $<$<BOOL:${TW_WERROR}>:-Werror>)

add_library(tw_flags INTERFACE)
target_compile_options(tw_flags INTERFACE -fno-strict-overflow -fstack-protector-strong)
foreach(flag IN ITEMS -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero)
  string(MAKE_C_IDENTIFIER "tw_has${flag}" has)
  check_c_compiler_flag(${flag} ${has})
  if(${has})
    target_compile_options(tw_flags INTERFACE ${flag})
  endif()
endforeach()

if(TW_SANITIZE)
  target_compile_options(tw_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g)
  target_link_options(tw_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(TW_SANITIZE_THREAD)
  target_compile_options(tw_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer -g)
  target_link_options(tw_flags INTERFACE -fsanitize=thread)
elseif(CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$")
  target_compile_options(tw_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
target_link_options(tw_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

if(TW_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "TW_FUZZ needs clang: configure with -DCMAKE_C_COMPILER=clang")
  endif()
  # Everything is instrumented for coverage; only the targets themselves take libFuzzer's main.
  target_compile_options(tw_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g)
  target_link_options(tw_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_compile_definitions(tw_flags INTERFACE TW_FUZZING=1)
endif()
