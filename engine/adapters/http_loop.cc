#include "engine/adapters/http_loop.h"

#include <boost/asio/post.hpp>

#include "engine/adapters/http_loop_state.h"

namespace se {
namespace {

using boost::system::error_code;
using std::chrono::steady_clock;

void await_signal(boost::asio::signal_set& set, const std::function<void(int)>& caught) {
    set.async_wait([&set, caught](error_code error, int signal) {
        if (error) return;
        await_signal(set, caught);
        caught(signal);
    });
}

}  // namespace

HttpLoop::HttpLoop() : state_(std::make_unique<State>()) {}
HttpLoop::~HttpLoop() = default;

void HttpLoop::run() {
    // A stop() that came first must not be undone by the restart; one that comes from here on ends the
    // run below, were it before its first turn.
    state_->context.restart();
    if (!state_->stop_wanted) state_->context.run();
    state_->stop_wanted = false;
}

void HttpLoop::stop() {
    state_->stop_wanted = true;
    state_->context.stop();
}

void HttpLoop::post(std::function<void()> job) {
    boost::asio::post(state_->context, std::move(job));
}

void HttpLoop::on_alarm(std::function<void()> ring) { state_->ring = std::move(ring); }

void HttpLoop::set_alarm(std::chrono::nanoseconds wait) {
    const auto at = steady_clock::now() + wait;
    if (at >= state_->alarm_at) return;
    state_->alarm_at = at;
    state_->alarm.expires_at(at);
    state_->alarm.async_wait([this](error_code error) {
        if (error) return;
        state_->alarm_at = steady_clock::time_point::max();
        state_->ring();
    });
}

void HttpLoop::on_signals(std::initializer_list<int> signals, std::function<void(int)> caught) {
    auto set = std::make_unique<boost::asio::signal_set>(state_->context);
    for (const int signal : signals) set->add(signal);
    await_signal(*set, caught);
    state_->signals.push_back(std::move(set));
}

}  // namespace se
