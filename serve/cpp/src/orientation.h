// How an image's metadata says that it was turned: EXIF 2.32, tag 0x0112, or tiff:Orientation in an XMP packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace rd {

constexpr int kUpright = 1;

// What the metadata of a file says, collected by the decoders.
struct Metadata {
    std::string_view exif;  // a TIFF structure, perhaps after "Exif\0\0"
    std::string_view xmp;
};

// The orientation, 1 to 8; 1 where nothing, or nothing sensible, is said. EXIF comes before XMP.
int find_orientation(const Metadata& metadata);

// Left as allocated: a file that only promises many pixels then costs nothing.
using Samples = std::unique_ptr<std::uint8_t[]>;

// Undo an orientation: uint8 [height, width, 3] becomes upright, with the sides swapped for 5 to 8.
Samples turn_upright(Samples pixels, std::uint32_t& width, std::uint32_t& height, int orientation);

}  // namespace rd
