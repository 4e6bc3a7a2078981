# What `cmake --install` puts where: command, library (shared and static), headers, pkg-config file,
# CMake package, man page. Nothing records an absolute path, so that --prefix may be chosen late.
include(CMakePackageConfigHelpers)

if(TARGET tuff)
  install(TARGETS tuff RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
set_target_properties(tuff_shared PROPERTIES EXPORT_NAME tuff)
install(TARGETS tuff_shared EXPORT tuff-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/libtuff.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tuff DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
if(EXISTS ${CMAKE_SOURCE_DIR}/docs/tuff.1)
  install(FILES docs/tuff.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()

# From the folder of the .pc file up to the prefix.
string(REGEX REPLACE "[^/]+" ".." up ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
string(REPLACE ";" " " private_libs "${DEPS_LDFLAGS}")
file(WRITE ${CMAKE_BINARY_DIR}/tuff.pc "prefix=\${pcfiledir}/${up}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: tuff
Description: train and run transformers on any Vulkan device
Version: ${PROJECT_VERSION}
Cflags: -I\${includedir}
Libs: -L\${libdir} -ltuff
Libs.private: ${private_libs} -pthread -lm
")
install(FILES ${CMAKE_BINARY_DIR}/tuff.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tuff)
install(EXPORT tuff-targets FILE tuff-config.cmake NAMESPACE tuff:: DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tuff-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tuff-config-version.cmake DESTINATION ${package})
