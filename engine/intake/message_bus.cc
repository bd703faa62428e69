#include "engine/intake/message_bus.h"

#include <algorithm>

namespace se {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

/// Takes the first token off.
std::string_view take_token(std::string_view* subject) {
    const std::size_t dot = std::min(subject->find('.'), subject->size());
    const std::string_view token = subject->substr(0, dot);
    subject->remove_prefix(std::min(dot + 1, subject->size()));
    return token;
}

}  // namespace

std::string_view bus_header(const BusHeaders& headers, std::string_view lower_name) {
    for (const auto& [name, value] : headers) {
        if (std::ranges::equal(name, lower_name, {}, lower)) return value;
    }
    return {};
}

bool bus_subject_matches(std::string_view pattern, std::string_view subject) {
    while (!pattern.empty() && !subject.empty()) {
        const std::string_view wanted = take_token(&pattern);
        if (wanted == ">" && pattern.empty()) return true;
        const std::string_view token = take_token(&subject);
        if (wanted != "*" && wanted != token) return false;
    }
    return pattern.empty() && subject.empty();
}

}  // namespace se
