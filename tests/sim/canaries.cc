// canaries: is the simulator worth what it costs? One planted bug after the other (canary.h), each
// in a process of its own; the seeds that CI lives anyway must catch it. Told is which seed did,
// and which invariant it named.

#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "engine/adapters/posix_filesystem.h"
#include "journal/base/assert.h"
#include "journal/base/canary.h"
#include "tests/sim/sim_cache_directory.h"
#include "tests/sim/sim_heap.h"
#include "tests/sim/sim_run.h"
#include "tests/sim/sim_shrink.h"

namespace se {
inline namespace with_canaries {

Canary planted = Canary::none;
std::function<void()> canary_moment = [] {};

}  // namespace with_canaries
}  // namespace se

namespace {

using Number = unsigned long long;

constexpr unsigned kSecondsMax = 120;  ///< of one life; a longer one goes round for ever
/// What is left of a life of hundreds of steps when it is shrunk is no more than this.
constexpr std::size_t kShrunkStepsMax = 30;

struct Range {
    Number first = 1, count = 300;
};

struct Planted {
    se::Canary canary;
    const char* name;
};
constexpr Planted kPlanted[] = {
    {se::Canary::sync_skipped, "sync_skipped"},
    {se::Canary::answer_before_sync, "answer_before_sync"},
    {se::Canary::head_before_sync, "head_before_sync"},
    {se::Canary::roll_without_head_sync, "roll_without_head_sync"},
    {se::Canary::watermark_apart, "watermark_apart"},
    {se::Canary::record_skipped, "record_skipped"},
    {se::Canary::cut_keeps_good_lines, "cut_keeps_good_lines"},
    {se::Canary::epoch_not_raised, "epoch_not_raised"},
    {se::Canary::identity_forgotten, "identity_forgotten"},
    {se::Canary::refreshed_key_expires, "refreshed_key_expires"},
    {se::Canary::unvouched_not_rewritten, "unvouched_not_rewritten"},
    {se::Canary::derived_lost, "derived_lost"},
    {se::Canary::derived_twice, "derived_twice"},
    {se::Canary::derived_on_newer_state, "derived_on_newer_state"},
    {se::Canary::rules_on_older_state, "rules_on_older_state"},
    {se::Canary::watermark_before_ack, "watermark_before_ack"},
    {se::Canary::message_skipped, "message_skipped"},
    {se::Canary::documents_apart, "documents_apart"},
    {se::Canary::no_precondition, "no_precondition"},
    {se::Canary::bookmark_of_now, "bookmark_of_now"},
    {se::Canary::notice_left_out, "notice_left_out"},
    {se::Canary::ack_before_sync, "ack_before_sync"},
    {se::Canary::puback_not_awaited, "puback_not_awaited"},
};

/// The first seed that breaks a promise, told as a line into `out`.
void live(const Planted& planted, Range seeds, bool shrink, se::sim::RunOptions options, int out) {
    se::planted = planted.canary;
    options.moments = [](std::function<void()> look) { se::canary_moment = std::move(look); };
    se::PosixFileSystem real;
    const se::sim::CacheDirectory cache(real);
    for (Number seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
        ::alarm(kSecondsMax);
        const auto report = se::sim::run(seed, options, real, cache.path());
        if (!report.broken) continue;
        std::string shrunk;
        if (shrink) {
            ::alarm(0);  // that is many lives
            const auto least = se::sim::shrink_quietly(seed, options, report, real, cache.path());
            const std::size_t steps = least.report.faults.size() + least.report.operations.size();
            if (steps > kShrunkStepsMax) return;
            shrunk = "shrunk to " + std::to_string(steps) + " steps, ";
        }
        const std::string line = shrunk + "seed " + std::to_string(seed) + ", " +
                                 report.broken->invariant + ": " + report.broken->what + "\n";
        SE_ASSERT(::write(out, line.data(), line.size()) > 0);
        return;
    }
}

/// What it was caught by; nothing: it was not.
std::optional<std::string> caught_by(const Planted& planted, Range seeds, bool shrink,
                                     const se::sim::RunOptions& options) {
    int ends[2];
    SE_ASSERT(::pipe(ends) == 0);
    std::fflush(stdout);
    const pid_t child = ::fork();
    SE_ASSERT(child >= 0);
    if (child == 0) {
        ::close(ends[0]);
        live(planted, seeds, shrink, options, ends[1]);
        std::fflush(stderr);
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string told;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
        told.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    int status = 0;
    SE_ASSERT(::waitpid(child, &status, 0) == child);
    if (!told.empty()) return told.substr(0, told.find('\n'));
    if (WIFSIGNALED(status)) {
        // Going round for ever is being caught, too.
        return "the program itself: " + std::string(::strsignal(WTERMSIG(status)));
    }
    return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
    se::sim::keep_heap();
    CLI::App app{"Plants one bug after the other; the simulator must catch each."};
    std::string only;
    Range seeds;
    bool shrink = false;
    se::sim::RunOptions options;
    app.add_option("--canary", only, "this one alone");
    app.add_option("--seeds", seeds.count, "how many lives each gets")->capture_default_str();
    app.add_option("--from", seeds.first, "the first of them")->capture_default_str();
    app.add_option("--steps", options.steps, "of each life")->capture_default_str();
    app.add_flag("--swarm", options.swarm, "as the simulator");
    app.add_flag("--shrink", shrink, "also shrink it: caught means to at most 30 steps");
    app.add_flag("--trace", options.trace, "as the simulator");
    CLI11_PARSE(app, argc, argv);

    int missed = 0;
    bool known = only.empty();
    for (const Planted& planted : kPlanted) {
        if (!only.empty() && only != planted.name) continue;
        known = true;
        const auto began = std::chrono::steady_clock::now();
        const auto caught = caught_by(planted, seeds, shrink, options);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        std::printf("%-24s %5.1f s  %s\n", planted.name, took.count(),
                    caught ? caught->substr(0, 160).c_str() : "NOT CAUGHT");
        std::fflush(stdout);
        missed += caught ? 0 : 1;
    }
    if (!known) {
        std::fprintf(stderr, "--canary: no such one: %s\n", only.c_str());
        return 64;
    }
    return missed == 0 ? 0 : 1;
}
