// Other tools' networks and weights as graphs.
#include <octavo/compress/convert.hpp>  // is in training.cpp
#include <octavo/compress/export_float.hpp>
#include <octavo/io/checkpoint.hpp>
#include <octavo/io/tflite.hpp>  // is in formats.cpp
#if __has_include(<protozero/pbf_reader.hpp>)
#include <octavo/io/onnx.hpp>  // is in onnx.cpp
#endif
#include <octavo/nn/executor.hpp>
#include <octavo/nn/models/mobilenet_v2.hpp>
#include <octavo/runtime.hpp>  // is in runtime.cpp
#include <octavo/runtime/prepare_impl.hpp>
//
#include <octavo/compile_here.hpp>
//
#include <octavo/io/pretrained.hpp>
#include <octavo/io/program_graph.hpp>
