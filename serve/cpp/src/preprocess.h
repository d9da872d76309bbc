// From pixels of any size to an engine's input, by the rule of ran_deploy/data/preprocess.py.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ran_deploy/ran_deploy.h"
#include "resize.h"

namespace rd {

// Check a caller's image: a null pointer, no pixels, too many of them, or a buffer that is too small are refused.
Pixels check_image(const ran_image& image);

// Resize and crop to uint8 [size, size, 3]; `shorter` is the shorter side before the crop, 0: both become `size`.
void fit(const Pixels& image, std::uint32_t shorter, std::uint32_t size, std::uint8_t* out);

// uint8 [side * side, 3] → float32 [3, side * side]: (x - 255 mean) / (255 std), each step rounded to float32.
void normalize(const std::uint8_t* image, std::size_t pixels, const float* mean, const float* std, float* out);

}  // namespace rd
