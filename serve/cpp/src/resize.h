// Pillow's antialiased bilinear resize of RGB images, bit for bit, computed for a part of the result only.
//
// The method is that of Pillow's documentation and results: along each axis a triangle filter, widened by the scale
// where the image shrinks, its weights normalized in double precision and rounded to 22 bits after the point; the sums
// of each pass are rounded to 8 bits. The order of the passes is Pillow 13's: columns first, but rows first where more
// than twice as many rows as columns are lost.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rd {

struct Pixels {
    const std::uint8_t* data;
    std::uint32_t width, height;
    std::size_t stride;
};

struct Part {
    std::uint32_t left, top, width, height;
};

// Resize `image` to `width` × `height` and write the part of it, uint8 [part.height, part.width, 3].
void resize(const Pixels& image, std::uint32_t width, std::uint32_t height, const Part& part, std::uint8_t* out);

}  // namespace rd
