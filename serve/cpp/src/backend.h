// What computes: one class for each runtime, found by name. The back ends know nothing of images or labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "manifest.h"

namespace rd {

struct Request {
    const std::string& path;  // for messages; the bytes are what is loaded
    std::string_view content;  // verified against the manifest
    const Manifest& manifest;
    std::string ort_library;  // "" : as ort_library.h says
    std::uint32_t threads;
};

class Backend {
  public:
    Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    virtual ~Backend() = default;

    // Compute `batch` images; both buffers have the sizes of the contract. Threads may call this at once.
    virtual void run(const void* input, std::size_t batch, float* logits) = 0;

    virtual std::string runtime() const = 0;
    virtual std::string version() const = 0;
    virtual std::string device() const { return "cpu"; }
    virtual std::uint32_t threads() const = 0;
};

// Those that were not compiled in are missing from back_ends.cpp.
std::unique_ptr<Backend> open_onnxruntime(const Request& request);
std::unique_ptr<Backend> open_openvino(const Request& request);
std::unique_ptr<Backend> open_tensorrt(const Request& request);

// Open the back end of a name such as "onnxruntime", or for "auto" the one for the engine's kind.
std::unique_ptr<Backend> open_backend(const std::string& name, const Request& request);

// Samples in one image's share of a tensor [batch, ...].
std::size_t samples_of(const TensorSpec& spec);

// The logits, and the masks of a model that was exported with them, in the model's order.
std::vector<TensorSpec> all_outputs(const Manifest& manifest);

// What a runtime said, as one short line.
std::string one_line(const std::string& text);

}  // namespace rd
