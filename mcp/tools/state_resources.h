#pragma once

#include <map>
#include <set>
#include <string>

#include "mcp/registry.h"
#include "mcp/state_door.h"

namespace se::mcp {

inline constexpr std::string_view kStateTemplate = "state://{key}";
inline constexpr std::string_view kLogTemplate = "state-log://{fromSeq}";

inline constexpr std::size_t kLogRecords = 200;        ///< in one reading of state-log://
inline constexpr std::size_t kLogBytes = 512u << 10;   ///< likewise; the next reading goes on

/// The state as resources: state://{key} is one entry, state-log://{fromSeq} the records from there on. Listed are
/// the keys that there are now.
class StateResources final : public ResourceSource {
public:
    explicit StateResources(StateDoor& door) : door_(door) {}

    Result<ResourcePage> list(const Caller& caller, std::string_view after, std::size_t limit) override;
    void read(ToolContextPtr context, std::string uri, std::function<void(ResourceOutcome)> done) override;
    bool may_list(const Caller& caller, std::string_view uri) override;
    bool may_subscribe(const Caller& caller, std::string_view uri) override;
    void subscribed(std::string_view uri) override;
    void unsubscribed(std::string_view uri) override;

    /// Whom to tell of changes. Nothing is followed before somebody has listed or subscribed.
    void announce_to(Announcements* announce) { announce_ = announce; }

private:
    ResourceOutcome read_state(const ToolContext& context, const std::string& uri, const std::string& key);
    ResourceOutcome read_log(const ToolContext& context, const std::string& uri, Seq from);
    void start_following();
    void look_for_changes();
    void tell(const ChangeEvent& event);
    static bool comes_or_goes(const ChangeEvent& event);

    StateDoor& door_;
    Announcements* announce_ = nullptr;
    bool following_ = false;
    Cursor cursor_;
    // What is subscribed to: URIs, of keys by what they name, since one key may be written in several ways.
    std::map<std::string, std::set<std::string, std::less<>>, std::less<>> keys_;
    std::set<std::string, std::less<>> logs_;
};

/// Keys that could stand where `typed` begins: those there are, then those that could be.
Completion complete_key(StateDoor& door, const Caller& caller, std::string_view typed);

}  // namespace se::mcp
