// Inputs and outputs, as a contract describes them and as a runtime finds them in a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rd {

struct TensorSpec {
    std::string name;
    std::string dtype;  // "uint8", "float32" or "float16"; what a runtime calls any other type
    std::vector<std::int64_t> shape;  // RAN_DYNAMIC for a batch of any size
    std::string layout;               // "" where it was read from a model
};

// Dimensions as text: "N × 32 × 32 × 3".
std::string shape_text(const std::vector<std::int64_t>& shape);

// Bytes of one sample of a type of the contract.
std::size_t sample_bytes(const std::string& dtype);

// Refuse a model whose inputs or outputs are not those of its contract.
//   side: "input" or "output"; path: the model's file.
void check_ports(const std::string& side, const std::string& path, const std::vector<TensorSpec>& expected,
                 const std::vector<TensorSpec>& found);

// Widen IEEE 754 half precision.
float half_to_float(std::uint16_t half);

}  // namespace rd
