#include "resize_window.h"

#include <algorithm>

namespace rd {
namespace {

double triangle(double x) {
    x = x < 0 ? -x : x;
    return x < 1 ? 1 - x : 0;
}

}  // namespace

void Window::find(std::uint32_t from, std::uint32_t to, std::uint32_t at, std::vector<double>& exact) {
    const double scale = static_cast<double>(from) / to;
    const double support = std::max(scale, 1.0);
    const double center = (at + 0.5) * scale;
    const auto start = static_cast<std::int64_t>(std::max(center - support + 0.5, 0.0));
    const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(center + support + 0.5), from);
    const auto count = static_cast<std::size_t>(end - start);
    const double narrowing = 1.0 / support;
    exact.resize(count);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        exact[i] = triangle((static_cast<double>(start + static_cast<std::int64_t>(i)) - center + 0.5) * narrowing);
        sum += exact[i];
    }
    first = static_cast<std::size_t>(start);
    weights.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double weight = sum != 0 ? exact[i] / sum : exact[i];
        // No sum of 255 times these can overflow: rounding at most doubles a weight, since those below half go to 0.
        weights[i] = static_cast<std::int32_t>(0.5 + weight * (1 << kPrecision));
    }
}

}  // namespace rd
