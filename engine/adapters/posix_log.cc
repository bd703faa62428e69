#include "engine/adapters/posix_log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/tracing.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

struct SeverityNames {
    std::string_view level;
    std::string_view severity;
};

constexpr std::array<SeverityNames, 4> kSeverityNames = {
    {{"debug", "DEBUG"}, {"info", "INFO"}, {"warn", "WARNING"}, {"error", "ERROR"}}};

constexpr std::array<std::string_view, 5> kFixedNames = {"ts", "service", "level", "severity",
                                                         "msg"};
constexpr std::string_view kEllipsis = "\u2026";

/// The secrets as they may turn up in a value: as they are, and inside JSON text.
std::vector<std::string> with_escaped_forms(const std::vector<std::string>& secrets) {
    std::vector<std::string> forms;
    for (const std::string& secret : secrets) {
        if (secret.empty()) continue;
        forms.push_back(secret);
        std::string quoted;
        append_json_string(quoted, secret);
        std::string escaped = quoted.substr(1, quoted.size() - 2);
        if (escaped != secret) forms.push_back(std::move(escaped));
    }
    return forms;
}

/// All that any secret covers is found first and replaced after, so that of two that overlap no
/// rest of the second is left.
std::string redacted(std::string_view text, const std::vector<std::string>& secrets) {
    std::vector<bool> covered;
    for (const std::string& secret : secrets) {
        for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at + 1)) {
            covered.resize(text.size());
            std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(at), secret.size(), true);
        }
    }
    if (covered.empty()) return std::string(text);
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!covered[i])
            out += text[i];
        else if (i == 0 || !covered[i - 1])
            out += "[redacted]";
    }
    return out;
}

/// The size of the UTF-8 character that `text` begins with, or 0 if there is none (RFC 3629).
std::size_t character_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t size = lead < 0xC2   ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
    if (size == 0 || size > text.size()) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    const bool too_high = lead == 0xF4 && byte(1) >= 0x90;
    return overlong || surrogate || too_high ? 0 : size;
}

/// Values come from anywhere, so they may be long or no UTF-8 at all; the line must be JSON still.
std::string presentable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t size = character_size(text);
        if (out.size() + size > kLogValueSizeMax) return out += kEllipsis;
        out += size == 0 ? std::string_view("\uFFFD") : text.substr(0, size);
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

void write_all(int descriptor, std::string_view line) {
    while (!line.empty()) {
        const ssize_t put = ::write(descriptor, line.data(), line.size());
        if (put < 0 && errno != EINTR) return;
        if (put > 0) line.remove_prefix(static_cast<std::size_t>(put));
    }
}

}  // namespace

std::optional<Severity> severity_from_text(std::string_view text) {
    std::string lower(text);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (lower == "warning") return Severity::warning;
    for (std::size_t i = 0; i < kSeverityNames.size(); ++i)
        if (lower == kSeverityNames[i].level) return static_cast<Severity>(i);
    return std::nullopt;
}

JsonLog::JsonLog(const Clock& clock, JsonLogOptions options)
    : clock_(clock), options_(std::move(options)), secrets_(with_escaped_forms(options_.secrets)), severity_min_(options_.severity_min) {}

void JsonLog::hide(std::string secret) {
    const std::lock_guard hold(mutex_);
    if (std::ranges::find(options_.secrets, secret) != options_.secrets.end()) return;
    options_.secrets.push_back(std::move(secret));
    secrets_ = with_escaped_forms(options_.secrets);
}

void JsonLog::write(const LogEvent& event) {
    if (!takes(event.severity)) return;
    const std::lock_guard hold(mutex_);
    const SeverityNames& names = kSeverityNames[static_cast<std::size_t>(event.severity)];
    const auto clean = [&](std::string_view text) { return presentable(redacted(text, secrets_)); };

    std::string line;
    JsonObject object(line);
    object.text("ts", to_text(clock_.wall()))
        .text("service", options_.service)
        .text("level", names.level)
        .text("severity", names.severity)
        .text("msg", clean(event.name));
    std::vector<std::string> taken(kFixedNames.begin(), kFixedNames.end());
    if (is_traceparent(event.trace)) {
        object.text("trace_id", trace_id_of(event.trace)).text("span_id", span_id_of(event.trace));
        taken.insert(taken.end(), {"trace_id", "span_id"});
    }
    for (const auto& [given_name, value] : event.context) {
        std::string name = clean(given_name);
        while (std::ranges::find(taken, name) != taken.end()) name.insert(0, "context_");
        object.text(name, clean(value));
        taken.push_back(std::move(name));
    }
    object.close();
    line += '\n';
    write_all(options_.descriptor, line);
}

}  // namespace se
