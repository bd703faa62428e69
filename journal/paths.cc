#include "journal/paths.h"

#include <charconv>

namespace se {
namespace {

constexpr std::size_t kDigits = 16;
constexpr std::string_view kPrefix = "seg-";
constexpr std::string_view kSegmentSuffix = ".jsonl";

std::string name(Seq first, std::string_view suffix) {
    const std::string digits = std::to_string(first.value);
    std::string text{kPrefix};
    if (digits.size() < kDigits) text.append(kDigits - digits.size(), '0');
    return text.append(digits).append(suffix);
}

}  // namespace

std::string StorePaths::segment_name(Seq first) {
    return name(first, kSegmentSuffix);
}

std::string StorePaths::index_name(Seq first) {
    return name(first, ".idx");
}

std::optional<Seq> StorePaths::first_seq_of(std::string_view segment_name) {
    if (segment_name.size() != kPrefix.size() + kDigits + kSegmentSuffix.size()) return {};
    if (!segment_name.starts_with(kPrefix) || !segment_name.ends_with(kSegmentSuffix)) return {};
    const std::string_view digits = segment_name.substr(kPrefix.size(), kDigits);
    Seq first;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), first.value);
    if (error != std::errc{} || end != digits.data() + digits.size() || first == Seq{}) return {};
    return first;
}

}  // namespace se
