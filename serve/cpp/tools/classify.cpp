// classify: the likeliest classes of image files, with an engine of ran-deploy. Uses the public headers only.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ran_deploy/ran_deploy.hpp"

namespace {

constexpr const char* kHelp =
    "Usage: classify ENGINE IMAGE... [--top K] [--runtime NAME] [--threads N] [--ort-library PATH]\n"
    "\n"
    "Print the likeliest classes of image files. ENGINE is an .onnx or .plan file that ran-deploy made, with its\n"
    "manifest beside it, or a .ran archive.\n"
    "\n"
    "  --top K             classes to print for each image (5)\n"
    "  --runtime NAME      auto, onnxruntime, openvino, tensorrt or tensorrt-rtx (auto)\n"
    "  --threads N         CPU threads (as many as this process may use)\n"
    "  --ort-library PATH  libonnxruntime to load; otherwise $RAN_DEPLOY_ORT_LIBRARY\n"
    "  --version           print the version, the back ends and the image formats\n"
    "  --help              print this\n"
    "\n"
    "Exit codes: 0 done, 1 internal fault, 2 usage, 3 nonsense computed, 4 incompatible engine, 5 damaged file,\n"
    "6 something is missing on this machine.\n";

struct Arguments {
    std::string engine;
    std::vector<std::string> images;
    std::size_t top = 5;
    ran::Options options;
};

[[noreturn]] void refuse(const std::string& message) {
    throw ran::Error(RAN_USAGE, message, "See: classify --help");
}

std::uint32_t number(std::string_view option, std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value == 0) {
        refuse(std::string(option) + " is '" + std::string(text) + "'; expected a whole number of at least 1.");
    }
    return value;
}

Arguments parse(int count, char** words) {
    Arguments parsed;
    bool only_files = false;
    for (int i = 1; i < count; ++i) {
        std::string_view word = words[i];
        if (only_files || word.size() < 2 || word.substr(0, 2) != "--") {
            (parsed.engine.empty() ? parsed.engine : parsed.images.emplace_back()) = word;
            continue;
        }
        if (word == "--") {
            only_files = true;
            continue;
        }
        const std::size_t equals = word.find('=');
        const std::string_view option = word.substr(0, equals);
        const auto value = [&]() -> std::string_view {
            if (equals != std::string_view::npos) return word.substr(equals + 1);
            if (++i == count) refuse(std::string(option) + " lacks its value.");
            return words[i];
        };
        if (option == "--top") parsed.top = number(option, value());
        else if (option == "--threads") parsed.options.threads = number(option, value());
        else if (option == "--runtime") parsed.options.runtime = value();
        else if (option == "--ort-library") parsed.options.ort_library = value();
        else refuse("There is no option " + std::string(option) + ".");
    }
    if (parsed.images.empty()) refuse(parsed.engine.empty() ? "The engine is missing." : "The image is missing.");
    return parsed;
}

std::size_t width(const std::string& text) {  // in characters of UTF-8
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

// A row: two columns to the left, the last to the right.
using Row = std::vector<std::string>;

void print(const std::vector<Row>& rows) {
    std::size_t widths[3] = {};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < 3; ++i) widths[i] = std::max(widths[i], width(row[i]));
    }
    for (const Row& row : rows) {
        std::string line = row[0] + std::string(widths[0] - width(row[0]), ' ') + "  ";
        line += row[1] + std::string(widths[1] - width(row[1]), ' ') + "  ";
        line += std::string(widths[2] - width(row[2]), ' ') + row[2];
        std::printf("%s\n", line.c_str());
    }
}

std::string percent(double probability) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f%%", 100 * probability);
    return text;
}

int classify(const Arguments& arguments) {
    const ran::Engine engine(arguments.engine, arguments.options);
    std::vector<Row> rows = {{"file", "class", "probability"}};
    for (const std::string& image : arguments.images) {
        std::string file = image;
        for (const ran::Prediction& guess : engine.classify(ran::Picture(image), arguments.top)) {
            rows.push_back({file, guess.label, percent(guess.probability)});
            file.clear();
        }
    }
    print(rows);
    return RAN_OK;
}

}  // namespace

int main(int count, char** words) {
    for (int i = 1; i < count && std::strcmp(words[i], "--") != 0; ++i) {
        if (std::strcmp(words[i], "--help") == 0 || std::strcmp(words[i], "-h") == 0) {
            std::fputs(kHelp, stdout);
            return 0;
        }
        if (std::strcmp(words[i], "--version") == 0) {
            const auto named = [](const char* list) { return *list == '\0' ? "none" : list; };
            std::printf("ran_deploy %s\nback ends: %s\nimage formats: %s\n", ran_version(), named(ran_backends()),
                        named(ran_formats()));
            return 0;
        }
    }
    try {
        return classify(parse(count, words));
    } catch (const ran::Error& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        if (!error.fix().empty()) std::fprintf(stderr, "  fix: %s\n", error.fix().c_str());
        return error.status();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: classify failed inside: %s\n", error.what());
        return RAN_INTERNAL;
    }
}
