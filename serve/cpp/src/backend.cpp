#include "backend.h"

#include <string_view>

#include "failure.h"

namespace rd {
namespace {

using Open = std::unique_ptr<Backend> (*)(const Request&);

struct Entry {
    std::string_view name;
    const char* kind;    // of the engines that it runs
    const char* option;  // of CMake
    Open open;           // null: not compiled in
};

#ifdef RAN_DEPLOY_WITH_ONNXRUNTIME
constexpr Open kOnnxRuntime = open_onnxruntime;
#else
constexpr Open kOnnxRuntime = nullptr;
#endif
#ifdef RAN_DEPLOY_WITH_OPENVINO
constexpr Open kOpenVino = open_openvino;
#else
constexpr Open kOpenVino = nullptr;
#endif
#ifdef RAN_DEPLOY_WITH_TENSORRT
constexpr Open kTensorRt = open_tensorrt;
#else
constexpr Open kTensorRt = nullptr;
#endif
#ifdef RAN_DEPLOY_WITH_TENSORRT_RTX
constexpr Open kTensorRtRtx = open_tensorrt;
#else
constexpr Open kTensorRtRtx = nullptr;
#endif

// In the order in which "auto" takes them.
constexpr Entry kEntries[] = {
    {"onnxruntime", "onnx", "RAN_DEPLOY_ONNXRUNTIME", kOnnxRuntime},
    {"openvino", "onnx", "RAN_DEPLOY_OPENVINO", kOpenVino},
    {"tensorrt", "plan", "RAN_DEPLOY_TENSORRT", kTensorRt},
    {"tensorrt-rtx", "plan", "RAN_DEPLOY_TENSORRT", kTensorRtRtx},
};

bool is_built(const Entry& entry) { return entry.open != nullptr; }

[[noreturn]] void not_built(const std::string& what, const char* option) {
    missing("This libran_deploy was built without " + what + ".",
            std::string("Configure it with -D") + option + "=ON; serve/cpp/README.md says what that needs.");
}

const Entry& find(const std::string& name, const Request& request) {
    const Manifest& manifest = request.manifest;
    if (manifest.kind == "plan") {
        const std::string& flavour = manifest.build->flavour;
        if (name != "auto" && name != flavour) {
            usage(request.path + " was built by " + flavour + " and does not run in " + name + ".",
                  "Leave the runtime out.");
        }
        return flavour == "tensorrt" ? kEntries[2] : kEntries[3];
    }
    if (name == "auto") return kEntries[!is_built(kEntries[0]) && is_built(kEntries[1]) ? 1 : 0];
    std::string known = "auto";
    for (const Entry& entry : kEntries) {
        known += ", " + std::string(entry.name);
        if (entry.name != name) continue;
        if (entry.kind != manifest.kind) {
            usage(request.path + " does not run in " + name + ", which takes plans.", "Leave the runtime out.");
        }
        return entry;
    }
    usage("The runtime is '" + name + "'; expected one of " + known + ".");
}

}  // namespace

std::unique_ptr<Backend> open_backend(const std::string& name, const Request& request) {
    const Entry& entry = find(name, request);
    if (!is_built(entry)) not_built("the back end " + std::string(entry.name), entry.option);
    return entry.open(request);
}

std::size_t samples_of(const TensorSpec& spec) {
    std::size_t samples = 1;
    for (std::size_t i = 1; i < spec.shape.size(); ++i) samples *= static_cast<std::size_t>(spec.shape[i]);
    return samples;
}

std::vector<TensorSpec> all_outputs(const Manifest& manifest) {
    std::vector<TensorSpec> outputs = {manifest.output};
    outputs.insert(outputs.end(), manifest.masks.begin(), manifest.masks.end());
    return outputs;
}

std::string one_line(const std::string& text) {
    static constexpr std::size_t kMost = 300;
    std::string line;
    for (const char letter : text) {
        const bool blank = letter == ' ' || letter == '\n' || letter == '\t' || letter == '\r';
        if (!blank) line += letter;
        else if (!line.empty() && line.back() != ' ') line += ' ';
        if (line.size() == kMost) break;
    }
    return line;
}

}  // namespace rd
