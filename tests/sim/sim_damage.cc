// What rots, what lands in the wrong place, and how life goes on: damage is reported as damage, by
// name, nothing is touched, an operator gives up what is lost, and no more is lost than that.

#include <algorithm>
#include <utility>

#include "journal/repair.h"
#include "journal/verify.h"
#include "tests/sim/sim_places.h"
#include "tests/sim/sim_world.h"

namespace se::sim {
namespace {

constexpr int kRepairsMax = 50;  ///< of one wound

/// The lines of a segment, in order. The header counts as its first seq; pieces of a line that a
/// power cut tore, as what would have come next.
struct PlacedLine {
    Seq seq;
    std::uint64_t begin = 0, end = 0;  ///< newline not included
};
std::vector<PlacedLine> lines_of(const std::string& bytes, Seq first) {
    std::vector<PlacedLine> lines;
    Seq next = first;
    for (std::size_t begin = 0; begin < bytes.size();) {
        const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
        if (end > begin) {
            const auto frame = read_frame(std::string_view(bytes).substr(begin, end - begin));
            lines.push_back({frame ? frame->seq : next, begin, end});
            if (frame) next = frame->seq.next();
        }
        begin = end + 1;
    }
    return lines;
}

/// Blank space between lines counts for nothing, so a line may stand elsewhere in it.
bool same_lines(std::string_view one, std::string_view other) {
    const auto next = [](std::string_view& rest) {
        rest.remove_prefix(std::min(rest.find_first_not_of('\n'), rest.size()));
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size());
        return line;
    };
    for (;;) {
        const std::string_view line = next(one);
        if (line != next(other)) return false;
        if (line.empty()) return true;
    }
}

/// Whether each line of `before` stands somewhere in `after`, whole.
bool only_moved(const std::string& before, const std::string& after) {
    const std::string within = "\n" + after + "\n";
    return std::ranges::all_of(lines_of(before, {}), [&](const PlacedLine& line) {
        return within.find("\n" + before.substr(line.begin, line.end - line.begin) + "\n") != within.npos;
    });
}

/// The seqs that a change of those bytes may cost: a line falls with the newline on either side.
std::pair<Seq, Seq> touched(const std::vector<PlacedLine>& lines, std::uint64_t begin,
                            std::uint64_t end, Seq otherwise) {
    std::optional<Seq> from;
    Seq to;
    for (const PlacedLine& line : lines) {
        if (line.end < begin) continue;
        from = std::min(from.value_or(line.seq), line.seq);
        to = std::max(to, line.seq);
        if (line.begin > end) break;  // the one behind a blank place: there it goes on
    }
    return {from.value_or(otherwise), std::max(from.value_or(otherwise), to)};
}

/// Puts `bytes` there, on the disk and in the page cache.
void rot(SimFileSystem& disk, const std::string& path, std::uint64_t offset,
         std::string_view bytes) {
    const std::string before = *disk.content(path);
    for (std::size_t i = 0; i < bytes.size() && offset + i < before.size(); ++i) {
        const auto different = static_cast<unsigned char>(before[offset + i] ^ bytes[i]);
        for (unsigned bit = 0; bit < 8; ++bit) {
            if ((different >> bit & 1u) != 0) disk.flip_bit(path, (offset + i) * 8 + bit);
        }
    }
}

std::string some_bytes(SimRandom& chance, std::size_t count) {
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(chance.below(256));
    return bytes;
}

std::vector<Seq> segments_on(SimFileSystem& disk) {
    const auto listed = list_segments(disk, kPaths);
    return listed ? *listed : std::vector<Seq>{};
}

/// Of all lines that are good, whoever wrote them.
Seq highest_line(SimFileSystem& disk) {
    Seq highest;
    for (const Seq first : segments_on(disk)) {
        for (const PlacedLine& line : lines_of(*disk.content(kPaths.segment(first)), first)) {
            highest = std::max(highest, line.seq);
        }
    }
    return highest;
}

/// What a refused repair says the loss reaches to.
Seq reaches(const std::string& refusal, Seq otherwise) {
    for (const std::string_view words : {"reaches to seq ", "reaches seq "}) {
        const std::size_t at = refusal.find(words);
        if (at != std::string::npos) return Seq{std::stoull(refusal.substr(at + words.size()))};
    }
    return otherwise;
}

std::map<std::string, std::string> journal_as_it_is(SimFileSystem& disk) {
    std::map<std::string, std::string> files;
    for (const Seq first : segments_on(disk)) {
        files[kPaths.segment(first)] = *disk.content(kPaths.segment(first));
    }
    files[kPaths.head()] = disk.content(kPaths.head()).value_or("");
    const auto parked = disk.list(kPaths.quarantine());
    files[kPaths.quarantine()] = std::to_string(parked ? parked->size() : 0);
    return files;
}

}  // namespace

