# cmake --install: libraries, headers, program, man pages, systemd units, documents, examples, the Wireshark dissector,
# pkg-config file and CMake package.
include(CMakePackageConfigHelpers)
set(tw_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/treewire")

install(TARGETS treewire treewire_static EXPORT treewireTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT treewireTargets NAMESPACE treewire:: DESTINATION ${tw_package_dir})
install(DIRECTORY include/treewire DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET treewire_program)
  install(TARGETS treewire_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
include(TreewireInstallOpenSSL)
file(GLOB man_pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.1" "${PROJECT_SOURCE_DIR}/docs/man/*.1"
  "${PROJECT_SOURCE_DIR}/packaging/*.1")
if(man_pages)
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(FILES docs/treewire.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)

# Where systemd looks for them below a prefix, whatever the folder of libraries is.
if(TARGET treewire_program)
  foreach(unit IN ITEMS treewire@.service treewire-relay.service)
    configure_file(packaging/systemd/${unit}.in "${PROJECT_BINARY_DIR}/systemd/${unit}" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/systemd/${unit}" DESTINATION lib/systemd/system)
  endforeach()
  install(FILES packaging/systemd/treewire-relay.sysusers DESTINATION lib/sysusers.d RENAME treewire-relay.conf)
endif()

# The documents keep their places beside each other, so that their links to one another hold.
install(FILES README.md CONTRIBUTING.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.c"
  PATTERN "*.conf")

# Not where Wireshark loads what it finds, but where it can be named: the user decides.
install(DIRECTORY packaging/wireshark DESTINATION "${CMAKE_INSTALL_DATADIR}/treewire" FILES_MATCHING PATTERN "*.lua")

configure_package_config_file(cmake/treewireConfig.cmake.in treewireConfig.cmake INSTALL_DESTINATION ${tw_package_dir})
write_basic_package_version_file(treewireConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/treewireConfig.cmake" "${PROJECT_BINARY_DIR}/treewireConfigVersion.cmake"
  DESTINATION ${tw_package_dir})
# Relative to where the file lies, so that the prefix may still change at installation.
file(RELATIVE_PATH tw_prefix_from_pc "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /p)
string(REGEX REPLACE "/$" "" tw_prefix_from_pc "${tw_prefix_from_pc}")
set(tw_private_dir "${TW_OPENSSL_LIBDIR}")
if(TW_INSTALL_OPENSSL)
  set(tw_private_dir "\${libdir}/treewire")
endif()
set(tw_private_libs "-L${tw_private_dir} -lcrypto")
if(TW_IPSEC_MB_LIBRARY)
  string(APPEND tw_private_libs " -l${TW_IPSEC_MB_LIBRARY}")
endif()
if(TW_OPENSSL_ROOT)
  string(PREPEND tw_private_libs "-Wl,-rpath,${tw_private_dir} ")
endif()
configure_file(cmake/treewire.pc.in treewire.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/treewire.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
