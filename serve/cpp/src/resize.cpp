#include "resize.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "resize_window.h"

namespace rd {
namespace {

constexpr std::size_t kCacheBytes = std::size_t{64} << 20;

std::uint8_t round_sum(std::int32_t sum) {
    return static_cast<std::uint8_t>(std::min(std::max(sum >> kPrecision, 0), 255));
}

// The horizontal pass, for the columns of a part.
class Columns {
  public:
    Columns(std::uint32_t from, std::uint32_t to, const Part& part) : windows_(part.width) {
        std::vector<double> exact;
        for (std::uint32_t x = 0; x < part.width; ++x) windows_[x].find(from, to, part.left + x, exact);
    }

    // Columns of the image that are needed: [first, last).
    std::size_t first() const { return windows_.front().first; }
    std::size_t last() const { return windows_.back().first + windows_.back().weights.size(); }

    // `row` begins with the column `start` of the image.
    void apply(const std::uint8_t* row, std::size_t start, std::uint8_t* out) const {
        for (const Window& window : windows_) {
            const std::uint8_t* sample = row + 3 * (window.first - start);
            std::int32_t red = kHalf, green = kHalf, blue = kHalf;
            for (const std::int32_t weight : window.weights) {
                red += sample[0] * weight;
                green += sample[1] * weight;
                blue += sample[2] * weight;
                sample += 3;
            }
            *out++ = round_sum(red);
            *out++ = round_sum(green);
            *out++ = round_sum(blue);
        }
    }

  private:
    std::vector<Window> windows_;
};

// The vertical pass, one row at a time.
class RowBlender {
  public:
    RowBlender(std::uint32_t from, std::uint32_t to, std::size_t row_bytes) : from_(from), to_(to), sums_(row_bytes) {}

    // Write row `y` of the result; `get` returns a row of the image.
    template <class Get>
    void apply(std::uint32_t y, Get&& get, std::uint8_t* out) {
        window_.find(from_, to_, y, exact_);
        std::fill(sums_.begin(), sums_.end(), kHalf);
        for (std::size_t i = 0; i < window_.weights.size(); ++i) {
            const std::uint8_t* row = get(window_.first + i);
            const std::int32_t weight = window_.weights[i];
            for (std::size_t x = 0; x < sums_.size(); ++x) sums_[x] += row[x] * weight;
        }
        std::transform(sums_.begin(), sums_.end(), out, round_sum);
    }

  private:
    std::uint32_t from_, to_;
    Window window_;
    std::vector<double> exact_;
    std::vector<std::int32_t> sums_;
};

// Rows after the horizontal pass; as many are kept as are needed together, if they fit, so that none is made twice.
class RowCache {
  public:
    RowCache(const Pixels& image, const Columns& columns, std::size_t row_bytes, std::size_t together)
        : image_(image), columns_(columns), row_bytes_(row_bytes),
          slots_(std::max<std::size_t>(1, std::min(together, kCacheBytes / row_bytes))), rows_(slots_ * row_bytes),
          held_(slots_, SIZE_MAX) {}

    const std::uint8_t* get(std::size_t y) {
        const std::size_t slot = y % slots_;
        std::uint8_t* row = rows_.data() + slot * row_bytes_;
        if (held_[slot] != y) {
            columns_.apply(image_.data + y * image_.stride, 0, row);
            held_[slot] = y;
        }
        return row;
    }

  private:
    const Pixels& image_;
    const Columns& columns_;
    std::size_t row_bytes_, slots_;
    std::vector<std::uint8_t> rows_;
    std::vector<std::size_t> held_;
};

}  // namespace

void resize(const Pixels& image, std::uint32_t width, std::uint32_t height, const Part& part, std::uint8_t* out) {
    const bool columns_stay = width == image.width, rows_stay = height == image.height;
    const std::size_t out_bytes = std::size_t{3} * part.width;
    const auto source = [&image](std::size_t y) { return image.data + y * image.stride; };
    const auto each_row = [&](auto&& make) {
        for (std::uint32_t y = 0; y < part.height; ++y) make(part.top + y, out + y * out_bytes);
    };
    if (columns_stay) {
        const auto cut = [&](std::size_t y) { return source(y) + std::size_t{3} * part.left; };
        RowBlender rows(image.height, height, out_bytes);
        each_row([&](std::uint32_t y, std::uint8_t* row) {
            if (rows_stay) std::memcpy(row, cut(y), out_bytes);
            else rows.apply(y, cut, row);
        });
        return;
    }
    const Columns columns(image.width, width, part);
    if (rows_stay) {
        each_row([&](std::uint32_t y, std::uint8_t* row) { columns.apply(source(y), 0, row); });
        return;
    }
    const std::int64_t lost_rows = std::int64_t{image.height} - height, lost_columns = std::int64_t{image.width} - width;
    if (lost_rows > 0 && lost_rows > 2 * lost_columns) {
        const std::size_t start = columns.first();
        std::vector<std::uint8_t> blended(3 * (columns.last() - start));
        RowBlender rows(image.height, height, blended.size());
        each_row([&](std::uint32_t y, std::uint8_t* row) {
            rows.apply(y, [&](std::size_t at) { return source(at) + 3 * start; }, blended.data());
            columns.apply(blended.data(), start, row);
        });
        return;
    }
    RowCache cache(image, columns, out_bytes, most_weights(image.height, height));
    RowBlender rows(image.height, height, out_bytes);
    each_row([&](std::uint32_t y, std::uint8_t* row) { rows.apply(y, [&](std::size_t at) { return cache.get(at); }, row); });
}

}  // namespace rd
