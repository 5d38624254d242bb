# Where OpenSSL is not the system's: it lies in a folder of its own below the libraries, found by what is installed from
# wherever that is itself, so that the prefix may change, and nobody needs the place that it was built with.
if(NOT TW_INSTALL_OPENSSL)
  return()
endif()
set(tw_openssl_dir "${CMAKE_INSTALL_LIBDIR}/treewire")
file(RELATIVE_PATH tw_openssl_from_bin "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}/treewire")
set_target_properties(treewire PROPERTIES INSTALL_RPATH "$ORIGIN/treewire")
set(tw_openssl_libraries "${OPENSSL_CRYPTO_LIBRARY}")
if(TARGET treewire_program)
  set_target_properties(treewire_program PROPERTIES INSTALL_RPATH "$ORIGIN/${tw_openssl_from_bin}")
  list(APPEND tw_openssl_libraries "${OPENSSL_SSL_LIBRARY}")
endif()

foreach(library IN LISTS tw_openssl_libraries)
  get_filename_component(tw_real "${library}" REALPATH)
  get_filename_component(tw_real_name "${tw_real}" NAME)
  install(FILES "${library}" "${tw_real}" DESTINATION "${tw_openssl_dir}") # the link for linking, and the file
  install(CODE "
    set(file \"${tw_openssl_dir}/${tw_real_name}\")
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
    set(file \"\$ENV{DESTDIR}\${file}\")
    file(READ_ELF \"\${file}\" RPATH rpath RUNPATH runpath CAPTURE_ERROR error)
    if(NOT \"\${rpath}\${runpath}\" STREQUAL \"\")
      file(RPATH_SET FILE \"\${file}\" NEW_RPATH \"\\$ORIGIN\")
    endif()")
endforeach()
