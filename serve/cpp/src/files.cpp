#include "files.h"

#include <filesystem>
#include <fstream>

#include "failure.h"

namespace fs = std::filesystem;

namespace rd {

Bytes read_file(const std::string& path, const std::string& what, std::size_t limit) {
    std::error_code code;
    const fs::file_status status = fs::status(path, code);
    if (!fs::exists(status)) usage("The " + what + " " + path + " does not exist.", "Check the path.");
    if (fs::is_directory(status)) usage(path + " is a folder; the " + what + " must be a file.", "Check the path.");
    if (!fs::is_regular_file(status)) usage(path + " is not a regular file; the " + what + " must be one.");
    std::ifstream stream(path, std::ios::binary);
    if (!stream) usage("The " + what + " " + path + " is not readable.", "Check its permissions.");
    const std::uintmax_t size = fs::file_size(path, code);
    if (code) usage("The " + what + " " + path + " is not readable.", "Check its permissions.");
    if (size == 0) integrity("The " + what + " " + path + " is empty.", "Make or download it again.");
    if (size > limit) {
        usage("The " + what + " " + path + " has " + std::to_string(size) + " bytes; at most " +
              std::to_string(limit) + " are read.");
    }
    Bytes content(static_cast<std::size_t>(size));
    stream.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size()));
    if (static_cast<std::size_t>(stream.gcount()) != content.size()) {
        integrity("The " + what + " " + path + " changed while it was read.", "Try again.");
    }
    return content;
}

bool exists(const std::string& path) {
    std::error_code code;
    return fs::exists(path, code);
}

bool is_folder(const std::string& path) {
    std::error_code code;
    return fs::is_directory(path, code);
}

std::string file_name(const std::string& path) { return fs::path(path).filename().string(); }

std::string suffix(const std::string& path) { return fs::path(path).extension().string(); }

}  // namespace rd
