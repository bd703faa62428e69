// A file that is kept open is still the one that its path names, whatever is done to the path.

#include "engine/adapters/posix_kept_files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/adapters/temporary_directory.h"
#include "tests/sim/sim_clock.h"

using namespace se;
namespace fs = std::filesystem;

namespace {

constexpr auto kEachWay = {KeptFiles::Notices::from_the_kernel, KeptFiles::Notices::never};

void put(const std::string& path, std::string_view text) {
    PosixFileSystem files;
    auto file = files.open(path, OpenMode::create);
    REQUIRE(file);
    REQUIRE((*file)->truncate(0));
    REQUIRE((*file)->write(0, text));
}

/// What the file says, or "absent".
std::string said(FileSystem& files, const std::string& path) {
    auto text = read_file(files, path);
    if (!text) CHECK(text.error().code == Errc::not_found);
    return text ? *text : "absent";
}

int open_descriptors() {
    int count = 0;
    for ([[maybe_unused]] const auto& one : fs::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

}  // namespace

TEST_CASE("a kept file answers as its path does, after everything that can happen to a name") {
    for (const auto notices : kEachWay) {
        TemporaryDirectory directory;
        const std::string folder = directory.path() + "/d", path = folder + "/f",
                          other = folder + "/other";
        using Change = std::pair<const char*, std::function<void()>>;
        const std::vector<Change> changes = {
            {"written in place", [&] { put(path, "written"); }},
            {"grown", [&] { put(path, "written, and longer than it was"); }},
            {"cut", [&] { put(path, "cut"); }},
            {"another renamed over it", [&] { put(other, "over"), fs::rename(other, path); }},
            {"renamed away", [&] { fs::rename(path, other); }},
            {"renamed back", [&] { fs::rename(other, path); }},
            {"removed", [&] { fs::remove(path); }},
            {"made anew", [&] { put(path, "anew"); }},
            {"removed and made anew, perhaps in the same inode",
             [&] { fs::remove(path), put(path, "anew again"); }},
            {"replaced while a second name keeps the old one",
             [&] {
                 fs::create_hard_link(path, other), put(folder + "/third", "third"),
                     fs::rename(folder + "/third", path);
             }},
            {"the second name over it", [&] { fs::rename(other, path); }},
            {"a copy over it",
             [&] { fs::copy_file(path, other), put(other, "copy"), fs::rename(other, path); }},
            {"a link over it",
             [&] { put(other, "linked"), fs::remove(path), fs::create_symlink(other, path); }},
            {"its folder renamed away", [&] { fs::rename(folder, directory.path() + "/away"); }},
            {"another folder in its place",
             [&] { fs::create_directory(folder), put(path, "elsewhere"); }},
            {"the first folder back",
             [&] { fs::remove_all(folder), fs::rename(directory.path() + "/away", folder); }},
            {"the folder removed", [&] { fs::remove_all(folder); }},
            {"all of it made anew", [&] { fs::create_directory(folder), put(path, "at last"); }},
        };
        fs::create_directory(folder);
        put(path, "first");
        SimClock clock;
        KeptFiles kept(clock, {path}, notices);
        PosixFileSystem plain;
        REQUIRE(said(kept, path) == "first");
        for (const auto& [what, change] : changes) {
            CAPTURE(what);
            change();
            // Twice: the first look may be the one that opens it.
            CHECK(said(kept, path) == said(plain, path));
            CHECK(said(kept, path) == said(plain, path));
        }
    }
}

TEST_CASE("a look that begins with the first of the kept files sees what happened to every name") {
    TemporaryDirectory directory;
    const std::string first = directory.path() + "/first", second = directory.path() + "/second",
                      other = directory.path() + "/other";
    SimClock clock;
    KeptFiles kept(clock, {first, second});
    const auto rename_over = [&](const std::string& path, std::string_view text) {
        put(other, text);
        fs::rename(other, path);
    };
    for (const char* text : {"one", "two", "three"}) {
        rename_over(first, text);
        rename_over(second, text);
        CHECK(said(kept, first) == text);
        CHECK(said(kept, second) == text);
        // Asked for twice, so all is heard of; the first one begins a new look none the less.
        CHECK(said(kept, second) == text);
        rename_over(first, "again");
        CHECK(said(kept, first) == "again");
        CHECK(said(kept, second) == text);
        rename_over(second, "again");
        CHECK(said(kept, second) == "again");
        // Alone, once the look is over.
        rename_over(second, "alone");
        clock.advance(KeptFiles::kOneLook);
        CHECK(said(kept, second) == "alone");
    }
}

TEST_CASE("what lies further up is seen to have moved at the next asking of the path") {
    TemporaryDirectory directory;
    const std::string up = directory.path() + "/up", path = up + "/d/f";
    fs::create_directories(up + "/d");
    put(path, "first");
    SimClock clock;
    KeptFiles kept(clock, {path});
    REQUIRE(said(kept, path) == "first");
    fs::rename(up, directory.path() + "/moved");
    fs::create_directories(up + "/d");
    put(path, "second");
    clock.advance(KeptFiles::kAskPathAfter);
    CHECK(said(kept, path) == "second");
}

TEST_CASE("a lock is seen on whatever file the path names now") {
    for (const auto notices : kEachWay) {
        TemporaryDirectory directory;
        const std::string path = directory.path() + "/f", other = directory.path() + "/other";
        put(path, "");
        put(other, "");
        SimClock clock;
        KeptFiles kept(clock, {path}, notices);
        PosixFileSystem plain;
        CHECK_FALSE(*kept.is_locked(path));
        {
            const auto lock = plain.lock(path);
            REQUIRE(lock);
            CHECK(*kept.is_locked(path));
            fs::rename(other, path);  // the lock is on a file that has no name now
            CHECK_FALSE(*kept.is_locked(path));
        }
        const auto lock = kept.lock(path);
        REQUIRE(lock);
        CHECK(*kept.is_locked(path));
        fs::remove(path);
        const auto gone = kept.is_locked(path);
        REQUIRE_FALSE(gone);
        CHECK(gone.error().code == Errc::not_found);
    }
}

TEST_CASE("the lock of a file is asked for in the look that opened it, and begins one when asked for again") {
    TemporaryDirectory directory;
    const std::string first = directory.path() + "/first", second = directory.path() + "/second",
                      other = directory.path() + "/other";
    put(first, "");
    put(second, "");
    SimClock clock;
    KeptFiles kept(clock, {first, second});
    PosixFileSystem plain;
    const auto replace = [&](const std::string& path) {
        put(other, "");
        fs::rename(other, path);
    };
    for (const std::string& path : {first, second}) {
        CAPTURE(path);
        REQUIRE(kept.open(path, OpenMode::read));
        const auto lock = plain.lock(path);
        REQUIRE(lock);
        REQUIRE(kept.open(first, OpenMode::read));  // a look begins
        replace(path);                              // now the lock is on a file that has no name
        CHECK(*kept.is_locked(path));               // this look is of what was there
        CHECK_FALSE(*kept.is_locked(path));
        const auto again = plain.lock(path);
        REQUIRE(again);
        REQUIRE(kept.open(first, OpenMode::read));
        replace(path);
        clock.advance(KeptFiles::kOneLook);
        CHECK_FALSE(*kept.is_locked(path));
    }
}

TEST_CASE("the size and the read behind it are of one moment, and the next read of a later one") {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/f";
    SimClock clock;
    KeptFiles kept(clock, {path});
    for (const std::size_t size : {0u, 1u, 1023u, 1024u, 1025u, 5000u}) {
        CAPTURE(size);
        const std::string first(size, 'a'), second(size, 'b');
        put(path, first);
        const auto file = kept.open(path, OpenMode::read);
        REQUIRE(file);
        REQUIRE(*(*file)->size() == size);
        std::string text(size + 10, '-');
        REQUIRE(*(*file)->read(0, text) == size);
        CHECK(text == first + std::string(10, '-'));
        put(path, second);
        REQUIRE(*(*file)->read(0, text) == size);
        CHECK(text == second + std::string(10, '-'));
        REQUIRE(*(*file)->size() == size);
        REQUIRE(*(*file)->read(size / 2, text) == size - size / 2);
        CHECK(text.starts_with(second.substr(size / 2)));
    }
}

TEST_CASE("a kept file stays open once, and other files are not kept") {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/f", other = directory.path() + "/other";
    put(path, "one");
    put(other, "two");
    const int before = open_descriptors();
    {
        SimClock clock;
        KeptFiles kept(clock, {path});
        for (int i = 0; i < 5; ++i) {
            CHECK(said(kept, path) == "one");
            CHECK(said(kept, other) == "two");
            CHECK_FALSE(*kept.is_locked(path));
        }
        CHECK(open_descriptors() == before + 2);  // the file, and the notices
        put(other, "new");
        fs::rename(other, path);
        CHECK(said(kept, path) == "new");
        CHECK(open_descriptors() == before + 2);
        // Who writes it gets a file of its own.
        const auto mine = kept.open(path, OpenMode::update);
        REQUIRE(mine);
        CHECK((*mine)->write(0, "N"));
        CHECK(said(kept, path) == "New");
        CHECK_FALSE((*kept.open(path, OpenMode::read))->write(0, "x"));
    }
    CHECK(open_descriptors() == before);
}
