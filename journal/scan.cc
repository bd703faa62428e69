#include "journal/scan.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace se {
namespace {

/// Small enough to keep several threads busy in one segment, large enough to forget the overhead.
constexpr std::uint64_t kPieceBytes = 4u << 20;
/// Pieces that may be read ahead of the one that is due, for each thread.
constexpr std::size_t kAheadPerThread = 4;
/// One read. It should stay in a core's own cache until it has been looked at.
constexpr std::size_t kChunkBytes = 256u << 10;

class PieceReader {
public:
    PieceReader(Seq segment, bool hashes, ScannedPiece* piece)
        : records_begin_(header_bytes_least(segment)), hashes_(hashes), piece_(piece) {}

    Status read(const File& file, std::uint64_t from, std::uint64_t to) {
        // One byte earlier, to tell a line that begins at `from` from the rest of an earlier one.
        const std::uint64_t begin = from == 0 ? 0 : from - 1;
        LineReader lines(file, begin, to, kChunkBytes);
        for (bool first = true;; first = false) {
            SE_TRY(line, lines.next());
            piece_->read_to = lines.read_to();
            if (!line) return Ok{};
            if (first && line->offset < from) continue;
            SE_TRY_OK(take(*line));
        }
    }

private:
    Status take(const Line& line) {
        const std::uint64_t end = line.offset + line.text.size() + 1;
        const auto frame = read_frame(line.text);
        if (!frame) return take_other(line, end);
        if (!line.terminated) {
            bad(FaultKind::unterminated, line, end, {}, frame->durable);
            return Ok{};
        }
        if (line.offset < records_begin_) {
            bad(FaultKind::bad_line, line, end, "a record where the header belongs", frame->durable);
            if (parse_record(line.text, &record_)) add_note();
            return Ok{};
        }
        if (hashes_) {
            if (const Status parsed = parse_record(line.text, &record_); !parsed) {
                bad(FaultKind::bad_line, line, end, parsed.error().text, frame->durable);
                return Ok{};
            }
        }
        ScannedRun* const last =
            piece_->things.empty() ? nullptr : std::get_if<ScannedRun>(&piece_->things.back());
        if (last != nullptr && frame->seq == last->last.next() && frame->epoch == last->epoch) {
            last->last = frame->seq;
            last->durable = std::max(last->durable, frame->durable);
            last->end = end;
        } else {
            piece_->things.emplace_back(ScannedRun{.first = frame->seq,
                                                   .last = frame->seq,
                                                   .epoch = frame->epoch,
                                                   .durable = frame->durable,
                                                   .offset = line.offset,
                                                   .end = end,
                                                   .leaves = piece_->leaves.size()});
        }
        if (hashes_) piece_->leaves.push_back(leaf_hash(record_));
        if (frame->is_erased) piece_->erased.push_back({.seq = frame->seq, .offset = line.offset});
        if (frame->is_note && (hashes_ || parse_record(line.text, &record_))) add_note();
        return Ok{};
    }

    void add_note() {
        piece_->repaired.add(record_);
        piece_->erasures.add(record_);
    }

    Status take_other(const Line& line, std::uint64_t end) {
        auto header = parse_segment_header(line.text);
        if (header && line.terminated) {
            piece_->things.emplace_back(
                ScannedHeader{.offset = line.offset, .end = end, .header = std::move(*header)});
            return Ok{};
        }
        if (!header && header.error().code == Errc::unsupported) return header.error();
        bad(header ? FaultKind::unterminated : FaultKind::bad_line, line, end, {});
        return Ok{};
    }

    void bad(FaultKind kind, const Line& line, std::uint64_t end, std::string detail,
             Seq durable = {}) {
        piece_->things.emplace_back(ScannedBadLine{.kind = kind,
                                                   .offset = line.offset,
                                                   .end = end,
                                                   .detail = std::move(detail),
                                                   .durable = durable});
    }

