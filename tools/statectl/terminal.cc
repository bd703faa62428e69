#include "tools/statectl/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <iostream>

namespace se::statectl {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLogLine{5};
constexpr std::size_t kBarColumns = 24;

volatile std::sig_atomic_t interrupt_seen = 0;

constexpr time_t kOneWishSeconds = 1;
timespec interrupted_at{};

/// The first one asks for a good end. `timeout` and a shell may signal both the process and its group: what
/// comes close behind the first is the same wish. Who says it again later does not want to wait.
extern "C" void note_interrupt(int signal) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    if (interrupt_seen == 0) {
        interrupted_at = now;
        interrupt_seen = 1;
    } else if (now.tv_sec - interrupted_at.tv_sec > kOneWishSeconds) {
        ::signal(signal, SIG_DFL);
        ::raise(signal);
    }
}

/// A stderr that takes nothing (a full disk, a closed one) is no reason to end: the exit code still tells.
void say(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

std::size_t terminal_columns() {
    winsize size{};
    if (!is_terminal(STDOUT_FILENO) || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

void complain(std::string_view text) { say(fmt::format("statectl: {}\n", text)); }

void remark(std::string_view text) { say(fmt::format("{}\n", text)); }

Outcome<bool> confirm(std::string_view question, bool yes) {
    if (yes) return true;
    if (!is_terminal(STDIN_FILENO) || !is_terminal(STDERR_FILENO)) {
        return Failure(kUsage,
                       "this changes what cannot be changed back, and there is no terminal to ask "
                       "at: look at it with --dry-run, then say --yes");
    }
    say(fmt::format("{} [y/N] ", question));
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

void catch_interrupts() {
    struct sigaction action = {};
    action.sa_handler = note_interrupt;  // no SA_RESTART: whoever waits is woken
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return interrupt_seen != 0; }

Progress::Progress(std::string what, std::uint64_t total)
    : what_(std::move(what)),
      total_(total),
      terminal_(is_terminal(STDERR_FILENO)),
      started_(std::chrono::steady_clock::now()),
      next_(started_ + (terminal_ ? std::chrono::milliseconds(kRedraw) : kLogLine)) {}

Progress::~Progress() { clear(); }

void Progress::at(std::uint64_t done, std::string_view note) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + (terminal_ ? std::chrono::milliseconds(kRedraw) : kLogLine);
    std::string line = what_;
    if (total_ != 0) {
        const double share =
            std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
        if (terminal_) {
            const auto full = static_cast<std::size_t>(share * kBarColumns);
            line += fmt::format(" [{}{}]", std::string(full, '#'),
                                std::string(kBarColumns - full, '.'));
        }
        line += fmt::format(" {:3.0f} %", share * 100);
    }
    if (!note.empty()) line += fmt::format("  {}", note);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - started_).count();
    line += fmt::format("  {} s", seconds);
    if (terminal_) {
        say("\r\x1b[K" + line);
        drawn_ = true;
    } else {
        say(line + "\n");
    }
    std::fflush(stderr);
}

void Progress::clear() {
    if (drawn_) say("\r\x1b[K");
    drawn_ = false;
    std::fflush(stderr);
}

}  // namespace se::statectl
