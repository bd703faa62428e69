#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/ids.h"
#include "journal/base/result.h"

namespace se {

/// Why not (INTERFACES "Answer"). `none` goes with accepted.
enum class Code : std::uint8_t {
    none, malformed, too_large, key_not_allowed, actor_not_permitted, rate_limited, op_mismatch, absent,
    value_invalid, version_conflict, basis_conflict, id_reused, depth_limit, approval_required,
    not_approver, lapsed, unauthenticated, not_found, unavailable, outcome_unknown,
};
std::string_view to_text(Code code);
std::optional<Code> code_from_text(std::string_view text);
/// The `reason` of `unavailable` for a failure of ours: draining, disk_full, damaged, overloaded; empty where none of
/// them is it.
std::string_view reason_of(Errc failure);

/// What every door says about a proposal; the same JSON everywhere.
struct Answer {
    enum class Status : std::uint8_t { accepted, rejected, pending };
    struct Change {
        std::string key;
        Version version;
        bool deleted = false;
    };

    std::string id;
    Status status = Status::rejected;
    bool duplicate = false;
    bool dry_run = false;
    Seq seq;      ///< 0: not journaled
    Epoch epoch;
    std::vector<Change> changes;
    Code code = Code::none;
    std::string message;
    std::string reason;         ///< with unavailable: draining, disk_full, damaged, overloaded
    std::string pointer;        ///< with malformed: where in the input (RFC 6901); empty: all of it
    std::optional<std::string> current;    ///< JSON: entry, or null; conflicts carry it
    std::optional<std::string> tombstone;  ///< JSON {"version","seq"} of what was deleted
    std::vector<std::string> entries;      ///< dry run: JSON of each resulting entry, or null
    std::string fired;      ///< dry run: JSON list of the rules that matched, or empty
    std::string derived;    ///< dry run: JSON list of the mutations that would follow, decided; or empty
    std::optional<std::uint64_t> retry_after_ms;
    bool in_doubt = false;
};

void append_answer_json(std::string& out, const Answer& answer);
/// INTERFACES "HTTP": the status code of POST /v1/mutations.
int http_status(const Answer& answer);
/// INTERFACES "statectl": the exit code.
int exit_code(const Answer& answer);

}  // namespace se
