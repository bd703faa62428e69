// firestore-reader: what a project in Firestore holds, as JSON lines on stdout. statectl runs it,
// so that statectl itself starts without gRPC, and needs no daemon for it.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <thread>

#include "engine/adapters/firestore_store.h"
#include "engine/adapters/posix_random.h"
#include "engine/firestore/reading.h"
#include "engine/policy/firestore_settings.h"
#include "tools/daemon_surroundings.h"

namespace {

using namespace se;

constexpr int kFailed = 1, kUsageWrong = 64, kTryAgain = 7;

int fail(int exit, const std::string& why) {
    std::cerr << why << '\n';
    return exit;
}

struct Given {
    std::string project, database, emulator, timeout;
    firestore::ReadOptions read;
};

Result<FirestoreSettings> settings_of(const Given& given) {
    FirestoreSettings settings;
    SE_TRY_OK(apply_firestore_environment(&settings, environment));
    const std::pair<const char*, const std::string*> flags[] = {
        {"firestore.project", &given.project},
        {"firestore.database", &given.database},
        {"firestore.emulator", &given.emulator},
        {"firestore.timeout", &given.timeout}};
    for (const auto& [name, text] : flags)
        if (!text->empty()) SE_TRY_OK(set_firestore_setting(&settings, name, *text));
    return settings;
}

int read(const Given& given) {
    const auto settings = settings_of(given);
    if (!settings) return fail(kUsageWrong, settings.error().text);
    if (!settings->on())
        return fail(kUsageWrong,
                    "nothing says which Firestore: name --project (GOOGLE_CLOUD_PROJECT) or "
                    "--emulator (FIRESTORE_EMULATOR_HOST)");
    auto opened = firestore::open_firestore({.project = settings->project_or_default(),
                                             .database = settings->database,
                                             .emulator = settings->emulator,
                                             .timeout = settings->timeout});
    if (!opened) return fail(kFailed, opened.error().text);
    PosixRandom random;
    const auto tell = [](std::string_view line) {
        return std::fwrite(line.data(), 1, line.size(), stdout) == line.size() &&
               std::fputc('\n', stdout) != EOF;
    };
    const Status done = firestore::read_documents(
        {.documents = **opened,
         .random = random,
         .sleep = [](std::chrono::nanoseconds time) { std::this_thread::sleep_for(time); },
         .tell = tell},
        given.read);
    if (!done) return fail(kTryAgain, done.error().text);
    return std::fflush(stdout) == 0 ? 0 : kFailed;
}

}  // namespace

int main(int count, char** words) {
    Given given;
    CLI::App app("Prints what a project in Firestore holds, as JSON lines. statectl runs it.",
                 "firestore-reader");
    app.set_version_flag("--version", SE_VERSION);
    app.add_option("COLLECTION", given.read.collections, "Collections, read in this order")
        ->required();
    app.add_option("--prefix", given.read.prefix, "Only documents whose ids begin so");
    app.add_option("--project", given.project, "Default: GOOGLE_CLOUD_PROJECT");
    app.add_option("--database", given.database, "Default: FIRESTORE_DATABASE_ID, else (default)");
    app.add_option("--emulator", given.emulator, "host:port; default: FIRESTORE_EMULATOR_HOST");
    app.add_option("--timeout", given.timeout, "Of one call (default 20s)");
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsageWrong;
    }
    return read(given);
}
