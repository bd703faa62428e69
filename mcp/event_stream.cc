#include "mcp/event_stream.h"

#include <algorithm>

namespace se::mcp {
namespace {

constexpr std::string_view kResync =
    "event: resync\ndata: {\"reason\":\"too slow: events were dropped, read again what you follow\"}\n\n";

}  // namespace

std::shared_ptr<EventConnection> EventStream::connect(std::optional<std::uint64_t> after, bool* gap) {
    const std::uint64_t from = std::min(after ? *after + 1 : first_unsent_, next_);
    const std::uint64_t oldest = events_.empty() ? next_ : events_.front().number;
    // Who says nothing of what was sent before may not have got it.
    *gap = std::exchange(gap_, false) || from < oldest || (!after && first_unsent_ > 1);
    if (connection_ != nullptr) {
        connection_->over_ = true;
        connection_->wake();
    }
    while (first_unsent_ < from) mark_sent(*find(first_unsent_));  // the reader says that it has them
    auto connection = std::make_shared<EventConnection>(shared_from_this(), std::max(from, oldest));
    connection_ = connection.get();
    return connection;
}

void EventStream::append(std::string frame, bool answer) {
    bytes_ += frame.size();
    events_.push_back({next_++, std::move(frame), answer});
    Ahead& ahead = ahead_of(events_.back());
    ++ahead.count;
    ahead.bytes += events_.back().frame.size();
    wake();
}

void EventStream::wake() {
    if (connection_ != nullptr) connection_->wake();
}

void EventStream::push_frame(std::string frame) {
    if (finished_ || dead_) return;
    if (notices_.count >= kEventsAhead || notices_.bytes >= kEventBytesAhead) return cut();
    append(std::move(frame), false);
}

std::string EventStream::frame_of(std::string_view message) const {
    std::string frame;
    frame.reserve(message.size() + 48);
    if (!name_.empty()) frame += "id: " + name_ + '-' + std::to_string(next_) + '\n';
    frame += "event: message\ndata: ";
    frame += message;  // one line: no JSON text of ours has a line break
    frame += "\n\n";
    return frame;
}

void EventStream::push(std::string_view message) {
    if (finished_ || dead_) return;
    push_frame(frame_of(message));
}

void EventStream::push_answer(std::string_view message) {
    if (finished_ || dead_) return;
    if (answers_.bytes >= kAnswerBytesAhead) return cut();
    append(frame_of(message), true);
}

void EventStream::finish(std::string_view message) {
    if (answers_.bytes >= kAnswerBytesAhead) drop_unsent();
    push_answer(message);
    finish();
}

void EventStream::finish() {
    finished_ = true;
    wake();
}

void EventStream::release() {
    if (connection_ == nullptr) return;
    connection_->close_at_ = next_;
    connection_->wake();
}

void EventStream::drop_unsent() {
    while (!events_.empty() && events_.back().number >= first_unsent_) {
        bytes_ -= events_.back().frame.size();
        events_.pop_back();
    }
    for (Event& kept : events_) bytes_ -= kept.frame.size();
    events_.clear();  // what is dense has no hole
    sent_bytes_ = 0;
    notices_ = answers_ = {};
    first_unsent_ = next_;
    if (connection_ != nullptr) connection_->at_ = next_;
    gap_ = true;
}

void EventStream::cut() {
    drop_unsent();
    dead_ = name_.empty();
    if (connection_ == nullptr) return;
    connection_->farewell_ = kResync;
    connection_->close_at_ = next_;
    connection_->wake();
}

const EventStream::Event* EventStream::find(std::uint64_t number) const {
    if (events_.empty() || number < events_.front().number || number >= next_) return nullptr;
    return &events_[number - events_.front().number];
}

void EventStream::mark_sent(const Event& event) {
    if (event.number < first_unsent_) return;
    Ahead& ahead = ahead_of(event);
    --ahead.count;
    ahead.bytes -= event.frame.size();
    sent_bytes_ += event.frame.size();
    first_unsent_ = event.number + 1;
    const std::size_t kept_max = name_.empty() ? 0 : kEventsKept;
    const std::size_t bytes_max = name_.empty() ? 0 : kEventBytesKept;
    // The newest stays whatever its size: it may be the answer.
    while (!events_.empty() && events_.front().number < first_unsent_ &&
           (first_unsent_ - events_.front().number > kept_max ||
            (sent_bytes_ > bytes_max && (kept_max == 0 || events_.front().number + 1 < first_unsent_)))) {
        bytes_ -= events_.front().frame.size();
        sent_bytes_ -= events_.front().frame.size();
        events_.pop_front();
    }
}

EventConnection::EventConnection(std::shared_ptr<EventStream> stream, std::uint64_t from)
    : stream_(std::move(stream)), at_(from) {}

EventConnection::~EventConnection() {
    if (stream_->connection_ == this) {
        stream_->connection_ = nullptr;
        const auto keep = stream_;
        keep->on_disconnect();
    }
}

void EventConnection::pull(std::string& out, std::size_t bytes_max) {
    if (over_) return;
    const std::size_t begin = out.size();
    const std::uint64_t end = close_at_.value_or(stream_->next_);
    while (at_ < end && out.size() - begin < bytes_max) {
        const EventStream::Event* event = stream_->find(at_);
        SE_ASSERT(event != nullptr);
        out += event->frame;
        ++at_;
        stream_->mark_sent(*event);
    }
    if (at_ < end) return;
    if (!farewell_.empty()) out += std::exchange(farewell_, {});
    if (comment_due_ && out.size() == begin) out += ":\n\n";
    comment_due_ = false;
    over_ = close_at_.has_value() || stream_->finished_;
}

bool EventConnection::finished() const { return over_; }

void EventConnection::keep_alive() {
    comment_due_ = true;
    wake();
}

}  // namespace se::mcp
