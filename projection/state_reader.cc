#include "projection/state_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "journal/erasures.h"
#include "journal/store.h"
#include "projection/generation.h"
#include "projection/memory_fold.h"
#include "projection/stamp.h"
#include "projection/staleness.h"

namespace se {
namespace {

const Error kReleased{Errc::unavailable, "the state reader was released: refresh first"};

}  // namespace

struct StateReader::State {
    ProjectionPlace place;
    Options options;
    StoreInfo store;
    JournalReader journal;

    // LMDB, as long as STAMP and the journal let us believe it.
    std::string stamp_text{};
    std::string refused_stamp{};  // the journal contradicts what this one names
    std::string why_refused{};
    std::optional<Stamp> stamp{};
    std::shared_ptr<lmdb::Env> env{};
    std::string why_in_memory{};
    std::optional<Snapshot> snapshot{};

    // What we folded ourselves, over `base` (the snapshot's watermark, or the start of the log).
    MemoryFold fold{};
    Erasures erasures{};  // in what was folded
    Cursor base{}, reached{};
    bool standing = false;  // the journal reader stands behind `reached`
    bool closed = false;    // the last record folded is a clean close
    std::optional<Epoch> head_epoch{};
    bool usable = false;

    Result<AsOf> refresh();
    Status look_at_stamp(std::optional<Epoch> living_writer);
    Result<std::string> read_stamp() const;
    std::string open_named(std::optional<Epoch> living_writer);
    Status open_generation(std::optional<Epoch> living_writer);
    void refuse(std::string why);
    Status take_snapshot(const std::optional<Head>& head, Seq durable);
    void start_over(Cursor from);
    Result<bool> stand_behind(const std::optional<Head>& head);
    Status fold_up_to(Seq durable, AsOf* as_of);
    Result<std::optional<std::string>> why_stale(const JournalReader::Look& look) const;
};

// --- refresh -----------------------------------------------------------------------------------

Result<StateReader::AsOf> StateReader::State::refresh() {
    usable = false;
    snapshot.reset();
    SE_TRY(look, journal.look());
    const auto& [head, durable, writing] = look;
    if (head && head_epoch != head->epoch)
        standing = false;  // a new writer may have cut and gone on
    head_epoch = head ? std::optional(head->epoch) : std::nullopt;

    SE_TRY_OK(look_at_stamp(writing ? head_epoch : std::nullopt));
    if (env) SE_TRY_OK(take_snapshot(head, durable));
    const Cursor from = snapshot ? Cursor{snapshot->epoch(), snapshot->seq()} : Cursor{};
    if (from != base) start_over(from);

    AsOf as_of;
    as_of.why_in_memory = snapshot ? "" : why_in_memory;
    if (snapshot && durable.value > base.seq.value + options.gap_records_max) {
        start_over(base);
        as_of.stale = true;
        as_of.why_stale = std::to_string(durable.value - base.seq.value) + " records behind";
    } else if (reached.seq < durable) {
        SE_TRY_OK(fold_up_to(durable, &as_of));
        SE_TRY(why, why_stale(look));
        if (!as_of.stale && why) {
            as_of.stale = true;
            as_of.why_stale = *why;
        }
    } else {
        SE_TRY(why, why_stale(look));
        as_of.stale = why.has_value();
        as_of.why_stale = why.value_or("");
    }
    // J7. It may have been erased while we read, by a note behind `durable`, which was durable first.
    if (erasures.unnamed() && !as_of.damage) {
        SE_TRY(now, journal.durable());
        if (reached.seq < now) SE_TRY_OK(fold_up_to(now, &as_of));
    }
    if (const auto unnamed = erasures.unnamed(); unnamed && !as_of.damage) {
        as_of.damage = unnamed;
        as_of.stale = true;
        as_of.why_stale = to_text(*unnamed);
    }
    as_of.epoch = reached.epoch;
    as_of.seq = reached.seq;
    usable = true;
    return as_of;
}

Status StateReader::State::look_at_stamp(std::optional<Epoch> living_writer) {
    // A writer that swaps generations takes the old one away, perhaps while we open it: then STAMP
    // names another one by now. A swap takes far longer than a look, so this ends.
    for (;;) {
        SE_TRY(text, read_stamp());
        if (text == stamp_text && env) return Ok{};  // believed once in this boot, and still named
        stamp_text = std::move(text);
        why_in_memory = open_named(living_writer);
        if (why_in_memory.empty()) return Ok{};
        env.reset();
        SE_TRY(now, read_stamp());
        if (now == stamp_text) return Ok{};  // whatever keeps us from LMDB, the journal has it all
    }
}

Result<std::string> StateReader::State::read_stamp() const {
    auto text = read_file(place.files, stamp_path(place.paths));
    if (!text && text.error().code == Errc::not_found) return std::string();
    return text;
}

/// Opens the generation that `stamp_text` names; why not, else.
std::string StateReader::State::open_named(std::optional<Epoch> living_writer) {
    stamp.reset();
    env.reset();
    if (stamp_text.empty()) return "no STAMP";
    Result<Stamp> decoded = decode_stamp(stamp_text);
    if (!decoded) return decoded.error().text;
    stamp = *std::move(decoded);
    if (stamp_text == refused_stamp) return why_refused;
    const Status opened = open_generation(living_writer);
    return opened ? "" : opened.error().text;
}

Status StateReader::State::open_generation(std::optional<Epoch> living_writer) {
    const std::string directory = generation_directory(place.cache_directory, stamp->generation);
    SE_TRY(identity, place.cache_files.identity(directory + "/data.mdb"));
    if (const auto why = why_not_trusted(*stamp, identity, living_writer))
        return Error{Errc::unavailable, *why};
    SE_TRY(opened, lmdb::Env::open_reader(directory, options.map_bytes_max));
    SE_TRY(txn, opened->read());
    SE_TRY_OK(check_meta(txn, store));
    env = std::move(opened);
    return Ok{};
}

void StateReader::State::refuse(std::string why) {
    why_in_memory = why_refused = std::move(why);
    refused_stamp = stamp_text;
    snapshot.reset();
    env.reset();
}

/// Takes one, unless the journal contradicts it.
Status StateReader::State::take_snapshot(const std::optional<Head>& head, Seq durable) {
    auto taken = Snapshot::of(*env);
    if (!taken) {
        // Not now (readers full), or damaged: either way the journal has it all.
        why_in_memory = taken.error().text;
        env.reset();
        return Ok{};
    }
    const Cursor watermark{taken->epoch(), taken->seq()};
    const bool of_this_run = head && head->epoch == watermark.epoch && watermark.seq <= durable;
    const bool known = watermark == base && standing;
    if (!of_this_run && !known && watermark.seq.value > 0) {
        SE_TRY(rewound, journal.resume(watermark));
        standing = false;
        if (rewound) {
            refuse("its watermark " + to_text(watermark) + " is of another history");
            return Ok{};
        }
        start_over(watermark);
        standing = true;  // where resume() left the journal reader
    }
    snapshot = *std::move(taken);
    return Ok{};
}

void StateReader::State::start_over(Cursor from) {
    fold = MemoryFold();
    erasures = Erasures();
    base = reached = from;
    standing = closed = false;
}

/// False when what we folded is of another history.
Result<bool> StateReader::State::stand_behind(const std::optional<Head>& head) {
    if (standing) return true;
    const bool of_this_run = head && head->epoch == reached.epoch && reached.seq <= head->durable;
    bool rewound = false;
    if (of_this_run) {
        SE_TRY_OK(journal.seek(reached.seq.next()));
    } else {
        SE_TRY(later_epoch, journal.resume(reached));
        rewound = later_epoch;
    }
    standing = !rewound;
    return standing;
}

Status StateReader::State::fold_up_to(Seq durable, AsOf* as_of) {
    SE_TRY(head, journal.head());
    SE_TRY(continued, stand_behind(head));
    if (!continued) {
        // Over a snapshot this was found out before; in memory it all begins anew.
        start_over(base);
        SE_TRY_OK(journal.seek(base.seq.next()));
        standing = true;
    }
    while (reached.seq < durable) {
        const auto record = journal.next();
        if (!record) {
            standing = false;  // looked at again next time: it may be repaired by then
            if (!journal.fault()) return record.error();
            as_of->damage = journal.fault();
            as_of->stale = true;
            as_of->why_stale = to_text(*journal.fault());
            return Ok{};
        }
        if (*record == nullptr) return Ok{};
        SE_TRY_OK(fold.fold(**record, snapshot ? &*snapshot : nullptr));
        erasures.add(**record, journal.segment(), journal.offset());
        reached = {(*record)->epoch, (*record)->seq};
        closed = is_clean_close(**record);
    }
    return Ok{};
}

Result<std::optional<std::string>> StateReader::State::why_stale(
    const JournalReader::Look& look) const {
    return se::why_stale(place.files, place.paths, look,
                         {.last = reached, .closed = closed, .of_lmdb = snapshot.has_value()}, stamp);
}

// --- the door ----------------------------------------------------------------------------------

Result<StateReader> StateReader::open(ProjectionPlace place, Options options) {
    SE_TRY(store, read_store(place.files, place.paths));
    SE_TRY(journal, JournalReader::open(place.files, place.paths));
    std::unique_ptr<State> state(new State{.place = std::move(place),
                                           .options = options,
                                           .store = store,
                                           .journal = std::move(journal)});
    return StateReader(std::move(state));
}

StateReader::StateReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
StateReader::StateReader(StateReader&&) noexcept = default;
StateReader& StateReader::operator=(StateReader&&) noexcept = default;
StateReader::~StateReader() = default;

Result<StateReader::AsOf> StateReader::refresh() {
    return state_->refresh();
}

void StateReader::release() {
    state_->snapshot.reset();
    state_->usable = false;
}

Result<std::optional<Entry>> StateReader::get(std::string_view key) const {
    SE_TRY(found, view(key));
    return found ? std::optional(found->to_entry()) : std::nullopt;
}

Result<std::optional<EntryView>> StateReader::view(std::string_view key) const {
    if (!state_->usable) return kReleased;
    if (const Entry* const found = state_->fold.state().find(key))
        return std::optional<EntryView>(*found);
    if (!state_->snapshot) return std::optional<EntryView>{};
    return state_->snapshot->get(key);
}

Result<std::vector<std::pair<std::string, Entry>>> StateReader::list(std::string_view prefix,
                                                                     std::string_view after,
                                                                     std::size_t limit) const {
    if (!state_->usable) return kReleased;
    std::vector<std::pair<std::string, Entry>> listed;
    const auto& own = state_->fold.state().entries();
    auto next =
        after >= prefix && !after.empty() ? own.upper_bound(after) : own.lower_bound(prefix);
    const auto full = [&] { return listed.size() >= limit; };
    const auto take = [&](std::string_view key, const EntryView& entry) {
        if (!entry.deleted && !full()) listed.emplace_back(key, entry.to_entry());
    };
    // Ours lie over the snapshot's.
    const auto take_own_before = [&](std::string_view key) {
        for (; next != own.end() && next->first < key && next->first.starts_with(prefix); ++next)
            take(next->first, next->second);
    };
    if (state_->snapshot && !full()) {
        const auto visit = [&](std::string_view key, const EntryView& entry) {
            take_own_before(key);
            const bool overlaid = next != own.end() && next->first == key;
            take(key, overlaid ? EntryView(next->second) : entry);
            if (overlaid) ++next;
            return !full();
        };
        SE_TRY_OK(state_->snapshot->scan(prefix, after, visit));
    }
    for (; next != own.end() && next->first.starts_with(prefix) && !full(); ++next)
        take(next->first, next->second);
    return listed;
}

Result<std::optional<Snapshot::Bound>> StateReader::find_identity(const Hash16& key) const {
    if (!state_->usable) return kReleased;
    if (const auto found = state_->fold.find_identity(key)) return found;
    if (!state_->snapshot) return std::optional<Snapshot::Bound>{};
    return state_->snapshot->find_identity(key);
}

Result<std::vector<Seq>> StateReader::history(std::string_view key, Seq before,
                                              std::size_t limit) const {
    if (!state_->usable) return kReleased;
    std::vector<Seq> seqs;
    if (const std::vector<Seq>* const own = state_->fold.history(key)) {
        for (auto seq = own->rbegin(); seq != own->rend() && seqs.size() < limit; ++seq)
            if (before.value == 0 || *seq < before) seqs.push_back(*seq);
    }
    if (!state_->snapshot || seqs.size() >= limit) return seqs;
    SE_TRY(older, state_->snapshot->history(key, before, limit - seqs.size()));
    seqs.insert(seqs.end(), older.begin(), older.end());
    return seqs;
}

}  // namespace se
