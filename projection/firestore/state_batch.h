#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "projection/firestore/document_store.h"
#include "projection/fold.h"

namespace se::firestore {

struct BatchLimits {
    std::uint64_t documents = 400;   ///< of one commit; Google's emulator and service take 500
    std::uint64_t bytes = 4u << 20;  ///< of one commit; the service takes 10 MiB
};

/// What records change in the state, as the documents of one commit: of each key only the newest
/// entry is kept. The documents are exactly the fold up to the last record that was added.
class StateBatch {
public:
    explicit StateBatch(BatchLimits limits) : limits_(limits) {}

    /// False: there is no room for it, and nothing was added. The first one always has room.
    Result<bool> add(const RecordView& record);
    Seq through() const { return through_; }
    std::uint64_t records() const { return records_; }
    bool empty() const { return records_ == 0; }
    /// In byte order of the keys, deleted ones included.
    const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

private:
    const BatchLimits limits_;
    Folder folder_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::uint64_t bytes_ = 0;
    std::uint64_t records_ = 0;
    Seq through_;
};

/// An entry as its document, or a deleted one as the document's end. `why_not`: why Firestore would
/// not take it, when that is known; there is no write then.
Result<std::optional<Write>> write_of(std::string_view key, const EntryView& entry,
                                      std::string* why_not);

}  // namespace se::firestore
