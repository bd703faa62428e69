#include <algorithm>
#include <array>

#include "journal/base/json.h"
#include "tools/daemon_run.h"

namespace se {

/// The process, for the tools of an operator. What stops it happens behind the answer.
mcp::Platform Daemon::platform() {
    mcp::Platform platform;
    platform.service = config_.settings.service_name;
    platform.version = SE_VERSION;
    platform.profile = "daemon";
    platform.document = [this](std::string_view route) -> Result<std::string> {
        std::string body;
        Request request{.method = "GET", .target = std::string(route)};
        request.peer = {.kind = Peer::Kind::socket, .user = "mcp"};
        api_.handle(std::move(request), [&body](Response&& response) { body = std::move(response.body); });
        return body;
    };
    for (const SettingInfo& info : all_settings()) {
        JsonObject(platform.settings_json.emplace_back())
            .text("name", info.name)
            .text("default", info.default_value)
            .text("meaning", info.meaning)
            .text("environment", info.environment)
            .close();
    }
    platform.set_log_level = [this](const std::string& level) -> Status {
        const auto severity = severity_from_text(level);
        if (!severity) return Error{Errc::malformed, "level is debug, info, warn or error, not " + level};
        log_.set_severity_min(*severity);
        return Ok{};
    };
    platform.log_level = [this] {
        constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warn", "error"};
        return std::string(*std::ranges::find_if(kNames, [&](std::string_view name) {
            return severity_from_text(name) == log_.severity_min();
        }));
    };
    platform.drain = [this] {
        if (engine_ != nullptr) engine_->drain();
    };
    platform.stop = [this](bool restart) {
        restarts_ = restart;
        loop_.post([this] { stop("mcp"); });
    };
    platform.note = [this](std::string_view what, const Caller& by) {
        log_.write({Severity::warning,
                    "state-engine.operator",
                    {{"action", std::string(what)}, {"principal", by.principal}}});
    };
    return platform;
}

}  // namespace se
