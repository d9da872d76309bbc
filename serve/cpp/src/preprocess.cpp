#include "preprocess.h"

#include <algorithm>
#include <string>

#include "bounds.h"
#include "failure.h"

namespace rd {
namespace {

// value * factor / divisor, rounded half to even, as Python's round does.
std::uint64_t scaled(std::uint64_t value, std::uint64_t factor, std::uint64_t divisor) {
    const std::uint64_t product = value * factor, whole = product / divisor, twice = 2 * (product % divisor);
    const bool up = twice > divisor || (twice == divisor && whole % 2 == 1);
    return whole + (up ? 1 : 0);
}

std::string times(std::uint64_t width, std::uint64_t height) {
    return std::to_string(width) + "×" + std::to_string(height);
}

}  // namespace

Pixels check_image(const ran_image& image) {
    if (image.pixels == nullptr) usage("The image's pixels are null.", "Pass RGB pixels of 8 bits.");
    const std::string size = times(image.width, image.height);
    if (image.width == 0 || image.height == 0) usage("The image has " + size + " pixels; expected at least one.");
    if (std::uint64_t{image.width} * image.height > kMostPixels) {
        usage("the image has " + size + " pixels; at most " + std::to_string(kMostPixels) + " are read.",
              "Make it smaller.");
    }
    const std::size_t row = std::size_t{3} * image.width;
    const std::size_t stride = image.stride == 0 ? row : image.stride;
    if (stride < row) {
        usage("The image's stride is " + std::to_string(stride) + " bytes; a row of " + std::to_string(image.width) +
              " RGB pixels has " + std::to_string(row) + ".");
    }
    // In this form no number can overflow.
    const std::size_t spare = image.size_bytes < row ? 0 : (image.size_bytes - row) / stride;
    if (image.size_bytes < row || spare < image.height - 1) {
        usage("The image's buffer has " + std::to_string(image.size_bytes) + " bytes, too few for " + size +
              " RGB pixels with a stride of " + std::to_string(stride) + ".");
    }
    return {image.pixels, image.width, image.height, stride};
}

void fit(const Pixels& image, std::uint32_t shorter, std::uint32_t size, std::uint8_t* out) {
    if (shorter == 0) {
        resize(image, size, size, {0, 0, size, size}, out);
        return;
    }
    const std::uint64_t least = std::min(image.width, image.height);
    const std::uint64_t width = std::max<std::uint64_t>(size, scaled(image.width, shorter, least));
    const std::uint64_t height = std::max<std::uint64_t>(size, scaled(image.height, shorter, least));
    if (width > kMostPixels || height > kMostPixels || width * height > kMostPixels) {
        usage("an image of " + times(image.width, image.height) + " would be resized to " + times(width, height) +
                  "; at most " + std::to_string(kMostPixels) + " pixels are allowed.",
              "Crop it to the part that matters.");
    }
    const auto left = static_cast<std::uint32_t>((width - size) / 2), top = static_cast<std::uint32_t>((height - size) / 2);
    resize(image, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height), {left, top, size, size}, out);
}

void normalize(const std::uint8_t* image, std::size_t pixels, const float* mean, const float* std, float* out) {
    for (int channel = 0; channel < 3; ++channel) {
        const float shift = 255.0f * mean[channel], scale = 255.0f * std[channel];
        float* plane = out + pixels * static_cast<std::size_t>(channel);
        for (std::size_t i = 0; i < pixels; ++i) {
            plane[i] = (static_cast<float>(image[3 * i + static_cast<std::size_t>(channel)]) - shift) / scale;
        }
    }
}

}  // namespace rd
