// set, delete, increment, push, merge: one proposal each.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <iterator>

#include "tools/statectl/commands.h"
#include "tools/statectl/decider.h"
#include "tools/statectl/proposing.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

struct WriteOptions {
    std::string command;
    WriteFlags flags;
    std::string key;
    std::vector<std::string> keys;  // delete
    std::optional<std::string> value;
    std::string file;     ///< --from
    bool string = false;  ///< --string
};

Outcome<std::string> read_all(Context& context, const std::string& path) {
    constexpr std::uint64_t kBytesMax = 64u << 20;
    if (path == "-")
        return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    SE_TRY(text, read_file(context.files, path, kBytesMax));
    return std::move(text);
}

/// VALUE is JSON if it parses, else a string.
Json value_of(const WriteOptions& options, const std::string& text) {
    if (options.string) return Json(text);
    auto json = parse_json(text);
    if (json) return std::move(*json);
    if (text.starts_with('{') || text.starts_with('['))
        complain("taken as a string, since it is no JSON: " + json.error().text);
    return Json(text);
}

Outcome<int> propose(Context& context, const WriteOptions& options, Json proposal) {
    SE_TRY_OK(add_flags(context, options.flags, "statectl " + options.command, &proposal));
    SE_TRY(told, propose_once(context, to_text(proposal), options.flags.dry_run));
    show(context.form(), told);
    return exit_code(told.answer);
}

/// The text that the value is read from: the argument, or --from.
Outcome<std::string> value_text(Context& context, const WriteOptions& options) {
    if (options.file.empty() != options.value.has_value()) {
        return Failure(kUsage, options.value ? "the value comes from VALUE or from --from, not from both"
                                             : "VALUE is missing (or --from FILE)");
    }
    if (options.value) return *options.value;
    SE_TRY(text, read_all(context, options.file));
    // A file ends in a newline; a value does not.
    if (text.ends_with('\n')) text.pop_back();
    return std::move(text);
}

Outcome<int> set_or_push(Context& context, const WriteOptions& options) {
    SE_TRY(text, value_text(context, options));
    return propose(context, options,
                   Json(Json::Object{{"op", options.command},
                                     {"key", options.key},
                                     {"value", value_of(options, text)}}));
}

Outcome<int> increment(Context& context, const WriteOptions& options) {
    const std::string text = options.value.value_or("1");
    const auto by = parse_json(text);
    if (!by || !by->is_number())
        return Failure(kUsage, fmt::format("'{}' is no number to increment by", text));
    return propose(
        context, options,
        Json(Json::Object{{"op", "increment"}, {"key", options.key}, {"value", *by}}));
}

Outcome<int> merge(Context& context, const WriteOptions& options) {
    SE_TRY(text, value_text(context, options));
    auto patch = parse_json(text);
    if (!patch) return Failure(kUsage, "merge takes a JSON object: " + patch.error().text);
    if (!patch->is_object())
        return Failure(kUsage, "merge takes a JSON object, as in '{\"volume\":7}'");
    return propose(context, options,
                   Json(Json::Object{{"op", "merge"},
                                     {"key", options.key},
                                     {"value", std::move(*patch)}}));
}

Outcome<int> remove(Context& context, const WriteOptions& options) {
    if (options.keys.size() == 1) {
        return propose(context, options,
                       Json(Json::Object{{"op", "delete"}, {"key", options.keys.front()}}));
    }
    if (options.flags.expected_version)
        return Failure(kUsage, "--expected-version speaks of one key; delete them one by one");
    Json::Array ops;
    for (const std::string& key : options.keys)
        ops.push_back(Json(Json::Object{{"op", "delete"}, {"key", key}}));
    if (!options.flags.dry_run) {
        remark(fmt::format("Will delete {} keys, all or none:", options.keys.size()));
        for (const std::string& key : options.keys) remark("  " + key);
        SE_TRY(agreed, confirm("Delete them?", options.flags.yes));
        if (!agreed) return Failure(kError, "nothing was changed");
    }
    return propose(context, options, Json(Json::Object{{"ops", std::move(ops)}}));
}

