#include "mcp/stdio.h"

#include <algorithm>
#include <iterator>

namespace se::mcp {

/// One request's way back: all of them write to the one stream.
class StdioDoor::LineOutlet final : public Outlet {
public:
    LineOutlet(std::shared_ptr<StdioDoor*> door, std::string id_json, bool modern)
        : door_(std::move(door)), id_json_(std::move(id_json)), modern_(modern) {}

    void say(std::string message) override {
        if (*door_ != nullptr && !over_) (*door_)->write(message);
    }
    void tell_change(std::string message) override {
        if (*door_ != nullptr && !over_) (*door_)->tell_change(message);
    }
    void answer(std::string message, Standing) override {
        if (*door_ != nullptr && !over_) (*door_)->write(message);
        end();
    }
    void abandon() override { end(); }

    /// The client took it back.
    void cancel() {
        const auto gone = std::exchange(on_gone, [] {});
        gone();
        end();
    }

private:
    void end() {
        if (std::exchange(over_, true) || *door_ == nullptr) return;
        --(*door_)->open_requests_;
        if (modern_) (*door_)->modern_.erase(id_json_);
    }

    const std::shared_ptr<StdioDoor*> door_;
    const std::string id_json_;
    const bool modern_;
    bool over_ = false;
};

StdioDoor::StdioDoor(Server& server, Caller caller, std::function<void()> resync)
    : server_(server),
      caller_(std::move(caller)),
      resync_(std::move(resync)),
      conversation_(server_.open(caller_, false, [this](const std::string& message) { tell_change(message); })),
      self_(std::make_shared<StdioDoor*>(this)) {}

StdioDoor::~StdioDoor() {
    *self_ = nullptr;
    server_.end(conversation_);
    for (const auto& [id, weak] : modern_) {
        if (const auto outlet = weak.lock()) outlet->cancel();
    }
}

void StdioDoor::feed(std::string_view bytes) {
    if (has_more()) {
        rest_ += bytes;
    } else {
        rest_ = bytes.substr(take_bytes(bytes));
    }
}

void StdioDoor::end_of_input() {
    input_ended_ = true;
    go_on();
}

/// With what was left for want of room.
void StdioDoor::go_on() {
    take_items();
    rest_.erase(0, take_bytes(rest_));
    if (!input_ended_ || has_more()) return;
    line_.clear();  // half a message is none
    server_.drain();  // subscriptions have no end of their own; calls have, and get their answers
}

std::size_t StdioDoor::take_bytes(std::string_view bytes) {
    const std::size_t size = bytes.size();
    while (!bytes.empty() && wants_input()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, end);
        if (line_.size() + piece.size() > kMessageBytesMax) {
            line_too_long_ = true;
            line_.clear();
        }
        const bool whole = end != bytes.npos;
        bytes.remove_prefix(whole ? end + 1 : bytes.size());
        if (line_too_long_) {
            if (whole) {
                line_too_long_ = false;
                write(rpc_error("null", {RpcCode::invalid_request,
                                         "a message is at most " + std::to_string(kMessageBytesMax) + " bytes",
                                         {}}));
            }
            continue;
        }
        if (!whole) {
            line_ += piece;
        } else if (line_.empty()) {
            take_line(piece);
        } else {
            line_ += piece;
            const std::string line = std::exchange(line_, {});
            take_line(line);
        }
    }
    return size - bytes.size();
}

void StdioDoor::take_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) return;
    RpcText text = parse_rpc(line);
    if (text.batch && conversation_->revision() != Revision::v2025_03_26) {
        return write(rpc_error("null", {RpcCode::invalid_request,
                                        "one message a line: this revision has no batches", {}}));
    }
    std::ranges::move(text.items, std::back_inserter(items_));
    take_items();
}

void StdioDoor::take_items() {
    while (!items_.empty() && wants_input()) {
        RpcItem item = std::move(items_.front());
        items_.pop_front();
        if (const auto* fault = std::get_if<RpcFault>(&item)) {
            write(rpc_error(fault->id_json, fault->error));
        } else {
            take(std::get<RpcMessage>(std::move(item)));
        }
    }
}

void StdioDoor::take(RpcMessage&& message) {
    if (message.kind != RpcMessage::Kind::request) {
        if (message.method == "notifications/cancelled") {
            const Json* id = message.params.find("requestId");
            const auto found = id == nullptr ? modern_.end() : modern_.find(se::to_text(*id));
            if (found != modern_.end()) {
                if (const auto outlet = found->second.lock()) return outlet->cancel();
            }
        }
        return server_.serve(conversation_, caller_, std::move(message), nullptr);
    }
    // Who asks what this server is before anything else is told so, named revision or not.
    const bool modern = Server::is_modern(message) || message.method == "server/discover";
    if (modern && modern_.contains(message.id_json)) {
        return write(rpc_error(message.id_json, {RpcCode::invalid_request,
                                                 "this id is in use: a request has its own", {}}));
    }
    if (modern && modern_.size() >= kCallsInFlight) {
        return write(rpc_error(message.id_json,
                               {RpcCode::internal,
                                "all " + std::to_string(kCallsInFlight) + " calls are taken: await an answer first",
                                R"({"reason":"overloaded"})"}));
    }
    const auto outlet = std::make_shared<LineOutlet>(self_, message.id_json, modern);
    ++open_requests_;
    if (modern) {
        modern_.emplace(message.id_json, outlet);
        server_.serve_modern(caller_, std::move(message), outlet);
    } else {
        server_.serve(conversation_, caller_, std::move(message), outlet);
    }
}

void StdioDoor::write(std::string_view message) {
    out_ += message;
    out_ += '\n';
}

void StdioDoor::tell_change(std::string_view message) {
    if (!telling_all_ && (missed_ || output().size() > kLinesAheadBytes)) {
        missed_ = true;
        return;
    }
    write(message);
}

void StdioDoor::took(std::size_t bytes) {
    taken_ += bytes;
    if (taken_ == out_.size()) {
        out_.clear();
        taken_ = 0;
    } else if (taken_ > (1u << 20)) {
        out_.erase(0, taken_);
        taken_ = 0;
    }
    if (missed_ && output().empty()) {
        missed_ = false;
        telling_all_ = true;  // however much: were some of it dropped, it would have to be told again for ever
        resync_();
        telling_all_ = false;
    }
    go_on();
}

}  // namespace se::mcp
