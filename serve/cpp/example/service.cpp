// A small service: it reads paths of images from stdin, one in each line, classifies them in a few threads that share
// one engine, and answers in the same order. A bad image gets an answer too; only a bad engine ends the service.
#include <future>
#include <iostream>
#include <queue>
#include <string>

#include <ran_deploy/ran_deploy.hpp>

namespace {

constexpr std::size_t kAtOnce = 4;

std::string answer(const ran::Engine& engine, const std::string& path) {
    try {
        const ran::Prediction best = engine.classify(ran::Picture(path), 1).front();
        return path + '\t' + best.label + '\t' + std::to_string(best.probability);
    } catch (const ran::Error& error) {
        return path + "\terror\t" + error.what();
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: " << argv[0] << " ENGINE < paths\n";
        return RAN_USAGE;
    }
    try {
        ran::Options options;
        options.threads = 1;  // one for each image; the images run side by side
        const ran::Engine engine(argv[1], options);
        std::queue<std::future<std::string>> waiting;
        const auto print_first = [&waiting] {
            std::cout << waiting.front().get() << std::endl;
            waiting.pop();
        };
        for (std::string path; std::getline(std::cin, path);) {
            waiting.push(std::async(std::launch::async, answer, std::cref(engine), path));
            if (waiting.size() == kAtOnce) print_first();
        }
        while (!waiting.empty()) print_first();
    } catch (const ran::Error& error) {
        std::cerr << "error: " << error.what() << "\n  fix: " << error.fix() << '\n';
        return error.status();
    }
    return 0;
}
