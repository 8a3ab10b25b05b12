// runtime/constant_bytes.hpp: constants own their bytes or view those of something larger.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "octavo/core/error.hpp"
#include "octavo/runtime/constant_bytes.hpp"

using namespace octavo;
using namespace octavo::runtime;

namespace {

// Counts the times that it was told to forget.
class Source final : public ConstantSource {
 public:
  std::vector<std::uint8_t> bytes = {1, 2, 3, 4, 5, 6};
  mutable std::size_t forgotten = 0;
  void forget(std::span<const std::uint8_t> which) const noexcept override { forgotten += which.size(); }
};

const std::uint8_t* address(const ConstantBytes& bytes) { return bytes.data(); }

}  // namespace

TEST_CASE("constant bytes: a view shows the source's bytes and keeps it alive") {
  auto source = std::make_shared<const Source>();
  const std::weak_ptr<const Source> watched = source;
  ConstantBytes view(std::span(source->bytes).subspan(1, 4), source);
  const std::uint8_t* const place = source->bytes.data() + 1;
  source.reset();
  REQUIRE_FALSE(watched.expired());
  CHECK(address(view) == place);
  CHECK(view.size() == 4);
  CHECK(view.own_bytes() == 0);
  const ConstantBytes copy = view;
  CHECK(address(copy) == place);
  CHECK(copy == view);
  view.forget();
  CHECK(watched.lock()->forgotten == 4);
  view = {};
  CHECK_FALSE(watched.expired());
}

TEST_CASE("constant bytes: whoever writes gets bytes of his own") {
  const auto source = std::make_shared<const Source>();
  const ConstantBytes view(std::span(source->bytes), source);
  ConstantBytes written = view;
  written[2] = 9;
  CHECK(written.own_bytes() == 6);
  CHECK(std::vector<std::uint8_t>(std::as_const(written).begin(), std::as_const(written).end()) ==
        std::vector<std::uint8_t>{1, 2, 9, 4, 5, 6});
  CHECK(source->bytes[2] == 3);
  CHECK_FALSE(written == view);
  ConstantBytes longer = view;
  longer.resize(7);
  CHECK(longer.size() == 7);
  CHECK(std::as_const(longer)[5] == 6);
  ConstantBytes assigned = view;
  const std::vector<std::uint8_t> other = {7, 8};
  assigned.assign(other.begin(), other.end());
  CHECK(assigned.size() == 2);
  CHECK(std::as_const(assigned)[1] == 8);
  CHECK(address(view) == source->bytes.data());
  assigned.forget();  // its own bytes stay
  CHECK(std::as_const(assigned)[0] == 7);
}

TEST_CASE("constant bytes: dropped values leave their number") {
  const auto source = std::make_shared<const Source>();
  ConstantBytes view(std::span(source->bytes), source);
  ConstantBytes own = view;
  own[0] = 4;
  for (ConstantBytes* bytes : {&view, &own}) {
    bytes->drop();
    CHECK(bytes->size() == 6);
    CHECK(bytes->own_bytes() == 0);
    CHECK_FALSE(bytes->empty());
    CHECK_THROWS_WITH_AS((void)std::as_const(*bytes).data(), doctest::Contains("keep_program_weights"), Error);
    CHECK_THROWS_AS(bytes->resize(7), Error);
    bytes->assign(source->bytes.begin(), source->bytes.begin() + 3);
    CHECK(bytes->size() == 3);
    CHECK(std::as_const(*bytes)[2] == 3);
  }
  CHECK(source.use_count() == 1);
}
