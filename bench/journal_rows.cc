#include "bench/journal_rows.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "bench/disk.h"
#include "bench/store.h"
#include "journal/base/crc32c.h"
#include "journal/base/hash.h"
#include "journal/journal.h"
#include "journal/verify.h"

namespace se::bench {
namespace {

/// All lines of a journal, in memory.
std::vector<std::string> lines_of(const std::string& directory) {
    PosixFileSystem files;
    const StorePaths paths{directory};
    std::vector<std::string> lines;
    JournalReader reader = must(JournalReader::open(files, paths));
    while (const RecordView* record = must(reader.next())) lines.emplace_back(record->line);
    return lines;
}

std::atomic<std::uint64_t> sink;  // keeps the optimizer from seeing that nobody wants the results

/// Once takes milliseconds, in which a shared machine may do anything: so, again and again for a
/// while. `once` returns a rate; what is said is the mean over all of the work.
template <class Once>
double over_a_while(double scale, Once once) {
    const double start = seconds_now(), end = start + 0.5 * scale;
    double took = 0, turns = 0;
    do {
        took += 1 / once();
        ++turns;
    } while (seconds_now() < end);
    return turns / took;
}

/// Lines a second when two threads do `work` on half of them each.
template <class Work>
double by_two_threads(const std::vector<std::string>& lines, Work work) {
    const double start = seconds_now();
    const auto half = [&](std::size_t from, std::size_t to) {
        std::uint64_t sum = 0;
        for (std::size_t i = from; i < to; ++i) sum += work(lines[i]);
        sink += sum;
    };
    std::thread other(half, lines.size() / 2, lines.size());
    half(0, lines.size() / 2);
    other.join();
    return static_cast<double>(lines.size()) / (seconds_now() - start);
}

double verify_rate(const std::string& directory, bool hashes) {
    PosixFileSystem files;
    VerifyOptions options;
    options.hashes = hashes;
    const double start = seconds_now();
    const VerifyReport report = must(verify(files, StorePaths{directory}, options));
    const double took = seconds_now() - start;
    if (!report.faults.empty()) {
        fmt::print(stderr, "bench: {}\n", to_text(report.faults[0]));
        std::exit(1);
    }
    return static_cast<double>(report.records) / took;
}

/// What verify cannot go below: the segments read from the page cache in its own chunks, by two
/// threads, and nothing but crc32c done to them. In records a second.
double read_and_sum_rate(const std::string& directory, std::uint64_t records) {
    constexpr std::uint64_t kChunk = 256u << 10;
    PosixFileSystem files;
    const StorePaths paths{directory};
    std::vector<std::unique_ptr<File>> segments;
    for (const Seq first : must(list_segments(files, paths))) {
        segments.push_back(must(files.open(paths.segment(first), OpenMode::read)));
    }
    const auto every_other_chunk = [&](std::uint64_t remainder) {
        std::string buffer(kChunk, '\0');
        std::uint64_t sum = 0;
        for (const auto& segment : segments) {
            const std::uint64_t size = must(segment->size());
            for (std::uint64_t at = remainder * kChunk; at < size; at += 2 * kChunk) {
                const std::size_t got = must(segment->read(at, std::span(buffer)));
                sum += crc32c(std::string_view(buffer).substr(0, got));
            }
        }
        sink += sum;
    };
    const double start = seconds_now();
    std::thread other(every_other_chunk, 1);
    every_other_chunk(0);
    other.join();
    return static_cast<double>(records) / (seconds_now() - start);
}

/// What an append cannot go below: the hashes of one record (body, leaf, one node of the tree).
double hash_rate(std::uint64_t count) {
    const std::string head(300, 'h'), body(360, 'b');
    Hash hash{};
    const double start = seconds_now();
    for (std::uint64_t i = 0; i < count; ++i) {
        const Hash of_body = Sha256{}.add(std::string(kSaltHexDigits, 's')).add(body).finish();
        const Hash leaf = Sha256{}.add("0").add(head).add(of_body).finish();
        hash = Sha256{}.add("1").add(leaf).add(hash).finish();
    }
    const double took = seconds_now() - start;
    sink += hash[0];
    return static_cast<double>(count) / took;
}

double open_seconds(const std::string& directory, bool with_projection) {
    if (!with_projection) std::filesystem::remove_all(directory + "/projection");
    const double start = seconds_now();
    Store store(directory);
    const bool found = must(store.engine().get(key_of(0))).has_value();
    const double took = seconds_now() - start;
    if (!found) std::exit(1);
    return took;
}

/// Records a second through Journal alone, no sync waited for.
double append_rate(const std::string& parent, std::uint64_t count) {
    const Folder folder(parent, "append");
    PosixFileSystem files;
    PosixClock clock;
    PosixRandom random;
    NoLog log;
    InlineRunner commits, background;
    const StorePaths paths{folder.path()};
    const StoreHold hold = must(hold_store(files, random, paths));
    JournalOptions options;
    options.fsync = FsyncMode::never;
    options.sync_interval = std::chrono::hours(1);
    options.first_segment_bytes = options.segment_bytes = 512u << 20;
    auto journal = must(Journal::open({files, clock, random, log, commits, background}, paths, hold,
                                      options, Position{}, {},
                                      [](const RecordView&, const Position&) { return Ok{}; }));
    RecordDraft draft;
    draft.kind = Kind::accepted;
    draft.id = "bench-00000000000000000000000000000000";
    draft.content = std::string(32, 'a');
    draft.actor = "bench";
    draft.door = "embedded";
    draft.changes = {{key_of(1), "set", Version{1}}};
    draft.decided = std::string(16, 'b');
    draft.body = R"({"reason":"bench","values":[)" + value_of(1) + "]}";
    const double start = seconds_now();
    for (std::uint64_t i = 0; i < count; ++i) {
        draft.ts = journal->last_ts();
        must(journal->append(draft));
        if (i % 1024 == 1023) {
            journal->submit(true);
            journal->poll();
        }
    }
    const double took = seconds_now() - start;
    if (journal->group_open()) journal->submit(true);
    journal->poll();
    must(journal->close());
    return static_cast<double>(count) / took;
}

}  // namespace

JournalWorld::JournalWorld(const std::string& parent_folder, std::uint64_t count)
    : parent(parent_folder), directory(parent_folder + "/journal"), records(count) {
    {
        Store store(directory);
        store.fill(0, std::min<std::uint64_t>(records, 10'000));
        if (records > 10'000) store.update(records - 10'000, 10'000, 256);
    }
    for (const std::string& line : lines_of(directory)) bytes += line.size() + 2;
}

void add_journal_rows(std::vector<Row>& rows, JournalWorld& world, double scale) {
    const auto count = static_cast<std::uint64_t>(200'000 * scale);
    const double record_bytes = static_cast<double>(world.bytes) / static_cast<double>(world.records);
    rows.push_back({"page cache: writes of 1 MiB, as records", "/s", [&world, record_bytes] {
                        return page_cache_write(world.parent, 1u << 20, 256u << 20) / record_bytes;
                    }});
    rows.push_back({"journal append without sync", "/s",
                    [&world, count] { return append_rate(world.parent, count); },
                    "page cache: writes of 1 MiB, as records", 0.2});
    rows.push_back({"limit of it: the three hashes of a record", "/s",
                    [count] { return hash_rate(count); },
                    "page cache: writes of 1 MiB, as records"});
    rows.push_back({"bare crc32c over the same lines, 2 threads", "/s", [&world, scale] {
                        static const std::vector<std::string> lines = lines_of(world.directory);
                        return over_a_while(scale, [] {
                            return by_two_threads(lines, [](const std::string& line) {
                                return static_cast<std::uint64_t>(crc32c(line));
                            });
                        });
                    }});
    rows.push_back({"journal verify, checksums, 2 threads", "/s",
                    [&world, scale] {
                        return over_a_while(scale, [&] { return verify_rate(world.directory, false); });
                    },
                    "bare crc32c over the same lines, 2 threads", 0.7});
    rows.push_back({"limit of it: read and crc32c, nothing else, 2 threads", "/s",
                    [&world, scale] {
                        return over_a_while(scale, [&] { return read_and_sum_rate(world.directory, world.records); });
                    },
                    "bare crc32c over the same lines, 2 threads"});
    rows.push_back({"bare sha256 over the same lines, 2 threads", "/s", [&world, scale] {
                        static const std::vector<std::string> lines = lines_of(world.directory);
                        return over_a_while(scale, [] {
                            return by_two_threads(lines, [](const std::string& line) {
                                return static_cast<std::uint64_t>(sha256(line)[0]);
                            });
                        });
                    }});
    rows.push_back({"journal verify, with hashes, 2 threads", "/s",
                    [&world, scale] {
                        return over_a_while(scale, [&] { return verify_rate(world.directory, true); });
                    },
                    "bare sha256 over the same lines, 2 threads", 0.75});
    rows.push_back({"cold start to first read, LMDB intact, 100k records", "s",
                    [&world] { return open_seconds(world.directory, true); }, "", 0.4, true});
    rows.push_back({"cold start to first read, LMDB gone, 100k records", "s",
                    [&world] { return open_seconds(world.directory, false); }});
    rows.push_back({"rebuild", "/s", [&world] {
                        return static_cast<double>(world.records) / open_seconds(world.directory, false);
                    }});
}

}  // namespace se::bench
