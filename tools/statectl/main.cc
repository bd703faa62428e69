// statectl: the store at hand, whether a daemon runs or not. What each command does is in the file of
// its family; this one reads the flags that all share and turns the outcome into an exit code.

#include <cstdlib>

#include "engine/api/target.h"
#include "tools/standard_streams.h"
#include "tools/statectl/bus_commands.h"
#include "tools/statectl/firestore_commands.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/egress_commands.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr const char* kFooter = R"(
Where: --data (or STATE_ENGINE_DATA, else ./data). If a daemon runs there it is asked through its
socket; if not, the store is opened directly. --url asks a daemon over TCP.

Exit codes: 0 ok, 1 error, 2 conflict, 3 denied, 4 damage or difference found, 5 not found,
6 pending, 7 unavailable (retry), 64 usage.

Examples:
  statectl set stream.state on --reason "going live"
  statectl get stream.state
  statectl list user. -o table
  statectl watch stream.
  statectl journal tail -f
  statectl doctor)";

void add_common(CommandLine& line) {
    CLI::App& app = line.app;
    Context& context = line.context;
    app.description("Reads and changes the state that a journal holds, and looks after the journal.");
    app.footer(kFooter);
    app.set_version_flag("--version", SE_VERSION, "Print the version");
    app.set_help_flag("-h,--help", "Print help, of a command too: statectl set --help");
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--data", context.data, "The store's folder (default ./data)")
        ->envname("STATE_ENGINE_DATA")
        ->type_name("DIR");
    app.add_option("--url", context.url,
                   "A daemon over TCP, with its port: http://127.0.0.1:3000, https://state.example:443")
        ->type_name("URL");
    app.add_option("--token", context.token, "For --url, where the daemon wants one")
        ->envname("STATECTL_TOKEN")
        ->type_name("TEXT");
    app.add_option("--tls-ca", context.tls_ca,
                   "For --url https://…, the authorities to trust (PEM; else STATECTL_TLS_CA names them); "
                   "without it those of the system")
        ->type_name("FILE");
    app.add_option("--config", context.config,
                   "Policy for a store without a daemon; without it the one last journaled goes on")
        ->check(CLI::ExistingFile)
        ->type_name("FILE");
    app.add_option_function<std::string>(
           "--wait",
           [&context](const std::string& text) {
               const auto wait = duration_from_text(text, std::chrono::seconds(1));
               if (!wait) throw CLI::ValidationError("--wait", wait.error().text);
               context.wait = *wait;
           },
           "How long to wait for a writer that holds the store (default 5s)")
        ->type_name("TIME");
    app.add_option("-o,--output", context.output,
                   "table, json or jsonl; default: a table on a terminal, else jsonl")
        ->check(CLI::IsMember({"table", "json", "jsonl"}))
        ->type_name("FORM");
}

/// Whoever says --tls-ca means to be sure whom they talk to, and must not talk to anybody else. The variable
/// is for all that is called from its shell, whether it needs it or not.
Outcome<Ok> settle_tls_ca(Context& context) {
    if (!context.tls_ca.empty()) {
        if (context.url.starts_with("https://")) return Ok{};
        return Failure(kUsage, "--tls-ca is for a daemon behind TLS: add --url https://HOST:PORT, or leave it out");
    }
    const char* const file = std::getenv("STATECTL_TLS_CA");
    if (file != nullptr) context.tls_ca = file;
    return Ok{};
}

/// The command that the words on the command line wanted, for "did you mean".
std::string hint(const CLI::App& app, int count, char** words) {
    const CLI::App* at = &app;
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        if (word.starts_with('-')) {
            const CLI::Option* const option = app.get_option_no_throw(word);
            if (option != nullptr && option->get_items_expected_max() > 0) ++i;  // its value
            continue;
        }
        std::vector<std::string> names;
        const CLI::App* next = nullptr;
        for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) {
            names.push_back(command->get_name());
            if (command->get_name() == word) next = command;
        }
        if (next == nullptr) {
            if (names.empty()) return {};
            const std::vector<std::string_view> views(names.begin(), names.end());
            const std::string_view near = nearest(word, views);
            return near.empty() ? "" : "did you mean '" + std::string(near) + "'? ";
        }
        at = next;
    }
    return {};
}

int finish(const Outcome<int>& outcome) {
    int exit = kOk;
    if (outcome) {
        exit = *outcome;
    } else {
        complain(outcome.error().text);
        exit = outcome.error().exit;
    }
    if (const auto flushed = flush_output(); !flushed) {
        complain(flushed.error().text);
        if (exit == kOk) exit = kError;
    }
    return exit;
}

int run(int count, char** words) {
    CommandLine line;
    add_common(line);
    add_reading(line);
    add_writing(line);
    add_importing(line);
    add_journal(line);
    add_operating(line);
    add_egress(line);
    add_token(line);
    add_doctor(line);
    add_rules(line);
    add_bus(line);
    add_firestore(line);
    add_completion(line);
    try {
        line.app.parse(count, words);
    } catch (const CLI::Success& success) {  // --help, --version
        return line.app.exit(success) == 0 ? finish(kOk) : kError;
    } catch (const CLI::ParseError& error) {
        complain(std::string(error.what()) + ". " + hint(line.app, count, words) +
                 "See statectl --help, or --help behind a command");
        return kUsage;
    }
    std::string& data = line.context.data;
    while (data.size() > 1 && data.ends_with('/')) data.pop_back();
    if (data.empty()) data = "./data";
    if (const auto settled = settle_tls_ca(line.context); !settled) return finish(settled.error());
    return finish(line.run());
}

}  // namespace

CLI::App* CommandLine::add(CLI::App* parent, const std::string& name, const std::string& help,
                           const std::string& examples) {
    CLI::App* command = parent->add_subcommand(name, help);
    if (!examples.empty()) command->footer("\nExamples:\n" + examples);
    return command;
}

}  // namespace se::statectl

int main(int count, char** words) {
    se::fill_closed_streams();
    return se::statectl::run(count, words);
}
