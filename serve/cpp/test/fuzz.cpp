// Feeds the library damaged manifests and archives, damaged images, and arguments that make no sense; the library must refuse or
// accept each of them, with a status that is no internal fault. Meant to be run under sanitizers.
//
//   fuzz CASES SEED FILE...    FILEs are whole manifests (.json), archives (.ran) and images to damage
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "archive.h"
#include "boundary.h"
#include "decode.h"
#include "files.h"
#include "manifest.h"
#include "mutate.h"
#include "ran_deploy/ran_deploy.h"

namespace {

std::map<std::string, std::map<std::string, long>> counts;
std::uint64_t case_number;

// Count an outcome; an internal fault, a status that does not exist or a failure without a reason ends the run.
void note(const char* what, ran_status status) {
    const bool said = status == RAN_OK || *ran_last_error() != '\0';
    if (status < RAN_OK || status > RAN_MISSING || status == RAN_INTERNAL || !said) {
        std::fprintf(stderr, "%s, case %llu: %s: %s\n", what, static_cast<unsigned long long>(case_number),
                     ran_status_name(status), ran_last_error());
        std::exit(1);
    }
    ++counts[what][ran_status_name(status)];
}

void try_manifest(const Case& text) {
    note("manifest", rd::guarded([&] {
             rd::parse_manifest({reinterpret_cast<const char*>(text.data()), text.size()}, "manifest");
         }));
}

void try_archive(const Case& bytes) {
    note("archive", rd::guarded([&] {
             rd::read_archive("archive", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
         }));
}

void try_image(const Case& file, Random& random) {
    ran_picture picture = nullptr;
    const ran_status status = ran_picture_decode(file.data(), file.size(), &picture);
    note("image", status);
    if (status != RAN_OK) return;
    ran_image image;
    note("view", ran_picture_view(picture, &image));
    const auto size = static_cast<std::uint32_t>(1 + random.below(16));
    Case out(3 * size * size);
    note("fit", ran_fit(&image, static_cast<std::uint32_t>(random.below(24)), size, out.data(), out.size()));
    note("close", ran_picture_close(picture));
}

// Sizes that do not fit a buffer of 4 KiB, or do.
void try_sizes(Random& random) {
    static std::uint8_t buffer[4096];
    static const float mean[3] = {0.5f, 0.5f, 0.5f};
    static float tensor[1024];
    const auto small = [&] { return random.one_in(3) ? random.number() : random.below(40); };
    const ran_image image = {random.one_in(50) ? nullptr : buffer, random.below(sizeof buffer + 1),
                             static_cast<std::uint32_t>(small()), static_cast<std::uint32_t>(small()),
                             static_cast<std::size_t>(random.one_in(2) ? 0 : small())};
    const auto size = static_cast<std::uint32_t>(random.one_in(4) ? random.number() : random.below(36));
    const bool fits = random.one_in(2) && size <= 36;
    Case out(fits ? std::size_t{3} * size * size : random.below(4096));
    const auto shorter = static_cast<std::uint32_t>(random.one_in(2) ? 0 : small());
    note("sizes of fit", ran_fit(&image, shorter, size, random.one_in(50) ? nullptr : out.data(), out.size()));

    const std::size_t side = random.below(8), count = random.one_in(3) ? random.number() : random.below(4);
    const std::size_t samples = random.one_in(2) ? std::min<std::size_t>(3 * side * side * count, 1024) : random.below(1024);
    note("sizes of normalize",
         ran_normalize(buffer, samples, count, static_cast<std::uint32_t>(side), mean, mean, tensor,
                       random.one_in(3) ? random.number() % sizeof tensor : samples * sizeof(float)));
}

void try_handles(Random& random) {
    const auto engine = reinterpret_cast<ran_engine>(random.number());
    const auto picture = reinterpret_cast<ran_picture>(random.number());
    ran_info info{};
    info.struct_size = random.one_in(2) ? sizeof info : random.number();
    ran_image image;
    ran_prediction best;
    size_t count;
    float logits[4] = {};
    const char* label;
    note("handles", ran_engine_info(engine, &info));
    note("handles", ran_engine_label(engine, static_cast<std::uint32_t>(random.number()), &label));
    note("handles", ran_picture_view(picture, &image));
    image = {reinterpret_cast<const std::uint8_t*>("abc"), 3, 1, 1, 0};
    note("handles", ran_engine_classify(engine, &image, 1, &best, &count));
    note("handles", ran_engine_run(engine, logits, sizeof logits, random.number(), logits, sizeof logits));
    note("handles", ran_engine_prepare(engine, &image, logits, sizeof logits));
    note("handles", ran_engine_close(engine));
    note("handles", ran_picture_close(picture));
}

Case read(const char* path) { return rd::read_file(path, "seed", 1 << 20); }

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return RAN_USAGE;
    const std::uint64_t cases = std::strtoull(argv[1], nullptr, 10), seed = std::strtoull(argv[2], nullptr, 10);
    std::vector<Case> manifests, archives, images;
    for (int i = 3; i < argc; ++i) {
        const std::string ending = rd::suffix(argv[i]);
        (ending == ".json" ? manifests : ending == ".ran" ? archives : images).push_back(read(argv[i]));
    }
    if (manifests.empty() || archives.empty() || images.empty()) return RAN_USAGE;
    for (case_number = 0; case_number < cases; ++case_number) {
        Random random(seed * 1000003 + case_number);
        const auto any = [&](const std::vector<Case>& from) -> const Case& { return from[random.below(from.size())]; };
        switch (case_number % 5) {
            case 0: try_manifest(mutate(any(manifests), any(manifests), true, random)); break;
            case 1: {
                Case file = mutate(any(images), any(images), false, random);
                if (random.one_in(2)) repair_png(file);
                try_image(file, random);
                break;
            }
            case 2: try_sizes(random); break;
            case 3: try_archive(mutate(any(archives), any(archives), false, random)); break;
            default: try_handles(random);
        }
    }
    for (const auto& [what, outcomes] : counts) {
        std::printf("%s:", what.c_str());
        for (const auto& [status, count] : outcomes) std::printf(" %s %ld", status.c_str(), count);
        std::printf("\n");
    }
    return 0;
}
