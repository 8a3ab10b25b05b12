// octavo/io/tflite_schema.hpp: the words of a .tflite file: field numbers and codes, facts of TensorFlow Lite's schema
// version 3.
#ifndef OCTAVO_IO_TFLITE_SCHEMA_HPP_
#define OCTAVO_IO_TFLITE_SCHEMA_HPP_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

inline constexpr std::string_view kIdentifier = "TFL3";
inline constexpr std::uint32_t kVersion = 3;

// Fields by number, a structure for each table. A union takes two numbers: its type, then its value.
struct ModelField {
  enum : int { version, operator_codes, subgraphs, description, buffers };
};
struct OperatorCodeField {
  enum : int { deprecated_builtin_code, custom_code, version, builtin_code };
};
struct SubGraphField {
  enum : int { tensors, inputs, outputs, operators, name };
};
struct TensorField {
  enum : int { shape, type, buffer, name, quantization, is_variable, sparsity, shape_signature };
};
struct QuantizationField {
  enum : int { scale = 2, zero_point, details_type, details, dimension };
};
struct BufferField {
  enum : int { data, offset, size };
};
struct OperatorField {
  enum : int { opcode_index, inputs, outputs, options_type, options };
};
struct ConvField {
  enum : int { padding, stride_w, stride_h, activation, dilation_w, dilation_h };
};
struct DepthwiseField {
  enum : int { padding, stride_w, stride_h, multiplier, activation, dilation_w, dilation_h };
};
struct PoolField {
  enum : int { padding, stride_w, stride_h, filter_width, filter_height, activation };
};
struct FullyConnectedField {
  enum : int { activation, weights_format, keep_num_dims, asymmetric_quantize_inputs };
};
struct ArithmeticField {  // ADD, MUL, SUB
  enum : int { activation };
};
struct ConcatenationField {
  enum : int { axis, activation };
};
struct SoftmaxField {
  enum : int { beta };
};
struct ReducerField {
  enum : int { keep_dims };
};
struct ResizeBilinearField {
  enum : int { new_height, new_width, align_corners, half_pixel_centers };
};
struct ResizeNearestField {
  enum : int { align_corners, half_pixel_centers };
};
struct StridedSliceField {
  enum : int { begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask };
};
struct ReshapeField {
  enum : int { new_shape };
};

enum class Type : std::uint8_t { f32 = 0, f16 = 1, i32 = 2, u8 = 3, i64 = 4, i8 = 9, i4 = 17 };
enum class Padding : std::uint8_t { same, valid };
enum class Activation : std::uint8_t { none, relu, relu_n1_to_1, relu6 };

// Operators that are read or written.
enum class Builtin : std::int32_t {
  add = 0,
  average_pool_2d = 1,
  concatenation = 2,
  conv_2d = 3,
  depthwise_conv_2d = 4,
  dequantize = 6,
  fully_connected = 9,
  logistic = 14,
  max_pool_2d = 17,
  mul = 18,
  relu = 19,
  relu_n1_to_1 = 20,
  relu6 = 21,
  reshape = 22,
  resize_bilinear = 23,
  softmax = 25,
  custom = 32,
  pad = 34,
  gather = 36,
  transpose = 39,
  mean = 40,
  sub = 41,
  squeeze = 43,
  strided_slice = 45,
  cast = 53,
  slice = 65,
  expand_dims = 70,
  shape = 77,
  reduce_prod = 81,
  pack = 83,
  resize_nearest_neighbor = 97,
  quantize = 114,
  hard_swish = 117,
};

// Types of the options union.
enum class Options : std::uint8_t {
  none = 0,
  conv = 1,
  depthwise = 2,
  pool = 5,
  fully_connected = 8,
  softmax = 9,
  concatenation = 10,
  add = 11,
  resize_bilinear = 15,
  reshape = 17,
  mul = 21,
  pad = 22,
  transpose = 26,
  reducer = 27,
  sub = 28,
  squeeze = 30,
  dequantize = 38,
  resize_nearest = 74,
  quantize = 89,
  hard_swish = 91,
};

