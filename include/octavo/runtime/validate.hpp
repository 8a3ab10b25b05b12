// octavo/runtime/validate.hpp: is a Program one that can run? Everything that execution relies on is checked here.
#ifndef OCTAVO_RUNTIME_VALIDATE_HPP_
#define OCTAVO_RUNTIME_VALIDATE_HPP_

#include "program.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// Throws Error, naming the operator or tensor, what was expected and what was found, unless:
//  - names of tensors are unique and not empty; extents are 1 to 2^24, tensors have at most 2^31 elements; a constant
//    has exactly the bytes of its shape; activations have extent 1 in front (the batch);
//  - every activation is an input or written by exactly one operator, before it is read;
//  - scales are normal numbers > 0, zero points within [qmin, qmax], that range within the type's, one entry for each
//    index along the axis; weights are symmetric (zero point 0; not those of legacy uint8 models) and per tensor or per
//    output channel (axis 0; depthwise: 3); a quantized bias has scale s_in * s_w (within 1e-4 of it);
//  - types fit each operator (see OpKind), so do shapes: output extents of a window are those where each window starts
//    inside the padded input and no further window would fit into the input;
//  - max_pool2d, pad and reshape keep scale and zero point, average_pool2d too in the tflite modes; softmax and
//    logistic give 1/256, -128 (TFLite's 8-bit specification).
template <class Lazy = void>
void validate(const Program& program);

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#if OCTAVO_BODIES
#include "validate_impl.hpp"
#endif

OCTAVO_ENTRY(void octavo::runtime::validate<void>(const octavo::runtime::Program&));

#endif  // OCTAVO_RUNTIME_VALIDATE_HPP_
