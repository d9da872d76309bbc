// ONNX engines on the CPU, through OpenVINO, with the same settings as ran_deploy/runtime/openvino_session.py.
#include <cstring>
#include <memory>
#include <mutex>
#include <sstream>
#include <vector>

#include <openvino/frontend/exception.hpp>
#include <openvino/frontend/manager.hpp>
#include <openvino/openvino.hpp>

#include "backend.h"
#include "failure.h"
#include "openvino_factor.h"

namespace rd {
namespace {

std::string library_version() {
    const std::string text = ov::get_openvino_version().buildNumber;
    return text.substr(0, text.find('-'));  // without build number and branch
}

// Never destroyed: its plugins have threads, which may not end after the program's own statics.
ov::Core& core() {
    static auto* one = new ov::Core;
    return *one;
}

TensorSpec port(const ov::Output<const ov::Node>& found) {
    TensorSpec spec;
    const std::string type = found.get_element_type().get_type_name();
    spec.name = found.get_any_name();
    spec.dtype = type == "u8" ? "uint8" : type == "f32" ? "float32" : type == "f16" ? "float16" : type;
    for (const ov::Dimension& side : found.get_partial_shape()) {
        spec.shape.push_back(side.is_dynamic() ? RAN_DYNAMIC : side.get_length());
    }
    return spec;
}

std::vector<TensorSpec> ports(const std::vector<ov::Output<const ov::Node>>& found) {
    std::vector<TensorSpec> specs;
    for (const auto& one : found) specs.push_back(port(one));
    return specs;
}

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
    const std::size_t start = reason.find("No conversion rule");  // what matters, where it is said
    incompatible(path + " does not run in OpenVINO " + library_version() + ": " +
                     one_line(start == std::string::npos ? reason : reason.substr(start)),
                 "Install a newer OpenVINO, or use the runtime onnxruntime.");
}

class OpenVinoBackend final : public Backend {
  public:
    explicit OpenVinoBackend(const Request& request)
        : input_(request.manifest.input), output_(request.manifest.output), threads_(request.threads) {
        const std::shared_ptr<ov::Model> model = read(request);
        const std::shared_ptr<const ov::Model> seen = model;
        check_ports("input", request.path, {input_}, ports(seen->inputs()));
        check_ports("output", request.path, all_outputs(request.manifest), ports(seen->outputs()));
        factor_masks(model);
        try {
            // Without the precision, OpenVINO computes in bfloat16 where the CPU can, with errors of 1e-3.
            compiled_ = core().compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32),
                                             ov::inference_num_threads(static_cast<int>(threads_)),
                                             ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY));
        } catch (const ov::Exception& error) {
            refuse(request.path, error.what());
        }
    }

    void run(const void* input, std::size_t batch, float* logits) override {
        ov::InferRequest request = idle();
        request.set_input_tensor(0, wrap(input_, const_cast<void*>(input), batch));
        request.infer();
        const ov::Tensor result = request.get_output_tensor(0);
        const std::size_t count = batch * samples_of(output_);
        if (result.get_size() != count) throw Failure{RAN_INTERNAL, "OpenVINO returned logits of another shape.", ""};
        if (output_.dtype == "float16") {
            const auto* halves = static_cast<const std::uint16_t*>(result.data());
            for (std::size_t i = 0; i < count; ++i) logits[i] = half_to_float(halves[i]);
        } else {
            std::memcpy(logits, result.data(), count * sizeof(float));
        }
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
    }

    std::string runtime() const override { return "openvino"; }
    std::string version() const override { return library_version(); }
    std::uint32_t threads() const override { return threads_; }

  private:
    static std::shared_ptr<ov::Model> read(const Request& request) {
        try {
            // The ONNX front end alone: Core::read_model tries all others on a damaged file, which write to stderr.
            std::istringstream stream(std::string(request.content.begin(), request.content.end()));
            ov::frontend::FrontEndManager manager;
            const auto frontend = manager.load_by_framework("onnx");
            return frontend->convert(frontend->load(static_cast<std::istream*>(&stream)));
        } catch (const ov::frontend::OpConversionFailure& error) {
            refuse(request.path, error.what());
        } catch (const ov::Exception& error) {
            integrity(request.path + " is not a whole ONNX model: " + one_line(error.what()),
                      "Restore the file, or export it again.");
        }
    }

    // A request runs one batch at a time; one that failed is not used again.
    ov::InferRequest idle() {
        {
            const std::lock_guard lock(mutex_);
            if (!requests_.empty()) {
                ov::InferRequest request = std::move(requests_.back());
                requests_.pop_back();
                return request;
            }
        }
        return compiled_.create_infer_request();
    }

    static ov::Tensor wrap(const TensorSpec& spec, void* data, std::size_t batch) {
        ov::Shape shape(spec.shape.begin(), spec.shape.end());
        shape[0] = batch;
        return ov::Tensor(spec.dtype == "uint8" ? ov::element::u8 : ov::element::f32, shape, data);
    }

    TensorSpec input_, output_;
    std::uint32_t threads_;
    ov::CompiledModel compiled_;
    std::mutex mutex_;
    std::vector<ov::InferRequest> requests_;
};

}  // namespace

std::unique_ptr<Backend> open_openvino(const Request& request) { return std::make_unique<OpenVinoBackend>(request); }

}  // namespace rd
