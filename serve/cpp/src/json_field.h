// A JSON value with its place in the file, for messages; what it asks for must be there and of the right type.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "json.h"

namespace rd {

class Field {
  public:
    Field(const Json& value, std::string where) : value_(value), where_(std::move(where)) {}

    bool is_null() const { return value_.kind == Json::Kind::null; }

    // Whether a table has a key, with another value than null.
    bool has(const char* key) const;
    Field operator[](const char* key) const;
    // Refuse all keys but these.
    void only(std::initializer_list<const char*> keys) const;

    const std::string& text() const { return get(Json::Kind::text, "text").text; }
    std::int64_t whole() const { return get(Json::Kind::whole, "a whole number").whole; }
    double number() const;
    std::vector<Field> items() const;
    // A text that must be one of these.
    const std::string& one_of(std::initializer_list<const char*> values) const;

    [[noreturn]] void wrong(const std::string& what) const;

  private:
    const Json& get(Json::Kind kind, const char* expected) const;
    const std::map<std::string, Json>& table() const { return get(Json::Kind::table, "a table").table; }

    const Json& value_;
    std::string where_;
};

// Parse a document; one that is no JSON is refused by the name of its file.
Json parse_json(std::string_view document, const std::string& where);

}  // namespace rd