// The schema's name of an operator code: "CONV_2D".
[[nodiscard]] inline std::string builtin_name(std::int32_t code) {
  static constexpr std::string_view names[] = {"ADD",
                                               "AVERAGE_POOL_2D",
                                               "CONCATENATION",
                                               "CONV_2D",
                                               "DEPTHWISE_CONV_2D",
                                               "DEPTH_TO_SPACE",
                                               "DEQUANTIZE",
                                               "EMBEDDING_LOOKUP",
                                               "FLOOR",
                                               "FULLY_CONNECTED",
                                               "HASHTABLE_LOOKUP",
                                               "L2_NORMALIZATION",
                                               "L2_POOL_2D",
                                               "LOCAL_RESPONSE_NORMALIZATION",
                                               "LOGISTIC",
                                               "LSH_PROJECTION",
                                               "LSTM",
                                               "MAX_POOL_2D",
                                               "MUL",
                                               "RELU",
                                               "RELU_N1_TO_1",
                                               "RELU6",
                                               "RESHAPE",
                                               "RESIZE_BILINEAR",
                                               "RNN",
                                               "SOFTMAX",
                                               "SPACE_TO_DEPTH",
                                               "SVDF",
                                               "TANH",
                                               "CONCAT_EMBEDDINGS",
                                               "SKIP_GRAM",
                                               "CALL",
                                               "CUSTOM",
                                               "EMBEDDING_LOOKUP_SPARSE",
                                               "PAD",
                                               "UNIDIRECTIONAL_SEQUENCE_RNN",
                                               "GATHER",
                                               "BATCH_TO_SPACE_ND",
                                               "SPACE_TO_BATCH_ND",
                                               "TRANSPOSE",
                                               "MEAN",
                                               "SUB",
                                               "DIV",
                                               "SQUEEZE",
                                               "UNIDIRECTIONAL_SEQUENCE_LSTM",
                                               "STRIDED_SLICE",
                                               "BIDIRECTIONAL_SEQUENCE_RNN",
                                               "EXP",
                                               "TOPK_V2",
                                               "SPLIT",
                                               "LOG_SOFTMAX",
                                               "DELEGATE",
                                               "BIDIRECTIONAL_SEQUENCE_LSTM",
                                               "CAST",
                                               "PRELU",
                                               "MAXIMUM",
                                               "ARG_MAX",
                                               "MINIMUM",
                                               "LESS",
                                               "NEG",
                                               "PADV2",
                                               "GREATER",
                                               "GREATER_EQUAL",
                                               "LESS_EQUAL",
                                               "SELECT",
                                               "SLICE",
                                               "SIN",
                                               "TRANSPOSE_CONV",
                                               "SPARSE_TO_DENSE",
                                               "TILE",
                                               "EXPAND_DIMS",
                                               "EQUAL",
                                               "NOT_EQUAL",
                                               "LOG",
                                               "SUM",
                                               "SQRT",
                                               "RSQRT",
                                               "SHAPE",
                                               "POW",
                                               "ARG_MIN",
                                               "FAKE_QUANT",
                                               "REDUCE_PROD",
                                               "REDUCE_MAX",
                                               "PACK",
                                               "LOGICAL_OR",
                                               "ONE_HOT",
                                               "LOGICAL_AND",
                                               "LOGICAL_NOT",
                                               "UNPACK",
                                               "REDUCE_MIN",
                                               "FLOOR_DIV",
                                               "REDUCE_ANY",
                                               "SQUARE",
                                               "ZEROS_LIKE",
                                               "FILL",
                                               "FLOOR_MOD",
                                               "RANGE",
                                               "RESIZE_NEAREST_NEIGHBOR",
                                               "LEAKY_RELU",
                                               "SQUARED_DIFFERENCE",
                                               "MIRROR_PAD",
                                               "ABS",
                                               "SPLIT_V",
                                               "UNIQUE",
                                               "CEIL",
                                               "REVERSE_V2",
                                               "ADD_N",
                                               "GATHER_ND",
                                               "COS",
                                               "WHERE",
                                               "RANK",
                                               "ELU",
                                               "REVERSE_SEQUENCE",
                                               "MATRIX_DIAG",
                                               "QUANTIZE",
                                               "MATRIX_SET_DIAG",
                                               "ROUND",
                                               "HARD_SWISH",
                                               "IF",
                                               "WHILE",
                                               "NON_MAX_SUPPRESSION_V4",
                                               "NON_MAX_SUPPRESSION_V5",
                                               "SCATTER_ND",
                                               "SELECT_V2",
                                               "DENSIFY",
                                               "SEGMENT_SUM",
                                               "BATCH_MATMUL",
                                               "PLACEHOLDER_FOR_GREATER_OP_CODES",
                                               "CUMSUM",
                                               "CALL_ONCE",
                                               "BROADCAST_TO",
                                               "RFFT2D",
                                               "CONV_3D",
                                               "IMAG",
                                               "REAL",
                                               "COMPLEX_ABS",
                                               "HASHTABLE",
                                               "HASHTABLE_FIND",
                                               "HASHTABLE_IMPORT",
                                               "HASHTABLE_SIZE",
                                               "REDUCE_ALL",
                                               "CONV_3D_TRANSPOSE",
                                               "VAR_HANDLE",
                                               "READ_VARIABLE",
                                               "ASSIGN_VARIABLE",
                                               "BROADCAST_ARGS",
                                               "RANDOM_STANDARD_NORMAL",
                                               "BUCKETIZE",
                                               "RANDOM_UNIFORM",
                                               "MULTINOMIAL",
                                               "GELU",
                                               "DYNAMIC_UPDATE_SLICE",
                                               "RELU_0_TO_1",
                                               "UNSORTED_SEGMENT_PROD",
                                               "UNSORTED_SEGMENT_MAX",
                                               "UNSORTED_SEGMENT_SUM",
                                               "ATAN2",
                                               "UNSORTED_SEGMENT_MIN",
                                               "SIGN",
                                               "BITCAST",
                                               "BITWISE_XOR",
                                               "RIGHT_SHIFT",
                                               "STABLEHLO_LOGISTIC",
                                               "STABLEHLO_ADD",
                                               "STABLEHLO_DIVIDE",
                                               "STABLEHLO_MULTIPLY",
                                               "STABLEHLO_MAXIMUM",
                                               "STABLEHLO_RESHAPE",
                                               "STABLEHLO_CLAMP",
                                               "STABLEHLO_CONCATENATE",
                                               "STABLEHLO_BROADCAST_IN_DIM",
                                               "STABLEHLO_CONVOLUTION",
                                               "STABLEHLO_SLICE",
                                               "STABLEHLO_CUSTOM_CALL",
                                               "STABLEHLO_REDUCE",
                                               "STABLEHLO_ABS",
                                               "STABLEHLO_AND",
                                               "STABLEHLO_COSINE",
                                               "STABLEHLO_EXPONENTIAL",
                                               "STABLEHLO_FLOOR",
                                               "STABLEHLO_LOG",
                                               "STABLEHLO_MINIMUM",
                                               "STABLEHLO_NEGATE",
                                               "STABLEHLO_OR",
                                               "STABLEHLO_POWER",
                                               "STABLEHLO_REMAINDER",
                                               "STABLEHLO_RSQRT",
                                               "STABLEHLO_SELECT",
                                               "STABLEHLO_SUBTRACT",
                                               "STABLEHLO_TANH",
                                               "STABLEHLO_SCATTER",
                                               "STABLEHLO_COMPARE",
                                               "STABLEHLO_CONVERT",
                                               "STABLEHLO_DYNAMIC_SLICE",
                                               "STABLEHLO_DYNAMIC_UPDATE_SLICE",
                                               "STABLEHLO_PAD",
                                               "STABLEHLO_IOTA",
                                               "STABLEHLO_DOT_GENERAL",
                                               "STABLEHLO_REDUCE_WINDOW",
                                               "STABLEHLO_SORT",
                                               "STABLEHLO_WHILE",
                                               "STABLEHLO_GATHER",
                                               "STABLEHLO_TRANSPOSE",
                                               "DILATE",
                                               "STABLEHLO_RNG_BIT_GENERATOR",
                                               "REDUCE_WINDOW",
                                               "STABLEHLO_COMPOSITE",
                                               "STABLEHLO_SHIFT_LEFT",
                                               "STABLEHLO_CBRT",
                                               "STABLEHLO_CASE"};
  if (code >= 0 && static_cast<std::size_t>(code) < std::size(names))
    return std::string(names[static_cast<std::size_t>(code)]);
  return "operator code " + std::to_string(code);
}

// What a tensor type is called in errors.
[[nodiscard]] inline std::string type_name(std::uint8_t type) {
  constexpr std::string_view names[] = {"float32", "float16",  "int32",     "uint8",  "int64",   "string",
                                        "bool",    "int16",    "complex64", "int8",   "float64", "complex128",
                                        "uint64",  "resource", "variant",   "uint32", "uint16",  "int4"};
  return type < std::size(names) ? std::string(names[type]) : "type " + std::to_string(type);
}

}  // namespace tflite
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_SCHEMA_HPP_
