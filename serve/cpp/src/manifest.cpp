#include "manifest.h"

#include <algorithm>

#include "bounds.h"
#include "failure.h"
#include "files.h"
#include "json_field.h"
#include "sha256.h"

namespace rd {
namespace {

constexpr const char* kSchema = "ran-deploy.manifest/v1";

std::uint32_t side(const Field& field) {
    const std::int64_t value = field.whole();
    if (value < 1 || value > kMostSide) field.wrong("is out of range");
    return static_cast<std::uint32_t>(value);
}

TensorSpec read_spec(const Field& field) {
    field.only({"name", "dtype", "shape", "layout"});
    TensorSpec spec;
    spec.name = field["name"].text();
    spec.dtype = field["dtype"].one_of({"uint8", "float32", "float16"});
    spec.layout = field["layout"].one_of({"NHWC", "NCHW", "NC", "NHW"});
    for (const Field& dimension : field["shape"].items()) {
        const std::int64_t value = dimension.whole();
        const bool batch = spec.shape.empty();
        if (!(batch && value == RAN_DYNAMIC) && (value < 1 || value > kMostSide)) dimension.wrong("is out of range");
        spec.shape.push_back(value);
    }
    return spec;
}

std::array<float, 3> read_channels(const Field& field) {
    const std::vector<Field> items = field.items();
    if (items.size() != 3) field.wrong("has " + std::to_string(items.size()) + " items; expected 3");
    std::array<float, 3> values{};
    for (std::size_t i = 0; i < 3; ++i) values[i] = static_cast<float>(items[i].number());
    return values;
}

Rule read_rule(const Field& field) {
    field.only({"resize", "size", "interpolation", "mean", "std"});
    Rule rule;
    rule.size = side(field["size"]);
    if (std::uint64_t{rule.size} * rule.size > kMostPixels) field["size"].wrong("is out of range");
    if (!field["resize"].is_null()) rule.resize = side(field["resize"]);
    if (field.has("interpolation")) field["interpolation"].one_of({"bilinear"});
    rule.mean = read_channels(field["mean"]);
    rule.std = read_channels(field["std"]);
    for (const float value : rule.std) {
        if (!(value > 0)) field["std"].wrong("is not positive");
    }
    return rule;
}

void read_contract(const Field& contract, Manifest& manifest) {
    contract.only({"input", "output", "preprocessing", "labels", "masks"});
    manifest.input = read_spec(contract["input"]);
    manifest.output = read_spec(contract["output"]);
    if (contract.has("masks")) {
        for (const Field& mask : contract["masks"].items()) manifest.masks.push_back(read_spec(mask));
    }
    manifest.rule = read_rule(contract["preprocessing"]);
    for (const Field& label : contract["labels"].items()) manifest.labels.push_back(label.text());
    const TensorSpec& input = manifest.input;
    const std::int64_t size = manifest.rule.size;
    const std::vector<std::int64_t> wanted = input.layout == "NHWC" ? std::vector<std::int64_t>{size, size, 3}
                                                                    : std::vector<std::int64_t>{3, size, size};
    const bool known = (input.dtype == "uint8" && input.layout == "NHWC") ||
                       (input.dtype == "float32" && input.layout == "NCHW");
    if (!known || input.shape.size() != 4 || !std::equal(wanted.begin(), wanted.end(), input.shape.begin() + 1)) {
        contract["input"].wrong("is " + input.dtype + " " + input.layout + " [" + shape_text(input.shape) +
                                "], which does not go with its preprocessing");
    }
    const TensorSpec& output = manifest.output;
    if (output.dtype == "uint8" || output.layout != "NC" || output.shape.size() != 2) {
        contract["output"].wrong("is not [N, classes]");
    }
}

Build read_build(const Field& field) {
    Build build;
    build.flavour = field["flavour"].one_of({"tensorrt", "tensorrt-rtx"});
    build.version = field["version"].text();
    for (const Field& target : field["targets"].items()) build.targets.push_back(target.text());
    return build;
}

// The manifest's last key holds the sha256 of all bytes before it; one without the key is from before, or edited by hand.
void check_digest(std::string_view document, const std::string& digest, const std::string& where) {
    const std::size_t end = document.rfind("\"digest\"");
    if (end == std::string_view::npos || sha256_hex(document.data(), end) != digest) {
        integrity(where + " is not as it was written: its digest is of another content.",
                  "Restore it or make the artefact again; after an edit on purpose remove the key \"digest\".");
    }
}

}  // namespace

std::string manifest_path(const std::string& engine) { return engine + ".manifest.json"; }

Manifest parse_manifest(std::string_view document, const std::string& where) {
    const Json root = parse_json(document, where);
    const Field field(root, where);
    field["schema"].one_of({kSchema});
    if (field.has("digest")) check_digest(document, field["digest"].text(), where);
    Manifest manifest;
    manifest.kind = field["kind"].one_of({"checkpoint", "onnx", "plan"});
    if (field.has("arch")) manifest.arch = field["arch"].text();
    manifest.sha256 = field["sha256"].text();
    read_contract(field["contract"], manifest);
    if (field.has("build")) manifest.build = read_build(field["build"]);
    return manifest;
}

Manifest read_manifest(const std::string& engine) {
    const std::string path = manifest_path(engine);
    if (!exists(path)) {
        usage(engine + " has no manifest beside it, so its labels and preprocessing are unknown.",
              "Export it with ran-deploy export, and keep " + file_name(path) + " beside it.");
    }
    const Bytes content = read_file(path, "manifest", kMostManifestBytes);
    return parse_manifest({reinterpret_cast<const char*>(content.data()), content.size()}, path);
}

}  // namespace rd
