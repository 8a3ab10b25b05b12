// ONNX models, where protozero is there.
#include <octavo/compress/convert.hpp>  // is in training.cpp
#include <octavo/compress/export_float.hpp>
#include <octavo/runtime.hpp>  // is in runtime.cpp
#include <octavo/runtime/prepare_impl.hpp>
//
#include <octavo/compile_here.hpp>
//
#include <octavo/io/onnx.hpp>
