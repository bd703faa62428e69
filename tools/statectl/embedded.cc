#include "tools/statectl/embedded.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "engine/policy/config.h"
#include "engine/policy/firestore_settings.h"
#include "tools/statectl/journal_search.h"

namespace se::statectl {
namespace {

constexpr std::chrono::milliseconds kNapMax{20};

std::optional<std::string> environment(std::string_view name) {
    const char* const value = std::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
}

/// Settings as a daemon on this store would have them: file, environment, and without a file what has to stay as it
/// was. The policy in it counts only if the file was named: the environment is no way to change what is allowed.
Result<Config> read_config(Context& context) {
    Config config;
    std::string text;
    if (!context.config.empty()) {
        auto read = read_file(context.files, context.config, 4u << 20);
        if (!read) {
            return Error{read.error().code == Errc::not_found ? Errc::malformed : read.error().code,
                         context.config + ": " + read.error().text};
        }
        text = *std::move(read);
        SE_TRY(parsed, parse_config(text, context.config));
        config = std::move(parsed);
    }
    SE_TRY_OK(apply_environment(&config, environment));
    if (context.config.empty()) leave_to_last_run(&config.settings, environment);
    SE_TRY(documents, firestore_settings_of(text, environment));
    leave_room_for_documents(documents, &config.policy.limits);
    config.settings.data = context.data;
    return config;
}

}  // namespace

EmbeddedEngine::EmbeddedEngine(Pace pace)
    : principal_("local:" + user_name()), rights_(Principal::with_all_rights(principal_)) {
    if (pace == Pace::single) {
        commits_ = std::make_unique<InlineRunner>();
        background_ = std::make_unique<InlineRunner>();
        return;
    }
    const auto wake = [this] {
        const std::lock_guard guard(mutex_);
        woken_ = true;
        changed_.notify_one();
    };
    commits_ = std::make_unique<ThreadRunner>(wake);
    background_ = std::make_unique<ThreadRunner>(wake);
}

Result<std::unique_ptr<EmbeddedEngine>> EmbeddedEngine::open(Context& context,
                                                             std::optional<Policy> policy,
                                                             Pace pace,
                                                             std::optional<Why> repaired,
                                                             const RunSettings* parked) {
    SE_TRY(config, read_config(context));
    if (parked != nullptr) {
        const Settings::AsLastRun& unset = config.settings.as_last_run;
        if (unset.align) config.settings.journal.align_bytes = parked->align_bytes;
        if (unset.disk_reserve)
            config.settings.journal.disk_reserve_bytes = parked->disk_reserve_bytes;
    }
    std::unique_ptr<EmbeddedEngine> embedded(new EmbeddedEngine(pace));
    Engine::Writer writer = this_writer();
    if (repaired) {
        writer.repaired_by = embedded->caller("");
        writer.repaired_why = *std::move(repaired);
    }
    SE_TRY(engine, Engine::open({.files = context.files,
                                 .clock = context.clock,
                                 .random = context.random,
                                 .log = context.log,
                                 .commits = *embedded->commits_,
                                 .background = *embedded->background_,
                                 .cache_files = context.files,
                                 .cache_directory = ""},
                                config.settings, std::move(policy), std::move(writer)));
    embedded->engine_ = std::move(engine);
    return embedded;
}

Caller EmbeddedEngine::caller(std::string_view claimed_actor, std::string_view door) const {
    return {.principal = principal_,
            .actor = claimed_actor.empty() ? principal_ : std::string(claimed_actor),
            .door = std::string(door),
            .rights = rights_};
}

void EmbeddedEngine::run_until(const std::function<bool()>& done) {
    while (!done()) {
        engine_->step();
        if (done()) return;
        if (engine_->work_waits()) continue;
        std::unique_lock lock(mutex_);
        const auto nap = std::clamp<std::chrono::nanoseconds>(
            engine_->idle_time(), std::chrono::microseconds(100), kNapMax);
        changed_.wait_for(lock, nap, [this] { return woken_; });
        woken_ = false;
    }
}

Status EmbeddedEngine::close() { return engine_->close(); }

Outcome<std::optional<Policy>> policy_of_config(Context& context) {
    if (context.config.empty()) return std::optional<Policy>();
    SE_TRY(config, read_config(context));
    return std::optional(std::move(config.policy));
}

Failure held_by_another(Context& context) {
    const auto opener = last_opener(context.files, context.paths());
    return Failure(kUnavailable,
                   fmt::format("{} is held by another writer: {}. Waited {} ms; try again, or wait "
                               "longer with --wait 30s",
                               context.data, opener ? describe(*opener) : opener.error().text,
                               context.wait.count()));
}

Outcome<std::unique_ptr<EmbeddedEngine>> open_waiting(Context& context, std::optional<Policy> policy,
                                                      Pace pace,
                                                      const std::function<bool()>& instead) {
    return wait_for_store(context, [&]() -> Result<std::unique_ptr<EmbeddedEngine>> {
        if (instead()) return std::unique_ptr<EmbeddedEngine>();
        return EmbeddedEngine::open(context, policy, pace);
    });
}

}  // namespace se::statectl