void add_flags_of(CLI::App* command, WriteFlags& flags, bool keeps_ttl) {
    command->add_option("--reason", flags.reason, "Why, for the record")->type_name("TEXT");
    command->add_option("--id", flags.id,
                        "The proposal's id: the same one again changes nothing a second time")
        ->check(not_empty)
        ->type_name("TEXT");
    command->add_option("--actor", flags.actor, "Whom the change is attributed to; default: you")
        ->type_name("NAME");
    command->add_option("--expected-version", flags.expected_version,
                        "Only if this version stands now; 0: only if the key is absent")
        ->check(not_negative)
        ->type_name("N");
    if (keeps_ttl) {
        command->add_option("--ttl", flags.ttl, "Expires after this time; 0: never")
            ->type_name("TIME");
    }
    command->add_option("--metadata", flags.metadata, "A JSON object kept beside the value")
        ->type_name("JSON");
    command->add_flag("--dry-run", flags.dry_run, "Say what would happen; change nothing");
}

using Work = Outcome<int> (*)(Context&, const WriteOptions&);

std::pair<CLI::App*, std::shared_ptr<WriteOptions>> add_write(CommandLine& line,
                                                              const std::string& name, Work work,
                                                              const std::string& help,
                                                              const std::string& examples) {
    auto options = std::make_shared<WriteOptions>();
    options->command = name;
    CLI::App* command = line.add(&line.app, name, help, examples);
    line.on(command, options, work);
    return {command, options};
}

}  // namespace

void add_writing(CommandLine& line) {
    const auto value_from = [](CLI::App* command, WriteOptions& options, const char* help) {
        command->add_option("KEY", options.key, "The key")->required();
        command->add_option("VALUE", options.value, help);
        command->add_option("--from", options.file, "Take the value from a file; - is stdin")
            ->type_name("FILE");
    };
    {
        auto [command, options] = add_write(
            line, "set", set_or_push, "Give a key a value",
            "  statectl set stream.state on --reason \"going live\"\n"
            "  statectl set user.fact.ann '{\"likes\":[\"tea\"]}' --ttl 7d\n"
            "  statectl set stream.title 42 --string          the text 42, not the number\n"
            "  statectl set obs.scene live --expected-version 3\n"
            "  statectl set user.fact.bob --from big.json\n"
            "  statectl set -- user.fact.x -x                 -- before a value that begins with -");
        value_from(command, *options, "JSON if it parses as such, else a text");
        command->add_flag("--string", options->string, "Take the value as text, whatever it looks like");
        add_flags_of(command, options->flags, true);
    }
    {
        auto [command, options] = add_write(
            line, "delete", remove, "Take keys away; several: all or none",
            "  statectl delete obs.scene --reason cleanup\n"
            "  statectl delete user.fact.a user.fact.b --yes\n"
            "A deleted key's version lives on: the next set continues from it.");
        command->add_option("KEY", options->keys, "Keys")->required();
        add_flags_of(command, options->flags, false);
        command->add_flag("--yes", options->flags.yes, "Do not ask before several are deleted");
    }
    {
        auto [command, options] =
            add_write(line, "increment", increment, "Add to a number; an absent one counts as 0",
                      "  statectl increment user.fact.visits\n"
                      "  statectl increment user.fact.balance -5");
        command->add_option("KEY", options->key, "The key")->required();
        command->add_option("N", options->value, "By how much (default 1)");
        add_flags_of(command, options->flags, true);
    }
    {
        auto [command, options] =
            add_write(line, "push", set_or_push, "Append to a list; an absent one counts as []",
                      "  statectl push user.fact.names '\"Ann\"'\n"
                      "  statectl push user.fact.names Bob");
        value_from(command, *options, "JSON if it parses as such, else a text");
        command->add_flag("--string", options->string, "Take the value as text, whatever it looks like");
        add_flags_of(command, options->flags, true);
    }
    {
        auto [command, options] = add_write(
            line, "merge", merge, "Merge an object into an object (RFC 7396)",
            "  statectl merge user.fact.ann '{\"city\":\"Oslo\",\"old\":null}'   null takes a member away");
        value_from(command, *options, "A JSON object");
        add_flags_of(command, options->flags, true);
    }
}

}  // namespace se::statectl
