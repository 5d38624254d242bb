# tests/<room>/test_<name>.c    one cmocka program each, test_<room>_<name>, labelled with its room; with the comment
#                               "label: slow" in its first lines also labelled slow (left out of quick runs and of
#                               valgrind), with "label: no-valgrind" left out of valgrind alone; with "label: moves"
#                               what pairs and channels do is held against the models (tests/support/tw_test_moves.h)
# tests/<room>/<name>/*.c        further parts of that program
# tests/support/*.c             helpers for all of them
# tests/vectors_main/*.c        the vector runner, <build>/tests/vectors
# tests/e2e/*.sh                scripts on the built program, label e2e; exit status 77 means skipped
# tests/e2e/support/*.c         programs that the scripts use, <build>/tests/e2e_<name>; with "label: library" on the library,
#                               with "label: libssl" on libssl
# The tests' own environment: TREEWIRE_SOURCE (the source root), TREEWIRE_BUILD, and for scripts TREEWIRE (the program).
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_program(TW_BASH bash REQUIRED)
mark_as_advanced(TW_BASH)
set(tw_tests_dir "${PROJECT_SOURCE_DIR}/tests")
set(tw_test_environment "TREEWIRE_SOURCE=${PROJECT_SOURCE_DIR}" "TREEWIRE_BUILD=${PROJECT_BINARY_DIR}"
  "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
  "UBSAN_OPTIONS=print_stacktrace=1")

if(TW_VALGRIND)
  find_program(TW_VALGRIND_PROGRAM valgrind REQUIRED)
  set(tw_valgrind "${TW_VALGRIND_PROGRAM}" --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=all
    --show-leak-kinds=all --track-origins=no "--suppressions=${tw_tests_dir}/valgrind.supp")
endif()

add_library(tests_support INTERFACE)
target_include_directories(tests_support INTERFACE "${tw_tests_dir}" "${tw_tests_dir}/support")
target_compile_definitions(tests_support INTERFACE _GNU_SOURCE TW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(tests_support INTERFACE tw_internal PkgConfig::CMOCKA PkgConfig::JANSSON)
file(GLOB support_sources CONFIGURE_DEPENDS "${tw_tests_dir}/support/*.c")
if(support_sources)
  add_library(tests_support_objects STATIC ${support_sources})
  target_link_libraries(tests_support_objects PRIVATE tests_support)
  target_link_libraries(tests_support INTERFACE $<LINK_ONLY:tests_support_objects>)
endif()

function(tw_has_mark out file mark)
  file(STRINGS "${file}" marks LIMIT_INPUT 1000 REGEX "label: ${mark}")
  if(marks)
    set(${out} ON PARENT_SCOPE)
  else()
    set(${out} OFF PARENT_SCOPE)
  endif()
endfunction()

function(tw_add_test source)
  get_filename_component(dir "${source}" DIRECTORY)
  get_filename_component(room "${dir}" NAME)
  get_filename_component(stem "${source}" NAME_WE)
  string(REGEX REPLACE "^test_" "test_${room}_" name "${stem}")
  string(REGEX REPLACE "^test_" "" parts "${stem}")
  file(GLOB part_sources CONFIGURE_DEPENDS "${dir}/${parts}/*.c")
  add_executable(${name} "${source}" ${part_sources})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE tests_support)
  if(room IN_LIST program_rooms AND TARGET tw_program)
    target_link_libraries(${name} PRIVATE tw_program)
  endif()

  tw_has_mark(moves "${source}" moves)
  if(moves)
    target_link_options(${name} PRIVATE LINKER:--wrap=tw_pair_machine_move,--wrap=tw_channel_machine_move
      LINKER:--undefined=__wrap_tw_pair_machine_move) # from the helpers, though the test itself does not ask for it
  endif()

  set(labels ${room})
  set(timeout 120)
  set(cost 1)
  tw_has_mark(slow "${source}" slow)
  if(slow) # with room for the sanitizers, and begun first
    list(APPEND labels slow)
    set(timeout 600)
    set(cost 100)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout} COST ${cost} SKIP_RETURN_CODE 77
    ENVIRONMENT "${tw_test_environment}")
  tw_has_mark(no_valgrind "${source}" no-valgrind)
  if(TW_VALGRIND AND NOT slow AND NOT no_valgrind)
    add_test(NAME valgrind_${name} COMMAND ${tw_valgrind} $<TARGET_FILE:${name}>)
    set_tests_properties(valgrind_${name} PROPERTIES LABELS "valgrind" TIMEOUT 600 SKIP_RETURN_CODE 77
      ENVIRONMENT "${tw_test_environment};TREEWIRE_VALGRIND=1")
  endif()
endfunction()

file(GLOB test_sources CONFIGURE_DEPENDS "${tw_tests_dir}/*/test_*.c")
foreach(source IN LISTS test_sources)
  tw_add_test("${source}")
endforeach()

file(GLOB vectors_sources CONFIGURE_DEPENDS "${tw_tests_dir}/vectors_main/*.c")
if(vectors_sources)
  add_executable(tw_vectors ${vectors_sources})
  set_target_properties(tw_vectors PROPERTIES OUTPUT_NAME vectors RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_link_libraries(tw_vectors PRIVATE tests_support)
endif()

file(GLOB shared_sources CONFIGURE_DEPENDS "${tw_tests_dir}/e2e/support/shared/*.c")
add_library(e2e_shared STATIC ${shared_sources})
target_compile_definitions(e2e_shared PRIVATE _GNU_SOURCE)
target_link_libraries(e2e_shared PUBLIC tw_warnings tw_flags)

file(GLOB e2e_programs CONFIGURE_DEPENDS "${tw_tests_dir}/e2e/support/*.c")
foreach(source IN LISTS e2e_programs)
  get_filename_component(stem "${source}" NAME_WE)
  add_executable(e2e_${stem} "${source}")
  set_target_properties(e2e_${stem} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_compile_definitions(e2e_${stem} PRIVATE _GNU_SOURCE)
  tw_has_mark(library "${source}" library)
  tw_has_mark(libssl "${source}" libssl)
  tw_has_mark(shared "${source}" shared)
  target_link_libraries(e2e_${stem} PRIVATE tw_warnings $<$<BOOL:${library}>:tw_internal>
    $<$<BOOL:${libssl}>:OpenSSL::SSL> $<$<BOOL:${shared}>:e2e_shared>)
endforeach()

file(GLOB e2e_scripts CONFIGURE_DEPENDS "${tw_tests_dir}/e2e/*.sh")
foreach(script IN LISTS e2e_scripts)
  get_filename_component(stem "${script}" NAME_WE)
  set(labels e2e)
  tw_has_mark(slow "${script}" slow)
  if(slow)
    list(APPEND labels slow)
  endif()
  set(program)
  if(TARGET treewire_program)
    set(program "TREEWIRE=$<TARGET_FILE:treewire_program>")
  endif()
  add_test(NAME e2e_${stem} COMMAND "${TW_BASH}" "${script}")
  set_tests_properties(e2e_${stem} PROPERTIES LABELS "${labels}" TIMEOUT 300 SKIP_RETURN_CODE 77
    ENVIRONMENT "${tw_test_environment};${program};TREEWIRE_SANITIZE=$<BOOL:${TW_SANITIZE}>")
endforeach()
