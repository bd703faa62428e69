#include "journal/journal_reader.h"

#include <charconv>

#include "journal/journal_reader_state.h"

namespace se {

std::string to_text(Cursor cursor) {
    return std::to_string(cursor.epoch.value) + "." + std::to_string(cursor.seq.value);
}

std::optional<Cursor> cursor_from_text(std::string_view text) {
    Cursor cursor;
    const char* const end = text.data() + text.size();
    const auto epoch = std::from_chars(text.data(), end, cursor.epoch.value);
    if (epoch.ec != std::errc{} || epoch.ptr == end || *epoch.ptr != '.') return {};
    const auto seq = std::from_chars(epoch.ptr + 1, end, cursor.seq.value);
    if (seq.ec != std::errc{} || seq.ptr != end) return {};
    return cursor;
}

JournalReader::JournalReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
JournalReader::JournalReader(JournalReader&&) noexcept = default;
JournalReader& JournalReader::operator=(JournalReader&&) noexcept = default;
JournalReader::~JournalReader() = default;

Result<JournalReader> JournalReader::open(FileSystem& files, StorePaths paths) {
    SE_TRY(info, read_store(files, paths));
    return open_as(files, std::move(paths), std::move(info.store));
}

JournalReader JournalReader::open_as(FileSystem& files, StorePaths paths, std::string store) {
    auto state = std::make_unique<State>(files, std::move(paths));
    state->store = std::move(store);
    return JournalReader(std::move(state));
}

Result<const RecordView*> JournalReader::next() {
    if (state_->fault) return Error{Errc::corruption, to_text(*state_->fault)};
    for (;;) {
        SE_TRY(step, state_->step(false));
        if (step == State::Step::record) return &state_->record;
        if (step == State::Step::not_yet) return nullptr;
    }
}

const std::optional<Fault>& JournalReader::fault() const {
    return state_->fault;
}

Status JournalReader::skip_fault() {
    State& state = *state_;
    if (!state.fault) return Ok{};
    state.fault.reset();
    // Once more from where we stand: the line that told of a gap is the first good one behind it.
    state.lines.reset();
    for (;;) {
        SE_TRY(step, state.step(true));
        if (step == State::Step::not_yet) return Ok{};
        if (step == State::Step::record) break;
    }
    // Back to just before the record, for next() to return it.
    const Seq found = state.record.seq;
    state.stand(state.record_segment, state.record_offset, found, state.record.epoch);
    state.past_header = true;
    state.wanted = found;
    return Ok{};
}

Status JournalReader::seek(Seq seq) {
    return state_->seek(seq);
}

Result<const RecordView*> JournalReader::at(Seq seq) {
    SE_TRY_OK(seek(seq));
    SE_TRY(record, next());
    if (record == nullptr || record->seq != seq) {
        return Error{Errc::not_found, "no record with seq " + std::to_string(seq.value)};
    }
    return record;
}

Result<bool> JournalReader::resume(Cursor cursor) {
    if (cursor.seq == Seq{}) {
        SE_TRY_OK(seek({1}));
        return false;
    }
    SE_TRY(later, state_->begin_of_epoch_after(cursor.epoch));
    if (later && *later <= cursor.seq) {
        SE_TRY_OK(seek(*later));
        return true;
    }
    SE_TRY(last, durable());
    if (last < cursor.seq) {
        // History ends before the cursor: a copy was restored, and the next writer's epoch will
        // begin here, behind the follower's back unless it stands here.
        SE_TRY_OK(seek(last.next()));
        return true;
    }
    const auto record = at(cursor.seq);
    if (!record && record.error().code == Errc::io) return record.error();
    if (record && (*record)->epoch < cursor.epoch) {
        // This seq was never written in that epoch here: the cursor is of another history. Unless it stands just
        // before its epoch's first record, as whoever was told to go on from there has it.
        SE_TRY(begin, state_->begin_of_epoch_after(Epoch{cursor.epoch.value - 1}));
        if (begin != cursor.seq.next()) {
            SE_TRY_OK(seek({1}));
            return true;
        }
    }
    SE_TRY_OK(seek(cursor.seq.next()));
    return false;
}

Seq JournalReader::segment() const {
    return state_->record_segment;
}
std::uint64_t JournalReader::offset() const {
    return state_->record_offset;
}
std::uint64_t JournalReader::end() const {
    return state_->record_end;
}
Seq JournalReader::expected() const {
    return state_->next_seq();
}

Result<JournalReader::Look> JournalReader::look() {
    SE_TRY_OK(state_->read_head_again());
    SE_TRY(writing, head_is_held(state_->files, state_->paths.head()));
    // What was read before the writer had opened is the HEAD that it found.
    if (writing && !state_->was_held) SE_TRY_OK(state_->read_head_again());
    state_->was_held = writing;
    if (!writing && !state_->looked_behind_head) SE_TRY_OK(state_->look_behind_head());
    return Look{.head = state_->head, .durable = state_->bound(), .writing = writing};
}

Result<bool> JournalReader::gave_up(Seq seq) {
    SE_TRY_OK(seek(seq));
    SE_TRY(record, next());
    return record != nullptr && record->seq > seq;
}

Result<Seq> JournalReader::durable() {
    SE_TRY_OK(state_->read_head_again());
    SE_TRY_OK(state_->look_behind_head_once());
    return state_->bound();
}

Result<std::optional<Head>> JournalReader::head() {
    SE_TRY_OK(state_->read_head_again());
    return state_->head;
}

const std::string& JournalReader::store() const {
    return state_->store;
}

}  // namespace se
