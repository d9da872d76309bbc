#include "orientation.h"

#include <cstring>
#include <utility>

namespace rd {
namespace {

constexpr std::uint32_t kTag = 0x0112;

// The TIFF structure inside EXIF data; reads beyond its end are refused.
class Tiff {
  public:
    explicit Tiff(std::string_view data) : data_(data), big_(data.substr(0, 2) == "MM") {}

    bool valid() const {
        const std::string_view order = data_.substr(0, 2);
        return data_.size() >= 8 && (order == "MM" || order == "II") && (number(2, 2) == 42 || number(2, 2) == 42 << 8);
    }

    bool holds(std::size_t at, std::size_t count) const { return at <= data_.size() && count <= data_.size() - at; }

    std::uint32_t number(std::size_t at, std::size_t bytes) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) {
            const std::size_t place = big_ ? at + i : at + bytes - 1 - i;
            value = (value << 8) | static_cast<unsigned char>(data_[place]);
        }
        return value;
    }

  private:
    std::string_view data_;
    bool big_;
};

// Bytes of a value of the types that hold whole numbers; 0 for all others.
std::size_t whole_bytes(std::uint32_t type) {
    switch (type) {
        case 3: case 8: return 2;           // SHORT, SSHORT
        case 4: case 9: case 13: return 4;  // LONG, SLONG, IFD
        default: return 0;
    }
}

// The value of the tag; 0: the tag is not there; -1: it is there and says nothing.
int from_exif(std::string_view exif) {
    for (int times = 0; times < 2 && exif.substr(0, 6) == std::string_view("Exif\0\0", 6); ++times) exif.remove_prefix(6);
    const Tiff tiff(exif);
    if (!tiff.valid()) return 0;
    std::size_t at = tiff.number(4, 4);
    if (!tiff.holds(at, 2)) return 0;
    const std::uint32_t entries = tiff.number(at, 2);
    at += 2;
    for (std::uint32_t i = 0; i < entries && tiff.holds(at, 12); ++i, at += 12) {
        if (tiff.number(at, 2) != kTag) continue;
        const std::size_t bytes = whole_bytes(tiff.number(at + 2, 2)), count = tiff.number(at + 4, 4);
        if (bytes == 0) return -1;
        if (count == 0) continue;
        // The first of several values counts; what does not fit into the entry lies elsewhere.
        const std::size_t place = count * bytes <= 4 ? at + 8 : tiff.number(at + 8, 4);
        if (!tiff.holds(place, count * bytes)) return 0;
        const std::uint32_t value = tiff.number(place, bytes);
        return value >= 1 && value <= 8 ? static_cast<int>(value) : -1;
    }
    return 0;
}

int from_xmp(std::string_view xmp) {
    static constexpr std::string_view kName = "tiff:Orientation";
    for (std::size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
        std::string_view rest = xmp.substr(at + kName.size());
        if (rest.substr(0, 2) == "=\"") rest.remove_prefix(2);
        else if (rest.substr(0, 1) == ">") rest.remove_prefix(1);
        else continue;
        if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
    }
    return 0;
}

}  // namespace

int find_orientation(const Metadata& metadata) {
    int value = from_exif(metadata.exif);
    if (value == 0) value = from_xmp(metadata.xmp);
    return value >= 1 && value <= 8 ? value : kUpright;
}

Samples turn_upright(Samples pixels, std::uint32_t& width, std::uint32_t& height, int orientation) {
    if (orientation == kUpright) return pixels;
    // Where the upright picture's columns and rows lie in the stored one; 5 to 8 were stored with swapped sides.
    const bool swapped = orientation >= 5;
    const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const std::size_t stored_width = width, stored_height = height;
    if (swapped) std::swap(width, height);
    Samples upright(new std::uint8_t[3 * stored_width * stored_height]);
    std::uint8_t* out = upright.get();
    for (std::size_t y = 0; y < height; ++y) {
        for (std::size_t x = 0; x < width; ++x, out += 3) {
            std::size_t column = swapped ? y : x, row = swapped ? x : y;
            if (from_right) column = stored_width - 1 - column;
            if (from_below) row = stored_height - 1 - row;
            std::memcpy(out, pixels.get() + 3 * (row * stored_width + column), 3);
        }
    }
    return upright;
}

}  // namespace rd
