// The samples along an axis that one sample of a resized image is made of, and their weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rd {

constexpr int kPrecision = 32 - 8 - 2;  // bits after the point: 8 are for the sample, 2 for sums that pass 1
constexpr std::int32_t kHalf = 1 << (kPrecision - 1);

struct Window {
    std::size_t first = 0;
    std::vector<std::int32_t> weights;

    // Find the window of place `at`, when an axis of `from` samples becomes one of `to`; `exact` is working memory.
    void find(std::uint32_t from, std::uint32_t to, std::uint32_t at, std::vector<double>& exact);
};

// No window has more weights than this.
inline std::size_t most_weights(std::uint32_t from, std::uint32_t to) { return 2 * (std::size_t{from / to} + 2); }

}  // namespace rd
