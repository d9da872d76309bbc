// ONNX engines on the CPU, through ONNX Runtime, with the same settings as ran_deploy/runtime/ort_session.py.
#include <memory>
#include <vector>

#include "backend.h"
#include "failure.h"
#include "ort_library.h"

namespace rd {
namespace {

// What the C API hands out, released by the function that it names for that.
template <class T>
using Owner = std::unique_ptr<T, void(ORT_API_CALL*)(T*)>;

class OrtBackend final : public Backend {
  public:
    OrtBackend(const Request& request, const OrtLibrary& library)
        : ort_(*library.api), version_(library.version), input_(request.manifest.input),
          output_(request.manifest.output), threads_(request.threads), session_(nullptr, ort_.ReleaseSession),
          memory_(nullptr, ort_.ReleaseMemoryInfo) {
        Owner<OrtSessionOptions> options(make<OrtSessionOptions>(ort_.CreateSessionOptions), ort_.ReleaseSessionOptions);
        check(ort_.SetIntraOpNumThreads(options.get(), static_cast<int>(threads_)));
        check(ort_.SetInterOpNumThreads(options.get(), 1));
        check(ort_.SetSessionExecutionMode(options.get(), ORT_SEQUENTIAL));
        check(ort_.SetSessionGraphOptimizationLevel(options.get(), ORT_ENABLE_ALL));
        check(ort_.SetSessionLogSeverityLevel(options.get(), ORT_LOGGING_LEVEL_FATAL));
        session_.reset(load(request, library.env, options.get()));
        check_ports("input", request.path, {input_}, ports(true));
        check_ports("output", request.path, all_outputs(request.manifest), ports(false));
        memory_.reset(make<OrtMemoryInfo>([this](OrtMemoryInfo** memory) {
            return ort_.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, memory);
        }));
    }

    void run(const void* input, std::size_t batch, float* logits) override {
        const std::size_t count = batch * samples_of(output_);
        const bool half = output_.dtype == "float16";
        std::vector<std::uint16_t> halves(half ? count : 0);
        void* target = half ? static_cast<void*>(halves.data()) : logits;
        // Neither value copies: ONNX Runtime reads the caller's images and writes into the caller's logits.
        const auto images = wrap(input_, const_cast<void*>(input), batch);
        const auto result = wrap(output_, target, batch);
        const char *in = input_.name.c_str(), *out = output_.name.c_str();
        const OrtValue* in_value = images.get();
        OrtValue* out_value = result.get();
        check(ort_.Run(session_.get(), nullptr, &in, &in_value, 1, &out, 1, &out_value));
        for (std::size_t i = 0; i < halves.size(); ++i) logits[i] = half_to_float(halves[i]);
    }

    std::string runtime() const override { return "onnxruntime"; }
    std::string version() const override { return version_; }
    std::uint32_t threads() const override { return threads_; }

  private:
    // Take a status' text and release it; "" for success.
    std::string reason(OrtStatus* status) const {
        if (status == nullptr) return "";
        const Owner<OrtStatus> owner(status, ort_.ReleaseStatus);
        return "ONNX Runtime " + version_ + ": " + one_line(ort_.GetErrorMessage(status));
    }

    void check(OrtStatus* status) const {
        if (const std::string text = reason(status); !text.empty()) throw Failure{RAN_INTERNAL, text, ""};
    }

    template <class T, class Make>
    T* make(Make&& function) const {
        T* made = nullptr;
        check(function(&made));
        return made;
    }

    OrtSession* load(const Request& request, const OrtEnv* env, const OrtSessionOptions* options) const {
        OrtSession* session = nullptr;
        OrtStatus* status = ort_.CreateSessionFromArray(env, request.content.data(), request.content.size(), options,
                                                        &session);
        if (status == nullptr) return session;
        const bool lacks = ort_.GetErrorCode(status) == ORT_NOT_IMPLEMENTED;
        const std::string text = reason(status);
        const bool newer = text.find("opset") != std::string::npos || text.find("IR version") != std::string::npos;
        if (lacks || newer) {
            incompatible(request.path + " does not run in " + text,
                         "Install a newer ONNX Runtime, or export the model again.");
        }
        integrity(request.path + " is not a whole ONNX model: " + text, "Restore the file, or export it again.");
    }

    Owner<OrtValue> wrap(const TensorSpec& spec, void* data, std::size_t batch) const {
        std::vector<std::int64_t> shape = spec.shape;
        shape[0] = static_cast<std::int64_t>(batch);
        const auto type = spec.dtype == "uint8"     ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8
                          : spec.dtype == "float16" ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16
                                                    : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
        const std::size_t bytes = batch * samples_of(spec) * sample_bytes(spec.dtype);
        return {make<OrtValue>([&](OrtValue** value) {
                    return ort_.CreateTensorWithDataAsOrtValue(memory_.get(), data, bytes, shape.data(), shape.size(),
                                                               type, value);
                }),
                ort_.ReleaseValue};
    }

    std::vector<TensorSpec> ports(bool inputs) const {
        std::size_t count = 0;
        check(inputs ? ort_.SessionGetInputCount(session_.get(), &count)
                     : ort_.SessionGetOutputCount(session_.get(), &count));
        std::vector<TensorSpec> found;
        for (std::size_t i = 0; i < count; ++i) found.push_back(port(inputs, i));
        return found;
    }

    TensorSpec port(bool input, std::size_t place) const {
        OrtAllocator* allocator = make<OrtAllocator>(ort_.GetAllocatorWithDefaultOptions);  // not ours to release
        char* name = make<char>([&](char** text) {
            return input ? ort_.SessionGetInputName(session_.get(), place, allocator, text)
                         : ort_.SessionGetOutputName(session_.get(), place, allocator, text);
        });
        TensorSpec spec;
        spec.name = name;
        check(ort_.AllocatorFree(allocator, name));
        const Owner<OrtTypeInfo> type(make<OrtTypeInfo>([&](OrtTypeInfo** info) {
                                          return input ? ort_.SessionGetInputTypeInfo(session_.get(), place, info)
                                                       : ort_.SessionGetOutputTypeInfo(session_.get(), place, info);
                                      }),
                                      ort_.ReleaseTypeInfo);
        const OrtTensorTypeAndShapeInfo* tensor = nullptr;  // lives in `type`
        check(ort_.CastTypeInfoToTensorInfo(type.get(), &tensor));
        if (tensor == nullptr) {
            spec.dtype = "no tensor";
            return spec;
        }
        ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        check(ort_.GetTensorElementType(tensor, &element));
        spec.dtype = element == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8     ? "uint8"
                     : element == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT   ? "float32"
                     : element == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 ? "float16"
                                                                        : "another type";
        std::size_t rank = 0;
        check(ort_.GetDimensionsCount(tensor, &rank));
        spec.shape.resize(rank);
        check(ort_.GetDimensions(tensor, spec.shape.data(), rank));
        return spec;
    }

    const OrtApi& ort_;
    std::string version_;
    TensorSpec input_, output_;
    std::uint32_t threads_;
    Owner<OrtSession> session_;
    Owner<OrtMemoryInfo> memory_;
};

}  // namespace

std::unique_ptr<Backend> open_onnxruntime(const Request& request) {
    return std::make_unique<OrtBackend>(request, load_ort(request.ort_library));
}

}  // namespace rd
