// PNG through libpng. An error inside the library jumps; everything that owns memory is in a frame above the jump.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include <png.h>

#include "bounds.h"
#include "decode.h"
#include "failure.h"
#include "orientation.h"

namespace rd {
namespace {

constexpr png_alloc_size_t kMostChunk = 16u << 20;  // of text and metadata, decompressed
constexpr png_uint_32 kMostChunks = 1000;

struct Png {
    png_structp library = nullptr;
    png_infop info = nullptr;
    png_infop end = nullptr;
    const std::uint8_t* at = nullptr;
    std::size_t left = 0;
    char reason[256] = {};

    ~Png() { png_destroy_read_struct(&library, &info, &end); }
};

void fail(png_structp library, png_const_charp reason) {
    auto& png = *static_cast<Png*>(png_get_error_ptr(library));
    std::snprintf(png.reason, sizeof png.reason, "%s", reason);
    png_longjmp(library, 1);
}

void no_warning(png_structp, png_const_charp) {}

void take(png_structp library, png_bytep target, png_size_t count) {
    auto& png = *static_cast<Png*>(png_get_io_ptr(library));
    if (count > png.left) png_error(library, "it is truncated");
    std::memcpy(target, png.at, count);
    png.at += count;
    png.left -= count;
}

// Read up to the pixels and ask for 8-bit RGB: grey repeated, the high byte of 16, transparency dropped.
bool read_header(Png& png, int& passes) {
    if (setjmp(png_jmpbuf(png.library)) != 0) return false;
    png_set_read_fn(png.library, &png, take);
    png_set_user_limits(png.library, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_pixels says it in our words
    png_set_chunk_malloc_max(png.library, kMostChunk);
    png_set_chunk_cache_max(png.library, kMostChunks);
    png_read_info(png.library, png.info);
    const int colour = png_get_color_type(png.library, png.info);
    png_set_strip_16(png.library);
    png_set_packing(png.library);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png.library);
    if ((colour & PNG_COLOR_MASK_COLOR) == 0) {
        png_set_expand_gray_1_2_4_to_8(png.library);
        png_set_gray_to_rgb(png.library);
    }
    png_set_strip_alpha(png.library);
    passes = png_set_interlace_handling(png.library);
    return true;
}

bool read_rows(Png& png, int passes, std::uint8_t* pixels, std::size_t stride, std::uint32_t height) {
    if (setjmp(png_jmpbuf(png.library)) != 0) return false;
    png_read_update_info(png.library, png.info);
    if (png_get_rowbytes(png.library, png.info) != stride) png_error(png.library, "its rows are not RGB");
    for (int pass = 0; pass < passes; ++pass) {
        for (std::uint32_t y = 0; y < height; ++y) png_read_row(png.library, pixels + stride * y, nullptr);
    }
    return true;
}

// Metadata may stand after the pixels; damage there does not matter to them.
void read_end(Png& png) {
    if (setjmp(png_jmpbuf(png.library)) != 0) return;
    png_read_end(png.library, png.end);
}

// The bytes of EXIF that ImageMagick writes as text: three lines, then hexadecimal digits.
std::string raw_profile(std::string_view text) {
    for (int line = 0; line < 3; ++line) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return "";
        text.remove_prefix(end + 1);
    }
    std::string bytes;
    int high = -1;
    for (const char digit : text) {
        const int value = digit >= '0' && digit <= '9'   ? digit - '0'
                          : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                          : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                         : -1;
        if (value < 0) continue;
        if (high < 0) {
            high = value;
        } else {
            bytes += static_cast<char>(high << 4 | value);
            high = -1;
        }
    }
    return bytes;
}

int orientation(Png& png) {
    Metadata found;
    std::string profile;
    for (const png_infop info : {png.info, png.end}) {
        png_bytep exif = nullptr;
        png_uint_32 size = 0;
        if (png_get_eXIf_1(png.library, info, &size, &exif) != 0) {
            found.exif = {reinterpret_cast<const char*>(exif), size};
        }
        png_textp texts = nullptr;
        const int count = png_get_text(png.library, info, &texts, nullptr);
        for (int i = 0; i < count; ++i) {
            const std::string_view key(texts[i].key);
            const std::size_t length = texts[i].text_length != 0 ? texts[i].text_length : texts[i].itxt_length;
            const std::string_view text(texts[i].text == nullptr ? "" : texts[i].text, length);
            if (key == "XML:com.adobe.xmp") found.xmp = text;
            if (key == "Raw profile type exif") profile = raw_profile(text);
        }
    }
    if (found.exif.empty()) found.exif = profile;
    return find_orientation(found);
}

}  // namespace

Picture decode_png(const std::uint8_t* bytes, std::size_t size, const std::string& what) {
    Png png;
    png.at = bytes;
    png.left = size;
    png.library = png_create_read_struct(PNG_LIBPNG_VER_STRING, &png, fail, no_warning);
    if (png.library != nullptr) png.info = png_create_info_struct(png.library);
    if (png.library != nullptr) png.end = png_create_info_struct(png.library);
    if (png.info == nullptr || png.end == nullptr) throw std::bad_alloc();
    int passes = 0;
    if (!read_header(png, passes)) refuse_damaged(what, png.reason);
    Picture picture;
    picture.width = png_get_image_width(png.library, png.info);
    picture.height = png_get_image_height(png.library, png.info);
    check_pixels(picture.width, picture.height, what);
    const std::size_t stride = std::size_t{3} * picture.width;
    picture.pixels.reset(new std::uint8_t[stride * picture.height]);
    if (!read_rows(png, passes, picture.pixels.get(), stride, picture.height)) refuse_damaged(what, png.reason);
    read_end(png);
    picture.pixels = turn_upright(std::move(picture.pixels), picture.width, picture.height, orientation(png));
    return picture;
}

}  // namespace rd
