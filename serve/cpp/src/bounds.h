// What is refused for its size, before memory is taken for it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rd {

// Images of more pixels are decompression bombs or mistakes; the same number as in ran_deploy/data/decode.py.
constexpr std::uint64_t kMostPixels = 64ull * 1024 * 1024;
// Height and width of an engine's input, and its number of classes.
constexpr std::int64_t kMostSide = 1 << 20;
constexpr std::size_t kMostManifestBytes = std::size_t{64} << 20;
constexpr std::size_t kMostImageFileBytes = std::size_t{1} << 30;
constexpr std::size_t kMostEngineBytes = std::size_t{1} << 40;

constexpr std::uint32_t kMostThreads = 1024;

}  // namespace rd