// --- What goes wrong

bool World::suffer_bit_rot(SimRandom& chance) {
    SE_ASSERT(engine == nullptr && !wound_);
    const auto segments = segments_on(disk);
    const auto head = read_head(disk, kPaths.head());
    if (segments.empty() || !head || !*head || model.last_kept() == Seq{}) return false;
    const Seq first = segments[chance.below(segments.size())];
    const std::string path = kPaths.segment(first);
    const std::string before = *disk.content(path);
    const std::size_t last_used = before.find_last_not_of('\n');
    if (last_used == std::string::npos) return false;
    std::uint64_t at = chance.below(last_used + 1);

    std::string bytes;
    const std::uint64_t kind = chance.below(4);
    if (kind < 2) {
        bytes = before.substr(at, 1);
        bytes[0] = static_cast<char>(bytes[0] ^ (1 << chance.below(8)));
    } else if (kind == 2) {
        bytes = some_bytes(chance, 1 + chance.below(64));
    } else {  // as a write that landed here long ago
        bytes = before.substr(chance.below(last_used + 1), 1 + chance.below(600));
    }
    bytes.resize(std::min<std::size_t>(bytes.size(), before.size() - at));
    while (!bytes.empty() && bytes[0] == before[at]) bytes.erase(0, 1), ++at;
    if (bytes.empty() || at > last_used) return false;
    const std::string after = std::string(before).replace(at, bytes.size(), bytes);
    if (same_lines(before, after)) return false;

    const auto [from, to] = touched(lines_of(before, first), at, at + bytes.size(), model.last());
    if (from > model.last()) return false;  // never acknowledged: J4 has no say about it
    Wound wound{.from = from, .to = to, .decided_on = highest_line(disk)};
    if (kind == 3) wound.to = std::max(wound.to, highest_line(disk));
    // A roll syncs HEAD, and an open does: what HEAD says of the newest run, and of all that is
    // rolled, no power cut takes away.
    wound.rolled = first != segments.back();
    wound.named = wound.rolled ||
                  ((*head)->epoch == model.epoch_of(model.last_kept()) && from <= (*head)->durable);
    // Of what reaches beyond HEAD's word the rest may look torn, once an operator has given up the first.
    const bool all_vouched = wound.rolled || (wound.named && std::min(to, model.last_kept()) <= (*head)->durable);
    if (!all_vouched) wound.excuse = head_rotted_ ? kExcuseHeadRotted : kExcusePowerCut;
    if (!wound.excuse.empty() && chance.chance(80)) return false;
    // A copy of a line that lies a few bytes beside it costs nothing: what is left of the old one looks torn.
    if (only_moved(before, after)) wound.named = false;
    rot(disk, path, at, bytes);
    ++tally().faults["bit_rot"];
    trace("rot in " + path + " at " + std::to_string(at) + ", " + std::to_string(bytes.size()) +
          " bytes: seqs " + text(from) + "-" + text(to));
    wound_ = wound;
    follower_.reset();
    return true;
}

/// All of this can be made anew, or there are two of it.
void World::rot_beside(SimRandom& chance) {
    SE_ASSERT(engine == nullptr);
    std::vector<std::string> paths;
    if (disk.content(kPaths.next())) paths.push_back(kPaths.next());
    for (const Seq first : segments_on(disk)) {
        if (disk.content(kPaths.index(first))) paths.push_back(kPaths.index(first));
    }
    const std::string stamp = kPaths.projection() + "/STAMP";
    if (disk.content(stamp)) paths.push_back(stamp);
    if (disk.content(kPaths.head())) paths.push_back(kPaths.head());
    if (paths.empty()) return;
    const std::string path = paths[chance.below(paths.size())];
    const std::uint64_t size = disk.content(path)->size();
    if (size == 0) return;
    std::uint64_t at = chance.below(size);
    if (path == kPaths.head()) {
        at = (chance.chance(50) ? kHeadBlockBytes : 0) + chance.below(kHeadSlotBytes);
        if (at >= size) return;
        head_may_lag_ = evicted_ = head_rotted_ = true;  // the other slot is of the group before
        epoch_ = model.last() == Seq{} ? Epoch{} : model.epoch_of(model.last());
    }
    rot(disk, path, at, some_bytes(chance, 1 + chance.below(8)));
    ++tally().faults["bit_rot_beside"];
    trace("rot in " + path + " at " + std::to_string(at));
    state_reader_.reset();
    follower_.reset();
}

