#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mcp/server.h"

namespace se::mcp {

// Limits of a client on lines, each with what happens at it. Beyond them comes at most the message that reached them,
// and what the calls under way still say.
inline constexpr std::size_t kLinesAheadBytes = 256u << 10;  ///< unread by the client: no changes told, then resync
inline constexpr std::size_t kAnswersAheadBytes = 4u << 20;  ///< likewise: no more of its messages are looked at

/// MCP over two streams of lines, one client: bytes in, bytes out; knows no descriptors. Serves both eras at once: what
/// names its revision in `_meta` stands for itself, all else belongs to the one conversation.
class StdioDoor {
public:
    /// `caller` is whoever started the process. `resync` tells all that is subscribed to as changed
    /// (Announcements::resync): called when the client reads again after news of changes had to be dropped. All else
    /// that is said arrives.
    StdioDoor(Server& server, Caller caller, std::function<void()> resync);
    /// Takes back what is under way.
    ~StdioDoor();
    StdioDoor(const StdioDoor&) = delete;
    StdioDoor& operator=(const StdioDoor&) = delete;

    /// Bytes of the client, cut anywhere. What is not looked at yet is kept until took() has made room.
    void feed(std::string_view bytes);
    /// The client will send no more. What it has sent is still answered.
    void end_of_input();
    /// Whether to read from the client: not while it does not read from us.
    bool wants_input() const { return out_.size() - taken_ < kAnswersAheadBytes; }

    std::string_view output() const { return std::string_view(out_).substr(taken_); }
    /// So much of output() has gone out.
    void took(std::size_t bytes);
    /// All that was asked is answered, and there is nothing to write.
    bool idle() const { return open_requests_ == 0 && output().empty() && !has_more(); }

private:
    class LineOutlet;
    bool has_more() const { return !rest_.empty() || !items_.empty(); }
    std::size_t take_bytes(std::string_view bytes);  ///< as long as there is room; how many it took
    void take_line(std::string_view line);
    void take_items();
    void take(RpcMessage&& message);
    void go_on();
    void write(std::string_view message);
    void tell_change(std::string_view message);  ///< dropped, and made up for, when the client does not read

    Server& server_;
    Caller caller_;
    std::function<void()> resync_;
    ConversationPtr conversation_;
    std::string line_;            // what came of the line that has no end yet
    std::deque<RpcItem> items_;   // of the line before that: not looked at yet, for want of room
    std::string rest_;            // what came behind both, likewise
    bool line_too_long_ = false;
    bool input_ended_ = false;
    bool missed_ = false;         // news were dropped
    bool telling_all_ = false;    // now
    std::string out_;
    std::size_t taken_ = 0;
    std::size_t open_requests_ = 0;
    std::unordered_map<std::string, std::weak_ptr<LineOutlet>> modern_;  // by id, for cancelling
    std::shared_ptr<StdioDoor*> self_;  // null inside once we are gone: outlets may outlive us
};

}  // namespace se::mcp
