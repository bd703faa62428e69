#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "engine/answer.h"
#include "engine/intake/proposal.h"
#include "journal/body.h"
#include "journal/base/hash.h"
#include "journal/record.h"

namespace se {

/// What a proposal says, keyed with the store's secret, so that an erased value cannot be confirmed by
/// guessing: the first half of HMAC-SHA-256 over the members that the client sent.
Hash16 content_of(const std::string& secret, const Proposal& proposal);

/// Whether an answer with this code owns its id for ever. Refusals that pass, or that never took shape,
/// do not: the same id may come again and be decided then.
bool binds_identity(Code code);

/// The answer that a decision's record stands for: the first time and every time after (E2). All but
/// `current` and `tombstone`, which are as of whoever asks.
Answer outcome_of(const RecordView& record);

/// The key of the op that said no.
std::optional<std::string> refused_key(const RecordView& record, const Body& body);
/// The key whose state a conflict is about; nothing for any other record.
std::optional<std::string> conflict_key(const RecordView& record);

/// A draft as its record will read, as views into it: what is folded and answered before anybody reads
/// the line. Reuses `out`'s memory.
void view_of(const RecordDraft& draft, Seq seq, Epoch epoch, RecordView* out);

struct Hash16Hasher {
    std::size_t operator()(const Hash16& hash) const {
        std::size_t first = 0;  // it is a hash already
        std::memcpy(&first, hash.data(), sizeof first);
        return first;
    }
};

}  // namespace se
