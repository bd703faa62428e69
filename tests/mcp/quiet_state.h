#pragma once

#include <string>
#include <utility>
#include <vector>

#include "mcp/state_door.h"

namespace se::mcp::test {

/// A state in which there is nothing and nothing happens, for tests to override what they are about.
class QuietState : public StateDoor {
public:
    using Entries = std::vector<std::pair<std::string, Entry>>;

    Result<AsOf> refresh() override { return AsOf{.epoch = Epoch{1}, .seq = Seq{1}, .why_stale = {}}; }
    Result<std::optional<EntryView>> get(std::string_view) override { return std::optional<EntryView>(); }
    Result<Entries> list(std::string_view, std::string_view, std::size_t) override { return Entries(); }
    Result<std::vector<Seq>> history(std::string_view, Seq, std::size_t) override { return std::vector<Seq>(); }
    Status records(Seq, const std::function<bool(const RecordView&)>&) override { return Ok{}; }
    Status record(Seq, const std::function<void(const RecordView&)>&) override { return Ok{}; }
    Result<bool> is_void(Cursor*) override { return false; }
    Result<Changes> changes_since(Cursor*, std::string_view, std::size_t) override { return Changes{}; }
    std::vector<std::string> allowed_keys() override { return {"*"}; }
    Limits limits() override { return {}; }
    void propose(Json, Caller, bool, std::function<void(Decided)>) override {}
    void follow(std::function<void()>) override {}
};

}  // namespace se::mcp::test
