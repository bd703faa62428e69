#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/filesystem.h"
#include "journal/journal_reader.h"
#include "journal/paths.h"

namespace se {

/// A message that a peer will not take. What it says is not kept here: it is made again from its
/// record.
struct DeadLetter {
    std::string id;
    Cursor at;           ///< its record
    std::string reason;  ///< of the last refusal
    Time ts;             ///< when that was
    std::uint64_t attempts = 0;
    bool retry = false;  ///< somebody asked for another attempt

    bool operator==(const DeadLetter&) const = default;
};

/// The dead letters of one follower: dead-letters/<name>.jsonl, one line for each thing that
/// happened to one, in order:
///   {"letter":"dead","id":"…","epoch":…,"seq":…,"attempts":…,"ts":"…","reason":"…","crc":"hhhhhhhh"}
///   {"letter":"retry","id":"…","crc":"hhhhhhhh"}
///   {"letter":"gone","id":"…","crc":"hhhhhhhh"}          delivered after all, or dropped
/// `crc` as in a record. An open writes the file anew as one `dead` line (and `retry`) a letter, so
/// that nothing it shows is in the page cache only (as J3). A line that was not finished never
/// counted; one that is damaged is kept as it is and counted. Written only by who holds the store.
class DeadLetters {
public:
    /// Its letters at most; whoever has one more must wait until there is room.
    static Result<DeadLetters> open(FileSystem& files, const StorePaths& paths, std::string name,
                                    std::uint64_t letters_max = 10'000);

    /// What the file says, for those who only look. Nothing there: none.
    struct Told {
        std::map<std::string, DeadLetter, std::less<>> letters;  ///< by id
        std::vector<std::string> damaged;                        ///< lines
    };
    static Result<Told> read(FileSystem& files, const StorePaths& paths, const std::string& name);
    /// The followers that have such a file.
    static Result<std::vector<std::string>> names(FileSystem& files, const StorePaths& paths);

    /// In order of (epoch, seq, id).
    std::vector<const DeadLetter*> all() const;
    const DeadLetter* find(std::string_view id) const;
    std::uint64_t size() const { return told_.letters.size(); }
    std::uint64_t damaged() const { return told_.damaged.size(); }
    std::uint64_t asked() const;  ///< letters of which another attempt was asked for
    bool full() const { return size() >= letters_max_; }

    // Each is durable when it returns; after an Error nothing has changed, as far as anyone can
    // see, and it can be asked for again.

    /// Adds one, or says anew why it is one; that answers a retry.
    Status add(const DeadLetter& letter);
    Status ask_retry(std::string_view id);  ///< Errc::not_found: no such letter
    Status remove(std::string_view id);     ///< fine when it is not there

private:
    DeadLetters(FileSystem& files, StorePaths paths, std::string name, std::uint64_t letters_max)
        : files_(&files),
          paths_(std::move(paths)),
          name_(std::move(name)),
          letters_max_(letters_max) {}

    Status append(const std::string& line);
    Status write_anew();

    FileSystem* files_;
    StorePaths paths_;
    std::string name_;
    std::uint64_t letters_max_;
    Told told_;

    std::unique_ptr<File> file_;  ///< null: to be written anew first
    std::uint64_t end_ = 0;
    std::uint64_t lines_ = 0;
};

}  // namespace se
