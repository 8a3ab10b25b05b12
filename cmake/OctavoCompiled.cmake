# The library's entry points, compiled once for a program of many files:
#
#   octavo::compiled_runtime   what octavo/runtime.hpp declares, .tflite and C source
#   octavo::compiled           that, networks, training, quantization and imports, where octavo::octavo is there
#
# Static libraries of the project that includes this, with its flags; built only if something links them.
if(NOT TARGET octavo::compiled_runtime)
  add_library(octavo_compiled_runtime STATIC EXCLUDE_FROM_ALL "${CMAKE_CURRENT_LIST_DIR}/compiled/formats.cpp"
                                                              "${CMAKE_CURRENT_LIST_DIR}/compiled/runtime.cpp")
  add_library(octavo::compiled_runtime ALIAS octavo_compiled_runtime)
  target_compile_definitions(octavo_compiled_runtime PUBLIC OCTAVO_COMPILED)
  target_link_libraries(octavo_compiled_runtime PUBLIC octavo::runtime)
endif()
if(TARGET octavo::octavo AND NOT TARGET octavo::compiled)
  add_library(octavo_compiled STATIC EXCLUDE_FROM_ALL "${CMAKE_CURRENT_LIST_DIR}/compiled/import.cpp"
                                                      "${CMAKE_CURRENT_LIST_DIR}/compiled/training.cpp")
  add_library(octavo::compiled ALIAS octavo_compiled)
  target_link_libraries(octavo_compiled PUBLIC octavo_compiled_runtime octavo::octavo)
  if(TARGET octavo::onnx)
    target_sources(octavo_compiled PRIVATE "${CMAKE_CURRENT_LIST_DIR}/compiled/onnx.cpp")
    target_link_libraries(octavo_compiled PRIVATE $<BUILD_INTERFACE:octavo::onnx>)
  endif()
endif()
