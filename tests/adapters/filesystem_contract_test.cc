// One contract, two file systems: whatever is proved over the simulated disk is only worth
// something if the real one keeps the same promises.

#include <doctest/doctest.h>

#include "engine/adapters/posix_filesystem.h"
#include "journal/base/filesystem.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/sim/sim_filesystem.h"

using namespace se;

namespace {

/// A file system with an empty folder in it.
struct RealWorld {
    TemporaryDirectory directory;
    PosixFileSystem files;
    std::string root = directory.path();
};

struct SimulatedWorld {
    SimFileSystem files{1};
    std::string root = "/root";

    SimulatedWorld() { REQUIRE(files.make_directory(root)); }
};

std::unique_ptr<File> create(FileSystem& files, const std::string& path,
                             std::string_view content = "") {
    auto file = files.open(path, OpenMode::create);
    REQUIRE(file);
    REQUIRE((*file)->write(0, content));
    return std::move(*file);
}

std::string read(const File& file, std::uint64_t offset, std::size_t size) {
    std::string into(size, '?');
    const auto got = file.read(offset, into);
    REQUIRE(got);
    into.resize(*got);
    return into;
}

template <class Answer>
Errc code_of(const Answer& answer) {
    REQUIRE(!answer);
    return answer.error().code;
}

}  // namespace

TEST_CASE_TEMPLATE("a file holds what was written to it", World, RealWorld, SimulatedWorld) {
    World world;
    const auto file = create(world.files, world.root + "/f", "0123456789");
    CHECK(read(*file, 0, 10) == "0123456789");
    CHECK(read(*file, 3, 4) == "3456");
    CHECK(read(*file, 8, 10) == "89");  // fewer only at the end
    CHECK(read(*file, 10, 10).empty());
    CHECK(read(*file, 1000, 10).empty());
    CHECK(read(*file, 0, 0).empty());

    CHECK(file->write(2, "xy"));
    CHECK(read(*file, 0, 20) == "01xy456789");
    CHECK(file->write(9, "zz"));
    CHECK(*file->size() == 11);
    CHECK(file->write(13, "!"));  // what nobody wrote is zero
    CHECK(read(*file, 9, 20) == std::string("zz\0\0!", 5));
    CHECK(file->write(20, ""));  // and nothing is nothing
    CHECK(*file->size() == 14);
    CHECK(file->sync());

    CHECK(file->truncate(3));
    CHECK(*file->size() == 3);
    CHECK(file->truncate(5));
    CHECK(read(*file, 0, 20) == std::string("01x\0\0", 5));
    CHECK(file->sync());
}

TEST_CASE_TEMPLATE("a large write is taken whole", World, RealWorld, SimulatedWorld) {
    World world;
    std::string bytes(3'000'001, 'x');
    for (std::size_t i = 0; i < bytes.size(); i += 7) bytes[i] = static_cast<char>(i);
    const auto file = create(world.files, world.root + "/f");
    CHECK(file->write(5, bytes));
    CHECK(read(*file, 5, bytes.size() + 10) == bytes);
    CHECK(*read_file(world.files, world.root + "/f") == std::string(5, '\0') + bytes);
}

TEST_CASE_TEMPLATE("opening makes a file, keeps it, or misses it", World, RealWorld,
                   SimulatedWorld) {
    World world;
    const std::string path = world.root + "/f";
    CHECK(code_of(world.files.open(path, OpenMode::read)) == Errc::not_found);
    CHECK(code_of(world.files.open(path, OpenMode::update)) == Errc::not_found);
    CHECK(!*world.files.exists(path));

    create(world.files, path, "kept");
    CHECK(*world.files.exists(path));
    auto again = world.files.open(path, OpenMode::create);
    REQUIRE(again);
    CHECK(read(**again, 0, 10) == "kept");

    auto update = world.files.open(path, OpenMode::update);
    REQUIRE(update);
    CHECK((*update)->write(0, "K"));
    CHECK(read(**again, 0, 10) == "Kept");  // two handles, one file

    auto reader = world.files.open(path, OpenMode::read);
    REQUIRE(reader);
    CHECK(read(**reader, 0, 10) == "Kept");
    CHECK(code_of((*reader)->write(0, "x")) == Errc::io);
    CHECK(code_of((*reader)->truncate(0)) == Errc::io);
    CHECK(read(**reader, 0, 10) == "Kept");

    CHECK(code_of(world.files.open(world.root, OpenMode::read)) == Errc::io);
    CHECK(code_of(world.files.open(world.root, OpenMode::create)) == Errc::io);
    CHECK(code_of(world.files.open(world.root + "/no/f", OpenMode::create)) == Errc::not_found);
}

