#include "engine/intake/bus_link.h"

#include <algorithm>
#include <utility>

namespace se {
namespace {

// What comes in wakes us; this is for answers that do not come.
constexpr std::chrono::nanoseconds kPollAgain = std::chrono::milliseconds(500);

bool takes(const BusStream& stream, std::string_view subject) {
    return std::ranges::any_of(stream.subjects, [&](const std::string& pattern) {
        return bus_subject_matches(pattern, subject);
    });
}

std::string joined(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
    return out;
}

}  // namespace

BusLink::BusLink(Doors doors, Options options)
    : doors_(doors),
      options_(std::move(options)),
      backoff_(options_.backoff, doors_.random),
      breaker_(options_.breaker) {
    doors_.bus.listen(this);
}

std::chrono::nanoseconds BusLink::turn() {
    if (phase_ == Phase::closed) return std::chrono::hours(1);
    doors_.bus.poll();
    if (phase_ != Phase::waiting) return kPollAgain;
    const auto now = doors_.clock.monotonic();
    const auto wait = std::max(again_at_ - now, breaker_.wait(now));
    if (wait.count() > 0) return wait;
    if (!breaker_.admits(now)) return kPollAgain;
    breaker_.begun();
    if (doors_.bus.connected()) {
        search();
    } else {
        phase_ = Phase::connecting;
        doors_.bus.connect();
    }
    return kPollAgain;
}

void BusLink::renew(const std::string& why) {
    if (phase_ != Phase::up) return;
    phase_ = Phase::waiting;
    ++losses_;
    again_at_ = doors_.clock.monotonic() + backoff_.next();
    for (User* const user : users_) user->bus_down();
    doors_.bus.disconnect();
    doors_.log.write({Severity::info, "state-engine.nats.renewed", {{"why", why}}});
}

void BusLink::close() {
    if (phase_ == Phase::closed) return;
    const bool was_up = up();
    phase_ = Phase::closed;
    if (was_up)
        for (User* const user : users_) user->bus_down();
    doors_.bus.disconnect();
}

void BusLink::bus_connected() {
    ++connects_;
    search();
}

void BusLink::bus_lost(const std::string& why) {
    if (phase_ == Phase::closed) return;
    if (std::exchange(phase_, Phase::connecting) == Phase::up) {
        ++losses_;
        for (User* const user : users_) user->bus_down();
    }
    fail(why);
}

void BusLink::bus_delivered(BusMessage&& message) {
    if (users_.empty() || phase_ == Phase::closed) return;
    // One of them consumes; the others only publish.
    users_.front()->bus_delivered(std::move(message));
}

void BusLink::bus_pull_ended(std::uint64_t left) {
    if (!users_.empty() && phase_ != Phase::closed) users_.front()->bus_pull_ended(left);
}

void BusLink::search() {
    phase_ = Phase::searching;
    const std::uint64_t attempt = ++attempt_;
    doors_.bus.find_stream(options_.stream, [this, attempt](Result<BusStream> found) {
        if (!current(attempt)) return;
        if (found && takes(*found, options_.subjects.intake())) return take(*found);
        if (found) {
            stream_ = *std::move(found);
            return search_by_subject();
        }
        if (found.error().code != Errc::not_found) return fail(found.error().text);
        stream_ = {};
        search_by_subject();
    });
}

/// Under our stream's name there is none, or one that takes other subjects.
void BusLink::search_by_subject() {
    const std::string subject = options_.subjects.intake();
    const std::uint64_t attempt = attempt_;
    doors_.bus.find_stream_of(subject, [this, attempt, subject](Result<std::string> name) {
        if (!current(attempt)) return;
        if (name) {
            return doors_.bus.find_stream(*name, [this, attempt](Result<BusStream> found) {
                if (!current(attempt)) return;
                if (!found) return fail(found.error().text);
                take(*found);
            });
        }
        if (name.error().code != Errc::not_found) return fail(name.error().text);
        if (stream_.name.empty()) return make_stream();
        fail("the stream " + stream_.name + " is there with the subjects " +
             joined(stream_.subjects) + ", and neither it nor another takes " + subject +
             ": add that subject to it, or name another stream in nats.stream");
    });
}

void BusLink::make_stream() {
    const std::uint64_t attempt = attempt_;
    doors_.bus.make_stream(
        options_.stream, options_.subjects.of_stream(), [this, attempt](Result<BusStream> made) {
            if (!current(attempt)) return;
            if (!made)
                return fail("the stream " + options_.stream + " with the subjects " +
                            joined(options_.subjects.of_stream()) +
                            " cannot be made: " + made.error().text);
            doors_.log.write({Severity::info,
                              "state-engine.nats.stream_made",
                              {{"stream", made->name}, {"subjects", joined(made->subjects)}}});
            take(*made);
        });
}

void BusLink::take(const BusStream& stream) {
    stream_ = stream;
    phase_ = Phase::up;
    trouble_.clear();
    backoff_.reset();
    breaker_.succeeded();
    doors_.log.write({Severity::info,
                      "state-engine.nats.connected",
                      {{"stream", stream_.name}, {"last", std::to_string(stream_.last)}}});
    for (User* const user : users_) user->bus_up(stream_);
}

void BusLink::fail(const std::string& why) {
    phase_ = Phase::waiting;
    const auto now = doors_.clock.monotonic();
    breaker_.failed(now);
    again_at_ = now + backoff_.next();
    if (std::exchange(trouble_, why) == why) return;  // told already
    doors_.log.write({Severity::warning, "state-engine.nats.away", {{"error", why}}});
}

BusLink::Facts BusLink::facts() const {
    return {.connected = doors_.bus.connected(),
            .up = up(),
            .trouble = trouble_,
            .breaker = breaker_.state(),
            .connects = connects_,
            .losses = losses_};
}

}  // namespace se
