#include "json_field.h"

#include <algorithm>

#include "failure.h"

namespace rd {

Field Field::operator[](const char* key) const {
    const auto found = table().find(key);
    if (found == table().end()) integrity(where_ + " lacks the key '" + key + "'.");
    return Field(found->second, where_ + ": " + key);
}

bool Field::has(const char* key) const {
    const auto found = table().find(key);
    return found != table().end() && found->second.kind != Json::Kind::null;
}

void Field::only(std::initializer_list<const char*> keys) const {
    for (const auto& [key, value] : table()) {
        const auto same = [&key = key](const char* known) { return key == known; };
        if (std::none_of(keys.begin(), keys.end(), same)) {
            integrity(where_ + " has the unknown key '" + key + "'.", "Use a libran_deploy as new as the engine.");
        }
    }
}

double Field::number() const {
    return value_.kind == Json::Kind::whole ? value_.real : get(Json::Kind::real, "a number").real;
}

std::vector<Field> Field::items() const {
    std::vector<Field> result;
    const std::vector<Json>& list = get(Json::Kind::list, "a list").list;
    for (std::size_t i = 0; i < list.size(); ++i) result.emplace_back(list[i], where_ + "[" + std::to_string(i) + "]");
    return result;
}

const std::string& Field::one_of(std::initializer_list<const char*> values) const {
    std::string known;
    for (const char* value : values) {
        if (text() == value) return text();
        known += std::string(known.empty() ? "'" : ", '") + value + "'";
    }
    integrity(where_ + " is '" + text() + "'; expected one of " + known + ".");
}

void Field::wrong(const std::string& what) const { integrity(where_ + " " + what + "."); }

const Json& Field::get(Json::Kind kind, const char* expected) const {
    if (value_.kind != kind) wrong(std::string("is not ") + expected);
    return value_;
}

Json parse_json(std::string_view document, const std::string& where) {
    try {
        return Json::parse(document);
    } catch (const JsonError& error) {
        integrity(where + " is not valid JSON: " + error.reason + ", line " + std::to_string(error.line) +
                  ", column " + std::to_string(error.column) + ".");
    }
}

}  // namespace rd
