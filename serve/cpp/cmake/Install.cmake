# What `cmake --install` writes: the library, its headers, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

install(TARGETS ran_deploy EXPORT ran_deployTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ran_deploy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ran_deploy)
install(EXPORT ran_deployTargets NAMESPACE ran_deploy:: DESTINATION ${package})
configure_package_config_file(cmake/ran_deployConfig.cmake.in ran_deployConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(ran_deployConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ran_deployConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ran_deployConfigVersion.cmake
  DESTINATION ${package})

file(RELATIVE_PATH RAN_DEPLOY_PC_TO_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(cmake/ran_deploy.pc.in ran_deploy.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ran_deploy.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
