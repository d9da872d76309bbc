#include "tensor.h"

#include <cmath>
#include <limits>

#include "failure.h"

namespace rd {
namespace {

std::string describe(const TensorSpec& port) {
    return "'" + port.name + "' " + port.dtype + " [" + shape_text(port.shape) + "]";
}

std::string describe(const std::vector<TensorSpec>& ports) {
    std::string text;
    for (const TensorSpec& port : ports) text += (text.empty() ? "" : ", ") + describe(port);
    return text.empty() ? "none" : text;
}

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
    std::string text;
    for (const std::int64_t side : shape) {
        if (!text.empty()) text += " × ";
        text += side == RAN_DYNAMIC ? "N" : std::to_string(side);
    }
    return text;
}

std::size_t sample_bytes(const std::string& dtype) { return dtype == "uint8" ? 1 : dtype == "float16" ? 2 : 4; }

void check_ports(const std::string& side, const std::string& path, const std::vector<TensorSpec>& expected,
                 const std::vector<TensorSpec>& found) {
    const std::string actual = describe(found), wanted = describe(expected);
    if (actual != wanted) {
        integrity(path + " has the " + side + " " + actual + "; its contract says " + wanted + ".",
                  "Export the model again.");
    }
}

float half_to_float(std::uint16_t half) {
    const int exponent = (half >> 10) & 0x1F;
    const int fraction = half & 0x3FF;
    float magnitude;
    if (exponent == 0x1F) {
        magnitude = fraction != 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    } else if (exponent == 0) {
        magnitude = std::ldexp(static_cast<float>(fraction), -24);
    } else {
        magnitude = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
    }
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace rd
