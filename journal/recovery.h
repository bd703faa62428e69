#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/erasures.h"
#include "journal/evidence.h"
#include "journal/gaps.h"
#include "journal/journal.h"
#include "journal/quarantine.h"

namespace se {

/// What an open begins with: the journal as a dead writer left it, made fit for a new one.
///
/// 0. finish  blanks what a repair that was cut short has parked and left standing.
/// 1. scan    reads every line from `from` on, up to the first bad place. What HEAD vouches for is shown
///            on the way; the rest of the highest segment is kept in memory, byte for byte.
/// 2. judge   that place is damage, or a torn tail, or the clean end (J4).
/// 3. mend    not on damage: cuts the tail, takes an unfinished roll back.
/// 4. rewrite not on damage: writes what was kept to where it was read, and syncs (J3).
/// 5. show    what was kept.
class Recovery {
public:
    struct Input {
        FileSystem& files;
        const StorePaths& paths;
        const std::string& store;
        const JournalOptions& options;
        const Position& from;
        const std::vector<Evidence>& evidence;
        const Journal::Visit& visit;
        Time now;
    };
    struct Output {
        OpenReport report;
        Position position;                 ///< behind the last record; seqs given up count as records
        Epoch epoch_highest;               ///< seen anywhere
        Epoch epoch;                       ///< for this run: never used before
        std::vector<Seq> segments;         ///< that are there now
        Seq active;                        ///< the one to go on in; 0: there is none
        std::uint64_t active_used = 0;     ///< offset behind its last good line
        std::vector<RecordDraft> notes;    ///< of quarantine files that have none yet
    };
    static Result<Output> run(const Input& input);

private:
    static constexpr std::uint64_t kNotRead = UINT64_MAX;

    explicit Recovery(const Input& input) : in_(input) {}

    Status survey();
    Status finish_repairs();
    Status scan();
    Result<std::size_t> starting_place(std::uint64_t* offset);
    Result<bool> is_there(const File& segment, std::uint64_t size);
    Status check_epochs_below_from();
    Status scan_segment(std::size_t index, std::uint64_t offset);
    Status take_header(const SegmentHeader& header, std::size_t index);
    Status take_line(const Line& line, std::size_t index);
    void stop_at(Fault fault, std::size_t index);
    Status look_ahead(std::size_t index, std::uint64_t offset);
    Result<bool> believed(Seq target, Epoch epoch, std::size_t index, std::uint64_t offset);

    Status judge();
    void weigh(const Evidence& evidence);
    Status mend();
    Status cut(std::size_t index, std::uint64_t offset);
    Status drop_from(std::size_t index);
    Status drop_starved();
    Status drop_index(Seq first);
    Status park_tail(File& segment, Seq first, std::uint64_t offset);
    Status rewrite();
    Status show_kept();
    Status show(const RecordView& record, const Hash& leaf, Seq segment, std::uint64_t end);
    void give_up_to(Seq next);
    Status finish();

    static Error other_history(const std::string& why);
    bool vouched(const RecordView& record, Seq segment, std::uint64_t end) const;

    /// The good lines of the highest segment that HEAD does not vouch for, byte for byte from `begin` on.
    struct Kept {
        struct Entry {
            std::size_t at, size;
            Hash leaf;
        };
        Seq segment;
        std::uint64_t begin = 0;
        std::string bytes;
        std::vector<Entry> lines;
    };

    Input in_;
    Output out_;
    std::optional<Head> head_;
    std::vector<Parked> quarantine_;
    std::vector<std::string> noted_;  // quarantine files whose notes were read
    Gaps gaps_;
    Erasures erasures_;
    bool looked_ahead_ = false;       // for `repaired` and `erased` notes

    Seq expected_{1};
    Epoch epoch_;                     // of the last good line
    bool trust_next_header_ = false;  // the log before it was not read
    Frontier below_header_;           // the tree before the last header, without what only that knew
    EpochStarts starts_;
    RecordView record_;
    Kept kept_;
    std::vector<std::uint64_t> ends_;  // of good lines, by segment, or kNotRead

    std::optional<Fault> fault_;
    std::size_t fault_index_ = 0;
    bool fault_at_header_ = false;
    Evidence best_;
};

}  // namespace se
