#include "tools/statectl/context.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>

#include "journal/base/time_text.h"
#include "journal/segment.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {

void TerminalLog::write(const LogEvent& event) {
    if (!takes(event.severity)) return;
    std::string line(event.name);
    for (const auto& [name, value] : event.context) line += fmt::format(" {}={}", name, value);
    complain(line);
}

Form Context::form() const {
    if (output == "table") return Form::table;
    if (output == "json") return Form::json;
    if (output == "jsonl") return Form::jsonl;
    return is_terminal(STDOUT_FILENO) ? Form::table : Form::jsonl;
}

Outcome<Ok> Context::need_store() {
    SE_TRY(exists, files.exists(paths().store_file()));
    if (exists) return Ok{};
    // Segments without it are no absent store: whoever reads it says what is wrong.
    if (const auto segments = list_segments(files, paths()); segments && !segments->empty()) return Ok{};
    return Failure(kError, fmt::format("no store in {}: it has no store.json; name its folder with "
                                       "--data DIR or STATE_ENGINE_DATA",
                                       data));
}

Outcome<Ok> Context::need_files(std::string_view command) const {
    if (url.empty()) return Ok{};
    return Failure(kUsage, fmt::format("{} reads the store's files: give --data DIR, not --url",
                                       command));
}

std::string user_name() {
    const uid_t user = ::geteuid();
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(16384, '\0');
    if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return std::to_string(user);
}

std::string host_name() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0) return "unknown";
    return name;
}

Outcome<std::chrono::milliseconds> duration_from_text(std::string_view text,
                                                      std::chrono::milliseconds unit) {
    using namespace std::chrono_literals;
    std::int64_t count = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
    if (suffix == "ms") unit = 1ms;
    else if (suffix == "s") unit = 1s;
    else if (suffix == "m") unit = 1min;
    else if (suffix == "h") unit = 1h;
    else if (suffix == "d") unit = 24h;
    else if (!suffix.empty()) unit = 0ms;
    constexpr std::int64_t kYears100 = 100ll * 366 * 86'400'000;
    if (problem != std::errc() || unit == 0ms || count < 0 || count > kYears100 / unit.count()) {
        return Failure(kUsage, fmt::format("'{}' is no duration: write 500ms, 5s, 10m, 2h or 7d",
                                           text));
    }
    return count * unit;
}

Outcome<Time> time_of_option(std::string_view text, const Clock& clock) {
    if (const auto time = time_from_text(text)) return *time;
    if (const auto ago = duration_from_text(text, std::chrono::seconds(1)))
        return clock.wall() - *ago;
    return Failure(kUsage, fmt::format("'{}' is no time: write 2026-11-21T02:00:00Z, or how long "
                                       "ago as 10m, 2h, 7d",
                                       text));
}

Engine::Writer this_writer() {
    return {.host = host_name(),
            .pid = static_cast<std::uint64_t>(::getpid()),
            .program = "statectl " SE_VERSION};
}

}  // namespace se::statectl
