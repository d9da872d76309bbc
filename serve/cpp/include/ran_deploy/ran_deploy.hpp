// ran-deploy for C++17: the C interface with owners and exceptions, and nothing else. Header only.
//
//     ran::Engine engine("att92_int8.onnx");
//     for (const ran::Prediction& guess : engine.classify(ran::Picture("frog.jpg"), 5))
//         std::cout << guess.label << ' ' << guess.probability << '\n';
#ifndef RAN_DEPLOY_HPP
#define RAN_DEPLOY_HPP

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ran_deploy/ran_deploy.h"

namespace ran {

/// What went wrong; what() is the cause, fix() what to do about it (may be empty).
class Error : public std::runtime_error {
  public:
    Error(ran_status status, const std::string& message, std::string fix)
        : std::runtime_error(message), status_(status), fix_(std::move(fix)) {}

    ran_status status() const noexcept { return status_; }
    const std::string& fix() const noexcept { return fix_; }

  private:
    ran_status status_;
    std::string fix_;
};

inline void check(ran_status status) {
    if (status != RAN_OK) throw Error(status, ran_last_error(), ran_last_fix());
}

/// An upright RGB image whose pixels stay the caller's.
class Image {
  public:
    /// @param stride bytes from one row to the next; 0: 3 * width.
    Image(const std::uint8_t* pixels, std::size_t size_bytes, std::uint32_t width, std::uint32_t height,
          std::size_t stride = 0)
        : view_{pixels, size_bytes, width, height, stride} {}
    explicit Image(const ran_image& view) : view_(view) {}

    const ran_image& view() const noexcept { return view_; }

  private:
    ran_image view_;
};

/// A decoded JPEG or PNG file, upright.
class Picture {
  public:
    explicit Picture(const std::string& path) { check(ran_picture_open(path.c_str(), &handle_)); }
    Picture(const void* bytes, std::size_t size_bytes) { check(ran_picture_decode(bytes, size_bytes, &handle_)); }
    Picture(Picture&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Picture& operator=(Picture&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Picture() { ran_picture_close(handle_); }

    Image image() const {
        ran_image view;
        check(ran_picture_view(handle_, &view));
        return Image(view);
    }

  private:
    ran_picture handle_ = nullptr;
};

struct Options {
    std::string runtime = "auto";
    std::string ort_library;
    std::uint32_t threads = 0;
};

struct Prediction {
    std::string label;
    std::uint32_t index;
    double probability;
};

struct Tensor {
    std::string name, dtype, layout;
    std::vector<std::int64_t> shape;
};

struct Info {
    std::string path, sha256, runtime, runtime_version, device, arch;
    std::uint32_t threads, classes, size, resize;
    Tensor input, output;
};

/// An open engine. Threads may share it.
class Engine {
  public:
    explicit Engine(const std::string& path, const Options& options = {}) {
        ran_options given = RAN_OPTIONS_INIT;
        given.runtime = options.runtime.c_str();
        given.ort_library = options.ort_library.empty() ? nullptr : options.ort_library.c_str();
        given.threads = options.threads;
        check(ran_engine_open(path.c_str(), &given, &handle_));
    }
    Engine(Engine&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Engine& operator=(Engine&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Engine() { ran_engine_close(handle_); }

    /// The k likeliest classes, likeliest first.
    std::vector<Prediction> classify(const Image& image, std::size_t k = 5) const {
        std::vector<ran_prediction> found(k < classes() ? k : classes());
        std::size_t count = 0;
        check(ran_engine_classify(handle_, &image.view(), found.size(), found.data(), &count));
        std::vector<Prediction> result;
        result.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            result.push_back({found[i].label, found[i].index, found[i].probability});
        }
        return result;
    }
    std::vector<Prediction> classify(const Picture& picture, std::size_t k = 5) const {
        return classify(picture.image(), k);
    }

    /// The bytes of one image in the engine's own input.
    std::vector<std::uint8_t> prepare(const Image& image) const {
        std::vector<std::uint8_t> tensor(image_bytes());
        check(ran_engine_prepare(handle_, &image.view(), tensor.data(), tensor.size()));
        return tensor;
    }

    /// Logits [batch, classes] of prepared images that lie one after another.
    std::vector<float> run(const void* input, std::size_t input_bytes, std::size_t batch) const {
        if (batch > input_bytes) {  // before anything is allocated for it
            throw Error(RAN_USAGE, "the batch has more images than its buffer has bytes.", "");
        }
        std::vector<float> logits(batch * classes());
        check(ran_engine_run(handle_, input, input_bytes, batch, logits.data(), logits.size() * sizeof(float)));
        return logits;
    }

    Info info() const {
        const ran_info raw = raw_info();
        return {raw.path,    raw.sha256,  raw.runtime, raw.runtime_version, raw.device,        raw.arch,
                raw.threads, raw.classes, raw.size,    raw.resize,          tensor(raw.input), tensor(raw.output)};
    }

    std::vector<std::string> labels() const {
        std::vector<std::string> result;
        for (std::uint32_t i = 0, count = static_cast<std::uint32_t>(classes()); i < count; ++i) {
            const char* text = nullptr;
            check(ran_engine_label(handle_, i, &text));
            result.emplace_back(text);
        }
        return result;
    }

    std::size_t classes() const { return raw_info().classes; }

    /// Bytes of one image in the engine's input.
    std::size_t image_bytes() const {
        const ran_info raw = raw_info();
        const std::size_t sample = std::string(raw.input.dtype) == "uint8" ? 1 : sizeof(float);
        return std::size_t{3} * raw.size * raw.size * sample;
    }

    ran_engine handle() const noexcept { return handle_; }

  private:
    ran_info raw_info() const {
        ran_info raw{};
        raw.struct_size = sizeof raw;
        check(ran_engine_info(handle_, &raw));
        return raw;
    }
    static Tensor tensor(const ran_tensor& raw) {
        return {raw.name, raw.dtype, raw.layout, {raw.shape, raw.shape + raw.rank}};
    }

    ran_engine handle_ = nullptr;
};

}  // namespace ran

#endif
