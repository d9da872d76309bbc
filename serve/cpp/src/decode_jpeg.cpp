// JPEG through libjpeg or libjpeg-turbo. An error inside the library jumps; everything that owns memory is in a frame
// above the jump, and what the jump leaves is plain data.
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

#include "decode.h"
#include "failure.h"
#include "orientation.h"

namespace rd {
namespace {

// Progressive files may repeat scans over all pixels without end; real ones have about ten.
constexpr int kMostScans = 500;
constexpr long kMostMemory = 1L << 30;

struct Jpeg {
    jpeg_decompress_struct library;
    jpeg_error_mgr errors;
    jpeg_source_mgr source;
    jpeg_progress_mgr progress;
    std::jmp_buf failed;
    char reason[JMSG_LENGTH_MAX];
};

Jpeg& self(j_common_ptr library) { return *static_cast<Jpeg*>(library->client_data); }

void fail(j_common_ptr library) {
    library->err->format_message(library, self(library).reason);
    std::longjmp(self(library).failed, 1);
}

void fail_with(j_common_ptr library, const char* reason) {
    std::snprintf(self(library).reason, JMSG_LENGTH_MAX, "%s", reason);
    std::longjmp(self(library).failed, 1);
}

void silent(j_common_ptr) {}
void no_warning(j_common_ptr, int) {}
void no_source(j_decompress_ptr) {}

boolean at_end(j_decompress_ptr library) {
    fail_with(reinterpret_cast<j_common_ptr>(library), "it is truncated");
    return FALSE;
}

void skip(j_decompress_ptr library, long count) {
    if (count <= 0) return;
    jpeg_source_mgr& source = *library->src;
    if (static_cast<std::size_t>(count) > source.bytes_in_buffer) at_end(library);
    source.next_input_byte += count;
    source.bytes_in_buffer -= static_cast<std::size_t>(count);
}

void count_scans(j_common_ptr library) {
    if (reinterpret_cast<j_decompress_ptr>(library)->input_scan_number > kMostScans) {
        fail_with(library, "it has too many scans");
    }
}

void prepare(Jpeg& jpeg, const std::uint8_t* bytes, std::size_t size) {
    jpeg.library.err = jpeg_std_error(&jpeg.errors);
    jpeg.errors.error_exit = fail;
    jpeg.errors.output_message = silent;
    jpeg.errors.emit_message = no_warning;
    jpeg.library.client_data = &jpeg;
    jpeg_create_decompress(&jpeg.library);
    jpeg.library.client_data = &jpeg;
    jpeg.library.mem->max_memory_to_use = kMostMemory;
    jpeg.source.next_input_byte = bytes;
    jpeg.source.bytes_in_buffer = size;
    jpeg.source.init_source = no_source;
    jpeg.source.fill_input_buffer = at_end;
    jpeg.source.skip_input_data = skip;
    jpeg.source.resync_to_restart = jpeg_resync_to_restart;
    jpeg.source.term_source = no_source;
    jpeg.library.src = &jpeg.source;
    jpeg.progress.progress_monitor = count_scans;
    jpeg.library.progress = &jpeg.progress;
    jpeg_save_markers(&jpeg.library, JPEG_APP0 + 1, 0xFFFF);
}

// Read up to the pixels. False: it failed, and `reason` says why.
bool read_header(Jpeg& jpeg, const std::uint8_t* bytes, std::size_t size) {
    if (setjmp(jpeg.failed) != 0) return false;
    prepare(jpeg, bytes, size);
    jpeg_read_header(&jpeg.library, TRUE);
    const int components = jpeg.library.num_components;
    jpeg.library.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 4 ? JCS_CMYK : JCS_RGB;
    return true;
}

// Decode the rows into `rows`, `stride` bytes apart.
bool read_rows(Jpeg& jpeg, std::uint8_t* rows, std::size_t stride) {
    if (setjmp(jpeg.failed) != 0) return false;
    jpeg_start_decompress(&jpeg.library);
    while (jpeg.library.output_scanline < jpeg.library.output_height) {
        JSAMPROW row = rows + stride * jpeg.library.output_scanline;
        jpeg_read_scanlines(&jpeg.library, &row, 1);
    }
    return true;
}

Metadata metadata(const Jpeg& jpeg) {
    static constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    Metadata found;
    for (jpeg_saved_marker_ptr marker = jpeg.library.marker_list; marker != nullptr; marker = marker->next) {
        const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
        if (found.exif.empty() && data.substr(0, kExif.size()) == kExif) found.exif = data;
        if (data.substr(0, kXmp.size()) == kXmp) found.xmp = data.substr(kXmp.size());
    }
    return found;
}

// Turn grey, or CMYK as Adobe writes it (inverted), into RGB without a colour profile. From the front for as many
// channels or more, from the back for fewer, so that nothing is overwritten before it is read.
void to_rgb(std::uint8_t* samples, std::size_t pixels, int channels) {
    if (channels == 1) {
        for (std::size_t i = pixels; i-- > 0;) {
            const std::uint8_t grey = samples[i];
            samples[3 * i] = samples[3 * i + 1] = samples[3 * i + 2] = grey;
        }
    } else if (channels == 4) {
        for (std::size_t i = 0; i < pixels; ++i) {
            const unsigned light = samples[4 * i + 3];  // 255 - K
            for (std::size_t c = 0; c < 3; ++c) {
                const unsigned product = (255u - samples[4 * i + c]) * light + 128;
                samples[3 * i + c] = static_cast<std::uint8_t>(light - (((product >> 8) + product) >> 8));
            }
        }
    }
}

struct Closer {
    Jpeg& jpeg;
    ~Closer() { jpeg_destroy_decompress(&jpeg.library); }
};

}  // namespace

Picture decode_jpeg(const std::uint8_t* bytes, std::size_t size, const std::string& what) {
    Jpeg jpeg{};
    const Closer closer{jpeg};
    if (!read_header(jpeg, bytes, size)) refuse_damaged(what, jpeg.reason);
    Picture picture;
    picture.width = jpeg.library.image_width;
    picture.height = jpeg.library.image_height;
    check_pixels(picture.width, picture.height, what);
    const int components = jpeg.library.num_components;
    if (components != 1 && components != 3 && components != 4) refuse_damaged(what, "it has an odd number of channels");
    const std::size_t pixels = std::size_t{picture.width} * picture.height;
    picture.pixels.reset(new std::uint8_t[pixels * static_cast<std::size_t>(components < 3 ? 3 : components)]);
    if (!read_rows(jpeg, picture.pixels.get(), std::size_t{picture.width} * static_cast<std::size_t>(components))) {
        refuse_damaged(what, jpeg.reason);
    }
    to_rgb(picture.pixels.get(), pixels, components);
    picture.pixels = turn_upright(std::move(picture.pixels), picture.width, picture.height,
                                  find_orientation(metadata(jpeg)));
    return picture;
}

}  // namespace rd
