// The one exception inside the library: a status, one sentence of cause and one of fix. It never leaves the library.
#pragma once

#include <string>
#include <utility>

#include "ran_deploy/ran_deploy.h"

namespace rd {

struct Failure {
    ran_status status;
    std::string message;
    std::string fix;
};

[[noreturn]] inline void usage(std::string message, std::string fix = "") {
    throw Failure{RAN_USAGE, std::move(message), std::move(fix)};
}

[[noreturn]] inline void integrity(std::string message, std::string fix = "Make the artefact again.") {
    throw Failure{RAN_INTEGRITY, std::move(message), std::move(fix)};
}

[[noreturn]] inline void incompatible(std::string message, std::string fix) {
    throw Failure{RAN_INCOMPATIBLE, std::move(message), std::move(fix)};
}

[[noreturn]] inline void missing(std::string message, std::string fix) {
    throw Failure{RAN_MISSING, std::move(message), std::move(fix)};
}

}  // namespace rd
