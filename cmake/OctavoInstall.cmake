# Headers and the package that find_package(octavo) reads. One export set a component, so that a program that only
# deploys models needs neither Eigen nor xtensor.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_octavo_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/octavo")

install(TARGETS octavo_runtime EXPORT octavoRuntimeTargets FILE_SET HEADERS)
install(EXPORT octavoRuntimeTargets NAMESPACE octavo:: DESTINATION ${_octavo_package_dir})
set(OCTAVO_INSTALLED_COMPONENTS runtime)
if(TARGET octavo)
  install(TARGETS octavo EXPORT octavoTargets)
  install(EXPORT octavoTargets NAMESPACE octavo:: DESTINATION ${_octavo_package_dir})
  list(APPEND OCTAVO_INSTALLED_COMPONENTS octavo)
endif()
if(TARGET octavo_data)
  install(TARGETS octavo_data EXPORT octavoDataTargets)
  install(EXPORT octavoDataTargets NAMESPACE octavo:: DESTINATION ${_octavo_package_dir})
  list(APPEND OCTAVO_INSTALLED_COMPONENTS data)
endif()
if(TARGET octavo_onnx)
  install(TARGETS octavo_onnx EXPORT octavoOnnxTargets)
  install(EXPORT octavoOnnxTargets NAMESPACE octavo:: DESTINATION ${_octavo_package_dir})
  list(APPEND OCTAVO_INSTALLED_COMPONENTS onnx)
endif()
if(TARGET octavo_keras)
  install(TARGETS octavo_keras EXPORT octavoKerasTargets)
  install(EXPORT octavoKerasTargets NAMESPACE octavo:: DESTINATION ${_octavo_package_dir})
  list(APPEND OCTAVO_INSTALLED_COMPONENTS keras)
endif()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/octavoConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/octavoConfig.cmake" INSTALL_DESTINATION ${_octavo_package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/octavoConfig.cmake" "${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/Findstb.cmake" "${CMAKE_CURRENT_LIST_DIR}/Findprotozero.cmake"
        "${CMAKE_CURRENT_LIST_DIR}/Findlibhdf5.cmake" "${CMAKE_CURRENT_LIST_DIR}/OctavoCompiled.cmake"
        DESTINATION ${_octavo_package_dir})
install(DIRECTORY "${CMAKE_CURRENT_LIST_DIR}/compiled" DESTINATION ${_octavo_package_dir})
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
