#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/evidence.h"
#include "journal/journal_reader.h"
#include "journal/segment.h"

namespace se {

struct VerifyOptions {
    bool hashes = true;  ///< also the Merkle tree against every segment header's root
    unsigned threads = 2;
    /// What the journal's own files do not say (a trusted LMDB's watermark). Watermarks in followers/ are
    /// read here.
    std::vector<Evidence> evidence = {};
    std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_all)> progress = {};
};

struct VerifyReport {
    std::uint64_t records = 0;
    std::uint64_t segments = 0;
    std::uint64_t bytes = 0;
    Seq first, last;               ///< of good records
    Seq durable;                   ///< as HEAD says
    /// Behind the last record, and not known to be acknowledged: not a fault. After a killed process none of it
    /// was; after a power cut it may have been (ARCHITECTURE, What a power cut can hide).
    std::uint64_t torn_bytes = 0;
    std::uint64_t repaired = 0;    ///< seqs given up: by a `repaired` note, or about to get theirs
    std::string store_file;        ///< why store.json does not hold; the id is HEAD's or a header's then
    std::vector<Fault> faults;     ///< acknowledged history that does not hold
    Hash root{};                   ///< of 1..last, when hashes were asked for
};

/// Reads every byte of every segment. With hashes every record is parsed in full; without, a right
/// crc and the start of a record are enough, since parsing would cost more than the crc and our own
/// writer's lines parse. A bad place is one fault, from the first wrong byte up to the next record
/// that the log can go on with; Fault::last says how far what is lost reaches. Changes nothing,
/// takes no lock, runs beside a living writer (judging up to HEAD's durable seq as of its start; once more if it
/// meets an erased record without its note, which may have been written meanwhile). An erased record that no
/// later one names is a fault of its own, though its leaf holds (J7).
/// An unreadable file is an Error; what is wrong inside is a fault. Every fault is in the report,
/// each bad place once.
Result<VerifyReport> verify(FileSystem& files, const StorePaths& paths,
                            const VerifyOptions& options);

/// verify() without hashes, beside our own writer, a little at a time: for the scrub. It judges what HEAD
/// vouched for when it began; no roll and no later group changes anything there. Changes nothing, takes no
/// lock; all calls from one thread at a time.
class SteppedVerify {
public:
    /// Errc::unavailable where no HEAD of this store says what is durable.
    static Result<SteppedVerify> begin(FileSystem& files, const StorePaths& paths, const std::string& store);
    SteppedVerify(SteppedVerify&&) noexcept;
    SteppedVerify& operator=(SteppedVerify&&) noexcept;
    ~SteppedVerify();

    bool at_end() const;
    /// Reads `bytes` more, and the last line of them to its end; says how many bytes were read of the file.
    /// After an Error it stands where it stood. Needs !at_end().
    Result<std::uint64_t> read(std::uint64_t bytes);
    /// What read() would read passes for one bad line, for it cannot be read. Needs !at_end().
    void pass_over(std::uint64_t bytes, const std::string& why);
    /// All that does not hold, each bad place once. Only now is it known: a gap's note comes behind the gap.
    /// Needs at_end().
    std::vector<Fault> finish();

private:
    struct State;
    explicit SteppedVerify(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace se
