#include "tools/statectl/store_facts.h"

#include "journal/segment.h"
#include "journal/store.h"
#include "projection/generation.h"
#include "projection/lmdb.h"
#include "projection/stamp.h"

namespace se::statectl {
namespace {

void look_at_projection(Context& context, StoreFacts& facts) {
    const StorePaths paths = context.paths();
    const auto text = read_file(context.files, stamp_path(paths), 64u << 10);
    if (!text) {
        facts.why_not_trusted = text.error().code == Errc::not_found ? "there is none yet" : text.error().text;
        return;
    }
    const auto stamp = decode_stamp(*text);
    if (!stamp) {
        facts.why_not_trusted = "STAMP: " + stamp.error().text;
        return;
    }
    facts.stamped = true;
    facts.generation = stamp->generation;
    const std::string directory = generation_directory(paths.projection(), stamp->generation);
    const auto identity = context.files.identity(directory + "/data.mdb");
    if (!identity) {
        facts.why_not_trusted = identity.error().text;
        return;
    }
    std::optional<Epoch> living;
    if (facts.head_held && facts.head) living = facts.head->epoch;
    if (const auto why = why_not_trusted(*stamp, *identity, living)) {
        // Not to be opened: after a power cut LMDB's own pages may be anything.
        facts.why_not_trusted = *why;
        return;
    }
    const auto env = lmdb::Env::open_reader(directory, ProjectionOptions{}.map_bytes_max);
    if (!env) {
        facts.why_not_trusted = env.error().text;
        return;
    }
    const auto snapshot = Snapshot::of(**env);
    if (!snapshot) {
        facts.why_not_trusted = snapshot.error().text;
        return;
    }
    facts.watermark = Cursor{snapshot->epoch(), snapshot->seq()};
    if (const auto keys = snapshot->live_keys()) facts.live_keys = *keys;
}

}  // namespace

Outcome<StoreFacts> store_facts(Context& context) {
    SE_TRY_OK(context.need_store());
    StoreFacts facts;
    const StorePaths paths = context.paths();
    SE_TRY(store, store_id_as_told(context.files, paths, &facts.store_file));
    facts.store = std::move(store);
    // Before HEAD is read: what a writer that opens meanwhile had found there is not its own.
    SE_TRY(head_held, head_is_held(context.files, paths.head()));
    facts.head_held = head_held;
    SE_TRY(head, read_head(context.files, paths.head()));
    facts.head = head;
    SE_TRY(locked, context.files.is_locked(paths.store_file()));
    facts.locked = locked;
    // What damage hides is left unsaid here: whoever looks for damage says so.
    if (auto opener = last_opener(context.files, paths)) facts.opener = std::move(*opener);
    if (auto policy = policy_in_force(context)) facts.policy = std::move(*policy);
    look_at_projection(context, facts);
    if (auto quarantine = list_quarantine(context.files, paths)) facts.quarantine = std::move(*quarantine);
    if (const auto free_bytes = context.files.free_space(context.data)) facts.free_bytes = *free_bytes;
    if (const auto segments = list_segments(context.files, paths)) {
        for (const Seq first : *segments) {
            const auto file = context.files.open(paths.segment(first), OpenMode::read);
            const auto size = file ? (*file)->size() : Result<std::uint64_t>(0);
            if (size) facts.journal_bytes += *size;
        }
    }
    return facts;
}

std::vector<Evidence> projection_evidence(const StoreFacts& facts) {
    if (!facts.watermark) return {};
    return {{.epoch = facts.watermark->epoch, .seq = facts.watermark->seq, .source = "projection"}};
}

}  // namespace se::statectl
