// ONNX Runtime, loaded when the first engine needs it: one binary works with any version of the library.
#pragma once

#include <string>

#include <onnxruntime_c_api.h>

namespace rd {

struct OrtLibrary {
    const OrtApi* api;
    std::string version;
    OrtEnv* env;
};

// Load the library and ask it for its functions; done once for each path, and never undone.
//   path: "" for $RAN_DEPLOY_ORT_LIBRARY, else the one known when this was built, else the system's.
const OrtLibrary& load_ort(const std::string& path);

}  // namespace rd
