// Plans on the GPU, through TensorRT or TensorRT-RTX, which share the namespace nvinfer1 and this code.
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <NvInferRuntime.h>

#include "backend.h"
#include "cuda_memory.h"
#include "failure.h"
#include "files.h"
#include "plan_check.h"

namespace rd {
namespace {

using nvinfer1::OptProfileSelector;

std::string library_version() {
    return std::to_string(getInferLibMajorVersion()) + "." + std::to_string(getInferLibMinorVersion()) + "." +
           std::to_string(getInferLibPatchVersion()) + "." + std::to_string(getInferLibBuildVersion());
}

// Keeps the last error for its reason; prints nothing.
class Logger final : public nvinfer1::ILogger {
  public:
    void log(Severity severity, const char* message) noexcept override {
        if (severity > Severity::kERROR) return;
        try {
            const std::lock_guard lock(mutex_);
            last_ = one_line(message);
        } catch (...) {  // no memory for it: the reason is then the one before
        }
    }
    std::string last() {
        const std::lock_guard lock(mutex_);
        return last_.empty() ? "the library gave no reason" : last_;
    }

  private:
    std::mutex mutex_;
    std::string last_;
};

struct Gpu {
    std::string name;
    int capability;
};

Gpu require_gpu(const std::string& path) {
    int count = 0, major = 0, minor = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) {
        const std::string reason = error == cudaSuccess ? "none is there" : cudaGetErrorString(error);
        missing("Running " + file_name(path) + " needs an NVIDIA GPU; " + reason + ".",
                "Use the .onnx file that it was built from.");
    }
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, 0), "Asking for the GPU's name");
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "Asking for the GPU's capability");
    check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "Asking for the GPU's capability");
    return {properties.name, 10 * major + minor};
}

TensorSpec port(const nvinfer1::ICudaEngine& engine, const char* name) {
    TensorSpec spec;
    const nvinfer1::DataType type = engine.getTensorDataType(name);
    spec.name = name;
    spec.dtype = type == nvinfer1::DataType::kUINT8   ? "uint8"
                 : type == nvinfer1::DataType::kFLOAT ? "float32"
                 : type == nvinfer1::DataType::kHALF  ? "float16"
                                                      : "another type";
    const nvinfer1::Dims shape = engine.getTensorShape(name);
    spec.shape.assign(shape.d, shape.d + (shape.nbDims > 0 ? shape.nbDims : 0));
    return spec;
}

std::vector<TensorSpec> ports(const nvinfer1::ICudaEngine& engine, nvinfer1::TensorIOMode mode) {
    std::vector<TensorSpec> found;
    for (int i = 0; i < engine.getNbIOTensors(); ++i) {
        const char* name = engine.getIOTensorName(i);
        if (engine.getTensorIOMode(name) == mode) found.push_back(port(engine, name));
    }
    return found;
}

class TrtBackend final : public Backend {
  public:
    explicit TrtBackend(const Request& request)
        : path_(request.path), flavour_(request.manifest.build->flavour), input_(request.manifest.input),
          output_(request.manifest.output), masks_(request.manifest.masks), mask_buffers_(masks_.size()) {
        check_plan_version(path_, *request.manifest.build, library_version());
        const Gpu gpu = require_gpu(path_);
        check_plan_targets(path_, *request.manifest.build, gpu.capability, gpu.name);
        stream_.emplace();
        device_ = gpu.name + ", sm" + std::to_string(gpu.capability);
        runtime_.reset(nvinfer1::createInferRuntime(logger_));
        if (runtime_ != nullptr) {
            engine_.reset(runtime_->deserializeCudaEngine(request.content.data(), request.content.size()));
        }
        if (engine_ == nullptr) {
            incompatible(flavour_ + " " + library_version() + " cannot deserialize " + path_ + ": " + logger_.last() +
                             ".",
                         "Build it again on this machine: ran-deploy build");
        }
        check_ports("input", path_, {input_}, ports(*engine_, nvinfer1::TensorIOMode::kINPUT));
        check_ports("output", path_, all_outputs(request.manifest), ports(*engine_, nvinfer1::TensorIOMode::kOUTPUT));
        context_.reset(engine_->createExecutionContext());
        if (context_ == nullptr) fail("making an execution context");
    }

