// TensorFlow Lite's files and C source.
#include <octavo/runtime.hpp>  // is in runtime.cpp
#include <octavo/runtime/prepare_impl.hpp>
//
#include <octavo/compile_here.hpp>
//
#include <octavo/io/c_source.hpp>
#include <octavo/io/tflite.hpp>
