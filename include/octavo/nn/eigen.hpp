// octavo/nn/eigen.hpp: tensors as Eigen's matrices and arrays, without a copy: for all that is not a hot loop, and for
// layers of one's own. The only place that includes Eigen.
#ifndef OCTAVO_NN_EIGEN_HPP_
#define OCTAVO_NN_EIGEN_HPP_

#include <Eigen/Core>
#include <cstdint>

#include "../core/error.hpp"
#include "../core/tensor.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<Matrix>;
using ConstMatrixMap = Eigen::Map<const Matrix>;
using RowMap = Eigen::Map<Eigen::Array<float, 1, Eigen::Dynamic>>;
using ConstRowMap = Eigen::Map<const Eigen::Array<float, 1, Eigen::Dynamic>>;

// A view of the tensor's own memory as [product of the other extents][last extent]: for NHWC a row a pixel and a column
// a channel. Valid until the tensor is reshaped. Throws for a tensor without extents.
[[nodiscard]] MatrixMap as_matrix(Tensor& tensor);
[[nodiscard]] ConstMatrixMap as_matrix(const Tensor& tensor);

// `n` numbers from `begin` on, say the channels of a pixel, for arithmetic element by element.
[[nodiscard]] inline RowMap as_row(float* begin, std::int64_t n) { return {begin, n}; }
[[nodiscard]] inline ConstRowMap as_row(const float* begin, std::int64_t n) { return {begin, n}; }

namespace detail {

template <class Map, class TensorType>
[[nodiscard]] Map matrix_of(TensorType& tensor) {
  require(tensor.dimension() > 0, "as_matrix: the tensor has no extents");
  const auto columns = static_cast<Eigen::Index>(tensor.shape().back());
  const auto size = static_cast<Eigen::Index>(tensor.size());
  return {tensor.data(), columns == 0 ? 0 : size / columns, columns};
}

}  // namespace detail

inline MatrixMap as_matrix(Tensor& tensor) { return detail::matrix_of<MatrixMap>(tensor); }
inline ConstMatrixMap as_matrix(const Tensor& tensor) { return detail::matrix_of<ConstMatrixMap>(tensor); }

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_EIGEN_HPP_
