// The C functions: each checks its arguments, calls one thing inside, and lets nothing throw.
#include <algorithm>

#include "boundary.h"
#include "bounds.h"
#include "decode.h"
#include "engine.h"
#include "files.h"
#include "handles.h"
#include "preprocess.h"

namespace rd {
namespace {

// Never destroyed: threads may still be in a call while the process ends.
Handles<ran_engine, Engine>& engines() {
    static auto* all = new Handles<ran_engine, Engine>("engine");
    return *all;
}

Handles<ran_picture, const Picture>& pictures() {
    static auto* all = new Handles<ran_picture, const Picture>("picture");
    return *all;
}

void check_size(const char* what, std::size_t given, std::size_t expected) {
    if (given != expected) {
        usage(std::string("The ") + what + " has " + std::to_string(given) + " bytes; expected " +
              std::to_string(expected) + ".");
    }
}

void check_side(std::uint32_t size) {
    if (size == 0 || std::uint64_t{size} * size > kMostPixels) {
        usage("The size is " + std::to_string(size) + "; expected 1 to 8192 pixels.");
    }
}

ran_tensor to_c(const TensorSpec& spec) {
    ran_tensor tensor{spec.name.c_str(), spec.dtype.c_str(), spec.layout.c_str(), spec.shape.size(), {}};
    std::copy(spec.shape.begin(), spec.shape.end(), tensor.shape);
    return tensor;
}

ran_picture add_picture(const std::uint8_t* bytes, std::size_t size, const std::string& what) {
    return pictures().add(std::make_shared<const Picture>(decode(bytes, size, what)));
}

// What a pointer to options means, null included.
ran_options complete(const ran_options* options) {
    ran_options given = RAN_OPTIONS_INIT;
    if (options == nullptr) return given;
    if (options->struct_size != sizeof given) {
        usage("The options' struct_size is " + std::to_string(options->struct_size) + "; expected " +
                  std::to_string(sizeof given) + ".",
              "Begin with RAN_OPTIONS_INIT, and compile with the header of this library.");
    }
    if (options->threads > kMostThreads) {
        usage("The number of threads is " + std::to_string(options->threads) + "; at most " +
              std::to_string(kMostThreads) + " are started.");
    }
    return *options;
}

}  // namespace
}  // namespace rd

using namespace rd;

