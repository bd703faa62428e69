#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "engine/api/core.h"

namespace se {

/// One follower of GET /v1/changes, as server-sent events:
///
///   id: EPOCH.SEQ        event: change     data: {key, entry|null, previousVersion, cause, id}
///   id: EPOCH.SEQ        event: bookmark   data: {"epoch":…,"seq":…}     at once, then every 5 s
///   id: EPOCH.SEQ        event: resync     data: {"epoch":…,"seq":…}     then the stream ends
///
/// Who goes on from behind records that were given up since (`repair`) is told to read again, like whoever
/// comes from a history that did not last. What its caller may not read is passed over; the marks go on
/// counting all records, as `asOf` does. A record that changes several keys is several events of which only
/// the last one has the id: whoever goes on from the id it saw last never misses the rest of a record.
class ChangeStream final : public BodyStream {
public:
    ChangeStream(ApiCore& core, Cursor from, std::string prefix, const Caller& caller);

    void pull(std::string& out, std::size_t bytes_max) override;
    bool finished() const override { return finished_; }

    void changes_applied() { wake(); }
    /// Says how long until the next bookmark.
    std::chrono::nanoseconds tick(std::chrono::nanoseconds now);
    /// A last bookmark, then the end.
    void end();
    Seq reached() const { return cursor_.seq; }
    bool is_operators() const { return operators_; }
    const std::string& principal() const { return principal_; }

private:
    void append_mark(std::string& out, std::string_view event) const;
    void append_changes(std::string& out, const Changes& changes) const;

    ApiCore& core_;
    Cursor cursor_;
    std::string prefix_;
    std::string principal_;
    PrincipalPtr rights_;  ///< as it was let in
    bool operators_;
    std::chrono::nanoseconds bookmark_due_{0};
    bool begun_ = false;
    bool bookmark_ = true;
    bool ending_ = false;
    bool finished_ = false;
};

}  // namespace se
