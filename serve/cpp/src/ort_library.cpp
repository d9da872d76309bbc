#include "ort_library.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include <dlfcn.h>

#include "failure.h"

namespace rd {
namespace {

// What is used of the C API is older than this version of it, and later libraries keep it; so any library from 1.16
// on will do, whatever the headers.
constexpr std::uint32_t kApiVersion = 16;
static_assert(ORT_API_VERSION >= kApiVersion, "the headers of ONNX Runtime are older than 1.16");

std::vector<std::string> candidates(const std::string& path) {
    if (!path.empty()) return {path};
    const char* chosen = std::getenv("RAN_DEPLOY_ORT_LIBRARY");
    if (chosen != nullptr && *chosen != '\0') return {chosen};
    std::vector<std::string> names = {"libonnxruntime.so.1", "libonnxruntime.so"};
    if (*RAN_DEPLOY_ORT_DEFAULT != '\0') names.insert(names.begin(), RAN_DEPLOY_ORT_DEFAULT);
    return names;
}

void* open_library(const std::vector<std::string>& names) {
    std::string reasons;
    for (const std::string& name : names) {
        if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
        reasons += (reasons.empty() ? "" : "; ") + std::string(dlerror());
    }
    missing("ONNX Runtime cannot be loaded: " + reasons + ".",
            "Set RAN_DEPLOY_ORT_LIBRARY to libonnxruntime.so, such as the one in the Python package onnxruntime.");
}

OrtLibrary load(const std::vector<std::string>& names) {
    void* library = open_library(names);
    using GetBase = const OrtApiBase*(ORT_API_CALL*)();
    const auto get_base = reinterpret_cast<GetBase>(dlsym(library, "OrtGetApiBase"));
    if (get_base == nullptr) missing(names.front() + " is not ONNX Runtime.", "Set RAN_DEPLOY_ORT_LIBRARY to it.");
    const OrtApiBase* base = get_base();
    const std::string version = base->GetVersionString();
    const OrtApi* api = base->GetApi(kApiVersion);
    if (api == nullptr) {
        incompatible("ONNX Runtime " + version + " is older than 1.16.", "Use a newer library.");
    }
    OrtEnv* env = nullptr;
    if (OrtStatus* status = api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "ran_deploy", &env)) {
        const std::string reason = api->GetErrorMessage(status);
        api->ReleaseStatus(status);
        missing("ONNX Runtime " + version + " does not start: " + reason, "Use another library.");
    }
    return {api, version, env};
}

}  // namespace

const OrtLibrary& load_ort(const std::string& path) {
    // Neither is ever destroyed: the library's threads and thread-local data do not survive an unloading.
    static std::mutex mutex;
    static auto* loaded = new std::map<std::string, OrtLibrary>;
    const std::vector<std::string> names = candidates(path);
    const std::lock_guard lock(mutex);
    const auto found = loaded->find(names.front());
    return found != loaded->end() ? found->second : loaded->emplace(names.front(), load(names)).first->second;
}

}  // namespace rd
