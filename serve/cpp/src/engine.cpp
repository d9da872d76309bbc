#include "engine.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "archive.h"
#include "bounds.h"
#include "cpu_count.h"
#include "failure.h"
#include "files.h"
#include "sha256.h"

namespace rd {
namespace {

std::string article(const std::string& kind) {
    return kind == "checkpoint" ? "a checkpoint" : kind == "onnx" ? "an ONNX model" : "a TensorRT plan";
}

std::string kind_of(const std::string& path) {
    const std::string ending = suffix(path);
    if (ending == ".onnx") return "onnx";
    if (ending == ".plan") return "plan";
    if (ending == ".safetensors") {
        usage(path + " is a checkpoint, which runs in PyTorch only.", "Export it with ran-deploy export.");
    }
    if (is_folder(path)) usage(path + " is a folder; the engine must be a file.", "Name the file in it.");
    usage(path + " ends in '" + ending + "'; an engine ends in .onnx, .plan or .ran.",
          "Give the file that export, quantize, build or package wrote.");
}

// Hash, kind, and what the rest of the library relies on.
void check_manifest(const std::string& path, const std::string& kind, std::string_view content, const Manifest& manifest) {
    const std::string digest = sha256_hex(content.data(), content.size());
    if (manifest.sha256 != digest) {
        integrity(path + " is not the file that its manifest describes (sha256 " + digest.substr(0, 12) +
                      "…, expected " + manifest.sha256.substr(0, 12) + "…): it was changed, truncated or replaced.",
                  "Make it again, or restore the original file.");
    }
    if (manifest.kind != kind) {
        integrity(path + " is named like " + article(kind) + ", but its manifest describes " + article(manifest.kind) +
                      ".",
                  "Give the file its right name, or make it again.");
    }
    if (kind == "plan" && !manifest.build) {
        integrity("The manifest of " + path + " does not say what built it.", "Build the plan again.");
    }
    if (static_cast<std::int64_t>(manifest.labels.size()) != manifest.output.shape[1]) {
        integrity("The manifest of " + path + " names " + std::to_string(manifest.labels.size()) + " labels for " +
                      std::to_string(manifest.output.shape[1]) + " logits.",
                  "Make the engine again.");
    }
}

}  // namespace

Engine::Engine(const std::string& path, const std::string& runtime, const std::string& ort_library,
               std::uint32_t threads)
    : path_(path) {
    const bool archived = suffix(path) == kArchiveSuffix;
    std::string kind = archived ? "" : kind_of(path);
    const Bytes file = read_file(path, archived ? "archive" : "engine", kMostEngineBytes);
    std::string_view content(reinterpret_cast<const char*>(file.data()), file.size());
    if (archived) {
        const Archive archive = read_archive(path, content);
        kind = kind_of(archive.engine);
        manifest_ = parse_manifest(archive.manifest, path + ": " + archive.engine + ".manifest.json");
        content = archive.content;
    } else {
        manifest_ = read_manifest(path);
    }
    check_manifest(path, kind, content, manifest_);
    image_bytes_ = samples_of(manifest_.input) * sample_bytes(manifest_.input.dtype);
    const Request request{path, content, manifest_, ort_library, threads == 0 ? usable_cpus() : threads};
    backend_ = open_backend(runtime, request);
    runtime_ = backend_->runtime();
    version_ = backend_->version();
    device_ = backend_->device();
}

void Engine::prepare(const Pixels& image, void* tensor) const {
    const Rule& rule = manifest_.rule;
    if (manifest_.input.dtype == "uint8") {
        fit(image, rule.resize, rule.size, static_cast<std::uint8_t*>(tensor));
        return;
    }
    const std::size_t pixels = std::size_t{rule.size} * rule.size;
    Bytes fitted(3 * pixels);
    fit(image, rule.resize, rule.size, fitted.data());
    normalize(fitted.data(), pixels, rule.mean.data(), rule.std.data(), static_cast<float*>(tensor));
}

void Engine::run(const void* input, std::size_t input_bytes, std::size_t batch, float* logits,
                 std::size_t logits_bytes) const {
    const TensorSpec& spec = manifest_.input;
    const std::string expected = spec.dtype + " [" + shape_text(spec.shape) + "]";
    const std::int64_t fixed = spec.shape[0];
    if (batch == 0 || (fixed != RAN_DYNAMIC && batch != static_cast<std::size_t>(fixed))) {
        usage("The batch has " + std::to_string(batch) + " images; this engine takes " + expected +
              " with at least one image.");
    }
    // As quotients, so that no number can overflow.
    if (input_bytes / image_bytes_ != batch || input_bytes % image_bytes_ != 0) {
        usage("The input has " + std::to_string(input_bytes) + " bytes for " + std::to_string(batch) +
                  " images; this engine takes " + expected + ", which is " + std::to_string(image_bytes_) +
                  " bytes for each.",
              "Bring the images to model size; ran_engine_prepare does it.");
    }
    const std::size_t row_bytes = classes() * sizeof(float);
    if (logits_bytes / row_bytes != batch || logits_bytes % row_bytes != 0) {
        usage("The buffer for the logits has " + std::to_string(logits_bytes) + " bytes; float32 [" +
              std::to_string(batch) + " × " + std::to_string(classes()) + "] is needed.");
    }
    const auto address = reinterpret_cast<std::uintptr_t>(input);
    if (address % sample_bytes(spec.dtype) != 0 || reinterpret_cast<std::uintptr_t>(logits) % alignof(float) != 0) {
        usage("A buffer of float32 does not begin at a multiple of 4 bytes.", "Align it.");
    }
    backend_->run(input, batch, logits);
}

std::vector<Guess> Engine::classify(const Pixels& image, std::size_t k) const {
    const std::int64_t fixed = manifest_.input.shape[0];
    const std::size_t batch = fixed == RAN_DYNAMIC ? 1 : static_cast<std::size_t>(fixed);
    std::vector<float> input((batch * image_bytes_ + sizeof(float) - 1) / sizeof(float));  // floats, to be aligned
    auto* bytes = reinterpret_cast<std::uint8_t*>(input.data());
    prepare(image, bytes);
    for (std::size_t i = 1; i < batch; ++i) std::memcpy(bytes + i * image_bytes_, bytes, image_bytes_);
    std::vector<float> logits(batch * classes());
    run(bytes, batch * image_bytes_, batch, logits.data(), logits.size() * sizeof(float));
    const auto finite = [](float logit) { return std::isfinite(logit); };
    if (!std::all_of(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(classes()), finite)) {
        throw Failure{RAN_GATE, path_ + " returned logits that are not finite for this image.",
                      "Its numbers overflow: use the float32 engine, or keep the overflowing nodes in float32."};
    }
    return best_guesses(logits.data(), classes(), k);
}

std::vector<Guess> best_guesses(const float* logits, std::size_t classes, std::size_t k) {
    std::vector<std::uint32_t> order(classes);
    std::iota(order.begin(), order.end(), 0u);
    k = std::min(k, classes);
    const auto likelier = [logits](std::uint32_t a, std::uint32_t b) {
        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    };
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(), likelier);
    const double largest = *std::max_element(logits, logits + classes);
    double sum = 0;
    for (std::size_t i = 0; i < classes; ++i) sum += std::exp(logits[i] - largest);
    std::vector<Guess> guesses;
    for (std::size_t i = 0; i < k; ++i) guesses.push_back({order[i], std::exp(logits[order[i]] - largest) / sum});
    return guesses;
}

}  // namespace rd
