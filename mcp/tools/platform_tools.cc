#include "mcp/tools/platform_tools.h"

#include "engine/answer.h"
#include "mcp/tools/words.h"

namespace se::mcp {
namespace {

constexpr std::string_view kNothing =
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{}})";
constexpr std::string_view kObject =
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"})";
constexpr std::string_view kLooks =
    R"({"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":false})";
constexpr std::string_view kActs =
    R"({"readOnlyHint":false,"destructiveHint":true,"idempotentHint":true,"openWorldHint":false})";
constexpr std::string_view kDebugLog = "log.debug";

ToolOutcome shown(std::string json) { return object_outcome(ToolOutcome::Kind::ok, std::move(json)); }

ToolOutcome document(const Platform& platform, std::string_view route) {
    auto told = platform.document(route);
    if (!told) return fault_of(told.error());
    auto json = parse_json(*told, 1000);
    if (!json || !json->is_object()) return fault_of({Errc::unavailable, "no answer from the engine"});
    return shown(se::to_text(*json));
}

/// Settings that are switches: what the platform calls flags. Only the one of the log can be turned while running.
ToolOutcome flags(const Platform& platform) {
    auto told = platform.document("/_debug/config");
    if (!told) return fault_of(told.error());
    const auto config = parse_json(*told, 1000);
    std::string json;
    JsonObject all(json);
    JsonObject values(all.member("flags"));
    values.boolean(kDebugLog, platform.log_level() == "debug");
    if (config && config->is_object()) {
        for (const auto& [section, members] : config->object()) {
            if (!members.is_object()) continue;
            for (const auto& [name, value] : members.object()) {
                if (value.is_bool()) values.boolean(section + "." + name, value.boolean());
            }
        }
    }
    values.close();
    all.raw("changeable", "[\"" + std::string(kDebugLog) + "\"]").close();
    return shown(std::move(json));
}

ToolOutcome set_level(const Platform& platform, const ToolContext& context, const std::string& level) {
    if (const auto set = platform.set_log_level(level); !set) return ToolOutcome::invalid(set.error().text);
    platform.note("log level " + level, context.caller);
    std::string json;
    JsonObject(json).text("status", "ok").text("level", platform.log_level()).close();
    return shown(std::move(json));
}

ToolOutcome set_flag(const Platform& platform, const ToolContext& context, const std::string& level_off) {
    Arguments arguments(context.arguments);
    const std::string name = arguments.needed_text("name");
    const bool value = arguments.boolean("value", false);
    const Json* given = context.arguments.find("value");
    if (given == nullptr || given->is_null()) arguments.wrong("'value' is missing: true or false");
    if (!arguments.problem().empty()) return ToolOutcome::invalid(arguments.problem());
    if (name != kDebugLog) {
        return refusal(Code::value_invalid,
                       "The flag '" + name + "' cannot be changed while the engine runs; it is a setting of its "
                       "configuration.",
                       "Changeable: " + std::string(kDebugLog));
    }
    return set_level(platform, context, value ? "debug" : level_off);
}

ToolOutcome going(std::string_view what) {
    std::string json;
    JsonObject(json).text("status", what).close();
    return shown(std::move(json));
}

Tool tool(std::string name, std::string title, std::string description, std::string_view scope,
          std::function<ToolOutcome(const ToolContext&)> work, std::string_view input = kNothing) {
    return {.name = std::move(name),
            .title = std::move(title),
            .description = std::move(description),
            .input_schema_json = std::string(input),
            .output_schema_json = std::string(kObject),
            .annotations_json = std::string(scope == kScopeRead ? kLooks : kActs),
            .scope = std::string(scope),
            .run = [work = std::move(work)](const ToolContextPtr& context,
                                            const auto& done) { done(work(*context)); }};
}

