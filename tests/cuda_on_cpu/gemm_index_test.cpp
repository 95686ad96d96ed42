// Goes through all the index arithmetic of the CUDA matrix products on the host: every element exactly once, inside its
// bounds, and shared memory without bank conflicts. Prints what is wrong, and returns how much.
#include <cstdio>
#include <set>
#include <utility>
#include <vector>

#include "cuda/gemm_ring.h"

using namespace nn::cuda;

namespace {

int wrong = 0;

void check(bool condition, const char* what, long a = 0, long b = 0) {
  if (condition) return;
  if (++wrong < 20) std::printf("%s (%ld, %ld)\n", what, a, b);
}

// Whether `places`, of addresses in bytes, are read or written without two of them in different words of one bank.
// Accesses of `size` bytes by 32 lanes go in groups that fill the banks once.
void check_banks(const std::vector<int>& addresses, int size, const char* what, long note) {
  const size_t group = size <= 4 ? 32 : static_cast<size_t>(128 / size);
  for (size_t first = 0; first < addresses.size(); first += group) {
    std::vector<std::set<int>> words(32);
    for (size_t i = first; i < first + group && i < addresses.size(); ++i)
      for (int word = addresses[i] / 4; word < (addresses[i] + size + 3) / 4; ++word) words[word % 32].insert(word);
    for (const auto& bank : words) check(bank.size() <= 1, what, note, static_cast<long>(bank.size()));
  }
}

void tiles() {
  for (int64_t rows = 1; rows < 40; ++rows)
    for (int64_t cols = 1; cols < 20; ++cols) {
      std::set<std::pair<int64_t, int64_t>> seen;
      for (int64_t t = 0; t < rows * cols; ++t) {
        const MatrixPlace at = tile_place(t, rows, cols);
        check(at.row >= 0 && at.row < rows && at.col >= 0 && at.col < cols, "tile_place: outside", rows, cols);
        seen.insert({at.row, at.col});
      }
      check(static_cast<int64_t>(seen.size()) == rows * cols, "tile_place: not every tile", rows, cols);
    }
  const int64_t far = int64_t{1} << 40;  // no overflow of int
  check(tile_place(far * 3 - 1, far, 3).row == far - 1, "tile_place: large");
}

template <class Tile, int kSize>
void simt_tile() {
  std::vector<int> seen(Tile::kM * Tile::kN);
  for (int t = 0; t < Tile::kThreads; ++t)
    for (int i = 0; i < Tile::kRows; ++i)
      for (int j = 0; j < Tile::kCols; ++j) {
        const int row = simt_row<Tile>(t, i), col = simt_col<Tile>(t, j);
        const bool inside = row >= 0 && row < Tile::kM && col >= 0 && col < Tile::kN;
        check(inside, "simt: outside", row, col);
        if (!inside) continue;
        ++seen[row * Tile::kN + col];
        // multiply_slab steps from the first element of a group to the next group by so much.
        check(row == simt_row<Tile>(t, 0) + i / Tile::kGroup * Tile::kLanesM * Tile::kGroup + i % Tile::kGroup,
              "simt: rows of a group");
        check(col == simt_col<Tile>(t, 0) + j / Tile::kGroup * Tile::kLanesN * Tile::kGroup + j % Tile::kGroup,
              "simt: columns of a group");
      }
  for (const int count : seen) check(count == 1, "simt: not once", count);
  for (int warp = 0; warp < Tile::kThreads / 32; ++warp) {
    std::vector<int> a, b;
    for (int lane = 0; lane < 32; ++lane) {
      a.push_back(simt_row<Tile>(warp * 32 + lane, 0) * kSize);
      b.push_back(simt_col<Tile>(warp * 32 + lane, 0) * kSize);
    }
    // Lanes that read the same address share one answer: what counts is the set of addresses.
    const std::set<int> a_set(a.begin(), a.end()), b_set(b.begin(), b.end());
    check_banks({a_set.begin(), a_set.end()}, Tile::kGroup * kSize, "simt: banks of A", warp);
    check_banks({b_set.begin(), b_set.end()}, Tile::kGroup * kSize, "simt: banks of B", warp);
  }
}

// The copies of all threads cover the slab exactly once.
template <class Plan>
void copies(const Plan& plan, int threads, int extent, int depth, int width, int size, const char* what) {
  const int count = extent * depth / width / threads, pitch = slab_pitch(extent, size);
  check(count * threads * width == extent * depth && pitch * size % 16 == 0, what, -1);
  std::vector<int> seen(static_cast<size_t>(extent * depth));
  for (int i = 0; i < count; ++i)
    for (int warp = 0; warp < threads / 32; ++warp) {
      std::vector<int> addresses;
      for (int t = warp * 32; t < warp * 32 + 32; ++t) {
        const CopyPlan p = plan(t);
        check(p.row_step == 0 || p.k_step == 0, what, -2);
        const int row = p.row + i * p.row_step, k = p.k + i * p.k_step;
        const bool inside = row >= 0 && row + width <= extent && k >= 0 && k < depth;
        check(inside, what, row, k);
        if (!inside) continue;
        for (int e = 0; e < width; ++e) ++seen[static_cast<size_t>(k * extent + row + e)];
        addresses.push_back((k * pitch + row) * size);
      }
      if (size == 4) check_banks(addresses, width * size, what, i);
    }
  for (const int times : seen) check(times == 1, what, times);
}

template <class Tile, int kSize>
void slab_copies() {
  for (const int extent : {Tile::kM, Tile::kN}) {
    constexpr int kThreads = Tile::kThreads, kK = Tile::kK, kWidth = 16 / kSize;
    if (kSize > 1)
      copies([=](int t) { return wide_copies(t, kThreads, extent, kWidth); }, kThreads, extent, kK, kWidth, kSize,
             "wide copies");
    for (const bool along_k : {false, true})
      copies([=](int t) { return single_copies(t, kThreads, extent, kK, along_k); }, kThreads, extent, kK, 1, kSize,
             along_k ? "copies along k" : "copies along m");
  }
}

// Fragments against the PTX manual's own words (section "Matrix fragments for mma.m16n8k8 and .m16n8k16"), with its
// groupID and threadID_in_group.
void fragments() {
  for (const int per : {1, 2}) {
    std::set<std::pair<int, int>> a, b, c;
    for (int lane = 0; lane < 32; ++lane) {
      const int group = lane >> 2, in_group = lane & 3;
      for (int i = 0; i < 4 * per; ++i) {  // a0, a1, ...
        const Place at = mma_a_place(lane, i / per, i % per, per);
        const bool second_half = per == 1 ? i >= 2 : i >= 4;
        const bool lower = per == 1 ? i == 1 || i == 3 : (i & 2) != 0;
        const int row = group + (lower ? 8 : 0);
        const int col = per == 1 ? in_group + (second_half ? 4 : 0) : in_group * 2 + (i & 1) + (second_half ? 8 : 0);
        check(at.row == row && at.col == col, "mma: a", lane, i);
        a.insert({at.row, at.col});
      }
      for (int i = 0; i < 2 * per; ++i) {
        const Place at = mma_b_place(lane, i / per, i % per, per);
        const int row = per == 1 ? in_group + 4 * i : in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0);
        check(at.row == group && at.col == row, "mma: b", lane, i);  // [n, k]: the manual's column and row
        b.insert({at.row, at.col});
      }
      for (int i = 0; i < 4; ++i) {
        const Place at = mma_c_place(lane, i);
        check(at.row == group + (i >= 2 ? 8 : 0) && at.col == in_group * 2 + (i & 1), "mma: c", lane, i);
        c.insert({at.row, at.col});
      }
    }
    check(a.size() == size_t(128 * per) && b.size() == size_t(64 * per) && c.size() == 128, "mma: not all elements");
  }
  for (const int n : {128, 256}) {
    std::set<std::pair<int, int>> d;
    for (int t = 0; t < 128; ++t)
      for (int r = 0; r < n / 2; ++r) {
        const Place at = wgmma_c_place(t, r);
        check(at.row >= 0 && at.row < 64 && at.col >= 0 && at.col < n, "wgmma: outside", at.row, at.col);
        d.insert({at.row, at.col});
      }
    check(d.size() == size_t(64 * n), "wgmma: not all elements", n);
  }
}