void World::misdirect_a_write(SimRandom& chance) {
    misdirecting_ = true;
    misdirect_seed_ = chance.next();
}

void World::misdirect(const SimFileSystem::Call& call) {
    misdirecting_ = false;
    SimRandom chance(misdirect_seed_);
    const std::uint64_t back = std::min<std::uint64_t>(call.offset, 2'000);
    const std::uint64_t to = call.offset - back + chance.below(back + 3'000);
    const std::string path(call.path);
    if (to == call.offset) return;
    const auto first = StorePaths::first_seq_of(path.substr(path.rfind('/') + 1));
    SE_ASSERT(first);
    const auto lines = lines_of(*disk.content(path), *first);
    const Seq group = model.last().next();  // or a later one
    const auto hit = touched(lines, to, to + call.size, group);
    wound_ = Wound{.from = std::min(hit.first, group), .to = group, .named = false};
    disk.misdirect_next_write(static_cast<std::int64_t>(to) -
                              static_cast<std::int64_t>(call.offset));
    ++tally().faults["write_misdirected"];
    trace("a write of " + std::to_string(call.size) + " bytes at " + std::to_string(call.offset) +
          " lands at " + std::to_string(to) + ": seqs from " + text(wound_->from));
}

void World::start_second_writer() {
    if (engine == nullptr) return;
    const auto before = journal_as_it_is(disk);
    SimRandom own = looks_.fork();
    const auto held = hold_store(disk, own, kPaths);
    must(!held && held.error().code == Errc::busy, "J1", "two writers hold one store");
    must(before == journal_as_it_is(disk), "J1",
         "who does not get the store changes something in it");
    ++tally().faults["second_writer"];
}

// --- Who meets it

bool World::meets_wound(const std::optional<Fault>& fault) const {
    if (!fault) return true;  // the disk itself said no
    // A header is where it is, though all around it was given up before.
    if (model.is_lost(fault->seq)) return true;
    // A header of which only a gap is left is told by what comes behind that.
    Seq to = std::max(wound_->to, wound_->from).next();
    for (Seq seq = wound_->from; seq <= model.last(); seq = seq.next()) {
        if (!model.is_lost(seq) && seq > to) break;
        to = std::max(to, seq.next());
    }
    return fault->seq >= wound_->from && fault->seq <= to;
}

/// What HEAD said since its last sync may be gone.
void World::excuse_wound(std::string_view excuse) {
    if (!wound_ || wound_->rolled) return;
    wound_->excuse = excuse;
    wound_->named = false;
}

void World::follow_wounded() {
    if (!follower_) {
        auto opened = JournalReader::open(disk, kPaths);
        if (!opened) return;
        follower_.emplace(*std::move(opened));
    }
    // From the start each time it met something: what it shows must be what was shown before.
    for (;;) {
        const auto record = follower_->next();
        if (!record) {
            if (engine == nullptr) {
                must(meets_wound(follower_->fault()), "J4",
                     [&] { return "a reader meets " + record.error().text; });
            }
            follower_.reset();
            return;
        }
        if (*record == nullptr) return;
        if ((*record)->seq <= model.last()) {
            model.recognize(**record);
        } else if (engine == nullptr && wound_->decided_on < (*record)->seq) {
            return;
        } else if ((*record)->seq == model.last().next() && (*record)->seq < wound_->from) {
            model.take(**record);
        } else {
            return;
        }
    }
}

// --- How it is mended

/// What was shown is still there, but for what the wound may have cost behind HEAD's last sync.
void World::expect_history() {
    const std::string_view excuse = wound_->excuse;
    if (excuse.empty()) return;
    auto reader = JournalReader::open(disk, kPaths);
    if (!reader) throw Excused{excuse};
    Seq seen;
    for (;;) {
        const auto record = reader->next();
        if (!record) throw Excused{excuse};
        if (*record == nullptr) break;
        seen = (*record)->seq;
        if (seen > model.last()) break;
        if (!model.knows(**record)) throw Excused{excuse};
    }
    if (seen < model.last_kept()) throw Excused{excuse};
}

/// An open that meets it. Then whoever opened goes away again.
void World::open_wounded() {
    std::optional<Seq> watermark;
    if (const auto left = projection_left(); left && (*left)->trusted()) {
        watermark = (*left)->watermark().seq;
    }
    const auto before = journal_as_it_is(disk);
    bool alive = false;
    const Status opened = open_engine(std::nullopt, &alive);
    SE_ASSERT(alive);
    if (!opened) {
        must(!opened.error().text.empty(), "J4", "an open that fails does not say why");
        trace("wounded, does not open: " + opened.error().text);
        return leave();
    }
    const auto& damage = engine->damage();
    if (!damage) {
        const std::uint64_t cut = engine->journal().report().cut_bytes;
        if (cut > 0 && !wound_->named && !wound_->excuse.empty()) throw Excused{wound_->excuse};
        must(!wound_->named || (watermark && wound_->from <= *watermark), "J4", [&] {
            return "nothing is said of damage at seq " + text(wound_->from) + ", LMDB is at " +
                   (watermark ? text(*watermark) : "nothing");
        });
        must(watermark.has_value() || !wound_->named, "J8", "only a watermark may pass over it");
        wound_->decided_on = std::max(wound_->decided_on, engine->journal().last());
        return leave();
    }
    trace("damaged: " + to_text(damage->fault) + ", by " + damage->evidence);
    must(meets_wound(damage->fault), "J4",
         [&] { return "damage where there is none: " + to_text(damage->fault); });
    must(!damage->evidence.empty() && damage->from <= damage->to, "J4", "damage without a name");
    must(engine->state() == EngineState::damaged, "J4", "a damaged store is written to");
    must(before == journal_as_it_is(disk), "J4", "an open touched damage");
    const Seq applied = engine->applied().seq;
    must(applied < damage->from || (watermark && applied <= *watermark), "J3",
         "a read shows what is damaged, and LMDB does not vouch for it");
    if (applied <= model.last()) check_reads(applied);
    Request request{.number = 0, .principal = "alice", .id = "never"};
    request.ops.push_back({.op = "delete", .key = "a"});
    auto parsed = parse_proposal(request.text(), engine->policy().limits);
    SE_ASSERT(parsed.proposal);
    std::optional<Answer> answer;
    engine->submit(*std::move(parsed.proposal), Caller{.principal = "alice", .actor = "alice"},
                   [&](Answer&& told) { answer = std::move(told); });
    engine->step();
    must(answer && answer->code == Code::unavailable && answer->reason == "damaged", "J4",
         "a damaged store does not refuse by name");
    must(before == journal_as_it_is(disk), "J4", "a damaged store was written to");
    leave();
}

void World::lose(Seq from, Seq to) {
    model.lose(from, to, wound_->decided_on);
    history.forget(model.requests.size());
    follower.history_lost(std::max(model.last(), wound_->decided_on));
    if (mirror) mirror->history_lost();
    follower_.reset();
    state_reader_.reset();
    feed_cursor_.reset();
    feed_told_ = 0;
    acknowledged_ = state_seen_ = Seq{};
    newest_seqs_.clear();
    answers_.clear();
    early_.clear();
}

/// An operator, with what verify says, until it says nothing more.
void World::repair_all() {
    for (int round = 0;; ++round) {
        const std::vector<Evidence> evidence = projection_evidence();
        const auto report = verify(disk, kPaths, {.threads = 1, .evidence = evidence});
        must(static_cast<bool>(report), "J4", [&] { return "verify: " + report.error().text; });
        if (report->faults.empty()) return;
        must(round < kRepairsMax, "J4",
             [&] { return "repairs do not end: " + to_text(report->faults[0]); });
        repair_first(report->faults, evidence);
    }
}

std::vector<Evidence> World::projection_evidence() {
    const auto left = projection_left();
    if (!left || !(*left)->trusted()) return {};
    const Position& watermark = (*left)->watermark();
    return {{.epoch = watermark.epoch, .seq = watermark.seq, .source = "projection"}};
}

void World::repair_first(const std::vector<Fault>& faults, const std::vector<Evidence>& evidence) {
    const Fault& fault = faults[0];
    Seq to = std::max(fault.seq, fault.last);
    auto plan = plan_repair(disk, kPaths, fault.seq, to, evidence);
    if (!plan) {
        to = reaches(plan.error().text, to);
        plan = plan_repair(disk, kPaths, fault.seq, to, evidence);
    }
    for (std::size_t next = 1; !plan && next < faults.size(); ++next) {
        if (faults[next].seq > to.next()) break;
        // A good record between two bad places goes with them.
        to = std::max({to, faults[next].seq, faults[next].last});
        plan = plan_repair(disk, kPaths, fault.seq, to, evidence);
    }
    must(static_cast<bool>(plan), "J4", [&] {
        return "no repair of " + to_text(fault) + ", up to " + text(to) + ": " + plan.error().text;
    });
    const bool whole = carried_out(*plan);
    const bool kept = std::ranges::any_of(plan->pieces, [&](const RepairPiece& piece) {
        return disk.content(kPaths.quarantine() + "/" + piece.quarantined).has_value();
    });
    trace((whole ? "gave up " : "died giving up ") + text(fault.seq) + "-" + text(to));
    ++tally().operations[whole ? "repair" : "repair_cut_short"];
    // Given up is what has a copy.
    if (plan->loses_records && kept) lose(fault.seq, to);
    if (!whole && cuts_.chance(60)) open_unfinished();
}

/// False: it died at one of its calls.
bool World::carried_out(const RepairPlan& plan) {
    auto hold = hold_store(disk, random, kPaths);
    must(static_cast<bool>(hold), "J4", "nobody holds the store, and it is not to be had");
    std::uint64_t calls = repairs_die_ && cuts_.chance(60) ? cuts_.below(40) : UINT64_MAX;
    bool died = false;
    disk.on_call([&](const SimFileSystem::Call&) {
        if (died || calls-- > 0) return;
        died = true;
        disk.crash();
    });
    const Status done = carry_out(disk, kPaths, *hold, plan);
    disk.on_call({});
    must(done || died, "J4", [&] { return "repair: " + done.error().text; });
    return !died;
}

/// Somebody opens what an operator died over, and goes without a word: perhaps it was finished by that.
void World::open_unfinished() {
    bool alive = false;
    const Status opened = open_engine(std::nullopt, &alive);
    SE_ASSERT(alive);
    if (opened) wound_->decided_on = std::max(wound_->decided_on, engine->journal().last());
    if (opened && !engine->damage() && engine->applied().seq <= model.last()) check_reads(engine->applied().seq);
    trace(!opened ? "does not open: " + opened.error().text : engine->damage() ? "opens, damaged" : "opens");
    leave();
}

bool World::mend_wound(SimRandom& chance) {
    SE_ASSERT(wound_ && engine == nullptr);
    heal();
    answers_.clear();  // of the writer that did not know where its bytes had landed
    const auto seen = verify(disk, kPaths, {.threads = 1});
    must(static_cast<bool>(seen), "J4", [&] { return "verify: " + seen.error().text; });
    must(!wound_->named || !seen->faults.empty(), "J4",
         [&] { return "verify does not see damage at seq " + text(wound_->from); });
    for (const Fault& fault : seen->faults) {
        must(meets_wound(fault), "J4",
             [&] { return "verify names what is sound: " + to_text(fault); });
    }
    follow();
    if (chance.chance(60)) open_wounded();
    wound_->decided_on = std::max(wound_->decided_on, highest_line(disk));
    repair_all();
    expect_history();

    bool alive = false;
    const Wound wound = *wound_;
    const Status opened = open_engine(Policy(), &alive);
    must(static_cast<bool>(opened), "J4",
         [&] { return "a repaired store does not open: " + opened.error().text; });
    must(!engine->damage(), "J4",
         [&] { return "a repaired store is damaged: " + engine->why_not_ready(); });
    // The gap is believed once its note is on the disk.
    Seq due;
    for (int round = 0; round < 60; ++round) {
        if (round == 30) due = engine->journal().last();
        commits.run();
        background.run();
        clock.advance(std::chrono::milliseconds{100});
        engine->step();
    }
    must(engine->state() == EngineState::ready && engine->durable() >= due, "liveness",
         "a repaired store does not come to rest");
    wound_.reset();
    if (mirror) mirror->mended(engine->journal().last());
    early_.clear();
    head_may_lag_ = evicted_ = head_rotted_ = false;
    must(engine->journal().epoch() > epoch_, "J1", "an epoch comes again");
    epoch_ = engine->journal().epoch();
    if (!wound.excuse.empty()) {
        wound_ = wound;
        expect_history();
        wound_.reset();
    }
    check_history();
    check();
    return true;
}

}  // namespace se::sim
