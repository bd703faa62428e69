#include "tests/sim/sim_follower.h"

#include <algorithm>

#include "engine/egress/fired_messages.h"
#include "journal/base/json.h"
#include "journal/body.h"
#include "journal/follower_mark.h"
#include "tests/sim/sim_places.h"

namespace se::sim {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPeer = "peer";
constexpr std::string_view kAboutRecord = ":record";
constexpr int kTurnsInVain = 400;  ///< that get no nearer; a breaker opens for 30 s, a turn is one

/// What fired, and then the record: so whoever has the last message has all of them.
Status messages_of(const RecordView& record, const std::string& store,
                   std::vector<Message>* messages) {
    SE_TRY_OK(fired_messages(record, store, messages));
    messages->push_back({.id = store + ":" + std::to_string(record.epoch.value) + ":" +
                               std::to_string(record.seq.value) + std::string(kAboutRecord)});
    return Ok{};
}

bool is_about_record(const std::string& id) {
    return id.ends_with(kAboutRecord);
}

/// <store>:<epoch>:<seq>:<what>
Cursor cursor_of(const std::string& id) {
    const std::size_t epoch = id.find(':') + 1;
    const std::size_t seq = id.find(':', epoch) + 1;
    return {Epoch{std::stoull(id.substr(epoch))}, Seq{std::stoull(id.substr(seq))}};
}

/// The ids of what goes out of a record, found without the code that sends it.
std::vector<std::string> fired_ids(const RecordView& record) {
    std::vector<std::string> ids;
    const auto body = record.body.empty() ? Result<Json>(Json()) : parse_json(record.body, 1000);
    const Json* const fired = body ? body->find("fired") : nullptr;
    if (record.kind != Kind::accepted || fired == nullptr) return ids;
    for (const Json& rule : fired->array()) {
        const Json* const actions = rule.find("actions");
        for (std::size_t i = 0; actions != nullptr && i < actions->array().size(); ++i) {
            const Json& action = actions->array()[i];
            if (action.find("type")->string() != "mutate")
                ids.push_back(action.find("id")->string());
        }
    }
    return ids;
}

}  // namespace

void Follower::begin() {
    sink_.fate = [this](const Message& message) {
        if (kind_) return SimSink::Fate::acknowledged;
        const std::uint64_t drawn = chance_.below(100);
        if (drawn < 3 && is_about_record(message.id)) return SimSink::Fate::refused;
        if (drawn < 8) return SimSink::Fate::lost;
        return drawn < 13 ? SimSink::Fate::answer_lost : SimSink::Fate::acknowledged;
    };
    follower_ = std::make_unique<se::Follower>(
        se::Follower::Doors{
            .files = files_,
            .clock = clock_,
            .random = chance_,
            .log = log_,
            .note =
                [this](const std::string& name, const std::string& body, auto told) {
                    note(name, body);
                    told(Ok{});
                }},
        paths_,
        FollowerOptions{.name = kPeer,
                        .in_flight = 1 + chance_.below(12),
                        .save_interval = 1s,
                        .backoff = {.first = 10ms, .max = 1s}},
        messages_of, sink_);
}

void Follower::note(const std::string& name, const std::string& body) {
    const auto json = parse_json(body);
    SE_ASSERT(json);
    const bool lost = file_seq_ && *file_seq_ <= lost_through_;
    if (name == "follower_realigned") {
        must(lost, "X2", [&] { return "rewound although nothing was lost: " + body; });
        return;
    }
    must(!file_seq_ || lost, "X3", [&] { return "the watermark is gone: " + body; });
    const auto head = cursor_from_text(json->find("after")->string());
    SE_ASSERT(head);
    began_at_ = std::max(acknowledged_, head->seq);
    acknowledged_ = std::max(acknowledged_, head->seq);
}

void Follower::die() {
    if (follower_ == nullptr) return;
    kind_ = false;
    follower_.reset();
    sink_.serve(chance_.below(3));  // what was on the way may get there, and nobody hears of it
    sink_.forget();
}

void Follower::history_lost(Seq through) {
    die();
    lost_through_ = std::max(lost_through_, through);
}

void Follower::turn(const Model& model, std::size_t served) {
    if (follower_ == nullptr) begin();
    follower_->step();
    sink_.serve(served);
    check_peer(model);
    follower_->step();
    check_watermark();
}