// ldmatrix with these rows loads the fragments: a model of the instruction on a slab that holds its own coordinates.
void ldmatrix() {
  for (const int per : {1, 2})
    for (int lane = 0; lane < 32; ++lane)
      for (int r = 0; r < 4; ++r)
        for (int e = 0; e < per; ++e) {
          // Register r of a lane: row lane / 4 of matrix r, four bytes from lane % 4 * 4 on.
          const int names = r * 8 + lane / 4, byte = lane % 4 * 4 + e * (4 / per), size = 4 / per;
          const Place a = ldmatrix_a(names), b = ldmatrix_b(names);
          const Place a_want = mma_a_place(lane, r, e, per), b_want = mma_b_place(lane, r % 2, e, per);
          check(a.row == a_want.row && a.col + byte == a_want.col * size, "ldmatrix_a", lane, r);
          check(b.row == b_want.row + r / 2 * 8 && b.col + byte == b_want.col * size, "ldmatrix_b", lane, r);
          if (per == 1) continue;
          // Transposed: register r has rows lane % 4 * 2 + e of matrix r, and of them column lane / 4.
          const int named = r * 8 + lane % 4 * 2 + e, column = lane / 4 * 2;
          const Place at = ldmatrix_a_trans(named), bt = ldmatrix_b_trans(named);
          check(at.row == a_want.col && at.col + column == a_want.row * 2, "ldmatrix_a_trans", lane, r);
          check(bt.row == b_want.col && bt.col + column == (b_want.row + r / 2 * 8) * 2, "ldmatrix_b_trans", lane, r);
        }
}

