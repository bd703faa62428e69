#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "mcp/state_door.h"

namespace se::mcp {

/// The state behind an engine in this process.
class EngineDoor final : public StateDoor {
public:
    /// From now on this engine answers; null: none does, and `why` is told.
    void attach(Engine* engine, std::string why = "starting");
    /// There are new changes. Called by whoever steps the engine.
    void changes_applied();
    /// Called when the keys that may be written have changed.
    std::function<void()> on_policy = [] {};

    Result<AsOf> refresh() override;
    Result<std::optional<EntryView>> get(std::string_view key) override;
    Result<std::vector<std::pair<std::string, Entry>>> list(std::string_view prefix, std::string_view after,
                                                            std::size_t limit) override;
    Result<std::vector<Seq>> history(std::string_view key, Seq before, std::size_t limit) override;
    Status records(Seq from, const std::function<bool(const RecordView&)>& take) override;
    Status record(Seq seq, const std::function<void(const RecordView&)>& take) override;
    Result<bool> is_void(Cursor* cursor) override;
    Result<Changes> changes_since(Cursor* cursor, std::string_view prefix, std::size_t limit) override;
    std::vector<std::string> allowed_keys() override;
    Limits limits() override;
    void propose(Json proposal, Caller caller, bool dry_run, std::function<void(Decided)> done) override;
    void follow(std::function<void()> changed) override { changed_ = std::move(changed); }

private:
    Error away() const;
    Result<JournalReader*> reader();

    Engine* engine_ = nullptr;
    std::string why_away_ = "starting";
    std::optional<JournalReader> reader_;
    std::optional<std::vector<std::string>> told_allowed_;  ///< as on_policy last heard; nothing: no engine yet
    std::function<void()> changed_;
};

/// An engine's answer as the tools take it.
Decided to_decided(const Answer& answer);

/// The answer to a proposal when nobody could be asked: retry with the same id.
Decided not_decided(std::string id, Code code, std::string_view reason, std::string_view message);

}  // namespace se::mcp
