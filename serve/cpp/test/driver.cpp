// What the tests ask of the library from C++; binary results go to stdout.
//
//   driver logits ENGINE RUNTIME IMAGE...     float32 logits, computed with one thread through prepare and run
//   driver threads ENGINE RUNTIME COUNT IMAGE...  COUNT threads share an engine; fails if one has another answer
//   driver cycles ENGINE RUNTIME COUNT IMAGE  opens, uses and closes an engine; prints the memory in kB before and after
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "ran_deploy/ran_deploy.hpp"

namespace {

ran::Options options(const char* runtime) {
    ran::Options one;
    one.runtime = runtime;
    one.threads = 1;
    return one;
}

std::vector<float> logits(const ran::Engine& engine, const char* image) {
    const std::vector<std::uint8_t> input = engine.prepare(ran::Picture(image).image());
    return engine.run(input.data(), input.size(), 1);
}

int print_logits(const ran::Engine& engine, char** images) {
    for (; *images != nullptr; ++images) {
        const std::vector<float> row = logits(engine, *images);
        std::fwrite(row.data(), sizeof(float), row.size(), stdout);
    }
    return 0;
}

int share(const ran::Engine& engine, int count, char** images) {
    std::vector<std::vector<float>> expected;
    for (char** image = images; *image != nullptr; ++image) expected.push_back(logits(engine, *image));
    std::vector<int> wrong(static_cast<std::size_t>(count));
    std::vector<std::thread> threads;
    for (int place = 0; place < count; ++place) {
        threads.emplace_back([&, place] {
            constexpr int kRounds = 25;
            for (int round = 0; round < kRounds; ++round) {
                const std::size_t which = static_cast<std::size_t>(place + round) % expected.size();
                wrong[static_cast<std::size_t>(place)] += logits(engine, images[which]) != expected[which];
            }
        });
    }
    int sum = 0;
    for (std::thread& thread : threads) thread.join();
    for (const int one : wrong) sum += one;
    std::printf("%d\n", sum);
    return sum == 0 ? 0 : 1;
}

long resident_kb() {
    long pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int cycle(const std::string& path, const char* runtime, int count, const char* image) {
    const auto once = [&] { logits(ran::Engine(path, options(runtime)), image); };
    const int warm_up = count / 4;
    for (int i = 0; i < warm_up; ++i) once();
    const long before = resident_kb();
    for (int i = 0; i < count; ++i) once();
    std::printf("%ld %ld\n", before, resident_kb());
    return 0;
}

int run(int argc, char** argv) {
    if (argc < 5) return RAN_USAGE;
    const std::string what = argv[1];
    if (what == "cycles" && argc == 6) return cycle(argv[2], argv[3], std::atoi(argv[4]), argv[5]);
    const ran::Engine engine(argv[2], options(argv[3]));
    if (what == "logits") return print_logits(engine, argv + 4);
    if (what == "threads") return share(engine, std::atoi(argv[4]), argv + 5);
    return RAN_USAGE;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const ran::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return error.status();
    }
}
