#include "tests/sim/sim_bus_world.h"

#include <algorithm>
#include <utility>

#include "engine/identity.h"
#include "journal/base/json.h"
#include "journal/follower_mark.h"
#include "journal/search.h"

namespace se::sim {
namespace {

using namespace std::chrono_literals;

constexpr const char* kStreamName = "BITBRAT";
constexpr std::string_view kFollowerName = "nats";
constexpr int kBusTurnsInVain = 2'000;

std::string number_text(Seq seq) {
    return std::to_string(seq.value);
}

/// Of a swarm's lives no two have the same faults on the way, and each has some it has not.
SimBusFaults some_faults(SimRandom& chance) {
    const auto some = [&](std::uint64_t most) {
        return chance.chance(50) ? 0 : 1 + chance.below(most);
    };
    return {.lose_delivery = some(6),
            .double_delivery = some(12),
            .delay = some(40),
            .lose_answer = some(10),
            .refuse = chance.chance(70) ? 0 : 1 + chance.below(10),
            .disconnect = some(3),
            .refuse_connect = some(50)};
}

}  // namespace

BusWorld::BusWorld(FileSystem& files, StorePaths paths, std::uint64_t seed)
    : files_(files),
      paths_(std::move(paths)),
      chance_(seed ^ 0x6275732D6C696665),
      broker_(clock_, chance_.next()) {
    ++tally().operations["bus_lives"];
    SimBus maker(broker_);
    struct Nobody final : MessageBus::Listener {
        void bus_connected() override {}
        void bus_lost(const std::string&) override {}
        void bus_delivered(BusMessage&&) override {}
        void bus_pull_ended(std::uint64_t) override {}
    } nobody;
    maker.listen(&nobody);
    maker.connect();
    maker.poll();
    maker.make_stream(kStreamName, subjects_.of_stream(),
                      [](const Result<BusStream>& made) { SE_ASSERT(made); });
    maker.poll();
    broker_.faults = some_faults(chance_);
    in_order_ = broker_.faults.refuse == 0;
    broker_.acknowledged = [this](std::uint64_t sequence) { acknowledged_.push_back(sequence); };
}

void BusWorld::publish(const Request& request) {
    ++tally().operations["publish"];
    published_[broker_.store(subjects_.intake(), request.text())] = request.number;
}

void BusWorld::begin(Engine& engine) {
    bus_ = std::make_unique<SimBus>(broker_);
    const BusLink::Doors doors{*bus_, clock_, chance_, log_};
    link_ =
        std::make_unique<BusLink>(doors, BusLink::Options{.subjects = subjects_,
                                                          .stream = kStreamName,
                                                          .backoff = {.first = 5ms, .max = 100ms},
                                                          .breaker = {.open = 200ms}});
    intake_ =
        std::make_unique<BusIntake>(*link_, doors,
                                    BusIntake::Options{.ack_wait = 300ms,
                                                       .in_flight = 1 + chance_.below(20),
                                                       .backoff = {.first = 5ms, .max = 100ms}});
    sink_ = std::make_unique<BusSink>(*link_, [](const std::string&, Seq) { return std::nullopt; });
    crossing_ = std::make_unique<PostedSink>(
        *sink_, [] {}, [] {});
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
        FollowerOptions{.name = std::string(kFollowerName),
                        .in_flight = 1 + chance_.below(40),
                        .save_interval = std::chrono::milliseconds(1 + chance_.below(200)),
                        .backoff = {.first = 5ms, .max = 50ms},
                        .breaker = {.open = 50ms}},
        messages_of_, *crossing_);
    follower_->step();
    intake_->attach(&engine);
}

void BusWorld::note(const std::string& name, const std::string& body) {
    must(name == "follower_at_head" && !file_seq_, "bus.watermark",
         [&] { return "nothing was lost, and the follower says " + name + ": " + body; });
    const auto json = parse_json(body);
    SE_ASSERT(json);
    const auto head = cursor_from_text(json->find("after")->string());
    SE_ASSERT(head);
    began_at_ = head->seq;
}

void BusWorld::turn(Engine& engine) {
    clock_.advance(std::chrono::milliseconds{chance_.below(40)});
    if (chance_.chance(2)) clock_.advance(6s);
    if (bus_ == nullptr) begin(engine);
    link_->turn();
    crossing_->turn();
    intake_->turn();
}

void BusWorld::settle() {
    if (bus_ == nullptr) return;
    intake_->turn();
    if (chance_.chance(60)) follower_->step();
}

void BusWorld::die() {
    follower_.reset();
    crossing_.reset();
    sink_.reset();
    intake_.reset();
    link_.reset();
    bus_.reset();
}

// --- What is seen

void BusWorld::check(Model& model, History& history) {
    RecordView record;
    for (; taken_ < model.last(); taken_ = taken_.next()) {
        SE_ASSERT(parse_record(model.line(taken_.next()), &record));
        take(record, model);
    }
    check_acknowledged(model, history);
    check_told();
    check_watermark();
}