std::string info(const Platform& platform, const std::vector<std::string>& names) {
    std::string json;
    JsonObject object(json);
    object.text("name", platform.service).text("version", platform.version).text("profile", platform.profile);
    std::string& list = object.member("tools");
    list += '[';
    for (const std::string& name : names) {
        if (list.back() != '[') list += ',';
        append_json_string(list, name);
    }
    list += ']';
    object.close();
    return json;
}

std::string described(const Platform& platform) {
    std::string json;
    JsonObject object(json);
    object.raw("settings", '[' + joined(platform.settings_json, ",") + ']').close();
    return json;
}

}  // namespace

std::vector<Tool> platform_tools(Platform& platform, ToolNames names) {
    std::vector<Tool> tools;
    const Platform* const p = &platform;
    std::string level_off = platform.log_level ? platform.log_level() : "";
    if (level_off.empty() || level_off == "debug") level_off = "info";
    if (platform.document) {
        tools.push_back(tool("bit.info", "Who is this", "Name, version and profile of this service.", kScopeRead,
                             [p, names = std::move(names)](const ToolContext& context) {
                                 return shown(info(*p, names(context)));
                             }));
        tools.push_back(tool("bit.health", "Is it alive", "Health of this service, as /healthz tells it.",
                             kScopeRead, [p](const ToolContext&) { return document(*p, "/healthz"); }));
        tools.push_back(tool("bit.readiness", "Is it ready",
                             "Whether this service takes proposals, and if not, why; as /readyz tells it.",
                             kScopeRead, [p](const ToolContext&) { return document(*p, "/readyz"); }));
        tools.push_back(tool("bit.config.get", "Settings in force", "All settings in force; secrets are redacted.",
                             kScopeRead, [p](const ToolContext&) { return document(*p, "/_debug/config"); }));
        tools.push_back(tool("bit.config.describe", "What the settings mean",
                             "Every setting: name, default, meaning, environment variable.", kScopeRead,
                             [p](const ToolContext&) { return shown(described(*p)); }));
        tools.push_back(tool("bit.flags.get", "Switches", "Settings that are switches, and which can be turned now.",
                             kScopeRead, [p](const ToolContext&) { return flags(*p); }));
    }
    if (platform.set_log_level) {
        tools.push_back(tool("bit.flags.set", "Turn a switch", "Turns a switch that bit.flags.get calls changeable.",
                             kScopeOperateBit,
                             [p, level_off](const ToolContext& context) { return set_flag(*p, context, level_off); },
                             R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",)"
                             R"("properties":{"name":{"type":"string"},"value":{"type":"boolean"}},)"
                             R"("required":["name","value"]})"));
        tools.push_back(tool(
            "bit.log.level", "Log more or less", "Sets how much this service logs, until it restarts.",
            kScopeOperateBit,
            [p](const ToolContext& context) {
                Arguments arguments(context.arguments);
                const std::string level = arguments.needed_text("level");
                if (!arguments.problem().empty()) return ToolOutcome::invalid(arguments.problem());
                return set_level(*p, context, level);
            },
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"level":{"type":"string","enum":["debug","info","warn","error"]}},"required":["level"]})"));
    }
    if (platform.drain) {
        tools.push_back(tool("bit.drain", "Take no more changes",
                             "Takes no more proposals from now on, until it is restarted; reads go on.",
                             kScopeOperateBit, [p](const ToolContext& context) {
                                 p->note("drain", context.caller);
                                 p->drain();
                                 return going("draining");
                             }));
    }
    if (platform.stop) {
        tools.push_back(tool("bit.shutdown", "Stop", "Finishes what is under way, then ends the process.",
                             kScopeOperateBit, [p](const ToolContext& context) {
                                 p->note("shutdown", context.caller);
                                 p->stop(false);
                                 return going("stopping");
                             }));
        tools.push_back(tool("bit.restart", "Restart", "Finishes what is under way, then starts the process anew.",
                             kScopeOperateBit, [p](const ToolContext& context) {
                                 p->note("restart", context.caller);
                                 p->stop(true);
                                 return going("restarting");
                             }));
    }
    return tools;
}

}  // namespace se::mcp
