#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/statectl/outcome.h"

namespace se::statectl {

bool is_terminal(int descriptor);
/// Columns of the terminal on stdout; 0 when it is none.
std::size_t terminal_columns();

/// One line of trouble on stderr: "statectl: …".
void complain(std::string_view text);
/// One line on stderr for whoever watches; no prefix.
void remark(std::string_view text);

/// Asks on the terminal. True at once with `yes`; a Failure (usage) when nobody can be asked.
Outcome<bool> confirm(std::string_view question, bool yes);

/// From now on the first Ctrl-C or SIGTERM does not end the process but makes interrupted() true.
void catch_interrupts();
bool interrupted();

/// How far something is, on stderr: a bar that is redrawn on a terminal, else a line every few
/// seconds, so that a log of it stays readable.
class Progress {
public:
    /// `total` 0: unknown.
    Progress(std::string what, std::uint64_t total);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// Cheap to call often. `note` is what else to say, such as counts.
    void at(std::uint64_t done, std::string_view note = {});
    /// Takes the bar away, so that results can be shown.
    void clear();

private:
    std::string what_;
    std::uint64_t total_;
    bool terminal_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point started_, next_;
};

}  // namespace se::statectl