void swizzles() {
  std::set<int> seen;
  for (int row = 0; row < 128; ++row)
    for (int byte = 0; byte < 64; ++byte) seen.insert(swizzle64(row, byte));
  check(seen.size() == 128 * 64 && *seen.rbegin() == 128 * 64 - 1, "swizzle64: no bijection");
  seen.clear();
  for (int row = 0; row < 32; ++row)
    for (int byte = 0; byte < 256; ++byte) seen.insert(swizzle_pitch(row, byte, 256));
  check(seen.size() == 32 * 256 && *seen.rbegin() == 32 * 256 - 1, "swizzle_pitch: no bijection");
  // TMA's 128-byte swizzle: bits 4-6 of the address, exclusive-or bits 7-9.
  for (int row = 0; row < 256; ++row)
    for (int byte = 0; byte < 128; ++byte) {
      const int linear = row * 128 + byte;
      check(swizzle128(row, byte) == (linear ^ (linear >> 7 & 7) << 4), "swizzle128", row, byte);
    }
  for (int first = 0; first < 128; first += 8) {  // eight rows of 16 bytes of one ldmatrix
    for (int piece = 0; piece < 4; ++piece) {
      std::vector<int> rows;
      for (int i = 0; i < 8; ++i) rows.push_back(swizzle64(first + i, piece * 16));
      check_banks(rows, 16, "swizzle64: banks of ldmatrix", first);
    }
    for (int k = 0; k < 32; k += 8) {
      std::vector<int> rows;
      for (int i = 0; i < 8; ++i) rows.push_back(swizzle_pitch(k + i, first * 2, 256));
      check_banks(rows, 16, "swizzle_pitch: banks of ldmatrix", first);
    }
  }
  for (int warp = 0; warp < 8; ++warp) {  // and the pieces that a warp copies
    std::vector<int> pieces, wide;
    for (int t = warp * 32; t < warp * 32 + 32; ++t) {
      pieces.push_back(swizzle64(t / 4, t % 4 * 16));
      wide.push_back(swizzle_pitch(t / 16, t % 16 * 16, 256));
    }
    check_banks(pieces, 16, "swizzle64: banks of copies", warp);
    check_banks(wide, 16, "swizzle_pitch: banks of copies", warp);
  }
  for (int r = 0; r < 4; ++r) {  // elements of 32 bits along m: a fragment's register
    std::vector<int> words, columns;
    for (int lane = 0; lane < 32; ++lane) {
      const Place a = mma_a_place(lane, r, 0, 1), b = mma_b_place(lane, r % 2, 0, 1);
      words.push_back(a.col * padded_pitch(128) + a.row * 4);
      columns.push_back(b.col * padded_pitch(128) + b.row * 4);
    }
    check_banks(words, 4, "padded_pitch: banks of A", r);
    check_banks(columns, 4, "padded_pitch: banks of B", r);
  }
}

