#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/egress/breaker.h"
#include "journal/journal_reader.h"

namespace se {

/// How an outbound follower is.
struct FollowerStatus {
    std::string name;
    bool following = false;  ///< it knows where it stands, and the journal can be read
    Cursor watermark = {};
    std::uint64_t lag = 0;   ///< durable records behind the watermark
    double lag_seconds = 0;  ///< the age of the first of them
    std::uint64_t delivered = 0, retried = 0, refused = 0;  ///< messages, since its start
    std::uint64_t dead_letters = 0, damaged_letters = 0;    ///< now
    std::uint64_t under_way = 0;
    Breaker::State breaker = Breaker::State::closed;
    std::string trouble = {};  ///< with peer or disk, as it is now; empty: none
    std::string at_head = {};  ///< the alarm: why it began at the head; empty: it did not
};

/// Its lag as of now: a follower that is busy, or on another thread, knows only what was durable when it
/// last looked.
void measure_lag(FollowerStatus& status, Seq durable);

/// {"name":…,"following":…,"watermark":"EPOCH.SEQ","lag":…,"lagSeconds":…,"delivered":…,…}
void append_json(std::string& out, const FollowerStatus& status);
/// Prometheus text of all of them: state_engine_outbound_*.
std::string metrics_of(std::span<const FollowerStatus> followers);

}  // namespace se
