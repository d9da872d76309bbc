#include "archive.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "failure.h"
#include "json_field.h"
#include "sha256.h"

namespace rd {
namespace {

constexpr const char* kHeader = "ran-archive.json";
constexpr std::size_t kMostEntries = 16;
constexpr std::size_t kMostTextBytes = 16u << 20;  // of everything but the engine
constexpr std::size_t kMostName = 255;
// PKWARE's APPNOTE 6.3: sizes of a local header (4.3.7) and of the end record (4.3.16).
constexpr std::size_t kLocalBytes = 30, kEndBytes = 22;
constexpr std::uint32_t kLocal = 0x04034b50, kDirectory = 0x02014b50, kEnd = 0x06054b50;

struct ZipEntry {
    std::string name;
    std::string_view content;
};

[[noreturn]] void broken(const std::string& path, const std::string& what) {
    integrity(path + " " + what + ".", "Package the engine again: ran-deploy package --format archive");
}

std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count && at + i < bytes.size(); ++i) {
        value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    }
    return value;
}

bool is_plain_name(std::string_view name) {
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= kMostName && std::all_of(name.begin(), name.end(), is_plain) &&
           name[0] != '.' && name[0] != '_' && name[0] != '-';
}

// The entries by their local headers, which must fill the file up to a directory of as many entries.
std::vector<ZipEntry> walk(const std::string& path, std::string_view bytes) {
    std::vector<ZipEntry> entries;
    std::size_t at = 0;
    while (bytes.size() - at >= kLocalBytes && number(bytes, at, 4) == kLocal) {
        const std::size_t name_bytes = number(bytes, at + 26, 2), extra_bytes = number(bytes, at + 28, 2);
        const std::size_t size = number(bytes, at + 22, 4), left = bytes.size() - at - kLocalBytes;
        if (name_bytes + extra_bytes + size > left || entries.size() == kMostEntries) {
            broken(path, "is cut off, or has too many entries");
        }
        const std::string name(bytes.substr(at + kLocalBytes, name_bytes));
        if (!is_plain_name(name)) broken(path, "has an entry whose name is no plain file name");
        // Flags and method, which must be 0, and the packed size.
        if (number(bytes, at + 6, 4) != 0 || number(bytes, at + 18, 4) != size) {
            broken(path, "has " + name + " compressed or encrypted; entries are stored as they are");
        }
        at += kLocalBytes + name_bytes + extra_bytes;
        entries.push_back({name, bytes.substr(at, size)});
        at += size;
    }
    const std::size_t end = bytes.size() < kEndBytes ? 0 : bytes.size() - kEndBytes, count = entries.size();
    const bool whole = count > 0 && end > at && number(bytes, at, 4) == kDirectory && number(bytes, end, 4) == kEnd &&
                       number(bytes, end + 4, 4) == 0 && number(bytes, end + 8, 2) == count &&
                       number(bytes, end + 10, 2) == count && number(bytes, end + 12, 4) == end - at &&
                       number(bytes, end + 16, 4) == at && number(bytes, end + 20, 2) == 0;
    if (!whole) broken(path, "is not a whole archive of ran-deploy");
    return entries;
}

const ZipEntry* find(const std::vector<ZipEntry>& entries, const std::string& name) {
    const auto same = [&name](const ZipEntry& entry) { return entry.name == name; };
    const auto found = std::find_if(entries.begin(), entries.end(), same);
    return found == entries.end() ? nullptr : &*found;
}

// Check the entries after the header against its list: names, order, sizes and hashes.
void check_entries(const std::string& path, const std::vector<ZipEntry>& entries, const Field& files) {
    const std::vector<Field> listed = files.items();
    if (listed.size() + 1 != entries.size()) broken(path, "has other entries than its header lists");
    for (std::size_t i = 0; i < listed.size(); ++i) {
        const ZipEntry& entry = entries[i + 1];
        listed[i].only({"name", "size_bytes", "sha256"});
        const std::int64_t size = listed[i]["size_bytes"].whole();
        const bool same = listed[i]["name"].text() == entry.name && size == static_cast<std::int64_t>(entry.content.size());
        if (!same || find(entries, entry.name) != &entry) broken(path, "has other entries than its header lists");
        if (listed[i]["sha256"].text() != sha256_hex(entry.content.data(), entry.content.size())) {
            broken(path, "has " + entry.name + " changed: its sha256 is not the one in the header");
        }
    }
}

}  // namespace

Archive read_archive(const std::string& path, std::string_view bytes) {
    const std::vector<ZipEntry> entries = walk(path, bytes);
    if (entries[0].name != kHeader || entries[0].content.size() > kMostTextBytes) {
        broken(path, std::string("is not an archive of ran-deploy: its first entry must be ") + kHeader);
    }
    const std::string where = path + ": " + kHeader;
    const Json root = parse_json(entries[0].content, where);
    const Field header(root, where);
    header["schema"].one_of({"ran-deploy.archive/v1"});
    header.only({"schema", "engine", "files"});
    const std::string& name = header["engine"].text();
    check_entries(path, entries, header["files"]);
    const ZipEntry *engine = find(entries, name), *manifest = find(entries, name + ".manifest.json");
    if (engine == nullptr || manifest == nullptr) broken(path, "has no engine with a manifest");
    for (const ZipEntry& entry : entries) {
        if (&entry != engine && entry.content.size() > kMostTextBytes) {
            broken(path, "has a description of unreasonable size");
        }
    }
    return {name, engine->content, manifest->content};
}

}  // namespace rd
