// `.ran` archives: an engine with its manifest in one file. The format is in docs/archive.md.
#pragma once

#include <string>
#include <string_view>

namespace rd {

constexpr const char* kArchiveSuffix = ".ran";

// Views into the archive's bytes.
struct Archive {
    std::string engine;  // its name, such as "att92.onnx"
    std::string_view content;
    std::string_view manifest;
};

// Find the engine and its manifest in the bytes of an archive, whose entries' hashes are checked first.
Archive read_archive(const std::string& path, std::string_view bytes);

}  // namespace rd