void descriptors() {
  for (uint32_t address = 0; address < 256u << 10; address += 1024) {
    const uint64_t d = wgmma_descriptor(address);
    check((d & 0x3FFF) << 4 == (address & 0x3FFFF), "descriptor: address", address);
    check((d >> 32 & 0x3FFF) << 4 == 1024 && d >> 62 == 1 && (d >> 49 & 7) == 0, "descriptor: layout", address);
    for (uint64_t k = 0; k < 4; ++k)
      check(((d + 2 * k) & ~uint64_t{0x3FFF}) == (d & ~uint64_t{0x3FFF}), "descriptor: carry");
  }
}

template <int kN>
void ring() {
  using R = Ring<kN>;
  const R* const at = nullptr;
  for (int i = 0; i < R::kStages; ++i) {
    check(reinterpret_cast<uintptr_t>(at->a[i]) % 1024 == 0, "ring: alignment of A", i);
    check(reinterpret_cast<uintptr_t>(at->b[i]) % 1024 == 0, "ring: alignment of B", i);
  }
  check(sizeof(at->a[0]) + sizeof(at->b[0]) == R::kBytes, "ring: bytes of a place");
  RingPlace<R::kStages> place;
  for (int i = 0; i < 100; ++i, place.next())
    check(place.stage == i % R::kStages && place.parity == uint32_t(i / R::kStages % 2), "ring: places", i);
}

// Of every two slabs, each of the six pairs of planes once.
void steps() {
  for (int64_t slabs = 1; slabs < 20; ++slabs) {
    std::set<std::vector<int>> seen;
    const int count = static_cast<int>(SixPlaneSteps::count(slabs));
    for (int s = 0; s < count; ++s) {
      const int a = SixPlaneSteps::plane_a(s), b = SixPlaneSteps::plane_b(s);
      check(a >= 0 && b >= 0 && a + b < 3, "steps: planes", a, b);
      seen.insert({SixPlaneSteps::slab(s), a, b});
      check(SixPlaneSteps::begins(s) == (s % 12 == 0), "steps: begins", s);
    }
    const int64_t even = (slabs + 1) / 2 * 2;
    check(static_cast<int64_t>(seen.size()) == 6 * even && count == 6 * even, "steps: not every pair", slabs);
    for (int s = 0; s < slabs; ++s) check(seen.count({s, 0, 0}) == 1, "steps: a slab is missing", s);
    check(PlainSteps::count(slabs) == slabs && PlainSteps::slab(5) == 5, "steps: plain");
  }
}

}  // namespace

int main() {
  tiles();
  simt_tile<SimtLargeTile, 4>();
  simt_tile<SimtSmallTile, 4>();
  simt_tile<SimtDoubleTile, 8>();
  slab_copies<SimtLargeTile, 4>();
  slab_copies<SimtSmallTile, 4>();
  slab_copies<SimtSmallTile, 1>();
  slab_copies<SimtDoubleTile, 8>();
  fragments();
  ldmatrix();
  swizzles();
  descriptors();
  ring<128>();
  ring<256>();
  steps();
  std::printf("%d wrong\n", wrong);
  return wrong != 0;
}
