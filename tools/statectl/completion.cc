// completion bash: written from the commands themselves, so it cannot lag behind them.

#include <fmt/format.h>

#include "tools/statectl/commands.h"

namespace se::statectl {
namespace {

struct CompletionOptions {
    std::string shell;
    const CLI::App* app = nullptr;
};

/// Flags of `app`, and of those above it: they may stand behind any command.
std::string flags_of(const CLI::App& app) {
    std::string flags;
    for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
        for (const CLI::Option* option : at->get_options()) {
            for (const std::string& name : option->get_lnames()) {
                if (fmt::format(" {} ", flags).find(fmt::format(" --{} ", name)) == std::string::npos)
                    flags += (flags.empty() ? "--" : " --") + name;
            }
        }
    }
    return flags;
}

/// One line of the script's case for each command: its words, then what may follow.
void append_cases(std::string& script, const CLI::App& app, const std::string& path) {
    std::string commands;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        commands += (commands.empty() ? "" : " ") + command->get_name();
        append_cases(script, *command, path + "/" + command->get_name());
    }
    script += fmt::format("        \"{}\") commands=\"{}\" flags=\"{}\" ;;\n", path, commands,
                          flags_of(app));
}

constexpr std::string_view kHead = R"bash(# bash completion for statectl; made by `statectl completion bash`.
# For this shell:      source <(statectl completion bash)
# For every new one:   statectl completion bash > ~/.local/share/bash-completion/completions/statectl

_statectl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local path="" commands="" flags="" word i data=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; ++i)); do
        word=${COMP_WORDS[i]}
        case $word in
            --data|--url|--token|--tls-ca) data+=("$word" "${COMP_WORDS[i+1]}"); ((++i)) ;;
            -*) ;;
            *) case "$path/$word" in
)bash";

constexpr std::string_view kMiddle = R"bash(                   path+=/$word ;;
               esac ;;
        esac
    done
    case $path in
)bash";

constexpr std::string_view kTail = R"bash(    esac
    case $previous in
        -o|--output) COMPREPLY=($(compgen -W "table json jsonl" -- "$current")); return ;;
        --data) COMPREPLY=($(compgen -d -- "$current")); return ;;
        --config|--from|--tls-ca) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$current"))
    elif [[ -n $commands ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$current"))
    else
        case $path in
            /get|/list|/set|/delete|/increment|/push|/merge|/watch|/history|/journal/replay)
                # Keys of the store at hand; quietly none when there is no store. They are other
                # people's text: never expanded, and quoted where they go.
                local key
                while IFS= read -r key; do
                    COMPREPLY+=("$(printf %q "$key")")
                done < <("${COMP_WORDS[0]}" "${data[@]}" -o jsonl list -- "$current" 2>/dev/null |
                    head -n 200 | sed -n 's/^{"key":"\([^"\\]*\)".*/\1/p') ;;
            /import) COMPREPLY=($(compgen -f -- "$current")) ;;
            /completion) COMPREPLY=($(compgen -W "bash" -- "$current")) ;;
        esac
    fi
}
complete -F _statectl statectl
)bash";

/// Words that name a command at their place; others (keys, values) do not change the path.
void append_paths(std::string& script, const CLI::App& app, const std::string& path) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        const std::string below = path + "/" + command->get_name();
        script += (script.ends_with('\n') ? "                   " : "|") + below;
        append_paths(script, *command, below);
    }
}

Outcome<int> completion(Context&, const CompletionOptions& options) {
    std::string paths = "\n";
    append_paths(paths, *options.app, "");
    std::string script(kHead);
    script += paths.substr(1) + ")\n";
    script += kMiddle;
    append_cases(script, *options.app, "");
    script += kTail;
    print(script);
    return kOk;
}

}  // namespace

void add_completion(CommandLine& line) {
    auto options = std::make_shared<CompletionOptions>();
    options->app = &line.app;
    CLI::App* command =
        line.add(&line.app, "completion", "Print a script that completes commands, flags and keys",
                 "  source <(statectl completion bash)");
    command->add_option("SHELL", options->shell, "bash")->required()->check(CLI::IsMember({"bash"}));
    line.on(command, options, completion);
}

}  // namespace se::statectl
