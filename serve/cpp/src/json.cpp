#include "json.h"

#include <algorithm>
#include <charconv>

#include "utf8.h"

namespace rd {
namespace {

constexpr int kMostDepth = 64;

class Reader {
  public:
    explicit Reader(std::string_view text) : text_(text) {}

    Json document() {
        if (const std::size_t wrong = first_invalid_utf8(text_); wrong != text_.size()) {
            at_ = wrong;
            fail("invalid UTF-8");
        }
        Json value = read(0);
        space();
        if (at_ != text_.size()) fail("something follows the document");
        return value;
    }

  private:
    [[noreturn]] void fail(const char* reason) const {
        const std::string_view before = text_.substr(0, at_);
        const std::size_t line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
        const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
        throw JsonError{reason, line, at_ - start + 1};
    }

    bool ended() const { return at_ == text_.size(); }
    char peek() const { return ended() ? '\0' : text_[at_]; }

    void space() {
        while (!ended() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    }

    void expect(char wanted, const char* reason) {
        if (peek() != wanted) fail(reason);
        ++at_;
    }

    void word(std::string_view wanted) {
        if (text_.substr(at_, wanted.size()) != wanted) fail("expected a value");
        at_ += wanted.size();
    }

    Json read(int depth) {
        if (depth > kMostDepth) fail("nested too deeply");
        space();
        Json value;
        switch (peek()) {
            case '{': table(value, depth); break;
            case '[': list(value, depth); break;
            case '"': value.kind = Json::Kind::text, value.text = string(); break;
            case 't': word("true"), value.kind = Json::Kind::boolean, value.boolean = true; break;
            case 'f': word("false"), value.kind = Json::Kind::boolean; break;
            case 'n': word("null"); break;
            default: number(value);
        }
        return value;
    }

    void table(Json& value, int depth) {
        value.kind = Json::Kind::table;
        ++at_;
        space();
        if (peek() == '}') {
            ++at_;
            return;
        }
        while (true) {
            space();
            if (peek() != '"') fail("expected a key in quotes");
            std::string key = string();
            space();
            expect(':', "expected a colon");
            if (!value.table.emplace(std::move(key), read(depth + 1)).second) fail("a key is there twice");
            space();
            if (peek() != ',') break;
            ++at_;
        }
        expect('}', "expected a comma or a closing brace");
    }

    void list(Json& value, int depth) {
        value.kind = Json::Kind::list;
        ++at_;
        space();
        if (peek() == ']') {
            ++at_;
            return;
        }
        while (true) {
            value.list.push_back(read(depth + 1));
            space();
            if (peek() != ',') break;
            ++at_;
        }
        expect(']', "expected a comma or a closing bracket");
    }

    std::string string() {
        std::string result;
        for (++at_; peek() != '"'; ) {
            if (ended() || static_cast<unsigned char>(peek()) < 0x20) fail("text without an end");
            if (peek() == '\\') {
                ++at_;
                escape(result);
            } else {
                result += text_[at_++];
            }
        }
        ++at_;
        return result;
    }

    void escape(std::string& result) {
        static constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
        const char kind = peek();
        if (kind != 'u') {
            const std::size_t place = ended() ? std::string_view::npos : kNames.find(kind);
            if (place == std::string_view::npos) fail("unknown escape");
            result += kMeant[place];
            ++at_;
            return;
        }
        ++at_;
        std::uint32_t code = hex4();
        if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
            at_ += 2;
            const std::uint32_t low = hex4();
            if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        if (code == 0 || (code >= 0xD800 && code <= 0xDFFF)) fail("an escape that is no character of text");
        append_utf8(result, code);
    }

    std::uint32_t hex4() {
        std::uint32_t code = 0;
        const std::string_view digits = text_.substr(at_, 4);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
        if (error != std::errc() || digits.size() != 4 || end != digits.data() + 4) fail("expected four digits");
        at_ += 4;
        return code;
    }

    bool digits() {
        const std::size_t start = at_;
        while (peek() >= '0' && peek() <= '9') ++at_;
        return at_ > start;
    }

    void number(Json& value) {
        const std::size_t start = at_;
        if (peek() == '-') ++at_;
        const bool zero = peek() == '0';
        if (!digits() || (zero && at_ - start > (text_[start] == '-' ? 2u : 1u))) {
            at_ = start;
            fail("expected a value");
        }
        bool real = false;
        if (peek() == '.') {
            real = true, ++at_;
            if (!digits()) fail("expected digits after the point");
        }
        if (peek() == 'e' || peek() == 'E') {
            real = true, ++at_;
            if (peek() == '+' || peek() == '-') ++at_;
            if (!digits()) fail("expected an exponent");
        }
        const char *first = text_.data() + start, *last = text_.data() + at_;
        if (std::from_chars(first, last, value.real).ec != std::errc()) fail("a number out of range");
        real = real || std::from_chars(first, last, value.whole).ec != std::errc();
        value.kind = real ? Json::Kind::real : Json::Kind::whole;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

Json Json::parse(std::string_view document) { return Reader(document).document(); }

}  // namespace rd
