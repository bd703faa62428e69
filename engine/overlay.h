#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/decide.h"
#include "journal/base/ids.h"
#include "projection/entry.h"
#include "projection/projection.h"

namespace se {

/// What is decided and not yet in LMDB: for each key every entry on its way, oldest first. Decisions see
/// the newest one (E4); reads see the newest one that may be shown; what LMDB has taken is forgotten.
class Overlay {
public:
    using Shared = std::shared_ptr<const Entry>;
    using Slots = std::map<std::string, std::vector<Shared>, std::less<>>;

    /// Needs: entry->seq is above all that the key has here.
    void put(std::string_view key, Shared entry);
    /// The newest one, durable or not; nullptr when LMDB knows all there is.
    const Shared* newest(std::string_view key) const;
    /// The newest one at or below `through`.
    const Shared* as_of(std::string_view key, Seq through) const;
    /// LMDB has the entries of `key` up to `through`.
    void forget(std::string_view key, Seq through);

    bool empty() const { return slots_.empty(); }
    const Slots& slots() const { return slots_; }

    static const Shared* as_of(const std::vector<Shared>& entries, Seq through);

private:
    Slots slots_;
};

/// The state at or below one seq: overlay over snapshot. With `through` at its maximum it is what a
/// decision sees. Both must outlive it.
class OverlaidView final : public View {
public:
    OverlaidView(const Overlay& overlay, const Snapshot& snapshot, Seq through = Seq{UINT64_MAX})
        : overlay_(overlay), snapshot_(snapshot), through_(through) {}

    Result<std::optional<Entry>> get(std::string_view key) override;
    /// The same without copies; valid as long as overlay and snapshot are left alone.
    Result<std::optional<EntryView>> view(std::string_view key) const;
    /// Live entries with `prefix`, > `after` when not empty, in byte order, at most `limit`.
    Result<std::vector<std::pair<std::string, Entry>>> list(std::string_view prefix,
                                                            std::string_view after,
                                                            std::size_t limit) const;

private:
    const Overlay& overlay_;
    const Snapshot& snapshot_;
    Seq through_;
};

}  // namespace se
