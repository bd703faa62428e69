#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "engine/adapters/posix_clock.h"
#include "engine/adapters/posix_filesystem.h"
#include "engine/adapters/posix_random.h"
#include "engine/adapters/posix_runner.h"
#include "engine/engine.h"

namespace se::bench {

/// Ends the program: a benchmark that cannot go on has no figures.
[[noreturn]] void give_up(std::string_view what);

template <class T>
T must(se::Result<T> result) {
    if (!result) give_up(result.error().text);
    return std::move(*result);
}

/// The work unit of all rows: a 36-byte dotted key and a 294-byte JSON value.
std::string key_of(std::uint64_t number);
std::string value_of(std::uint64_t number);
std::string proposal_of(std::uint64_t key, std::uint64_t version_before, std::uint64_t unique);

/// An engine on a folder of its own, with real doors and its two threads.
class Store {
public:
    explicit Store(std::string directory, Settings settings = {});
    ~Store();

    Engine& engine() { return *engine_; }
    const std::string& directory() const { return directory_; }
    /// step() until `done()`; sleeps while only a sync is awaited.
    void run_until(const std::function<bool()>& done);
    /// Sets keys [first, first + count), many in flight.
    void fill(std::uint64_t first, std::uint64_t count);
    /// `count` conditional updates over `keys` keys with `in_flight` under way; seconds it took.
    double update(std::uint64_t count, std::uint64_t keys, std::uint64_t in_flight);
    void close();

private:
    std::string directory_;
    PosixFileSystem files_;
    PosixClock clock_;
    PosixRandom random_;
    NoLog log_;
    std::mutex mutex_;
    std::condition_variable woken_;
    bool wake_ = false;
    std::unique_ptr<ThreadRunner> commits_, background_;
    std::unique_ptr<Engine> engine_;
    std::vector<std::uint64_t> versions_;  // by key number
    std::uint64_t unique_ = 0;
};

/// Removes a folder when it goes.
class Folder {
public:
    explicit Folder(const std::string& parent, const std::string& name);
    ~Folder();
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

double seconds_now();

}  // namespace se::bench
