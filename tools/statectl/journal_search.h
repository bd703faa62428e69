#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/policy/policy.h"
#include "journal/journal_reader.h"
#include "tools/statectl/context.h"

namespace se::statectl {

/// Calls `visit` for every record from `from` on, up to what is durable now, until it says false. Damage
/// is passed by; `on_fault` hears of it.
Outcome<Ok> for_each_record(Context& context, Seq from,
                            const std::function<bool(const RecordView&)>& visit,
                            const std::function<void(const Fault&)>& on_fault);

/// A record copied out of the journal. `view` points into `line`.
struct FoundRecord {
    std::unique_ptr<std::string> line;
    RecordView view;
};

/// The newest record that `wanted` likes: whole segments are searched, the newest first.
Outcome<std::optional<FoundRecord>> find_newest(
    Context& context, const std::function<bool(const RecordView&)>& wanted);

/// The policy last journaled; nothing in a store that has none.
Outcome<std::optional<Policy>> policy_in_force(Context& context);

/// Who opened the store last, by the `opened` note.
struct Opener {
    std::uint64_t pid = 0;
    std::string host, program;
    std::string fsync;  ///< group or never
    Time since;
    Epoch epoch;
};
Outcome<std::optional<Opener>> last_opener(Context& context);
/// "pid 4711 on host a (statectl 0.1.0), since 2026-…"
std::string describe(const std::optional<Opener>& opener);

}  // namespace se::statectl
