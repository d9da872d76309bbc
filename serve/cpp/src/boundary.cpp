#include "boundary.h"

#include <cstring>

namespace rd {
namespace {

// Plain arrays: they need no memory when there is none left, and no destructor when a thread ends.
thread_local char last_message[1024];
thread_local char last_fix[512];

// Copy as much as fits, without cutting a UTF-8 character in two.
template <std::size_t N>
void keep(char (&target)[N], const char* text) noexcept {
    std::size_t length = std::strlen(text);
    if (length >= N) {
        length = N - 1;
        while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
    }
    std::memcpy(target, text, length);
    target[length] = '\0';
}

}  // namespace

ran_status report(ran_status status, const char* message, const char* fix) noexcept {
    keep(last_message, message);
    keep(last_fix, fix);
    return status;
}

}  // namespace rd

extern "C" {

const char* ran_last_error(void) { return rd::last_message; }
const char* ran_last_fix(void) { return rd::last_fix; }

uint32_t ran_abi_version(void) { return RAN_ABI_VERSION; }
const char* ran_version(void) { return RAN_DEPLOY_VERSION; }
const char* ran_backends(void) { return RAN_DEPLOY_BACKENDS; }
const char* ran_formats(void) { return RAN_DEPLOY_FORMATS; }

const char* ran_status_name(ran_status status) {
    switch (status) {
        case RAN_OK: return "ok";
        case RAN_INTERNAL: return "internal";
        case RAN_USAGE: return "usage";
        case RAN_GATE: return "gate";
        case RAN_INCOMPATIBLE: return "incompatible";
        case RAN_INTEGRITY: return "integrity";
        case RAN_MISSING: return "missing";
    }
    return "unknown";
}

}  // extern "C"
