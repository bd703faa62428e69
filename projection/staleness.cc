#include "projection/staleness.h"

#include "journal/torn_head.h"

namespace se {
namespace {

/// Nothing where there is none, or none that holds.
Result<std::optional<Stamp>> stamp_of(FileSystem& files, const StorePaths& paths) {
    const auto text = read_file(files, stamp_path(paths));
    if (!text && text.error().code == Errc::not_found) return std::optional<Stamp>{};
    if (!text) return text.error();
    auto stamp = decode_stamp(*text);
    if (!stamp) return std::optional<Stamp>{};
    return std::optional(*std::move(stamp));
}

}  // namespace

Result<std::optional<std::string>> why_stale(FileSystem& files, const StorePaths& paths,
                                             const JournalReader::Look& look, const ShownEnd& shown,
                                             const std::optional<Stamp>& stamp) {
    const auto fresh = std::optional<std::string>{};
    if (shown.last.seq < look.durable)
        return std::optional("acknowledged up to " + std::to_string(look.durable.value) +
                             ", but not to be had");
    if (look.writing) return fresh;
    const auto head_epoch = look.head ? std::optional(look.head->epoch) : std::nullopt;
    // A clean end counts for the newest run only: what a later one acknowledged, HEAD may have lost. And
    // with a slot torn nobody knows which run that was.
    SE_TRY(torn, head_is_torn(files, paths.head()));
    if (!torn && !head_epoch && look.durable.value == 0) return fresh;
    if (!torn && shown.closed && shown.last.epoch == head_epoch) return fresh;
    if (!stamp)
        return std::optional<std::string>(
            "the last run was not closed; no writer has opened since");
    // What LMDB had in the end is all there was; with LMDB gone, STAMP alone does not know how far that was.
    if (!torn && stamp->clean && stamp->epoch == head_epoch && shown.of_lmdb) return fresh;
    SE_TRY(now, files.identity(paths.store_file()));
    if (now.boot == stamp->identity.boot) return fresh;  // what the kernel has, we see
    return std::optional<std::string>(
        "the machine went down with the last run; no writer has opened since");
}

Result<std::optional<Stale>> stale_journal(FileSystem& files, const StorePaths& paths,
                                           JournalReader& journal) {
    // STAMP first: one of a writer that opens behind the look would vouch for what that look did not see.
    SE_TRY(stamp, stamp_of(files, paths));
    SE_TRY(look, journal.look());
    if (look.writing) return std::optional<Stale>{};
    ShownEnd shown;
    if (look.durable != Seq{}) {
        const auto record = journal.at(look.durable);
        if (!record && journal.fault()) return std::optional<Stale>{};
        if (!record && record.error().code != Errc::not_found) return record.error();
        if (record) {
            shown.last = {(*record)->epoch, (*record)->seq};
            shown.closed = is_clean_close(**record);
        }
    }
    SE_TRY(why, why_stale(files, paths, look, shown, stamp));
    if (!why) return std::optional<Stale>{};
    return std::optional(Stale{.as_of = shown.last.seq, .why = *std::move(why)});
}

bool is_clean_close(const RecordView& record) {
    return record.kind == Kind::note && record.note == "closed";
}

}  // namespace se
