#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tools/statectl/context.h"
#include "tools/statectl/decompress.h"

namespace se::statectl {

/// The lines of a file or of stdin, plain, gzip or zstd, with their numbers. Holds one line and one piece
/// in memory, whatever the file's size.
class LineSource {
public:
    static constexpr std::size_t kLineBytesMax = 10u << 20;  ///< as a body may be; longer: see Line

    /// "-" is stdin.
    static Outcome<std::unique_ptr<LineSource>> open(Context& context, const std::string& path);

    struct Line {
        std::uint64_t number = 0;  ///< from 1, blank lines counted
        std::string text;
        bool too_long = false;     ///< `text` is its beginning only
    };
    /// The next line that is not blank; nothing at the end.
    Outcome<std::optional<Line>> next();

    std::uint64_t bytes_read() const { return read_; }    ///< of the file, as it is stored
    std::uint64_t bytes_in_all() const { return size_; }  ///< 0: unknown

private:
    LineSource() = default;
    Outcome<Ok> read_some(std::string& out);

    std::unique_ptr<File> file_;  // nothing: stdin
    std::uint64_t size_ = 0, read_ = 0;
    std::string name_;
    std::unique_ptr<Decompressor> plain_;
    std::string buffer_;
    std::size_t used_ = 0;
    std::uint64_t number_ = 0;
    bool ended_ = false;
};

}  // namespace se::statectl