extern "C" {

ran_status ran_picture_open(const char* path, ran_picture* picture) {
    return guarded([&] {
        *require(picture, "picture") = nullptr;
        const std::string name = require(path, "path");
        const Bytes content = read_file(name, "image", kMostImageFileBytes);
        *picture = add_picture(content.data(), content.size(), name);
    });
}

ran_status ran_picture_decode(const void* bytes, size_t size_bytes, ran_picture* picture) {
    return guarded([&] {
        *require(picture, "picture") = nullptr;
        require(bytes, "bytes");
        *picture = add_picture(static_cast<const std::uint8_t*>(bytes), size_bytes, "The image");
    });
}

ran_status ran_picture_view(ran_picture picture, ran_image* image) {
    return guarded([&] {
        require(image, "image");
        const auto found = pictures().get(picture);
        *image = {found->pixels.get(), std::size_t{3} * found->width * found->height, found->width, found->height, 0};
    });
}

ran_status ran_picture_close(ran_picture picture) {
    return guarded([&] { pictures().close(picture); });
}

ran_status ran_fit(const ran_image* image, uint32_t resize, uint32_t size, uint8_t* pixels, size_t size_bytes) {
    return guarded([&] {
        const Pixels source = check_image(*require(image, "image"));
        require(pixels, "pixels");
        check_side(size);
        if (resize > kMostSide) usage("The shorter side is " + std::to_string(resize) + " pixels, which is too long.");
        check_size("buffer for the pixels", size_bytes, std::size_t{3} * size * size);
        fit(source, resize, size, pixels);
    });
}

ran_status ran_normalize(const uint8_t* images, size_t image_bytes, size_t count, uint32_t size, const float* mean,
                         const float* std, float* tensor, size_t tensor_bytes) {
    return guarded([&] {
        require(images, "images"), require(mean, "mean"), require(std, "std"), require(tensor, "tensor");
        check_side(size);
        const std::size_t pixels = std::size_t{size} * size;
        if (count > SIZE_MAX / (3 * sizeof(float) * pixels)) usage("There are too many images.");
        check_size("buffer of the images", image_bytes, 3 * pixels * count);
        check_size("buffer for the tensor", tensor_bytes, 3 * pixels * count * sizeof(float));
        for (std::size_t i = 0; i < count; ++i) {
            normalize(images + 3 * pixels * i, pixels, mean, std, tensor + 3 * pixels * i);
        }
    });
}

ran_status ran_engine_open(const char* path, const ran_options* options, ran_engine* engine) {
    return guarded([&] {
        *require(engine, "engine") = nullptr;
        const std::string name = require(path, "path");
        const ran_options given = complete(options);
        const std::string runtime = given.runtime == nullptr ? "auto" : given.runtime;
        const std::string library = given.ort_library == nullptr ? "" : given.ort_library;
        *engine = engines().add(std::make_shared<Engine>(name, runtime, library, given.threads));
    });
}

ran_status ran_engine_close(ran_engine engine) {
    return guarded([&] { engines().close(engine); });
}

ran_status ran_engine_info(ran_engine engine, ran_info* info) {
    return guarded([&] {
        check_size("info", require(info, "info")->struct_size, sizeof *info);
        const auto found = engines().get(engine);
        const Manifest& manifest = found->manifest();
        *info = {sizeof *info,
                 found->path().c_str(),
                 manifest.sha256.c_str(),
                 found->runtime().c_str(),
                 found->version().c_str(),
                 found->device().c_str(),
                 manifest.arch.c_str(),
                 found->threads(),
                 static_cast<std::uint32_t>(found->classes()),
                 manifest.rule.size,
                 manifest.rule.resize,
                 to_c(manifest.input),
                 to_c(manifest.output)};
    });
}

ran_status ran_engine_label(ran_engine engine, uint32_t index, const char** label) {
    return guarded([&] {
        *require(label, "label") = nullptr;
        const auto found = engines().get(engine);
        const auto& labels = found->manifest().labels;
        if (index >= labels.size()) {
            usage("The label " + std::to_string(index) + " does not exist; there are " + std::to_string(labels.size()) +
                  ".");
        }
        *label = labels[index].c_str();
    });
}

ran_status ran_engine_classify(ran_engine engine, const ran_image* image, size_t k, ran_prediction* predictions,
                               size_t* count) {
    return guarded([&] {
        *require(count, "count") = 0;
        require(predictions, "predictions");
        if (k == 0) usage("k is 0; expected at least 1.");
        const auto found = engines().get(engine);
        const auto guesses = found->classify(check_image(*require(image, "image")), k);
        const auto& labels = found->manifest().labels;
        for (const Guess& guess : guesses) {
            predictions[(*count)++] = {guess.index, guess.probability, labels[guess.index].c_str()};
        }
    });
}

ran_status ran_engine_prepare(ran_engine engine, const ran_image* image, void* tensor, size_t size_bytes) {
    return guarded([&] {
        const auto found = engines().get(engine);
        const Pixels source = check_image(*require(image, "image"));
        require(tensor, "tensor");
        check_size("buffer for the tensor", size_bytes, found->image_bytes());
        if (reinterpret_cast<std::uintptr_t>(tensor) % sample_bytes(found->manifest().input.dtype) != 0) {
            usage("The buffer for the tensor does not begin at a multiple of 4 bytes.", "Align it.");
        }
        found->prepare(source, tensor);
    });
}

ran_status ran_engine_run(ran_engine engine, const void* input, size_t input_bytes, size_t batch, float* logits,
                          size_t logits_bytes) {
    return guarded([&] {
        const auto found = engines().get(engine);
        require(input, "input"), require(logits, "logits");
        found->run(input, input_bytes, batch, logits, logits_bytes);
    });
}

}  // extern "C"
