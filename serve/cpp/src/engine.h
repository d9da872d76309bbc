// An open engine: its manifest, its back end, and the way from pixels to labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "manifest.h"
#include "preprocess.h"

namespace rd {

struct Guess {
    std::uint32_t index;
    double probability;
};

class Engine {
  public:
    // Check the file against its manifest and load it. `runtime` is a back end's name or "auto"; 0 threads: as many
    // as this process may use.
    Engine(const std::string& path, const std::string& runtime, const std::string& ort_library, std::uint32_t threads);

    const std::string& path() const { return path_; }
    const Manifest& manifest() const { return manifest_; }
    const std::string& runtime() const { return runtime_; }
    const std::string& version() const { return version_; }
    const std::string& device() const { return device_; }
    std::uint32_t threads() const { return backend_->threads(); }
    std::size_t classes() const { return manifest_.labels.size(); }

    // Bytes of one image in the engine's input.
    std::size_t image_bytes() const { return image_bytes_; }

    // Write an image as the engine's input for one image.
    void prepare(const Pixels& image, void* tensor) const;

    // Run a prepared batch of `input_bytes` in all; logits float32 [batch, classes].
    void run(const void* input, std::size_t input_bytes, std::size_t batch, float* logits, std::size_t logits_bytes) const;

    // The `k` likeliest classes; for an engine of a fixed batch the image is repeated.
    std::vector<Guess> classify(const Pixels& image, std::size_t k) const;

  private:
    std::string path_;
    Manifest manifest_;
    std::size_t image_bytes_ = 0;
    std::unique_ptr<Backend> backend_;
    std::string runtime_, version_, device_;
};

// The `k` largest of a row of logits with their softmax, in double precision; of equal ones, the first.
std::vector<Guess> best_guesses(const float* logits, std::size_t classes, std::size_t k);

}  // namespace rd
