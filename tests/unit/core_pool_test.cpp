// core/pool.hpp and core/arena.hpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "octavo/core/parallel.hpp"
#include "octavo/core/pool.hpp"

using namespace octavo;

TEST_CASE("arena: huge pages where at least fifteen sixteenths of one are needed") {
  constexpr std::size_t page = std::size_t{1} << 21, most = page / 16 * 15;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, most - 1, most, page, page + most - 1, page + most}) {
    const Arena arena(size);
    CHECK(arena.size() == size);
    CHECK(arena.reserved() == std::max(size, (size + page - most) / page * page));
    CHECK(reinterpret_cast<std::uintptr_t>(arena.data()) % (arena.reserved() >= page ? page : kAlignment) == 0);
  }
  CHECK_THROWS_AS(Arena(SIZE_MAX), std::bad_alloc);
}

TEST_CASE("pool: parts are aligned, do not overlap and end with it") {
  Pool pool(1000);
  if (Pool(64).take(1) == nullptr) return;  // under AddressSanitizer
  auto* const first = static_cast<std::byte*>(pool.take(1));
  auto* const second = static_cast<std::byte*>(pool.take(100));
  CHECK(reinterpret_cast<std::uintptr_t>(first) % kAlignment == 0);
  CHECK(second == first + 64);
  CHECK(pool.take(1000) == nullptr);
  auto* const last = static_cast<std::byte*>(pool.take(1000 - 192));
  CHECK(last == second + 128);
  CHECK(pool.take(1) == nullptr);
  for (const std::byte* at : {first, second, last}) CHECK(pool.owns(at));
  CHECK_FALSE(pool.owns(first + 1000));
  CHECK_FALSE(pool.owns(&pool));
}

TEST_CASE("pooled vectors: from the pool in scope while it lasts, and never from one that is gone") {
  PooledVector<int> outside(3, 7), kept;
  {
    const auto pool = std::make_shared<Pool>(4096);
    {
      const PoolScope scope(pool);
      PooledVector<int> inside(100, 5), large(10000, 6);
      const bool pools = pool->owns(inside.data());
      CHECK((pools || pool->take(1) == nullptr));
      CHECK_FALSE(pool->owns(large.data()));
      {
        const PoolScope none(nullptr);
        const PooledVector<int> copy = inside;
        CHECK(copy == inside);
        CHECK_FALSE(pool->owns(copy.data()));
      }
      const PooledVector<int> copy = inside;
      CHECK(pool->owns(copy.data()) == pools);
      const int* const place = inside.data();
      kept = std::move(inside);
      CHECK(kept.data() == place);
      outside = large;
    }
    const PooledVector<int> after(3, 1);
    CHECK_FALSE(pool->owns(after.data()));
  }
  kept.push_back(8);  // its pool lives as long as it does
  CHECK(kept.size() == 101);
  CHECK(kept[99] == 5);
  CHECK(outside[9999] == 6);
}

TEST_CASE("pool: several threads take at once") {
  const auto pool = std::make_shared<Pool>(64 * 400);
  std::vector<PooledVector<std::uint8_t>> tables(400);
  parallel_for(400, 4, [&](std::int64_t begin, std::int64_t end, int) {
    const PoolScope scope(pool);
    for (std::int64_t i = begin; i < end; ++i)
      tables[static_cast<std::size_t>(i)] = PooledVector<std::uint8_t>(50, static_cast<std::uint8_t>(i));
  });
  for (std::size_t i = 0; i < 400; ++i)
    CHECK(tables[i] == PooledVector<std::uint8_t>(50, static_cast<std::uint8_t>(i)));
}
