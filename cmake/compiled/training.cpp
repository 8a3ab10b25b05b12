// Networks, training, quantization, conversion.
#include <octavo/runtime.hpp>  // is in runtime.cpp
#include <octavo/runtime/prepare_impl.hpp>
//
#include <octavo/compile_here.hpp>
//
#include <octavo/compress/calibrate.hpp>
#include <octavo/compress/compare.hpp>
#include <octavo/compress/convert.hpp>
#include <octavo/compress/export_float.hpp>
#include <octavo/compress/quantize_model.hpp>
#include <octavo/io/checkpoint.hpp>
#include <octavo/nn/executor.hpp>
#include <octavo/nn/models/mobilenet_v2.hpp>
#include <octavo/train/train.hpp>
