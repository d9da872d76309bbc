// How many threads a session on the CPU uses, as ran_deploy/runtime/threads.py counts them.
#pragma once

#include <cstdint>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

namespace rd {

// CPUs that this process may use; an affinity mask (taskset, cpuset) is respected.
inline std::uint32_t usable_cpus() {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<std::uint32_t>(CPU_COUNT(&set));
#endif
    const unsigned count = std::thread::hardware_concurrency();
    return count == 0 ? 1 : count;
}

}  // namespace rd
