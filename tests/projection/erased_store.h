#pragma once

#include <doctest/doctest.h>

#include <string>

#include "journal/base/filesystem.h"
#include "journal/paths.h"
#include "tests/journal/erased_line.h"

namespace se {

/// Erases an `accepted` record in the first segment of a store; which one.
inline Seq erase_accepted(FileSystem& files, const StorePaths& paths) {
    const std::string path = paths.segment(Seq{1});
    auto bytes = read_file(files, path);
    REQUIRE(bytes);
    for (std::uint64_t seq = 2; seq < 100; ++seq) {
        const std::size_t line = bytes->find("\n{\"seq\":" + std::to_string(seq) + ",");
        if (line == std::string::npos) break;
        const std::string text = bytes->substr(line + 1, bytes->find('\n', line + 1) - line - 1);
        if (text.find("\"kind\":\"accepted\"") == std::string::npos) continue;
        if (!test::erase_in(*bytes, Seq{seq})) continue;
        auto file = files.open(path, OpenMode::update);
        REQUIRE(file);
        REQUIRE((*file)->write(0, *bytes));
        return Seq{seq};
    }
    FAIL("no record has room for the hash of its body");
    return {};
}

inline RecordDraft note_of_erasing(Seq seq) {
    return {.kind = Kind::note,
            .note = "erased",
            .actor = "tester",
            .body = R"({"seqs":[)" + std::to_string(seq.value) + "]}"};
}

}  // namespace se
