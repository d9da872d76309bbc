#include "plan_check.h"

#include <charconv>
#include <cstdint>
#include <vector>

#include "failure.h"

namespace rd {
namespace {

// The four numbers of a version, which a suffix such as ".post1" may follow.
std::vector<long> numbers(const std::string& version) {
    std::vector<long> found;
    const char *at = version.data(), *end = at + version.size();
    while (at != end && found.size() < 4) {
        long number = 0;
        const auto [next, error] = std::from_chars(at, end, number);
        if (error == std::errc() && *at != '-') found.push_back(number), at = next;
        else ++at;
    }
    return found;
}

std::string origin(const Build& build) {
    std::string text = build.flavour + " " + build.version;
    for (std::size_t i = 0; i < build.targets.size(); ++i) text += (i == 0 ? " for " : ", ") + build.targets[i];
    return text;
}

bool fits(const std::string& target, int capability) {
    int least = 0;
    const bool later = !target.empty() && target.back() == '+';
    const char *first = target.data() + 2, *last = target.data() + target.size() - (later ? 1 : 0);
    if (target.substr(0, 2) != "sm" || first >= last) last = nullptr;
    if (last == nullptr || std::from_chars(first, last, least).ptr != last) {
        integrity("The plan's manifest has the target '" + target + "'; expected one like 'sm89' or 'sm120+'.",
                  "Build the plan again.");
    }
    return capability == least || (later && capability > least);
}

}  // namespace

void check_plan_version(const std::string& path, const Build& build, const std::string& here) {
    if (numbers(build.version) == numbers(here)) return;
    incompatible(path + " was built by " + origin(build) + "; here is " + build.flavour + " " + here + ".",
                 "Build it again with ran-deploy build, or use the library that built it.");
}

void check_plan_targets(const std::string& path, const Build& build, int capability, const std::string& gpu) {
    for (const std::string& target : build.targets) {
        if (fits(target, capability)) return;
    }
    incompatible(path + " was built by " + origin(build) + "; here is " + gpu + ", sm" + std::to_string(capability) +
                     ".",
                 "Build it again for this GPU with ran-deploy build.");
}

}  // namespace rd
