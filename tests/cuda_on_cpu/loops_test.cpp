// How a loop is cut into parts that are short enough (Halves of cuda/loops.cuh): every element once, whatever the
// limit, the strides and the absent operands are. And division by multiplication (cuda/divisor.cuh). Ends with 1 where
// anything is wrong.
#include "cuda/loops.cuh"

#include <cstdio>
#include <map>

#include "cuda/divisor.cuh"

using namespace nn;

int main() {
  const int bytes[3] = {1, 8, 8};
  const int64_t shapes[][3] = {{1, 1, 1}, {5, 1, 7}, {3, 4, 2}, {0, 3, 2}, {1, 1, 100}};
  int wrong = 0;
  for (const auto& shape : shapes)
    for (int64_t limit : {1, 2, 7, 1000}) {
      StridedLoop<3> loop{};
      loop.ndim = 3;
      const int64_t strides[3][3] = {{shape[1] * shape[2], shape[2], 1}, {-1, 50, 7}, {0, 0, 0}};
      for (int n = 0; n < 3; ++n)
        for (int d = 0; d < 3; ++d) loop.shape[d] = shape[d], loop.stride[n][d] = strides[n][d];
      char* const y = reinterpret_cast<char*>(int64_t{1} << 30);
      loop.data[0] = y, loop.data[1] = 2 * (int64_t{1} << 30) + static_cast<char*>(nullptr), loop.data[2] = nullptr;
      std::map<int64_t, int64_t> found;  // where the second operand's element lies, by the place of the first
      const auto walk = [&](const StridedLoop<3>& part, auto&& each) {
        for (int64_t i = 0; i < part.shape[0]; ++i)
          for (int64_t j = 0; j < part.shape[1]; ++j)
            for (int64_t k = 0; k < part.shape[2]; ++k) {
              int64_t at[2];
              for (int n = 0; n < 2; ++n)
                at[n] = reinterpret_cast<int64_t>(part.data[n]) +
                        (i * part.stride[n][0] + j * part.stride[n][1] + k * part.stride[n][2]) * bytes[n];
              each(at[0], at[1]);
            }
      };
      int twice = 0, added = 0;
      const auto cut = [&](auto&& self, const StridedLoop<3>& part) -> void {
        if (cuda::count_of(part) > limit) {
          const cuda::Halves<3> halves(part, bytes);
          self(self, halves.first);
          self(self, halves.rest);
          return;
        }
        added += part.data[2] != nullptr;
        walk(part, [&](int64_t a, int64_t b) { twice += !found.insert({a, b}).second; });
      };
      cut(cut, loop);
      int64_t missing = 0, count = 0;
      walk(loop, [&](int64_t a, int64_t b) { ++count, missing += found.count(a) == 0 || found[a] != b; });
      if (twice || added || missing || count != static_cast<int64_t>(found.size())) {
        printf("limit %d: %d twice, %d operands added, %d missing\n", int(limit), twice, added, int(missing));
        wrong = 1;
      }
    }
  const uint32_t most = (uint32_t{1} << 31) - 1;
  for (uint32_t near : {1u, 9u, 1000u, 65536u, 715827883u, 1u << 30, most})
    for (uint32_t d = near < 5 ? 1 : near - 4; d <= near + 4 && d <= most; ++d)
      for (uint32_t q : {0u, 1u, 2u, 77u, most / d / 2, most / d})
        for (int64_t a = int64_t{q} * d - 1; a <= int64_t{q} * d + 1; ++a) {
          if (a < 0 || a > most) continue;
          const auto n = static_cast<uint32_t>(a);
          if (n / cuda::NarrowDivisor(d) == n / d && a / cuda::Divisor(d) == a / int64_t{d}) continue;
          printf("%u / %u is wrong\n", n, d);
          wrong = 1;
        }
  return wrong;
}
