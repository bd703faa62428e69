#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tools/statectl/context.h"

namespace se::statectl {

class Door;

/// The whole command line. Each family of commands adds its own (one file each); the one that was
/// called leaves in `run` what is to be done once all flags are read.
struct CommandLine {
    CLI::App app{"", "statectl"};
    Context context;
    std::function<Outcome<int>()> run;

    /// Adds a command: a line of help, and examples shown below it.
    CLI::App* add(CLI::App* parent, const std::string& name, const std::string& help,
                  const std::string& examples);
    /// `work` gets the options that the command's flags were read into; what it returns is the exit code.
    template <class Options>
    void on(CLI::App* command, std::shared_ptr<Options> options,
            Outcome<int> (*work)(Context&, const Options&)) {
        command->callback([this, options, work] {
            run = [this, options, work] { return work(context, *options); };
        });
    }
};

void add_reading(CommandLine& line);        // get list history watch
void add_writing(CommandLine& line);        // set delete increment push merge
void add_operating(CommandLine& line);      // status reload rebuild
void add_importing(CommandLine& line);      // import, import --genesis
void add_journal(CommandLine& line);        // journal ls cat tail grep stats verify replay repair, tail
void add_doctor(CommandLine& line);
void add_rules(CommandLine& line);          // rules eval test graph
void add_token(CommandLine& line);          // token new hash
void add_completion(CommandLine& line);

// Families that share the parent command `journal`.
void add_journal_records(CommandLine& line, CLI::App* journal);   // ls cat tail grep stats
void add_journal_checks(CommandLine& line, CLI::App* journal);    // verify replay repair

/// For --id: one that is empty (of a variable that is not set) names nothing.
inline std::string not_empty(const std::string& text) { return text.empty() ? "it is empty" : ""; }
/// For numbers, before they are read: -1 would become the highest there is.
inline std::string not_negative(const std::string& text) {
    return text.starts_with('-') ? text + " is negative" : "";
}
inline std::string at_least_one(const std::string& text) {
    return text == "0" ? "it is at least 1" : not_negative(text);
}

// What the commands that act on the store have in common, and what a daemon is sent of it.
struct WhyFlags {
    std::string id, reason;
};
void add_why_flags(CLI::App* command, WhyFlags& flags);
Why why_of(const WhyFlags& flags, std::string_view command);
std::string body_of(const Why& why);

/// retry or drop of one dead letter of the bus or of Firestore.
struct LetterOrder {
    std::string id;
    WhyFlags why;
    bool dry_run = false;
    bool yes = false;
};
void add_letter_flags(CLI::App* command, LetterOrder& order, bool drops);
/// Asks, where it is a drop, and sends it to `route`; on a dry run only says that it is there. `command` is the
/// default reason.
Outcome<int> order_letter(Context& context, Door& door, const std::string& route, std::string_view command,
                          bool drops, const LetterOrder& order);

// What the commands that write have in common.
struct WriteFlags {
    std::string id, reason, actor, ttl, metadata;
    std::optional<std::uint64_t> expected_version;
    bool dry_run = false;
    bool yes = false;
};

}  // namespace se::statectl
