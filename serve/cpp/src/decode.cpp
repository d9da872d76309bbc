#include "decode.h"

#include <cstring>

#include "bounds.h"
#include "failure.h"

namespace rd {
namespace {

bool begins(const std::uint8_t* bytes, std::size_t size, const char* magic, std::size_t length) {
    return size >= length && std::memcmp(bytes, magic, length) == 0;
}

[[noreturn]] [[maybe_unused]] void refuse_format(const std::string& what, const char* format) {
    missing(what + " is a " + format + " file, which this libran_deploy was built without.",
            std::string("Configure it with -DRAN_DEPLOY_") + format + "=ON, or pass decoded pixels.");
}

}  // namespace

Picture decode(const std::uint8_t* bytes, std::size_t size, const std::string& what) {
    if (begins(bytes, size, "\xFF\xD8\xFF", 3)) {
#ifdef RAN_DEPLOY_WITH_JPEG
        return decode_jpeg(bytes, size, what);
#else
        refuse_format(what, "JPEG");
#endif
    }
    if (begins(bytes, size, "\x89PNG\r\n\x1A\n", 8)) {
#ifdef RAN_DEPLOY_WITH_PNG
        return decode_png(bytes, size, what);
#else
        refuse_format(what, "PNG");
#endif
    }
    integrity(what + " is not an image of a known format (JPEG, PNG).", "Check or convert the file.");
}

void check_pixels(std::uint64_t width, std::uint64_t height, const std::string& what) {
    if (width == 0 || height == 0) refuse_damaged(what, "it has no pixels");
    if (width > kMostPixels / height) {
        usage(what + ": the image has " + std::to_string(width) + "×" + std::to_string(height) +
                  " pixels; at most " + std::to_string(kMostPixels) + " are read.",
              "Make it smaller.");
    }
}

void refuse_damaged(const std::string& what, const std::string& reason) {
    integrity(what + " cannot be read as an image: " + reason + ".", "Check or replace the file.");
}

}  // namespace rd
