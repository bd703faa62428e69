// simulator: lives of a store, each from one seed. `simulator --seed 42 --trace` tells one again.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "engine/adapters/posix_filesystem.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/sim/sim_run.h"

int main(int argc, char** argv) {
    CLI::App app{"Lives of a store, each from one seed: clients, faults, crashes, and then rest."};
    std::uint64_t seed = 1;
    std::string seeds;
    se::sim::RunOptions options;
    app.add_option("--seed", seed, "one life")->capture_default_str();
    app.add_option("--seeds", seeds, "all lives from A to B, as A-B");
    app.add_option("--steps", options.steps, "before the faults stop")->capture_default_str();
    app.add_flag("--trace", options.trace, "one line an event, on standard error");
    app.add_option("--keep", options.keep, "a folder for the simulated disk of a life that broke");
    CLI11_PARSE(app, argc, argv);

    std::uint64_t last = seed;
    if (!seeds.empty()) {
        unsigned long long from = 0;
        unsigned long long to = 0;
        if (std::sscanf(seeds.c_str(), "%llu-%llu", &from, &to) != 2 || to < from) {
            std::fprintf(stderr, "--seeds: wants A-B, got %s\n", seeds.c_str());
            return 64;
        }
        seed = from;
        last = to;
    }

    se::PosixFileSystem real;
    const se::TemporaryDirectory fallback;
    const std::filesystem::path memory = "/dev/shm";
    const std::string cache = std::filesystem::is_directory(memory)
                                  ? memory / std::filesystem::path(fallback.path()).filename()
                                  : std::filesystem::path(fallback.path());
    int failed = 0;
    for (; seed <= last; ++seed) {
        const auto report = se::sim::run(seed, options, real, cache + "-lmdb");
        if (report.broken) {
            ++failed;
            std::printf("seed=%llu step=%llu broken %s: %s\n",
                        static_cast<unsigned long long>(seed),
                        static_cast<unsigned long long>(report.step),
                        report.broken->invariant.c_str(), report.broken->what.c_str());
        } else if (seeds.empty()) {
            std::printf("seed=%llu fine: %llu records, %llu opens, %llu deaths, %llu failures\n",
                        static_cast<unsigned long long>(seed),
                        static_cast<unsigned long long>(report.records),
                        static_cast<unsigned long long>(report.opens),
                        static_cast<unsigned long long>(report.deaths),
                        static_cast<unsigned long long>(report.failures));
        }
        std::fflush(stdout);
    }
    static_cast<void>(real.remove_tree(cache + "-lmdb"));
    return failed == 0 ? 0 : 1;
}
