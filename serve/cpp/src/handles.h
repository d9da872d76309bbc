// Handles as numbers that are never used twice, so that a closed or invented one is refused instead of followed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "failure.h"

namespace rd {

// Drawn by all kinds of handles from one counter: a picture's handle is no engine's.
inline std::uintptr_t next_handle() {
    static std::atomic<std::uintptr_t> last{0};
    return ++last;
}

// Handle is a C pointer type that is never dereferenced; T is what it stands for.
template <class Handle, class T>
class Handles {
  public:
    explicit Handles(const char* what) : what_(what) {}

    Handle add(std::shared_ptr<T> object) {
        const std::uintptr_t number = next_handle();
        const std::unique_lock lock(mutex_);
        objects_.emplace(number, std::move(object));
        return reinterpret_cast<Handle>(number);
    }

    // What is returned stays alive for its holder even if the handle is closed meanwhile.
    std::shared_ptr<T> get(Handle handle) const {
        const std::shared_lock lock(mutex_);
        const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
        if (found == objects_.end()) refuse(handle);
        return found->second;
    }

    void close(Handle handle) {
        if (handle == nullptr) return;
        std::shared_ptr<T> last;  // destroyed after the lock is given back: it may take long
        const std::unique_lock lock(mutex_);
        const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
        if (found == objects_.end()) refuse(handle);
        last = std::move(found->second);
        objects_.erase(found);
    }

  private:
    [[noreturn]] void refuse(Handle handle) const {
        const std::string what(what_);
        if (handle == nullptr) usage("The " + what + " is null.", "Open it first.");
        usage("The " + what + " is closed, or is none.", "Open it again.");
    }

    const char* what_;
    mutable std::shared_mutex mutex_;
    std::unordered_map<std::uintptr_t, std::shared_ptr<T>> objects_;
};

}  // namespace rd
