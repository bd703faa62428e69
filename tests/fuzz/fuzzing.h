#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/assert.h"
#include "journal/base/filesystem.h"
#include "journal/text_cursor.h"

// What the fuzzers share. Each is one file with LLVMFuzzerTestOneInput; a property that does not
// hold is an SE_ASSERT. Whatever carries a checksum also has a mutator that puts it right again:
// without one, no input but the seeds would ever get past it.

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed);

namespace se::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// libFuzzer's own mutation of a text, to at most `size_max` bytes.
inline std::string mutated(std::string text, std::size_t size_max) {
    if (text.size() > size_max) text.resize(size_max);
    std::string room = std::move(text);
    const std::size_t size = room.size();
    room.resize(size_max);
    if (size_max == 0) return room;
    room.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(room.data()), size, size_max));
    return room;
}

/// What a mutator made, back into the fuzzer's memory.
inline std::size_t hand_back(const std::string& text, std::uint8_t* data, std::size_t size_max) {
    const std::size_t size = std::min(text.size(), size_max);
    std::memcpy(data, text.data(), size);
    return size;
}

inline constexpr std::size_t kTailBytes = 18;  ///< `,"crc":"hhhhhhhh"}`

inline bool has_crc_tail(std::string_view line) {
    return line.size() >= kTailBytes && line.ends_with("\"}") &&
           line.substr(line.size() - kTailBytes).starts_with(",\"crc\":\"");
}
inline std::string_view without_crc_tail(std::string_view line) {
    return has_crc_tail(line) ? line.substr(0, line.size() - kTailBytes) : line;
}
/// The line with the checksum that it should have.
inline std::string sealed(std::string_view line) {
    std::string whole(without_crc_tail(line));
    append_crc_tail(whole, 0);
    return whole;
}

inline std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines(1);
    for (const char c : text) {
        if (c == '\n')
            lines.emplace_back();
        else
            lines.back() += c;
    }
    return lines;
}

/// A file that is a text in memory.
class TextFile final : public File {
public:
    explicit TextFile(std::string_view text) : text_(text) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        if (offset >= text_.size()) return std::size_t{0};
        const std::size_t size = std::min<std::size_t>(into.size(), text_.size() - offset);
        std::memcpy(into.data(), text_.data() + offset, size);
        return size;
    }
    Status write(std::uint64_t, std::string_view) override { return read_only(); }
    Status sync() override { return read_only(); }
    Status truncate(std::uint64_t) override { return read_only(); }
    Result<std::uint64_t> size() const override { return std::uint64_t{text_.size()}; }

private:
    static Error read_only() { return {Errc::io, "this file is only read"}; }

    std::string_view text_;
};

}  // namespace se::fuzz
