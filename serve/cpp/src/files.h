// Reading whole files, with the same refusals as ran_deploy/files.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rd {

using Bytes = std::vector<std::uint8_t>;

// Read a file that must exist, be a regular file and hold something; `what` names it in the messages.
//   limit: larger files are refused.
Bytes read_file(const std::string& path, const std::string& what, std::size_t limit);

bool exists(const std::string& path);
bool is_folder(const std::string& path);

// The last part of a path, and what follows its last dot, the dot included ("" if there is none).
std::string file_name(const std::string& path);
std::string suffix(const std::string& path);

}  // namespace rd
