#pragma once

#include <optional>
#include <string>

#include "journal/base/filesystem.h"
#include "journal/journal_reader.h"
#include "journal/paths.h"

namespace se {

/// The file followers/<name> of one follower (journal/follower_mark.h): replaced as a whole,
/// synced.
class Watermark {
public:
    Watermark(FileSystem& files, StorePaths paths, std::string name)
        : files_(files), paths_(std::move(paths)), name_(std::move(name)) {}

    /// What the file says of `store`.
    struct Found {
        enum class Kind : std::uint8_t { good, missing, bad };
        Kind kind = Kind::missing;
        Cursor cursor = {};    ///< good
        std::string why = {};  ///< bad
    };
    /// An Error is the disk's: nobody knows what the file says.
    Result<Found> load(const std::string& store) const;

    /// Durable when it returns. After an Error the file says this or what it said before.
    Status save(const std::string& store, Cursor cursor);

private:
    FileSystem& files_;
    const StorePaths paths_;
    const std::string name_;
};

}  // namespace se