    const std::uint64_t records_begin_;
    const bool hashes_;
    ScannedPiece* piece_;
    RecordView record_;
};

/// The pieces in order, who works on which, and what is done.
class Scan {
public:
    Scan(FileSystem& files, const StorePaths& paths, const std::vector<ScannedSegment>& segments,
         bool hashes, unsigned threads)
        : files_(files), paths_(paths), segments_(segments), hashes_(hashes) {
        for (std::size_t i = 0; i < segments.size(); ++i) {
            std::uint64_t from = 0;
            do {  // an empty segment has one piece too
                const std::uint64_t to = std::min(from + kPieceBytes, segments[i].bytes);
                pieces_.push_back({.segment = i, .from = from, .to = to});
                from = to;
            } while (from < segments[i].bytes);
        }
        done_.resize(pieces_.size());
        ahead_ = kAheadPerThread * std::max(threads, 1u);
        for (unsigned i = 1; i < threads && i < pieces_.size(); ++i) {
            workers_.emplace_back([this] { work(); });
        }
    }

    ~Scan() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        changed_.notify_all();
        for (std::thread& worker : workers_) worker.join();
    }
    Scan(const Scan&) = delete;
    Scan& operator=(const Scan&) = delete;

    std::size_t size() const { return pieces_.size(); }

    /// The next piece in order; works on any while it is not there.
    Result<ScannedPiece> next() {
        std::unique_lock lock(mutex_);
        while (!done_[taken_]) {
            if (!work_on_one(lock)) changed_.wait(lock);
        }
        Result<ScannedPiece> piece = std::move(*done_[taken_]);
        done_[taken_++].reset();
        lock.unlock();
        changed_.notify_all();
        return piece;
    }

private:
    struct Piece {
        std::size_t segment = 0;
        std::uint64_t from = 0, to = 0;
    };

    void work() {
        std::unique_lock lock(mutex_);
        while (!stop_) {
            if (!work_on_one(lock)) changed_.wait(lock);
        }
    }

    /// Does one piece, if one may be begun now. Needs the lock, gives it away while reading.
    bool work_on_one(std::unique_lock<std::mutex>& lock) {
        if (begun_ == pieces_.size() || begun_ >= taken_ + ahead_) return false;
        const std::size_t number = begun_++;
        const Piece& piece = pieces_[number];
        // Under the lock: files may be read from any thread, but opened by one at a time.
        if (!file_ || file_segment_ != piece.segment) {
            auto opened =
                files_.open(paths_.segment(segments_[piece.segment].first), OpenMode::read);
            if (!opened) {
                done_[number].emplace(std::move(opened).error());
                return true;
            }
            file_ = std::move(*opened);
            file_segment_ = piece.segment;
        }
        const std::shared_ptr<File> file = file_;
        lock.unlock();
        Result<ScannedPiece> result = read(piece, *file);
        lock.lock();
        done_[number].emplace(std::move(result));
        changed_.notify_all();
        return true;
    }

    Result<ScannedPiece> read(const Piece& piece, const File& file) const {
        return scan_piece(file, piece.segment, segments_[piece.segment].first, piece.from, piece.to, hashes_);
    }

    FileSystem& files_;
    const StorePaths& paths_;
    const std::vector<ScannedSegment>& segments_;
    const bool hashes_;
    std::vector<Piece> pieces_;
    std::size_t ahead_ = 0;

    std::mutex mutex_;  // everything below
    std::condition_variable changed_;
    std::vector<std::optional<Result<ScannedPiece>>> done_;
    std::size_t begun_ = 0, taken_ = 0;
    std::shared_ptr<File> file_;
    std::size_t file_segment_ = 0;
    bool stop_ = false;

    std::vector<std::thread> workers_;
};

}  // namespace

Result<ScannedPiece> scan_piece(const File& file, std::size_t segment, Seq first, std::uint64_t from,
                                std::uint64_t to, bool hashes) {
    ScannedPiece piece;
    piece.segment = segment;
    piece.bytes = to - from;
    piece.first_of_segment = from == 0;
    PieceReader reader(first, hashes, &piece);
    SE_TRY_OK(reader.read(file, from, to));
    return piece;
}

Status scan_segments(FileSystem& files, const StorePaths& paths,
                     const std::vector<ScannedSegment>& segments, bool hashes, unsigned threads,
                     const std::function<Status(ScannedPiece&&)>& take) {
    Scan scan(files, paths, segments, hashes, threads);
    for (std::size_t i = 0; i < scan.size(); ++i) {
        SE_TRY(piece, scan.next());
        SE_TRY_OK(take(std::move(piece)));
    }
    return Ok{};
}

}  // namespace se
