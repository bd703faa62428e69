#include "engine/egress/file_sink.h"

#include <algorithm>

#include "journal/base/json.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

constexpr std::string_view kSinkLineBegin = "{\"id\":\"";
constexpr std::uint64_t kTailPiece = 64u << 10;

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void FileSink::deliver(std::uint64_t ticket, const Message& message) {
    tickets_.push_back(ticket);
    JsonObject line(lines_);
    line.text("id", message.id)
        .integer("epoch", message.at.epoch.value)
        .integer("seq", message.at.seq.value)
        .text("ts", to_text(message.ts))
        .text("type", message.type);
    if (!message.trace.empty()) line.text("trace", message.trace);
    line.raw("payload", message.body).close();
    lines_ += '\n';
}

std::vector<Delivery> FileSink::poll() {
    std::vector<Delivery> outcomes;
    if (tickets_.empty()) return outcomes;
    const Status written = write_lines();
    for (const std::uint64_t ticket : std::exchange(tickets_, {})) {
        if (written) {
            outcomes.push_back({.ticket = ticket});
        } else {
            outcomes.push_back({.ticket = ticket,
                                .outcome = Delivery::Outcome::outage,
                                .reason = path_ + ": " + written.error().text});
        }
    }
    lines_.clear();
    return outcomes;
}

/// Where a line may begin: behind what is whole.
Result<std::uint64_t> FileSink::end_of(File& file) {
    SE_TRY(size, file.size());
    if (size == 0 || size == end_) return size;
    std::string tail;
    for (std::uint64_t begin = size; begin > 0;) {
        const std::uint64_t piece = std::min(kTailPiece, begin);
        begin -= piece;
        std::string read(piece, '\0');
        SE_TRY(got, file.read(begin, read));
        read.resize(got);
        tail.insert(0, read);
        const std::size_t newline = tail.rfind('\n');
        if (newline == std::string::npos && begin > 0) continue;
        const std::size_t line = newline == std::string::npos ? 0 : newline + 1;
        const std::string_view unfinished = std::string_view(tail).substr(line);
        if (unfinished.empty()) return size;
        const std::size_t common = std::min(unfinished.size(), kSinkLineBegin.size());
        if (unfinished.substr(0, common) != kSinkLineBegin.substr(0, common)) {
            lines_.insert(0, "\n");
            return size;
        }
        SE_TRY_OK(file.truncate(begin + line));
        return begin + line;
    }
    return size;
}

Status FileSink::write_lines() {
    SE_TRY(there, files_.exists(path_));
    SE_TRY(file, files_.open(path_, OpenMode::create));
    // Its name first: a synced file that nobody finds was not delivered.
    if (!there || end_ == 0) SE_TRY_OK(files_.sync_directory(folder_of(path_)));
    SE_TRY(end, end_of(*file));
    end_ = 0;  // until both have said yes
    SE_TRY_OK(file->write(end, lines_));
    SE_TRY_OK(file->sync());
    end_ = end + lines_.size();
    return Ok{};
}

}  // namespace se
