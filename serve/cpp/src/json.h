// A small strict reader of JSON (RFC 8259): UTF-8 only, no duplicate keys, no U+0000, a limited depth.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rd {

struct Json {
    enum class Kind { null, boolean, whole, real, text, list, table };

    Kind kind = Kind::null;
    bool boolean = false;
    std::int64_t whole = 0;
    double real = 0;  // set for whole numbers too
    std::string text;
    std::vector<Json> list;
    std::map<std::string, Json> table;

    // Parse a document; throws JsonError.
    static Json parse(std::string_view document);
};

struct JsonError {
    std::string reason;
    std::size_t line;
    std::size_t column;
};

}  // namespace rd
