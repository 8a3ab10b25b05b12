// octavo/octavo.hpp: the whole library, for programs that build, train and quantize networks.
//
// Needs Eigen and xtensor. Reading photos needs stb, IDX files zlib, ONNX models protozero: those headers are included
// where the library is installed. A program that only runs a saved model includes octavo/runtime.hpp instead.
#ifndef OCTAVO_OCTAVO_HPP_
#define OCTAVO_OCTAVO_HPP_

#include "compress/calibrate.hpp"
#include "compress/compare.hpp"
#include "compress/convert.hpp"
#include "compress/export_float.hpp"
#include "compress/quantize_model.hpp"
#include "core/cpu.hpp"
#include "data/augment.hpp"
#include "data/loader.hpp"
#include "data/preprocessing_text.hpp"
#include "data/split.hpp"
#include "data/tensor_dataset.hpp"
#include "io/c_source.hpp"
#include "io/checkpoint.hpp"
#include "io/npy.hpp"
#include "io/pretrained.hpp"
#include "io/program_graph.hpp"
#include "io/tflite.hpp"
#include "nn/executor.hpp"
#include "nn/fake_quantized.hpp"
#include "nn/models/mobilenet_v2.hpp"
#include "nn/summary.hpp"
#include "quant/lsq.hpp"
#include "runtime.hpp"
#include "train/train.hpp"
#if __has_include(<stb/stb_image.h>)
#include "data/deepweeds.hpp"
#include "data/file_dataset.hpp"
#include "data/image.hpp"
#endif
#if __has_include(<zlib.h>)
#include "data/idx.hpp"
#endif
#if __has_include(<protozero/pbf_reader.hpp>)
#include "io/onnx.hpp"
#endif

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

using compress::calibrate;
using compress::calibration_scheme;
using compress::CalibrationOptions;
using compress::compare;
using compress::Comparison;
using compress::convert;
using compress::ConvertOptions;
using compress::dynamic_range;
using compress::DynamicRangeOptions;
using compress::export_float;
using compress::quantize_model;
using io::load_pretrained;
using io::Pretrained;
using io::PretrainedOptions;
using nn::FakeQuantized;
using nn::Graph;
using nn::mobilenet_v2;
using nn::MobileNetV2Options;
using nn::summarize;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_OCTAVO_HPP_
