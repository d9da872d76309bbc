// What the manifest beside an engine says, as far as running the engine needs it; see ran_deploy/manifest.py.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor.h"

namespace rd {

struct Rule {
    std::uint32_t resize = 0;  // shorter side before the centre crop; 0: no crop
    std::uint32_t size = 0;
    std::array<float, 3> mean{};
    std::array<float, 3> std{};
};

struct Build {
    std::string flavour;
    std::string version;
    std::vector<std::string> targets;  // compute capabilities, such as "sm89"; the last may end in "+"
};

struct Manifest {
    std::string kind;  // "onnx" or "plan"
    std::string arch;  // "" where there is none
    std::string sha256;
    TensorSpec input;
    TensorSpec output;
    std::vector<TensorSpec> masks;  // further outputs, which are not asked for
    Rule rule;
    std::vector<std::string> labels;
    std::optional<Build> build;
};

// Path of the manifest beside an engine.
std::string manifest_path(const std::string& engine);

// Understand a manifest; `where` is its path, for messages. Keys that are not needed are passed over, but for those
// in the preprocessing and the contract: one that is unknown there would change the answer.
Manifest parse_manifest(std::string_view document, const std::string& where);

// Read the manifest beside an engine, which needs one.
Manifest read_manifest(const std::string& engine);

}  // namespace rd
