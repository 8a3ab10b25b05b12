# What our own tests, examples and benchmarks are built with; never exported.
if(NOT TARGET octavo::data)
  message(FATAL_ERROR "octavo: tests, examples and benchmarks need Eigen 3.4, xtensor, stb and zlib "
                      "(packages.apt names their Debian packages)")
endif()

set(CMAKE_CXX_EXTENSIONS OFF)

# The oracle of our JSON reader in tests, and the reader of benchmark results.
find_package(nlohmann_json 3.10 REQUIRED)

add_library(octavo_warnings INTERFACE)
target_compile_options(octavo_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                                                 $<$<BOOL:${OCTAVO_WERROR}>:-Werror>)

target_link_libraries(octavo_compiled_runtime PRIVATE octavo_warnings)
target_link_libraries(octavo_compiled PRIVATE octavo_warnings)

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(OCTAVO_CCACHE ccache)
  mark_as_advanced(OCTAVO_CCACHE)
  if(OCTAVO_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${OCTAVO_CCACHE}")
  endif()
endif()

# Golden data that is not part of the tree. Tests find it through the environment variable OCTAVO_DATA, and those that
# need it say so and are skipped when there is none.
set(OCTAVO_DATA_DIR "" CACHE PATH "Folder with golden data for the tests; else $OCTAVO_DATA, else ../shared/data")
set(_octavo_data "${OCTAVO_DATA_DIR}")
if(NOT _octavo_data)
  set(_octavo_data "$ENV{OCTAVO_DATA}")
endif()
if(NOT _octavo_data AND IS_DIRECTORY "${PROJECT_SOURCE_DIR}/../shared/data")
  cmake_path(SET _octavo_data NORMALIZE "${PROJECT_SOURCE_DIR}/../shared/data")
endif()

# Two tests run at a time, each with threads of its own: those that wait must not spin for long.
set(OCTAVO_TEST_ENVIRONMENT OCTAVO_SPIN_US=100 UBSAN_OPTIONS=print_stacktrace=1
                            "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0")
if(_octavo_data)
  list(APPEND OCTAVO_TEST_ENVIRONMENT "OCTAVO_DATA=${_octavo_data}")
endif()
