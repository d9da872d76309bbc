// Image files that nobody vouches for: bounded in size, decoded to upright RGB as ran_deploy/data/decode.py does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "orientation.h"

namespace rd {

struct Picture {
    Samples pixels;  // uint8 [height, width, 3]
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

// Decode the bytes of a JPEG or PNG file; `what` names it in the messages.
Picture decode(const std::uint8_t* bytes, std::size_t size, const std::string& what);

// The decoders that were compiled in. They fail with the status RAN_INTEGRITY for whatever is wrong with the bytes.
Picture decode_jpeg(const std::uint8_t* bytes, std::size_t size, const std::string& what);
Picture decode_png(const std::uint8_t* bytes, std::size_t size, const std::string& what);

// Refuse an image of too many pixels, before any of them is decoded.
void check_pixels(std::uint64_t width, std::uint64_t height, const std::string& what);

// What the decoders say of damaged files.
[[noreturn]] void refuse_damaged(const std::string& what, const std::string& reason);

}  // namespace rd
