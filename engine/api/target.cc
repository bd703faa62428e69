#include "engine/api/target.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "engine/intake/utf8.h"

namespace se {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Error bad_parameter(std::string_view name, std::string_view text, const std::string& want) {
    return Error{Errc::malformed,
                 "parameter '" + std::string(name) + "' is '" + std::string(text.substr(0, 64)) +
                     "', but must be " + want,
                 std::string(name)};
}

std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replace, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

std::string_view path_of(std::string_view target) {
    target = target.substr(0, target.find('?'));
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!target.starts_with(scheme)) continue;
        const std::size_t slash = target.find('/', scheme.size());
        return slash == target.npos ? std::string_view("/") : target.substr(slash);
    }
    return target;
}

std::string_view query_of(std::string_view target) {
    const std::size_t question = target.find('?');
    return question == target.npos ? std::string_view() : target.substr(question + 1);
}

Result<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low < 0) {
            return Error{Errc::malformed,
                         "'" + std::string(text.substr(i, 3)) +
                             "' is no percent-encoding: % is followed by two hex digits"};
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (!is_utf8(out)) return Error{Errc::malformed, "the decoded text is not UTF-8"};
    if (out.find('\0') != std::string::npos) return Error{Errc::malformed, "%00 is not allowed"};
    return out;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            out += '%';
            out += kHex[static_cast<unsigned char>(c) >> 4];
            out += kHex[static_cast<unsigned char>(c) & 15];
        }
    }
    return out;
}

Result<Query> Query::parse(std::string_view text) {
    Query query;
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        if (part.empty()) continue;
        const std::size_t equals = part.find('=');
        SE_TRY(name, percent_decode(part.substr(0, equals)));
        SE_TRY(value, percent_decode(equals == part.npos ? "" : part.substr(equals + 1)));
        query.parameters_.emplace_back(std::move(name), std::move(value));
    }
    return query;
}

std::optional<std::string_view> Query::find(std::string_view name) const {
    for (auto it = parameters_.rbegin(); it != parameters_.rend(); ++it) {
        if (it->first == name) return it->second;
    }
    return std::nullopt;
}

std::vector<std::string> Query::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [have, value] : parameters_) {
        if (have == name) values.push_back(value);
    }
    return values;
}

Status Query::only(std::initializer_list<std::string_view> known) const {
    for (const auto& [name, value] : parameters_) {
        if (name == "token" || std::ranges::find(known, name) != known.end()) continue;
        std::string text = "unknown parameter '" + name.substr(0, 64) + "'";
        const std::string_view near = nearest(name, std::vector<std::string_view>(known));
        if (!near.empty()) text += "; did you mean '" + std::string(near) + "'?";
        return Error{Errc::malformed, std::move(text), name};
    }
    return Ok{};
}

Result<std::uint64_t> Query::integer(std::string_view name, std::uint64_t fallback,
                                     std::uint64_t min, std::uint64_t max) const {
    const auto text = find(name);
    if (!text) return fallback;
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (problem != std::errc() || end != text->data() + text->size() || value < min || value > max)
        return bad_parameter(name, *text,
                             max == UINT64_MAX
                                 ? "a whole number from " + std::to_string(min)
                                 : "a whole number from " + std::to_string(min) + " to " +
                                       std::to_string(max));
    return value;
}

Result<bool> Query::boolean(std::string_view name, bool fallback) const {
    const auto text = find(name);
    if (!text) return fallback;
    if (*text == "true" || *text == "1" || text->empty()) return true;
    if (*text == "false" || *text == "0") return false;
    return bad_parameter(name, *text, "true or false");
}

Result<std::chrono::milliseconds> Query::duration(std::string_view name,
                                                  std::chrono::milliseconds fallback,
                                                  std::chrono::milliseconds max) const {
    const auto text = find(name);
    if (!text) return fallback;
    std::uint64_t count = 0;
    const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), count);
    const std::string_view unit = text->substr(static_cast<std::size_t>(end - text->data()));
    std::uint64_t factor = 0;
    if (unit.empty() || unit == "ms") factor = 1;
    if (unit == "s") factor = 1000;
    if (unit == "m") factor = 60'000;
    const auto limit = static_cast<std::uint64_t>(max.count());
    if (problem != std::errc() || factor == 0 || count > limit / factor)
        return bad_parameter(name, *text,
                             "milliseconds or a duration (500, 500ms, 2s, 1m) up to " +
                                 std::to_string(limit) + " ms");
    return std::chrono::milliseconds(count * factor);
}

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& candidates) {
    std::string_view best;
    std::size_t best_edits = std::max<std::size_t>(2, text.size() / 3) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edits(text.substr(0, 64), candidate);
        if (distance < best_edits) {
            best = candidate;
            best_edits = distance;
        }
    }
    return best;
}

}  // namespace se