    // One batch after another: a context and its buffers serve one run at a time.
    void run(const void* input, std::size_t batch, float* logits) override {
        const std::lock_guard lock(mutex_);
        // Which GPU is current is a matter of each thread.
        check_cuda(cudaSetDevice(0), "Choosing the GPU");
        const std::size_t input_bytes = batch * samples_of(input_) * sample_bytes(input_.dtype);
        const std::size_t count = batch * samples_of(output_), output_bytes = count * sample_bytes(output_.dtype);
        void* images = images_.reserve(input_bytes);
        void* result = logits_.reserve(output_bytes);
        prepare(static_cast<std::int64_t>(batch), images, result);
        check_cuda(cudaMemcpyAsync(images, input, input_bytes, cudaMemcpyHostToDevice, stream_->get()), "Copying images");
        if (!context_->enqueueV3(stream_->get())) fail("running the engine");
        const bool half = output_.dtype == "float16";
        std::vector<std::uint16_t> halves(half ? count : 0);
        void* target = half ? static_cast<void*>(halves.data()) : logits;
        check_cuda(cudaMemcpyAsync(target, result, output_bytes, cudaMemcpyDeviceToHost, stream_->get()), "Copying logits");
        stream_->wait();
        for (std::size_t i = 0; i < halves.size(); ++i) logits[i] = half_to_float(halves[i]);
    }

    std::string runtime() const override { return flavour_; }
    std::string version() const override { return library_version(); }
    std::string device() const override { return device_; }
    std::uint32_t threads() const override { return 1; }

  private:
    [[noreturn]] void fail(const char* what) {
        throw Failure{RAN_INTERNAL, path_ + ": " + what + " failed: " + logger_.last() + ".", ""};
    }

    void prepare(std::int64_t batch, void* images, void* result) {
        choose_profile(batch);
        nvinfer1::Dims shape{};
        shape.nbDims = static_cast<int>(input_.shape.size());
        for (std::size_t i = 0; i < input_.shape.size(); ++i) shape.d[i] = i == 0 ? batch : input_.shape[i];
        bool ready = context_->setInputShape(input_.name.c_str(), shape) &&
                     context_->setTensorAddress(input_.name.c_str(), images) &&
                     context_->setTensorAddress(output_.name.c_str(), result);
        for (std::size_t i = 0; i < masks_.size(); ++i) {  // TensorRT writes them, wanted or not
            const std::size_t bytes = static_cast<std::size_t>(batch) * samples_of(masks_[i]) * sample_bytes(masks_[i].dtype);
            ready = ready && context_->setTensorAddress(masks_[i].name.c_str(), mask_buffers_[i].reserve(bytes));
        }
        if (!ready) fail("setting up a batch");
    }

    // The profile that takes the batch and was tuned for the nearest number of images.
    void choose_profile(std::int64_t batch) {
        if (input_.shape[0] != RAN_DYNAMIC) return;
        const char* name = input_.name.c_str();
        int best = -1;
        std::int64_t distance = 0;
        std::string ranges;
        for (int i = 0; i < engine_->getNbOptimizationProfiles(); ++i) {
            const std::int64_t least = engine_->getProfileShape(name, i, OptProfileSelector::kMIN).d[0];
            const std::int64_t tuned = engine_->getProfileShape(name, i, OptProfileSelector::kOPT).d[0];
            const std::int64_t most = engine_->getProfileShape(name, i, OptProfileSelector::kMAX).d[0];
            ranges += (i == 0 ? "" : ", ") + std::to_string(least) + " to " + std::to_string(most);
            const bool nearer = best < 0 || std::abs(tuned - batch) < distance;
            if (batch >= least && batch <= most && nearer) best = i, distance = std::abs(tuned - batch);
        }
        if (best < 0) {
            usage("The batch has " + std::to_string(batch) + " images; " + path_ + " takes " + ranges + ".",
                  "Run it in parts, or build the plan again with other --min-batch and --max-batch.");
        }
        if (best == profile_) return;
        if (!context_->setOptimizationProfileAsync(best, stream_->get())) fail("choosing a profile");
        profile_ = best;
    }

    std::string path_, flavour_, device_;
    TensorSpec input_, output_;
    Logger logger_;
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
    std::unique_ptr<nvinfer1::ICudaEngine> engine_;
    std::unique_ptr<nvinfer1::IExecutionContext> context_;
    std::mutex mutex_;
    std::optional<Stream> stream_;  // made once a GPU has been found
    DeviceBuffer images_, logits_;
    std::vector<TensorSpec> masks_;
    std::vector<DeviceBuffer> mask_buffers_;
    int profile_ = -1;
};

}  // namespace

std::unique_ptr<Backend> open_tensorrt(const Request& request) { return std::make_unique<TrtBackend>(request); }

}  // namespace rd
