// One line of a segment: the frame, the head, the body, the leaf.

#include "journal/body.h"
#include "journal/record.h"
#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

/// What is read, once more as a draft: the two halves of the format must agree on every byte.
RecordDraft draft_of(const RecordView& record) {
    RecordDraft draft{.ts = record.ts,
                      .kind = record.kind,
                      .note = std::string(record.note),
                      .code = std::string(record.code),
                      .id = std::string(record.id),
                      .content = std::string(record.content),
                      .actor = std::string(record.actor),
                      .principal = std::string(record.principal),
                      .door = std::string(record.door),
                      .roles = {},
                      .cause = std::string(record.cause),
                      .trace = std::string(record.trace),
                      .changes = {},
                      .decided = std::string(record.decided),
                      .body = std::string(record.body)};
    for (const RecordView::Change& change : record.changes)
        draft.changes.push_back({std::string(change.key), std::string(change.op), change.version});
    return draft;
}

void check_equal(const RecordView& a, const RecordView& b) {
    SE_ASSERT(a.seq == b.seq && a.epoch == b.epoch && a.durable == b.durable && a.ts == b.ts);
    SE_ASSERT(a.kind == b.kind && a.note == b.note && a.code == b.code && a.id == b.id);
    SE_ASSERT(a.content == b.content && a.actor == b.actor && a.door == b.door);
    SE_ASSERT(a.principal_or_actor() == b.principal_or_actor());
    SE_ASSERT(a.cause == b.cause && a.trace == b.trace && a.decided == b.decided);
    SE_ASSERT(a.salt == b.salt && a.body == b.body);
    SE_ASSERT(a.changes.size() == b.changes.size());
    for (std::size_t i = 0; i < a.changes.size(); ++i) {
        SE_ASSERT(a.changes[i].key == b.changes[i].key && a.changes[i].op == b.changes[i].op);
        SE_ASSERT(a.changes[i].version == b.changes[i].version);
    }
}

void check_writes_back(const RecordView& record) {
    if (record.kind == Kind::unknown || !record.erased.empty()) return;
    if (!record.roles.empty()) return;  // raw in a view, texts in a draft
    std::string line;
    const Hash leaf = encode_record(line, draft_of(record), record.seq, record.epoch,
                                    record.durable, record.salt);
    SE_ASSERT(read_frame(line).has_value());
    RecordView again;
    SE_ASSERT(parse_record(line, &again));
    check_equal(record, again);
    SE_ASSERT(leaf == leaf_hash(again));
}

void check_body(std::string_view json, Time ts, std::size_t changes) {
    PostImages images;
    const Status folded = parse_post_images(json, ts, changes, &images);
    const auto body = parse_body(json);
    if (!body) return;
    std::string text;
    encode_body(text, *body);
    const auto again = parse_body(text);
    SE_ASSERT(again);
    SE_ASSERT(*again == *body);
    if (!folded) return;
    // Two readers of one body: what the fold keeps is what the record says.
    PostImages of_own;
    SE_ASSERT(parse_post_images(text, ts, changes, &of_own));
    SE_ASSERT(of_own.reason == images.reason && of_own.changes.size() == images.changes.size());
    for (std::size_t i = 0; i < images.changes.size(); ++i) {
        const PostImage &a = images.changes[i], &b = of_own.changes[i];
        SE_ASSERT(a.value == b.value && a.ttl == b.ttl && a.metadata == b.metadata);
        SE_ASSERT(a.expires_at == b.expires_at);
        SE_ASSERT(a.value == body->values[i]);
    }
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace se;
    const std::string_view line = fuzz::text_of(data, size);
    const auto frame = read_frame(line);
    RecordView record;
    const bool parsed = bool(parse_record(line, &record));
    const auto leaf = leaf_hash(line);
    if (parsed) {
        fuzz::check_body(record.body, record.ts, record.changes.size());
        SE_ASSERT(leaf);
        SE_ASSERT(*leaf == leaf_hash(record));
        fuzz::check_writes_back(record);
    }
    if (frame && parsed) {
        SE_ASSERT(frame->seq == record.seq && frame->epoch == record.epoch);
        SE_ASSERT(frame->durable == record.durable);
        // Whether a record accounts for a gap is asked of the frame alone.
        SE_ASSERT(frame->is_note == (record.kind == Kind::note));
    }
    return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
    using namespace se::fuzz;
    const std::string_view line = text_of(data, size);
    if (size_max < 2 * kTailBytes || seed % 16 == 0)
        return hand_back(mutated(std::string(line), size_max), data, size_max);
    return hand_back(sealed(mutated(std::string(without_crc_tail(line)), size_max - kTailBytes)),
                     data, size_max);
}
