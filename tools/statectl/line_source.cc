#include "tools/statectl/line_source.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::size_t kReadBytes = 128u << 10;

}  // namespace

Outcome<std::unique_ptr<LineSource>> LineSource::open(Context& context, const std::string& path) {
    std::unique_ptr<LineSource> lines(new LineSource);
    lines->name_ = path == "-" ? "stdin" : path;
    if (path != "-") {
        SE_TRY(file, context.files.open(path, OpenMode::read));
        SE_TRY(size, file->size());
        lines->file_ = std::move(file);
        lines->size_ = size;
    }
    lines->plain_ = std::make_unique<Decompressor>(
        [raw = lines.get()](std::string& out) { return raw->read_some(out); });
    return lines;
}

Outcome<Ok> LineSource::read_some(std::string& out) {
    const std::size_t before = out.size();
    out.resize(before + kReadBytes);
    std::size_t got = 0;
    if (file_ != nullptr) {
        SE_TRY(count, file_->read(read_, std::span(out).subspan(before)));
        got = count;
    } else {
        ssize_t count = 0;
        do {
            count = ::read(STDIN_FILENO, out.data() + before, kReadBytes);
        } while (count < 0 && errno == EINTR && !interrupted());
        if (count < 0 && interrupted()) count = 0;
        if (count < 0) return Failure(kError, std::string("stdin: ") + std::strerror(errno));
        got = static_cast<std::size_t>(count);
    }
    out.resize(before + got);
    read_ += got;
    return Ok{};
}

Outcome<std::optional<LineSource::Line>> LineSource::next() {
    Line line;
    for (;;) {
        const std::size_t end = buffer_.find('\n', used_);
        const bool whole = end != buffer_.npos;
        const std::size_t size = (whole ? end : buffer_.size()) - used_;
        const std::size_t room = kLineBytesMax - std::min(line.text.size(), kLineBytesMax);
        if (size > room) line.too_long = true;
        if (whole || ended_ || size > 0) {
            line.text.append(buffer_, used_, std::min(size, room));
            used_ += size + (whole ? 1 : 0);
        }
        if (!whole && !ended_) {
            buffer_.clear();
            used_ = 0;
            auto more = plain_->more(buffer_);
            if (!more) return Failure(more.error().exit, name_ + ": " + more.error().text);
            ended_ = !*more;
            continue;
        }
        // What an interrupt cut off is no line.
        if (!whole && (line.text.empty() || interrupted())) return std::optional<Line>();
        line.number = ++number_;
        if (line.text.ends_with('\r')) line.text.pop_back();
        if (line.text.find_first_not_of(" \t") != line.text.npos) return std::optional(std::move(line));
        line = {};
        if (!whole) return std::optional<Line>();
    }
}

}  // namespace se::statectl
