#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projection/firestore/value.h"

namespace se::firestore {

/// One document. Its path is relative to the database: "state/obs.scene".
struct Document {
    std::string path;
    Fields fields;
    Timestamp update_time;

    std::string_view id() const { return std::string_view(path).substr(path.find('/') + 1); }
};

struct Precondition {
    enum class Kind : std::uint8_t { none, absent, updated_at };
    Kind kind = Kind::none;
    Timestamp time = {};  ///< updated_at only

    static Precondition absent() { return {Kind::absent}; }
    static Precondition updated_at(Timestamp time) { return {Kind::updated_at, time}; }
};

/// The whole document as it shall be, or, without fields, that it shall be gone.
struct Write {
    std::string path;
    std::optional<Fields> fields;
    Precondition when = {};
};

/// What a caller can do about it; made from the status code, never from a text.
struct Trouble {
    enum class Kind : std::uint8_t {
        precondition,  ///< somebody else was there: read again
        aborted,       ///< contention: nothing was written, or it was; again, slower
        throttled,     ///< too fast: again, slower
        away,          ///< no answer, or no service: whether it was done is not known
        denied,        ///< we may not (any more): nothing was written
        refused,       ///< never: nothing was written, and the same will not be taken later
    };
    Kind kind;
    std::string text;
};
std::string_view to_text(Trouble::Kind kind);

template <class T>
using Outcome = std::expected<T, Trouble>;

struct Query {
    std::string collection;
    std::string prefix = {};  ///< of the document ids
    std::string after = {};   ///< only ids behind this one
    std::size_t limit = 300;
};

/// A Firestore database. Every call waits for its answer; from any thread.
class DocumentStore {
public:
    virtual ~DocumentStore() = default;

    /// All or nothing. The time at which each was written, in order (a deletion's says nothing).
    virtual Outcome<std::vector<Timestamp>> commit(const std::vector<Write>& writes) = 0;
    /// In the order of `paths`; nothing where there is no such document.
    virtual Outcome<std::vector<std::optional<Document>>> get(
        const std::vector<std::string>& paths) = 0;
    /// In byte order of the ids. Fewer than `limit`: that is all.
    virtual Outcome<std::vector<Document>> list(const Query& query) = 0;
    /// Calls that are under way, and all to come, end soon, as if it were away.
    virtual void give_up() {}
    /// Where it is, for people; no secret.
    virtual std::string describe() const = 0;
};

inline std::string_view to_text(Trouble::Kind kind) {
    switch (kind) {
        case Trouble::Kind::precondition:
            return "precondition";
        case Trouble::Kind::aborted:
            return "aborted";
        case Trouble::Kind::throttled:
            return "throttled";
        case Trouble::Kind::away:
            return "away";
        case Trouble::Kind::denied:
            return "denied";
        case Trouble::Kind::refused:
            break;
    }
    return "refused";
}

}  // namespace se::firestore
