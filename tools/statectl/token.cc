// token: what a principal of auth.principals is told by, and the hash that stands in the file for
// it.

#include <fmt/format.h>

#include <iostream>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/no_options.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

/// Nobody guesses so much chance, so a plain hash of it is enough: there is nothing to slow down.
constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTokenLengthMin =
    16;  ///< of one that somebody brings; shorter: it can be guessed

Outcome<int> show(Context& context, const std::string& token, bool with_token) {
    std::string text;
    JsonObject json(text);
    if (with_token) json.text("token", token);
    json.text("token_sha256", to_hex(sha256(token))).close();
    if (context.form() != Form::table) {
        print(text + "\n");
        return kOk;
    }
    std::vector<std::pair<std::string, std::string>> facts;
    if (with_token) facts.emplace_back("token", token);
    facts.emplace_back("token_sha256", to_hex(sha256(token)));
    print_facts(facts);
    return kOk;
}

Outcome<int> make(Context& context, const NoOptions&) {
    return show(context, make_hex(context.random, kTokenBytes), true);
}

Outcome<int> hash(Context& context, const NoOptions&) {
    std::string token;
    std::getline(std::cin, token);
    if (token.size() < kTokenLengthMin) {
        return Failure(kUsage, fmt::format("the token on stdin has {} characters; at least {}, or "
                                           "somebody guesses it: `statectl token new` makes one",
                                           token.size(), kTokenLengthMin));
    }
    return show(context, token, false);
}

}  // namespace

void add_token(CommandLine& line) {
    CLI::App* token = line.add(&line.app, "token", "Tokens for auth.principals, and their hashes",
                               "  statectl token new\n"
                               "  printf %s \"$TOKEN\" | statectl token hash");
    token->require_subcommand(1);
    line.on(line.add(token, "new",
                     "Make a token; its hash goes into the daemon's file, it itself to the caller",
                     "  statectl token new"),
            std::make_shared<NoOptions>(), make);
    line.on(line.add(token, "hash", "Say the hash of the token on stdin",
                     "  printf %s \"$TOKEN\" | statectl token hash"),
            std::make_shared<NoOptions>(), hash);
}

}  // namespace se::statectl
