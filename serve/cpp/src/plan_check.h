// What must hold before a plan may be deserialized; see ran_deploy/runtime/plan_preflight.py.
#pragma once

#include <string>

#include "manifest.h"

namespace rd {

// Refuse a plan that another version built. `here`: the version of the library that is loaded.
void check_plan_version(const std::string& path, const Build& build, const std::string& here);

// Refuse a plan for other GPUs. `capability`: such as 89; `gpu`: its name.
void check_plan_targets(const std::string& path, const Build& build, int capability, const std::string& gpu);

}  // namespace rd
