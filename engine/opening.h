#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/policy/policy.h"

namespace se {

/// A store that was taken, with journal and projection recovered.
struct Opened {
    StorePaths paths;
    StoreHold hold;
    std::unique_ptr<Projection> projection;
    std::unique_ptr<Journal> journal;
    Position behind;                ///< the last record there is
    std::optional<Policy> policy;   ///< last journaled; nothing in an empty store
    Seq config_seq;                 ///< by this record; 0: none
    JournalOptions journal_options; ///< as `journal` was opened with: see Settings::as_last_run
    /// Lines of the last records, that LMDB would not take for now (a full disk).
    std::vector<std::string> unprojected;
};

/// Takes the store, and folds into the projection what it does not have yet; grows it anew when it
/// cannot be trusted or is of another history. Damage is no Error: the journal is then read-only, the
/// projection the fold up to it.
Result<Opened> open_store(const Engine::Doors& doors, const Settings& settings);

/// Body of the `closed` note: which `config` record was in force, and how the run wrote, so that the next open need
/// not search.
std::string closed_body(Seq config_seq, const JournalOptions& options);

}  // namespace se
