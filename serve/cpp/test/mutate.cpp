#include "mutate.h"

#include <algorithm>
#include <string_view>

std::uint64_t Random::next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

std::uint64_t Random::number() {
    static constexpr std::uint64_t kEdges[] = {0,          1,          2,          3,           0x7F,       0xFF,      0x100,
                                               0x7FFF,     0xFFFF,     0x10000,    8192,        8193,       1u << 20,  67108864,
                                               0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 1ull << 62, 1ull << 63, ~0ull};
    const std::uint64_t edge = kEdges[below(std::size(kEdges))];
    switch (below(4)) {
        case 0: return edge;
        case 1: return edge + next() % 5 - 2;
        case 2: return next();
        default: return next() % 64;
    }
}

namespace {

constexpr std::string_view kTokens[] = {
    "{",     "}",     "[",    "]",      ",",       ":",     "\"",    "\\",           "\\u0000",        "\\ud800",   "null",
    "true",  "-1",    "0",    "1e999",  "1.5",     "-",     "00",    "9223372036854775808", "\xC0\x80", "\xED\xA0\x80", "1e-400",
    "\"a\":1,", "[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":", "\t", "4294967296", "16777216", "NaN", "\"NHWC\"", "\"float32\""};

void change(Case& data, const Case& other, bool text, Random& random) {
    const std::size_t at = random.below(data.size() + 1);
    const std::size_t left = data.size() - at;
    const auto place = data.begin() + static_cast<std::ptrdiff_t>(at);
    switch (random.below(text ? 9 : 7)) {
        case 0:
            if (left > 0) data[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
            break;
        case 1:
            if (left > 0) data[at] = static_cast<std::uint8_t>(random.next());
            break;
        case 2: {  // a number of 1 to 8 bytes, in either order
            const std::uint64_t value = random.number();
            const std::size_t bytes = std::min(left, std::size_t{1} << random.below(4));
            const bool big = random.one_in(2);
            for (std::size_t i = 0; i < bytes; ++i) {
                data[at + i] = static_cast<std::uint8_t>(value >> (8 * (big ? bytes - 1 - i : i)));
            }
            break;
        }
        case 3: data.resize(data.size() - random.below(std::min<std::size_t>(left + 1, 64))); break;
        case 4: data.erase(place, place + static_cast<std::ptrdiff_t>(random.below(std::min<std::size_t>(left + 1, 32)))); break;
        case 5: {
            const Case piece(place, place + static_cast<std::ptrdiff_t>(random.below(std::min<std::size_t>(left + 1, 64))));
            data.insert(place, piece.begin(), piece.end());
            break;
        }
        case 6: {
            const std::size_t from = random.below(other.size()), count = random.below(std::min<std::size_t>(other.size() - from, 64));
            data.insert(place, other.begin() + static_cast<std::ptrdiff_t>(from), other.begin() + static_cast<std::ptrdiff_t>(from + count));
            break;
        }
        default: {
            const std::string_view token = kTokens[random.below(std::size(kTokens))];
            if (random.one_in(2)) data.erase(place, place + static_cast<std::ptrdiff_t>(std::min(left, token.size())));
            data.insert(data.begin() + static_cast<std::ptrdiff_t>(at), token.begin(), token.end());
        }
    }
}

std::uint32_t crc32(const std::uint8_t* data, std::size_t size) {
    std::uint32_t crc = ~0u;
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

}  // namespace

Case mutate(const Case& seed, const Case& other, bool text, Random& random) {
    Case data = seed;
    for (std::size_t changes = 1 + random.below(8); changes > 0; --changes) change(data, other, text, random);
    return data;
}

void repair_png(Case& file) {
    for (std::size_t at = 8; at + 12 <= file.size();) {
        const std::size_t length = (std::size_t{file[at]} << 24) | (std::size_t{file[at + 1]} << 16) |
                                   (std::size_t{file[at + 2]} << 8) | file[at + 3];
        if (length > file.size() - at - 12) return;
        const std::uint32_t crc = crc32(file.data() + at + 4, length + 4);
        for (int i = 0; i < 4; ++i) file[at + 8 + length + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
        at += length + 12;
    }
}
