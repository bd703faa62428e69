#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "journal/base/hash.h"
#include "journal/record.h"
#include "journal/text_cursor.h"

namespace se::test {

/// A line as erasing leaves it: salt and body make way for their hash, the crc is right, and newlines fill the
/// rest of its place. Nothing where it has no room, or is no record.
inline std::optional<std::string> erased_line(const std::string& line) {
    constexpr std::string_view kSaltMember = ",\"salt\":\"";
    RecordView record;
    if (!parse_record(line, &record) || record.salt.empty()) return {};
    const Hash inner = Sha256{}.add(record.salt).add(record.body).finish();
    const auto salt_at = static_cast<std::size_t>(record.salt.data() - record.line.data());
    std::string erased = line.substr(0, salt_at - kSaltMember.size());
    erased += ",\"erased\":\"" + to_hex(inner) + "\"";
    append_crc_tail(erased, 0);
    if (erased.size() > line.size()) return {};
    erased.resize(line.size(), '\n');
    return erased;
}

/// Erases a record in the bytes of its segment. False: it is not there, or has no room for it.
inline bool erase_in(std::string& segment, Seq seq) {
    const std::size_t found = segment.find("\n{\"seq\":" + std::to_string(seq.value) + ",");
    if (found == std::string::npos) return false;
    const std::size_t begin = found + 1;
    const std::size_t bytes = segment.find('\n', begin) - begin;
    const auto erased = erased_line(segment.substr(begin, bytes));
    if (erased) segment.replace(begin, bytes, *erased);
    return erased.has_value();
}

}  // namespace se::test