void BusWorld::take(const RecordView& record, Model& model) {
    std::vector<Message> messages;
    SE_ASSERT(messages_of_(record, model.store, &messages));
    for (Message& message : messages) {
        place_.emplace(message.id, told_.size());
        told_.push_back({.id = std::move(message.id), .seq = record.seq});
    }
    if (record.door != kFollowerName) return;
    const auto cause = parse_json(record.cause);
    const Json* const sequence = cause ? cause->find("sequence") : nullptr;
    must(sequence != nullptr && sequence->is_integer(), "bus.order",
         [&] { return number_text(record.seq) + " says no sequence"; });
    const auto which = static_cast<std::uint64_t>(sequence->integer());
    must(which > sequence_, "bus.order", [&] {
        return "seq " + number_text(record.seq) + " is of message " + std::to_string(which) +
               ", before it came " + std::to_string(sequence_);
    });
    sequence_ = which;
    const auto published = published_.find(which);
    must(published != published_.end(), "bus.once",
         [&] { return "nobody published message " + std::to_string(which); });
    Request& request = model.requests.at(published->second);
    must(request.id == record.id && !request.final, "bus.once", [&] {
        return "message " + std::to_string(which) + ", " + request.reason() +
               ", has a second record, or another's";
    });
    request.final = outcome_of(record);
}

/// What the broker gives up for good must be on the disk. Who published it has its answer then, and not
/// before: a record that is durable need not be shown yet.
void BusWorld::check_acknowledged(Model& model, History& history) {
    for (const std::uint64_t sequence : std::exchange(acknowledged_, {})) {
        Request& request = model.requests.at(published_.at(sequence));
        must(request.final.has_value(), "bus.ack", [&] {
            return "message " + std::to_string(sequence) + ", " + request.reason() +
                   ", is acknowledged, and no record of it is durable";
        });
        if (!std::exchange(request.told_first, true)) history.answered(request, *request.final);
    }
}

void BusWorld::check_told() {
    const auto& messages = broker_.find(kStreamName)->messages;
    for (; looked_ < messages.size(); ++looked_) {
        const SimBroker::Stored& stored = messages[looked_];
        if (stored.subject == subjects_.intake()) continue;
        const auto place = place_.find(stored.id);
        must(place != place_.end(), "bus.told", [&] { return "no record says " + stored.id; });
        Told& told = told_[place->second];
        must(!told.stored, "bus.told", [&] { return told.id + " is stored a second time"; });
        told.stored = true;
        std::size_t missing = place->second;
        for (; highest_ < place->second; ++highest_)
            if (!told_[highest_].stored && told_[highest_].seq > began_at_)
                missing = std::min(missing, highest_);
        highest_ = std::max(highest_, place->second + 1);
        if (!in_order_) continue;
        must(missing == place->second, "bus.told_in_order",
             [&] { return told.id + " is stored before " + told_[missing].id; });
    }
}

void BusWorld::check_watermark() {
    const auto file = read_file(files_, paths_.followers() + "/" + std::string(kFollowerName));
    const auto mark = file ? parse_follower_mark(*file) : std::nullopt;
    if (!mark) return;
    // Before that its directory may not be synced: the next power cut may take it.
    if (!file_seq_ && (follower_ == nullptr || !follower_->status().following)) return;
    file_seq_ = mark->seq;
    for (; passed_ < told_.size() && told_[passed_].seq <= mark->seq; ++passed_)
        must(told_[passed_].stored || told_[passed_].seq <= began_at_, "bus.watermark", [&] {
            return "the watermark kept is " + number_text(mark->seq) + ", and " +
                   told_[passed_].id + " is not stored";
        });
}

// --- The end

bool BusWorld::is_dry() {
    if (intake_ == nullptr || intake_->facts().state != "taking" || intake_->facts().in_hand != 0)
        return false;
    const auto& stream = *broker_.find(kStreamName);
    const auto consumer = stream.consumers.find(intake_->facts().durable);
    return consumer != stream.consumers.end() && consumer->second.pending.empty() &&
           intake_->facts().lag == 0;
}

bool BusWorld::catch_up(Engine& engine, Model& model, History& history) {
    for (int in_vain = 0; in_vain < kBusTurnsInVain; ++in_vain) {
        const std::size_t before = looked_;
        turn(engine);
        settle();
        check(model, history);
        if (looked_ > before) in_vain = 0;
        const bool all = std::ranges::all_of(
            told_, [&](const Told& told) { return told.stored || told.seq <= began_at_; });
        if (!all || follower_->status().watermark.seq != model.last_kept()) continue;
        for (const auto& [sequence, number] : published_)
            must(model.requests.at(number).final.has_value(), "bus.once", [&, which = sequence] {
                return "message " + std::to_string(which) + " has no record";
            });
        if (!follower_->close()) return false;
        check_watermark();
        return true;
    }
    return false;
}

}  // namespace se::sim
