#pragma once

#include <memory>
#include <string>

#include "engine/adapters/posix_filesystem.h"
#include "journal/base/log.h"
#include "projection/projection.h"
#include "projection/stamp.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/projection/history.h"

namespace se {

/// A folder with room for a projection, and how to open one there.
struct Place {
    TemporaryDirectory directory;
    PosixFileSystem files;
    NoLog log;
    StoreInfo store{"11111111-2222-4333-8444-555555555555", std::string(32, 's')};
    ProjectionOptions options{
        .map_bytes_first = 64u << 10, .map_step_bytes = 256u << 10, .map_bytes_max = 1ull << 30};

    StorePaths paths() const { return {directory.path()}; }
    ProjectionPlace place() { return {files, paths(), files, paths().projection()}; }
    std::unique_ptr<Projection> open() {
        auto opened = Projection::open(place(), store, options, log);
        if (!opened) std::fprintf(stderr, "%s\n", opened.error().text.c_str());
        SE_ASSERT(opened);
        return *std::move(opened);
    }
    /// A new generation with the first `count` records in it.
    std::unique_ptr<Projection> grown(const History& history, std::size_t count) {
        auto projection = open();
        regrow(*projection, history, count);
        return projection;
    }
    static void regrow(Projection& projection, const History& history, std::size_t count) {
        SE_ASSERT(projection.regrow());
        for (std::size_t i = 0; i < count; ++i) SE_ASSERT(projection.add_bulk(history.record(i)));
        SE_ASSERT(projection.end_bulk(history.behind(count)));
    }
    Stamp stamp() {
        const auto text = read_file(files, stamp_path(paths()));
        SE_ASSERT(text);
        const auto decoded = decode_stamp(*text);
        SE_ASSERT(decoded);
        return *decoded;
    }
    std::string data_file() {
        return paths().projection() + "/" + std::to_string(stamp().generation) + "/data.mdb";
    }
};

inline Description describe(const Projection& projection, const Model& ask) {
    const auto snapshot = projection.snapshot();
    SE_ASSERT(snapshot);
    return describe(*snapshot, ask);
}

}  // namespace se
