#include "tools/daemon_followers.h"

#include <algorithm>
#include <future>
#include <utility>

namespace se {

using namespace std::chrono_literals;

DaemonFollowers::DaemonFollowers(Doors doors, StorePaths paths)
    : doors_(std::move(doors)), paths_(std::move(paths)) {
    loop_.on_alarm([this] { step(); });
}

DaemonFollowers::~DaemonFollowers() {
    stop();
}

std::function<void()> DaemonFollowers::waker() {
    return [this] { wake(); };
}

void DaemonFollowers::add(FollowerOptions options, MessagesOf messages_of,
                          std::unique_ptr<Sink> sink) {
    // From their thread to the daemon's, and what is told back again.
    const auto note = [this, follower = options.name](std::string name, std::string body,
                                                      std::function<void(Status)> told) {
        doors_.home.post([this, follower, name = std::move(name), body = std::move(body),
                          told = std::move(told)]() mutable {
            doors_.note(follower, std::move(name), std::move(body),
                        [this, told = std::move(told)](Status outcome) {
                            loop_.post([this, told, outcome = std::move(outcome)] {
                                told(outcome);
                                step();
                            });
                        });
        });
    };
    auto follower =
        std::make_unique<Follower>(Follower::Doors{.files = doors_.files,
                                                   .clock = doors_.clock,
                                                   .random = doors_.random,
                                                   .log = doors_.log,
                                                   .note = note},
                                   paths_, std::move(options), std::move(messages_of), *sink);
    followers_.push_back({std::move(sink), std::move(follower)});
}

void DaemonFollowers::begin() {
    if (followers_.empty()) return;
    if (!thread_.joinable()) {
        // Here and now: their watermarks come before the first proposal of this run.
        step();
        thread_ = std::thread([this] { loop_.run(); });
        return;
    }
    loop_.post([this] {
        paused_ = false;
        for (const Running& one : followers_) one.follower->restart();
        step();
    });
}

void DaemonFollowers::pause() {
    if (!thread_.joinable()) return;
    std::promise<void> paused;
    loop_.post([&] {
        if (!std::exchange(paused_, true)) keep();
        paused.set_value();
    });
    paused.get_future().wait();
}

void DaemonFollowers::wake() {
    if (!followers_.empty() && !step_posted_.exchange(true)) loop_.post([this] { step(); });
}

void DaemonFollowers::step() {
    step_posted_ = false;
    if (paused_) return;
    std::chrono::nanoseconds wait = 1s;
    for (const Running& one : followers_) wait = std::min(wait, one.follower->step());
    tell();
    wait.count() == 0 ? wake() : loop_.set_alarm(wait);
}

void DaemonFollowers::tell() {
    std::vector<FollowerStatus> now;
    for (const Running& one : followers_) now.push_back(one.follower->status());
    const std::lock_guard lock(mutex_);
    told_ = std::move(now);
}

void DaemonFollowers::stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
    // Another may have it, whose followers have come further.
    if (!paused_) keep();
}

void DaemonFollowers::keep() {
    for (const Running& one : followers_) {
        if (const Status kept = one.follower->close(); !kept)
            doors_.log.write(
                {Severity::warning,
                 "state-engine.follower.watermark_not_kept",
                 {{"follower", one.follower->options().name}, {"error", kept.error().text}}});
    }
}

std::vector<FollowerStatus> DaemonFollowers::statuses() const {
    const std::lock_guard lock(mutex_);
    return told_;
}

void DaemonFollowers::ask(const std::string& follower, Job job,
                          std::function<void(Result<std::string>)> done) {
    const auto found = std::ranges::find_if(
        followers_, [&](const Running& one) { return one.follower->options().name == follower; });
    if (found == followers_.end() || !thread_.joinable())
        return done(Error{Errc::not_found, "no follower is called " + follower});
    loop_.post([this, &asked = *found->follower, job = std::move(job), done = std::move(done)] {
        auto answer = paused_ ? Result<std::string>(Error{Errc::unavailable, "the store is not open"}) : job(asked);
        step();
        doors_.home.post([done, answer = std::move(answer)] { done(answer); });
    });
}

}  // namespace se