TEST_CASE_TEMPLATE("a folder lists its names in byte order", World, RealWorld, SimulatedWorld) {
    World world;
    CHECK(world.files.list(world.root)->empty());
    for (const char* name : {"b", "a", "B", "a.new", ".hidden", "\xC3\xA9"})
        create(world.files, world.root + "/" + name);
    REQUIRE(world.files.make_directory(world.root + "/aa"));
    CHECK(*world.files.list(world.root) ==
          std::vector<std::string>{".hidden", "B", "a", "a.new", "aa", "b", "\xC3\xA9"});
    CHECK(code_of(world.files.list(world.root + "/no")) == Errc::not_found);
    CHECK(code_of(world.files.list(world.root + "/a")) == Errc::io);
}

TEST_CASE_TEMPLATE("a rename takes the place of what was there", World, RealWorld, SimulatedWorld) {
    World world;
    const std::string& root = world.root;
    const auto file = create(world.files, root + "/new", "new");
    create(world.files, root + "/old", "old");
    REQUIRE(world.files.rename(root + "/new", root + "/old"));
    CHECK(*read_file(world.files, root + "/old") == "new");
    CHECK(!*world.files.exists(root + "/new"));
    CHECK(file->write(0, "N"));  // a handle follows its file
    CHECK(*read_file(world.files, root + "/old") == "New");
    CHECK(world.files.rename(root + "/old", root + "/old"));
    CHECK(*world.files.exists(root + "/old"));

    REQUIRE(world.files.make_directory(root + "/d"));
    REQUIRE(world.files.rename(root + "/old", root + "/d/f"));
    CHECK(world.files.sync_directory(root));
    CHECK(world.files.sync_directory(root + "/d"));
    REQUIRE(
        world.files.rename(root + "/d", root + "/e"));  // and a folder takes along what it holds
    CHECK(*read_file(world.files, root + "/e/f") == "New");

    CHECK(code_of(world.files.rename(root + "/no", root + "/x")) == Errc::not_found);
    CHECK(code_of(world.files.rename(root + "/e/f", root + "/no/f")) == Errc::not_found);
    create(world.files, root + "/f");
    CHECK(code_of(world.files.rename(root + "/e", root + "/f")) == Errc::io);
    CHECK(code_of(world.files.rename(root + "/f", root + "/e")) == Errc::io);
}

TEST_CASE_TEMPLATE("a removed file is gone, except for who has it open", World, RealWorld,
                   SimulatedWorld) {
    World world;
    const std::string path = world.root + "/f";
    const auto file = create(world.files, path, "x");
    REQUIRE(world.files.remove(path));
    CHECK(!*world.files.exists(path));
    CHECK(read(*file, 0, 10) == "x");
    CHECK(code_of(world.files.remove(path)) == Errc::not_found);
    CHECK(code_of(world.files.remove(world.root)) == Errc::io);

    create(world.files, path, "another");
    CHECK(read(*file, 0, 10) == "x");
}