void Follower::step(const Model& model, SimRandom& random) {
    clock_.advance(std::chrono::milliseconds{random.below(1'000)});
    if (random.chance(3)) clock_.advance(31s);
    turn(model, random.below(6));
}

/// X1, X2: what the peer has got since the last look.
void Follower::check_peer(const Model& model) {
    const auto take = [&](const std::string& id, bool settled) {
        const auto [epoch, seq] = cursor_of(id);
        ids_.insert(id);
        if (!is_about_record(id)) return;
        must(seq <= model.last(), "J6", [&] { return "a follower is shown " + text(seq); });
        const auto known = got_.find(seq);
        must(known == got_.end() || known->second == epoch || seq <= lost_through_, "X1",
             [&] { return "seq " + text(seq) + " comes again under another id"; });
        const Seq before{seq.value - 1};
        must(known != got_.end() || before == Seq{} || got_.contains(before) ||
                 seq <= lost_through_.next() || seq <= began_at_.next() || model.is_lost(before),
             "X2", [&] { return "the peer never got what is before " + text(seq); });
        got_[seq] = epoch;
        if (settled) acknowledged_ = std::max(acknowledged_, seq);
    };
    // Refusals and the rest come from one queue, so each list is in order; merge them by seq.
    while (seen_ < sink_.received.size() || refused_seen_ < sink_.refused.size()) {
        const bool one = seen_ < sink_.received.size();
        const bool other = refused_seen_ < sink_.refused.size();
        if (other &&
            (!one || cursor_of(sink_.refused[refused_seen_]).seq <= sink_.received[seen_].at.seq)) {
            take(sink_.refused[refused_seen_++], true);
        } else {
            take(sink_.received[seen_].id, sink_.received[seen_].acknowledged);
            ++seen_;
        }
    }
}

/// X3: what the disk has.
void Follower::check_watermark() {
    const auto file = read_file(files_, paths_.followers() + "/" + kPeer);
    const auto mark = file ? parse_follower_mark(*file) : std::nullopt;
    if (!mark) return;
    must(mark->seq <= acknowledged_ || mark->seq <= lost_through_, "X3", [&] {
        return "the watermark kept is " + text(mark->seq) + ", settled is all up to " +
               text(acknowledged_);
    });
    // Before that its directory may not be synced: the next power cut may take it.
    if (!file_seq_ && !follower_->status().following) return;
    file_seq_ = mark->seq;
}

/// What was refused, and passed, is a dead letter.
void Follower::check_letters() {
    const DeadLetters* const letters = follower_->dead_letters();
    std::set<std::string> taken;  // one that died with its refusal was tried again
    for (const SimSink::Received& one : sink_.received) {
        if (one.acknowledged) taken.insert(one.id);
    }
    for (const std::string& id : sink_.refused) {
        if (cursor_of(id).seq <= lost_through_ || taken.contains(id)) continue;
        must(letters != nullptr && letters->find(id) != nullptr, "X3",
             [&] { return id + " was refused, and is no dead letter"; });
    }
}

/// X1 once more, held against the journal itself.
void Follower::check_fired() {
    auto reader = JournalReader::open(files_, paths_);
    if (!reader) return;
    const Seq from = std::max(began_at_, lost_through_);
    if (!reader->seek(from.next())) return;
    for (;;) {
        const auto record = reader->next();
        if (!record || *record == nullptr) return;
        for (const std::string& id : fired_ids(**record))
            must(ids_.contains(id), "X1.fired", [&] { return id + " was never delivered"; });
    }
}

bool Follower::catch_up(const Model& model) {
    kind_ = true;
    Seq reached{};
    for (int in_vain = 0; in_vain < kTurnsInVain; ++in_vain) {
        clock_.advance(1s);
        turn(model, SIZE_MAX);
        const Seq watermark = follower_->status().watermark.seq;
        if (watermark != model.last_kept()) {
            if (watermark > reached) in_vain = 0;
            reached = std::max(reached, watermark);
            continue;
        }
        if (!follower_->close()) return false;
        check_watermark();
        check_letters();
        check_fired();
        return true;
    }
    return false;
}

}  // namespace se::sim
