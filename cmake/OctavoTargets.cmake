# The library's targets and what each one needs. No warning flag, no -march and no sanitizer here: these targets end up
# in other people's builds.
find_package(Threads REQUIRED)
if(OCTAVO_OPENMP)
  find_package(OpenMP QUIET COMPONENTS CXX)
endif()

file(GLOB_RECURSE OCTAVO_HEADERS CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/octavo/*.hpp")

# The headers are one set, installed once; the targets differ in what they link.
add_library(octavo_runtime INTERFACE)
add_library(octavo::runtime ALIAS octavo_runtime)
set_target_properties(octavo_runtime PROPERTIES EXPORT_NAME runtime)
target_compile_features(octavo_runtime INTERFACE cxx_std_20)
target_sources(octavo_runtime INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include"
                                        FILES ${OCTAVO_HEADERS})
target_link_libraries(octavo_runtime INTERFACE Threads::Threads)
if(OCTAVO_OPENMP AND OpenMP_CXX_FOUND)
  # An installed package still works where its user has no OpenMP.
  target_link_libraries(octavo_runtime INTERFACE $<BUILD_INTERFACE:OpenMP::OpenMP_CXX>
                                                 $<INSTALL_INTERFACE:$<TARGET_NAME_IF_EXISTS:OpenMP::OpenMP_CXX>>)
endif()

# A deployer may have neither Eigen nor xtensor; then the build offers octavo::runtime alone.
find_package(Eigen3 3.4 QUIET NO_MODULE)
find_package(xtensor QUIET)
if(TARGET Eigen3::Eigen AND TARGET xtensor)
  add_library(octavo INTERFACE)
  add_library(octavo::octavo ALIAS octavo)
  target_link_libraries(octavo INTERFACE octavo_runtime Eigen3::Eigen xtensor)

  find_package(ZLIB QUIET)
  find_package(stb QUIET MODULE)
  if(TARGET ZLIB::ZLIB AND TARGET stb::stb)
    add_library(octavo_data INTERFACE)
    add_library(octavo::data ALIAS octavo_data)
    set_target_properties(octavo_data PROPERTIES EXPORT_NAME data)
    target_link_libraries(octavo_data INTERFACE octavo stb::stb ZLIB::ZLIB)
  endif()

  find_package(protozero QUIET MODULE)
  if(TARGET protozero::protozero)
    add_library(octavo_onnx INTERFACE)
    add_library(octavo::onnx ALIAS octavo_onnx)
    set_target_properties(octavo_onnx PROPERTIES EXPORT_NAME onnx)
    target_link_libraries(octavo_onnx INTERFACE octavo protozero::protozero)
  endif()

  find_package(libhdf5 QUIET MODULE)
  if(TARGET libhdf5::libhdf5)
    add_library(octavo_keras INTERFACE)
    add_library(octavo::keras ALIAS octavo_keras)
    set_target_properties(octavo_keras PROPERTIES EXPORT_NAME keras)
    target_link_libraries(octavo_keras INTERFACE octavo libhdf5::libhdf5)
  endif()
endif()

if(PROJECT_IS_TOP_LEVEL)
  foreach(target IN ITEMS octavo::runtime octavo::octavo octavo::data octavo::onnx octavo::keras OpenMP::OpenMP_CXX)
    if(TARGET ${target})
      message(STATUS "octavo ${PROJECT_VERSION}: ${target}")
    else()
      message(STATUS "octavo ${PROJECT_VERSION}: ${target} is not available")
    endif()
  endforeach()
endif()
