#include "tools/statectl/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>

namespace se::statectl {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLogLine{5};
constexpr std::size_t kBarColumns = 24;

volatile std::sig_atomic_t interrupt_seen = 0;

extern "C" void note_interrupt(int) { interrupt_seen = 1; }

}  // namespace

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

std::size_t terminal_columns() {
    winsize size{};
    if (!is_terminal(STDOUT_FILENO) || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

void complain(std::string_view text) { fmt::print(stderr, "statectl: {}\n", text); }

void remark(std::string_view text) { fmt::print(stderr, "{}\n", text); }

Outcome<bool> confirm(std::string_view question, bool yes) {
    if (yes) return true;
    if (!is_terminal(STDIN_FILENO) || !is_terminal(STDERR_FILENO)) {
        return Failure(kUsage,
                       "this changes what cannot be changed back, and there is no terminal to ask "
                       "at: look at it with --dry-run, then say --yes");
    }
    fmt::print(stderr, "{} [y/N] ", question);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

void catch_interrupts() {
    struct sigaction action = {};
    action.sa_handler = note_interrupt;  // no SA_RESTART: whoever waits is woken
    action.sa_flags = SA_RESETHAND;      // and who does not want to wait says it twice
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
        fmt::print(stderr, "\r\x1b[K{}", line);
        drawn_ = true;
    } else {
        fmt::print(stderr, "{}\n", line);
    }
    std::fflush(stderr);
}

void Progress::clear() {
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
    drawn_ = false;
    std::fflush(stderr);
}

}  // namespace se::statectl
