#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/filesystem.h"
#include "journal/base/result.h"
#include "journal/paths.h"
#include "journal/segment.h"

namespace se {

/// J8: an open believes what lies below a trusted watermark. The scrub reads it all again: from seq 1 up to
/// what was durable when the pass began, a chunk a job, at a pace; then it rests, and begins anew. It judges as
/// `journal verify` without hashes does, when a pass has come to its end: only then is it known which gaps a
/// repair has left.
///
/// It also keeps the places that others have met (note()). Nothing of this stops a write.
///
/// All calls from one thread but for the job, which touches nothing that they do.
class Scrub {
public:
    struct Limits {
        std::uint64_t bytes_per_second = 0;  ///< 0: it never reads anything
        std::chrono::nanoseconds every{};    ///< from the end of one pass to the next
    };
    /// Read by one job: one second's share, within these limits; the last line to its end.
    static constexpr std::uint64_t kChunkBytes = 256u << 10;
    static constexpr std::uint64_t kChunkBytesLeast = 4u << 10;
    /// Before the first pass, if `every` is not less: a process that opens, writes and goes needs none.
    static constexpr std::chrono::nanoseconds kFirstRest = std::chrono::seconds{10};
    /// After a chunk that could not be read, before it is tried again.
    static constexpr std::chrono::nanoseconds kRestAfterFailure = std::chrono::seconds{10};
    static constexpr int kTries = 3;  ///< a chunk that cannot be read so often is a damaged place
    static constexpr std::size_t kPlacesMax = 1'000;  ///< known at a time; of more nothing is told

    Scrub(FileSystem& files, StorePaths paths, std::string store, Limits limits);

    /// The store is open.
    void begin(std::chrono::nanoseconds now);

    /// When the next step may begin; nothing: never.
    std::optional<std::chrono::nanoseconds> due() const;
    /// One step as a job; finished() takes its outcome, with the time when it was begun or a later one. A
    /// failed one is no failure of the journal.
    std::function<Status()> step();
    void finished(const Status& outcome, std::chrono::nanoseconds now, Time wall);

    /// Somebody has met this place. Forgotten by the first whole pass that begins later and does not find it.
    void note(const Fault& fault);

    /// The damaged places that are known, each once, by the seqs that are lost there.
    std::vector<Fault> places() const;
    std::size_t places_known() const { return places_.size(); }
    /// Those that nobody was told of yet, once.
    std::vector<Fault> take_news();

    std::uint64_t bytes() const { return bytes_; }               ///< read, in all passes
    std::optional<Time> last_pass() const { return last_pass_; }  ///< when the last one came to its end

private:
    struct Work;  // belongs to the job that runs
    struct Place {
        Fault fault;
        std::uint64_t pass = 0;  // the newest one that had begun when it was met
    };

    bool known(const Fault& fault) const;
    void take(std::vector<Fault> found);

    const Limits limits_;
    std::shared_ptr<Work> work_;
    std::chrono::nanoseconds due_{};
    std::uint64_t passes_ = 0;  // begun
    std::uint64_t bytes_ = 0;
    std::optional<Time> last_pass_;
    std::vector<Place> places_;
    std::vector<Fault> news_;
};

}  // namespace se
