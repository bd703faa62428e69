#include "bench/store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

namespace se::bench {

void give_up(std::string_view what) {
    fmt::print(stderr, "bench: {}\n", what);
    std::exit(1);
}

std::string key_of(std::uint64_t number) {
    return fmt::format("bench.agent.memory.user.fact.{:07}", number);
}

std::string value_of(std::uint64_t number) {
    std::string value = fmt::format(R"({{"band":"steady","number":{},"text":")", number);
    value.append(294 - value.size() - 2, 'x');
    return value + "\"}";
}

std::string proposal_of(std::uint64_t key, std::uint64_t version_before, std::uint64_t unique) {
    return fmt::format(
        R"({{"id":"bench-{:032}","op":"set","key":"{}","value":{},"expectedVersion":{},"reason":"bench"}})",
        unique, key_of(key), value_of(unique), version_before);
}

Store::Store(std::string directory, Settings settings) : directory_(std::move(directory)) {
    settings.data = directory_;
    const auto wake = [this] {
        const std::lock_guard lock(mutex_);
        wake_ = true;
        woken_.notify_one();
    };
    commits_ = std::make_unique<ThreadRunner>(wake);
    background_ = std::make_unique<ThreadRunner>(wake);
    Policy policy;
    policy.allowed_keys = {"*"};
    auto engine = Engine::open({files_, clock_, random_, log_, *commits_, *background_, files_, ""},
                               settings, policy, {"bench", 0, "bench"});
    if (!engine) give_up(engine.error().text);
    engine_ = std::move(*engine);
}

Store::~Store() { close(); }

void Store::close() {
    if (engine_ == nullptr) return;
    if (const Status closed = engine_->close(); !closed) give_up(closed.error().text);
    engine_.reset();
}

void Store::run_until(const std::function<bool()>& done) {
    while (!done()) {
        engine_->step();
        if (done() || engine_->work_waits()) continue;
        std::unique_lock lock(mutex_);
        woken_.wait_for(lock, engine_->idle_time(), [&] { return wake_; });
        wake_ = false;
    }
}

double Store::update(std::uint64_t count, std::uint64_t keys, std::uint64_t in_flight) {
    if (versions_.size() < keys) versions_.resize(keys);
    std::uint64_t sent = 0, answered = 0;
    const std::uint64_t offset = unique_;
    // Keys are walked in a stride that visits all of them, so that neighbours in time are not
    // neighbours in the tree.
    std::function<void()> send = [&] {
        const std::uint64_t key = ((offset + sent) * 7919) % keys;
        ParsedProposal parsed =
            parse_proposal(proposal_of(key, versions_[key], ++unique_), engine_->policy().limits);
        ++sent;
        if (!parsed.proposal) give_up(parsed.refusal.message);
        Caller caller;
        caller.principal = caller.actor = "bench";
        caller.door = "embedded";
        engine_->submit(std::move(*parsed.proposal), std::move(caller), [&, key](Answer&& answer) {
            if (answer.status != Answer::Status::accepted) give_up(answer.message);
            versions_[key] = answer.changes[0].version.value;
            ++answered;
            if (sent < count) send();
        });
    };
    const double start = seconds_now();
    while (sent < std::min(in_flight, count)) send();
    run_until([&] { return answered == count; });
    return seconds_now() - start;
}

void Store::fill(std::uint64_t first, std::uint64_t count) {
    if (versions_.size() < first + count) versions_.resize(first + count);
    std::uint64_t answered = 0, sent = 0;
    while (sent < count) {
        for (std::uint64_t batch = 0; batch < 2048 && sent < count; ++batch, ++sent) {
            const std::uint64_t key = first + sent;
            ParsedProposal parsed =
                parse_proposal(proposal_of(key, 0, ++unique_), engine_->policy().limits);
            Caller caller;
            caller.principal = caller.actor = "bench";
            caller.door = "embedded";
            engine_->submit(std::move(*parsed.proposal), std::move(caller),
                            [&, key](Answer&& answer) {
                                if (answer.status != Answer::Status::accepted) {
                                    give_up(answer.message);
                                }
                                versions_[key] = 1;
                                ++answered;
                            });
        }
        run_until([&] { return sent - answered < 1024; });
    }
    run_until([&] { return answered == count; });
}

Folder::Folder(const std::string& parent, const std::string& name)
    : path_(fmt::format("{}/{}-{}", parent, name, ::getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace se::bench
