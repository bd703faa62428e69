#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/adapters/temporary_directory.h"
#include "tests/statectl/programs.h"

namespace se {

/// A store, and who answers for it.
struct World {
    TemporaryDirectory folder;
    Tool statectl{folder.path() + "/data"};
    std::optional<Daemon> daemon;

    explicit World(bool with_daemon) {
        spill(config(), "allowedKeys: [\"a.*\", \"b.*\", \"n.*\"]\n");
        statectl.must({"--config", config(), "reload"});
        if (with_daemon) daemon.emplace(statectl.data, Words{"--config", config()});
    }
    std::string config() const { return folder.path() + "/policy.yaml"; }
};

inline void in_both_worlds(const std::function<void(World&)>& test) {
    for (const bool with_daemon : {false, true}) {
        CAPTURE(with_daemon);
        World world(with_daemon);
        test(world);
    }
}

/// Name and content of every file below a folder.
inline std::string tree_of(const std::string& folder) {
    std::string tree;
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) paths.push_back(entry.path());
    std::ranges::sort(paths);
    for (const auto& path : paths) {
        // LMDB's reader table: a reader's own slot is the one thing that reading writes.
        if (path.filename() == "lock.mdb") continue;
        tree += path.string() + "\n" + slurp(path.string()) + "\n";
    }
    return tree;
}

}  // namespace se
