#pragma once

#include <functional>
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
    std::uint64_t torn_bytes = 0;  ///< behind the last record, never acknowledged: not a fault
    std::uint64_t repaired = 0;    ///< seqs given up: by a `repaired` note, or about to get theirs
    std::string store_file;        ///< why store.json does not hold; the id is HEAD's or a header's then
    std::vector<Fault> faults;     ///< acknowledged history that does not hold
    Hash root{};                   ///< of 1..last, when hashes were asked for
};

/// Reads every byte of every segment. With hashes every record is parsed in full; without, a right
/// crc and the start of a record are enough, since parsing would cost more than the crc and our own
/// writer's lines parse. A bad place is one fault, from the first wrong byte up to the next record
/// that the log can go on with; Fault::last says how far what is lost reaches. Changes nothing,
/// takes no lock, runs beside a living writer (judging up to HEAD's durable seq as of its start).
/// An unreadable file is an Error; what is wrong inside is a fault. Every fault is in the report,
/// each bad place once.
Result<VerifyReport> verify(FileSystem& files, const StorePaths& paths,
                            const VerifyOptions& options);

}  // namespace se
