#include "resize.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace rd {
namespace {

constexpr int kPrecision = 32 - 8 - 2;  // 8 bits for the sample, 2 for sums that pass 1
constexpr std::int32_t kHalf = 1 << (kPrecision - 1);
constexpr std::size_t kCacheBytes = std::size_t{64} << 20;

// The samples along an axis that one result is made of, and their weights.
struct Window {
    std::size_t first;
    std::vector<std::int32_t> weights;
};

double triangle(double x) {
    x = x < 0 ? -x : x;
    return x < 1 ? 1 - x : 0;
}

// The window of place `at`, when an axis of `from` samples becomes one of `to`.
void find_window(std::uint32_t from, std::uint32_t to, std::uint32_t at, std::vector<double>& exact, Window& window) {
    const double scale = static_cast<double>(from) / to;
    const double support = std::max(scale, 1.0);
    const double center = (at + 0.5) * scale;
    const auto first = static_cast<std::int64_t>(std::max(center - support + 0.5, 0.0));
    const auto last = std::min<std::int64_t>(static_cast<std::int64_t>(center + support + 0.5), from);
    const double narrowing = 1.0 / support;
    const auto count = static_cast<std::size_t>(last - first);
    exact.resize(count);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        exact[i] = triangle((static_cast<double>(static_cast<std::int64_t>(i) + first) - center + 0.5) * narrowing);
        sum += exact[i];
    }
    window.first = static_cast<std::size_t>(first);
    window.weights.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double weight = sum != 0 ? exact[i] / sum : exact[i];
        window.weights[i] = static_cast<std::int32_t>(0.5 + weight * (1 << kPrecision));
    }
}

std::uint8_t round_sum(std::int32_t sum) {
    return static_cast<std::uint8_t>(std::min(std::max(sum >> kPrecision, 0), 255));
}

// Rows of the image after the horizontal pass, each computed when it is first asked for.
class Rows {
  public:
    Rows(const Pixels& image, std::uint32_t width, const Part& part, std::size_t together)
        : image_(image), left_(part.left), row_bytes_(std::size_t{3} * part.width), same_(width == image.width) {
        if (same_) return;
        windows_.resize(part.width);
        std::vector<double> exact;
        for (std::uint32_t x = 0; x < part.width; ++x) find_window(image.width, width, part.left + x, exact, windows_[x]);
        // All rows that are needed together if they fit, so that none is computed twice.
        slots_ = std::max<std::size_t>(1, std::min(together, kCacheBytes / row_bytes_));
        cache_.resize(slots_ * row_bytes_);
        held_.assign(slots_, SIZE_MAX);
    }

    const std::uint8_t* get(std::size_t y) {
        const std::uint8_t* source = image_.data + y * image_.stride;
        if (same_) return source + std::size_t{3} * left_;
        const std::size_t slot = y % slots_;
        std::uint8_t* row = cache_.data() + slot * row_bytes_;
        if (held_[slot] != y) {
            compute(source, row);
            held_[slot] = y;
        }
        return row;
    }

  private:
    void compute(const std::uint8_t* source, std::uint8_t* row) const {
        for (const Window& window : windows_) {
            const std::uint8_t* sample = source + 3 * window.first;
            std::int32_t red = kHalf, green = kHalf, blue = kHalf;
            for (const std::int32_t weight : window.weights) {
                red += sample[0] * weight;
                green += sample[1] * weight;
                blue += sample[2] * weight;
                sample += 3;
            }
            *row++ = round_sum(red);
            *row++ = round_sum(green);
            *row++ = round_sum(blue);
        }
    }

    const Pixels& image_;
    std::uint32_t left_;
    std::size_t row_bytes_;
    bool same_;
    std::vector<Window> windows_;
    std::size_t slots_ = 0;
    std::vector<std::uint8_t> cache_;
    std::vector<std::size_t> held_;
};

}  // namespace

void resize(const Pixels& image, std::uint32_t width, std::uint32_t height, const Part& part, std::uint8_t* out) {
    const std::size_t row_bytes = std::size_t{3} * part.width;
    const std::size_t most = height == image.height ? 1 : 2 * (image.height / height + 2);
    Rows rows(image, width, part, most);
    std::vector<std::int32_t> sums(row_bytes);
    std::vector<double> exact;
    Window window;
    for (std::uint32_t y = 0; y < part.height; ++y, out += row_bytes) {
        if (height == image.height) {
            std::memcpy(out, rows.get(part.top + y), row_bytes);
            continue;
        }
        find_window(image.height, height, part.top + y, exact, window);
        std::fill(sums.begin(), sums.end(), kHalf);
        for (std::size_t i = 0; i < window.weights.size(); ++i) {
            const std::uint8_t* row = rows.get(window.first + i);
            const std::int32_t weight = window.weights[i];
            for (std::size_t x = 0; x < row_bytes; ++x) sums[x] += row[x] * weight;
        }
        std::transform(sums.begin(), sums.end(), out, round_sum);
    }
}

}  // namespace rd
