// simulator: lives of a store, each from one seed. `simulator --seed 42 --trace` tells one again.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "engine/adapters/posix_filesystem.h"
#include "tests/sim/sim_cache_directory.h"
#include "tests/sim/sim_heap.h"
#include "tests/sim/sim_run.h"
#include "tests/sim/sim_shrink.h"

namespace {

using Number = unsigned long long;
using SteadyClock = std::chrono::steady_clock;

constexpr const char* kFooter = R"(A life that breaks a promise is told as
  seed=N step=S broken J2: what was seen
and can be lived again with --seed N (and --swarm, --steps as they were) --trace. --shrink leaves out
steps for as long as the same promise breaks, and traces what is left.

Promises are named as in the design: J1 to J8, P1 to P5, E1 to E5, X1 to X3; and linearizable (what
clients see fits one order in real time), watch (the change feed is ordered, unique, gap-free and
resumable), liveness (when the faults stop, everything comes to rest). --report lists how often each
was checked, how often each fault was injected, and which promises wait for what is not built yet.)";

struct Lives {
    std::uint64_t first = 1, last = 1;
    std::uint64_t seconds = 0;  // 0: until `last`
};

bool read_range(const std::string& text, Lives* lives) {
    Number from = 0;
    Number to = 0;
    if (std::sscanf(text.c_str(), "%llu-%llu", &from, &to) != 2 || to < from) return false;
    lives->first = from;
    lives->last = to;
    return true;
}

void tell_broken(std::uint64_t seed, const se::sim::RunReport& report) {
    std::printf("seed=%llu step=%llu broken %s: %s\n", Number{seed}, Number{report.step},
                report.broken->invariant.c_str(), report.broken->what.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    se::sim::keep_heap();
    CLI::App app{"Lives of a store, each from one seed: clients, faults, crashes, and then rest."};
    app.footer(kFooter);
    Lives lives;
    std::string seeds;
    std::string report_path;
    bool shrink = false;
    se::sim::RunOptions options;
    app.add_option("--seed", lives.first, "one life, or with --seconds the first one")
        ->capture_default_str();
    app.add_option("--seeds", seeds, "all lives from A to B, as A-B");
    app.add_option("--seconds", lives.seconds, "one life after the other for so long");
    app.add_option("--steps", options.steps, "before the faults stop")->capture_default_str();
    app.add_flag("--swarm", options.swarm, "each life draws its own mix of faults and operations");
    app.add_flag("--trace", options.trace, "one line an event, on standard error");
    app.add_flag("--shrink", shrink, "of the first life that breaks, the least that breaks it");
    app.add_option("--report", report_path,
                   "a file for the counts of all lives, as JSON; -: stdout");
    app.add_option("--keep", options.keep, "a folder for the simulated disk of a life that broke");
    CLI11_PARSE(app, argc, argv);

    lives.last = lives.seconds > 0 ? UINT64_MAX : lives.first;
    if (!seeds.empty() && !read_range(seeds, &lives)) {
        std::fprintf(stderr, "--seeds: wants A-B, got %s\n", seeds.c_str());
        return 64;
    }
    const bool tell_each = seeds.empty() && lives.seconds == 0;

    se::PosixFileSystem real;
    const se::sim::CacheDirectory cache(real);
    const auto began = SteadyClock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(SteadyClock::now() - began); };
    std::uint64_t lived = 0, failed = 0, excused = 0, records = 0, opens = 0, deaths = 0;
    for (std::uint64_t seed = lives.first; seed <= lives.last; ++seed) {
        if (lives.seconds > 0 && elapsed().count() >= static_cast<double>(lives.seconds)) break;
        const auto report = se::sim::run(seed, options, real, cache.path());
        ++lived;
        excused += report.excused.empty() ? 0 : 1;
        records += report.records;
        opens += report.opens;
        deaths += report.deaths;
        if (report.broken) {
            ++failed;
            tell_broken(seed, report);
            if (shrink) {
                se::sim::shrink(seed, options, report, real, cache.path());
                break;
            }
        } else if (tell_each) {
            const std::string how =
                report.excused.empty() ? "fine" : "excused by " + std::string(report.excused);
            std::printf("seed=%llu %s: %llu records, %llu opens, %llu deaths, %llu failures\n",
                        Number{seed}, how.c_str(), Number{report.records}, Number{report.opens},
                        Number{report.deaths}, Number{report.failures});
        }
        std::fflush(stdout);
    }
    if (!tell_each) {
        std::printf(
            "%llu lives in %.1f s, %llu broken, %llu excused; %llu records, %llu opens, "
            "%llu deaths\n",
            Number{lived}, elapsed().count(), Number{failed}, Number{excused}, Number{records},
            Number{opens}, Number{deaths});
        for (const auto& [by, count] : se::sim::tally().excuses) {
            std::printf("excused by %s: %llu\n", std::string(by).c_str(), Number{count});
        }
    }
    if (!report_path.empty()) {
        std::FILE* const out = report_path == "-" ? stdout : std::fopen(report_path.c_str(), "w");
        if (out == nullptr) {
            std::fprintf(stderr, "--report: cannot write %s\n", report_path.c_str());
            return 64;
        }
        std::fprintf(out, "{\"lives\":%llu,\"broken\":%llu,\"excused\":%llu,\"tally\":%s}\n",
                     Number{lived}, Number{failed}, Number{excused},
                     se::sim::tally().to_json().c_str());
        if (out != stdout) std::fclose(out);
    }
    return failed == 0 ? 0 : 1;
}
