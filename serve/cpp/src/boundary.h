// Where C calls come in: exceptions become a status and a text that the calling thread can ask for.
#pragma once

#include <exception>
#include <new>

#include "failure.h"

namespace rd {

// Keep the text of a failure for ran_last_error and ran_last_fix; allocates nothing. Returns `status`.
ran_status report(ran_status status, const char* message, const char* fix) noexcept;

template <class Body>
ran_status guarded(Body&& body) noexcept {
    try {
        body();
        return RAN_OK;
    } catch (const Failure& failure) {
        return report(failure.status, failure.message.c_str(), failure.fix.c_str());
    } catch (const std::bad_alloc&) {
        return report(RAN_INTERNAL, "There is not enough memory for this.", "Use smaller batches or images.");
    } catch (const std::exception& error) {
        return report(RAN_INTERNAL, error.what(), "Please report this.");
    } catch (...) {
        return report(RAN_INTERNAL, "An unknown exception was thrown.", "Please report this.");
    }
}

// Refuse a null pointer by the parameter's name.
template <class T>
T* require(T* pointer, const char* name) {
    if (pointer == nullptr) usage(std::string(name) + " is null.", "Pass a pointer.");
    return pointer;
}

}  // namespace rd
