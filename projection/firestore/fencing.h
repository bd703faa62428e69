#pragma once

#include <functional>
#include <optional>
#include <string>

#include "projection/firestore/document_store.h"
#include "projection/firestore/documents.h"

namespace se::firestore {

/// The run that wants to write.
struct Us {
    std::string store;
    Epoch epoch;
    std::string run;  ///< writer id of its `opened` note
};

/// What a watermark document says about who may write (P6).
enum class Standing : std::uint8_t {
    ours,           ///< go on behind it; also the yes whose answer was lost
    takeover,       ///< of an earlier run of our own history: claim it, then go on
    vacant,         ///< there is none: only an explicit bootstrap makes one
    foreign,        ///< of another store, or no watermark: likewise
    other_history,  ///< of our store's id, and our journal does not have what it says: likewise
    fenced,         ///< a later run writes: stop
};
std::string_view to_text(Standing standing);

struct Verdict {
    Standing standing;
    std::optional<Mark> mark = {};  ///< as found, where it is one of ours
    std::string why = {};           ///< for people, where it is a stop
};

/// `why_not_ours`: why our journal does not have that run up to that seq; empty: it has. It reads
/// the journal, and is asked only when the answer hangs on it.
Result<Verdict> judge(const std::optional<Document>& found, const Us& us,
                      const std::function<Result<std::string>(const Mark&)>& why_not_ours);

}  // namespace se::firestore