TEST_CASE_TEMPLATE("folders are made once and removed with all in them", World, RealWorld,
                   SimulatedWorld) {
    World world;
    const std::string directory = world.root + "/d";
    CHECK(world.files.make_directory(directory));
    CHECK(world.files.make_directory(directory));
    CHECK(world.files.make_directory(directory + "/e"));
    create(world.files, directory + "/e/f", "x");
    create(world.files, directory + "/g", "x");
    CHECK(code_of(world.files.make_directory(directory + "/g")) == Errc::io);
    CHECK(code_of(world.files.make_directory(directory + "/g/h")) == Errc::io);
    CHECK(code_of(world.files.make_directory(world.root + "/no/d")) == Errc::not_found);
    CHECK(!*world.files.exists(directory + "/g/h"));

    CHECK(world.files.remove_tree(directory));
    CHECK(!*world.files.exists(directory));
    CHECK(code_of(world.files.remove_tree(directory)) == Errc::not_found);
    CHECK(code_of(world.files.sync_directory(directory)) == Errc::not_found);
    CHECK(world.files.sync_directory(world.root));
}

TEST_CASE_TEMPLATE("a lock is held by one, and is free when its holder lets go", World, RealWorld,
                   SimulatedWorld) {
    World world;
    const std::string path = world.root + "/f";
    CHECK(code_of(world.files.lock(path)) == Errc::not_found);
    CHECK(code_of(world.files.is_locked(path)) == Errc::not_found);
    create(world.files, path, "x");
    CHECK(!*world.files.is_locked(path));
    {
        const auto lock = world.files.lock(path);
        REQUIRE(lock);
        CHECK(*world.files.is_locked(path));
        CHECK(code_of(world.files.lock(path)) == Errc::busy);
        // Reading and closing it elsewhere does not let go, as it would with older POSIX locks.
        CHECK(*read_file(world.files, path) == "x");
        CHECK(*world.files.is_locked(path));
    }
    CHECK(!*world.files.is_locked(path));
    CHECK(world.files.lock(path));
}

TEST_CASE_TEMPLATE("a place is told from others, and is itself again", World, RealWorld,
                   SimulatedWorld) {
    World world;
    create(world.files, world.root + "/f");
    create(world.files, world.root + "/g");
    const auto f = world.files.identity(world.root + "/f");
    REQUIRE(f);
    CHECK(!f->boot.empty());
    CHECK(f->boot.find('\n') == std::string::npos);
    CHECK(!f->mount.empty());
    CHECK(*f == *world.files.identity(world.root + "/f"));
    CHECK(f->inode != world.files.identity(world.root + "/g")->inode);
    REQUIRE(world.files.rename(world.root + "/f", world.root + "/h"));
    CHECK(*f == *world.files.identity(world.root + "/h"));
    CHECK(code_of(world.files.identity(world.root + "/f")) == Errc::not_found);
}

TEST_CASE_TEMPLATE("there is room, and errors say where they happened", World, RealWorld,
                   SimulatedWorld) {
    World world;
    CHECK(*world.files.free_space(world.root) > 0);
    const std::string path = world.root + "/no";
    CHECK(code_of(world.files.free_space(path)) == Errc::not_found);
    for (const Error& error :
         {world.files.open(path, OpenMode::read).error(), world.files.list(path).error(),
          world.files.remove(path).error(), world.files.remove_tree(path).error(),
          world.files.rename(path, path + "2").error(), world.files.sync_directory(path).error(),
          world.files.free_space(path).error(), world.files.identity(path).error(),
          world.files.lock(path).error()}) {
        CHECK(error.code == Errc::not_found);
        CHECK(error.text.find(path) != std::string::npos);
    }
}

TEST_CASE_TEMPLATE("a replaced file is the new one", World, RealWorld, SimulatedWorld) {
    World world;
    CHECK(replace_file(world.files, world.root, "f", "one"));
    CHECK(*read_file(world.files, world.root + "/f") == "one");
    CHECK(replace_file(world.files, world.root, "f", "2"));
    CHECK(*read_file(world.files, world.root + "/f") == "2");
    CHECK(world.files.list(world.root)->size() == 1);
    CHECK(code_of(replace_file(world.files, world.root + "/no", "f", "x")) == Errc::not_found);
}
