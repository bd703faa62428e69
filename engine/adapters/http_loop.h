#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>

namespace se {

/// The turns of one thread: what was posted, an alarm, signals, and the sockets of HttpServer. All that
/// runs in it runs one after the other.
class HttpLoop {
public:
    HttpLoop();
    ~HttpLoop();
    HttpLoop(const HttpLoop&) = delete;
    HttpLoop& operator=(const HttpLoop&) = delete;

    /// Runs until stop(). May be called again, then also from another thread.
    void run();
    /// Ends the run() that is going on, or else the next one; what is ready waits for the one after it.
    /// Any thread.
    void stop();
    /// Runs `job` in a later turn, behind all that is ready now. Any thread.
    void post(std::function<void()> job);

    /// What happens at the alarm. It is set anew there if it is wanted again.
    void on_alarm(std::function<void()> ring);
    /// Rings after `wait` at the latest: one that rings sooner stays.
    void set_alarm(std::chrono::nanoseconds wait);

    void on_signals(std::initializer_list<int> signals, std::function<void(int)> caught);

    struct State;
    State& state() { return *state_; }  ///< for HttpServer

private:
    std::unique_ptr<State> state_;
};

}  // namespace se
