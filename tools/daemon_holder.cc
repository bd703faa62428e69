#include "tools/daemon_holder.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/journal_reader.h"
#include "journal/segment.h"

namespace se {
namespace {

struct Opener {
    std::string body;
    Time since;
};

/// The last `opened` note of one segment.
Result<std::optional<Opener>> opener_in(JournalReader& reader, Seq first) {
    std::optional<Opener> found;
    SE_TRY_OK(reader.seek(first));
    for (;;) {
        SE_TRY(record, reader.next());
        if (record == nullptr || reader.segment() != first) return found;
        if (record->kind == Kind::note && record->note == "opened")
            found = Opener{std::string(record->body), record->ts};
    }
}

Result<std::optional<Opener>> last_opener(FileSystem& files, const StorePaths& paths) {
    SE_TRY(segments, list_segments(files, paths));
    SE_TRY(reader, JournalReader::open(files, paths));
    for (auto first = segments.rbegin(); first != segments.rend(); ++first) {
        SE_TRY(found, opener_in(reader, *first));
        if (found) return std::move(found);
    }
    return std::optional<Opener>();
}

}  // namespace

std::string describe_holder(FileSystem& files, const StorePaths& paths) {
    const auto opener = last_opener(files, paths);
    if (!opener || !*opener) return "another process";
    const auto body = parse_json((*opener)->body);
    if (!body) return "another process";
    const auto text = [&](std::string_view name) {
        const Json* member = body->find(name);
        return member != nullptr && member->is_string() ? member->string() : std::string("?");
    };
    const Json* pid = body->find("pid");
    return "pid " + (pid != nullptr && pid->is_integer() ? std::to_string(pid->integer()) : "?") +
           " on host " + text("host") + " (" + text("program") + "), since " +
           to_text((*opener)->since);
}

}  // namespace se
