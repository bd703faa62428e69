// What the simulated disk promises to the tests that stand on it. The promises that it shares with
// the real one are in tests/adapters/filesystem_contract_test.cc.

#include "tests/sim/sim_filesystem.h"

#include <doctest/doctest.h>

#include <set>

using namespace se;

namespace {

/// What a file may hold after something happened to a disk, over many seeds.
template <class Happen>
std::set<std::string> outcomes(Happen happen) {
    std::set<std::string> contents;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
        SimFileSystem disk(seed);
        happen(disk);
        contents.insert(disk.content("d/f").value_or("(absent)"));
    }
    return contents;
}

std::unique_ptr<File> open_file(SimFileSystem& disk, const std::string& path) {
    auto file = disk.open(path, OpenMode::create);
    REQUIRE(file);
    return std::move(*file);
}

}  // namespace

TEST_CASE("the same seed loses the same things") {
    const auto live = [](std::uint64_t seed) {
        SimFileSystem disk(seed);
        disk.put("d/f", std::string(5000, '-'));
        for (int i = 0; i < 10; ++i) {
            const auto file = open_file(disk, "d/" + std::to_string(i));
            REQUIRE(file->write(0, std::string(3000, 'x')));
        }
        REQUIRE(open_file(disk, "d/f")->write(100, std::string(4000, 'y')));
        disk.power_cut();
        std::string all = *disk.content("d/f");
        for (const std::string& name : *disk.list("d")) all += name + *disk.content("d/" + name);
        return all;
    };
    CHECK(live(1) == live(1));
    CHECK(live(1) != live(2));
}

TEST_CASE("a crash loses nothing and syncs nothing") {
    SimFileSystem disk(1);
    disk.put("d/f", "old");
    const auto file = open_file(disk, "d/f");
    REQUIRE(file->write(0, "new"));
    disk.crash();
    CHECK(disk.content("d/f") == "new");
    CHECK(disk.durable_content("d/f") == "old");
    CHECK(*read_file(disk, "d/f") == "new");
}

TEST_CASE("files and locks die with their process") {
    SimFileSystem disk(1);
    disk.put("d/f", "old");
    const auto file = open_file(disk, "d/f");
    auto lock = disk.lock("d/f");
    REQUIRE(lock);
    disk.crash();

    char byte = 0;
    CHECK(file->read(0, {&byte, 1}).error().code == Errc::io);
    CHECK(file->write(0, "x").error().code == Errc::io);
    CHECK(file->sync().error().code == Errc::io);
    CHECK(file->truncate(0).error().code == Errc::io);
    CHECK(file->size().error().code == Errc::io);
    CHECK(disk.content("d/f") == "old");

    CHECK(!*disk.is_locked("d/f"));
    auto next = disk.lock("d/f");
    REQUIRE(next);
    *lock = nullptr;  // the dead one's must not let go of the living one's
    CHECK(*disk.is_locked("d/f"));
}

TEST_CASE("what was synced survives every power cut") {
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/f", "old and longer");
              const auto file = open_file(disk, "d/f");
              REQUIRE(file->write(0, "new"));
              REQUIRE(file->truncate(5));
              REQUIRE(file->sync());
              disk.power_cut();
              disk.power_cut();
          }) == std::set<std::string>{"new a"});
}

TEST_CASE("what was not synced is kept, lost or torn at any byte, and nothing else is touched") {
    const auto contents = outcomes([](SimFileSystem& disk) {
        disk.put("d/f", "......");
        REQUIRE(open_file(disk, "d/f")->write(1, "abc"));
        disk.power_cut();
    });
    CHECK(contents == std::set<std::string>{"......", ".a....", "..b...", "...c..", ".ab...",
                                            ".a.c..", "..bc..", ".abc.."});
}

TEST_CASE("a later write may get to the disk without an earlier one") {
    const auto contents = outcomes([](SimFileSystem& disk) {
        disk.put("d/f", "..");
        const auto file = open_file(disk, "d/f");
        REQUIRE(file->write(0, "a"));
        REQUIRE(file->write(1, "b"));
        disk.power_cut();
    });
    CHECK(contents == std::set<std::string>{"..", "a.", ".b", "ab"});
}

TEST_CASE("a file that grew may have its new size without its new bytes") {
    const auto contents = outcomes([](SimFileSystem& disk) {
        disk.put("d/f", "");
        REQUIRE(open_file(disk, "d/f")->write(0, "ab"));
        disk.power_cut();
    });
    const std::string zeros(2, '\0');
    CHECK(contents.contains(""));
    CHECK(contents.contains("ab"));
    CHECK(contents.contains("a"));
    CHECK(contents.contains(zeros));
}

TEST_CASE("a large write loses whole sectors in the middle") {
    const std::string bytes(4 * 512, 'x');
    const auto contents = outcomes([&](SimFileSystem& disk) {
        disk.put("d/f", std::string(bytes.size(), '.'));
        REQUIRE(open_file(disk, "d/f")->write(0, bytes));
        disk.power_cut();
    });
    const std::string x(512, 'x');
    const std::string o(512, '.');
    CHECK(contents.contains(x + o + x + x));
    CHECK(contents.contains(o + x + o + o));
}

TEST_CASE("a truncation that was not synced may be undone") {
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/f", "abc");
              REQUIRE(open_file(disk, "d/f")->truncate(1));
              disk.power_cut();
          }) == std::set<std::string>{"a", "abc"});
}

TEST_CASE("after a failed sync a second one says yes, and the bytes are lost all the same") {
    const auto contents = outcomes([](SimFileSystem& disk) {
        disk.put("d/f", ".");
        const auto file = open_file(disk, "d/f");
        REQUIRE(file->write(0, "x"));
        disk.fail_after(0, DiskFault::hiccup);
        REQUIRE(!file->sync());
        REQUIRE(disk.failed());
        REQUIRE(disk.content("d/f") == "x");  // the page cache does not know
        REQUIRE(file->sync());
        disk.power_cut();
    });
    CHECK(contents == std::set<std::string>{".", "x"});
}

TEST_CASE("after a failed sync the loss may show without a power cut, when the cache is evicted") {
    const auto contents = outcomes([](SimFileSystem& disk) {
        disk.put("d/f", ".");
        const auto file = open_file(disk, "d/f");
        REQUIRE(file->write(0, "x"));
        disk.evict();
        REQUIRE(disk.content("d/f") == "x");  // not clean, so it stays
        disk.fail_after(0, DiskFault::hiccup);
        REQUIRE(!file->sync());
        disk.evict();
    });
    CHECK(contents == std::set<std::string>{".", "x"});
}

TEST_CASE("writing the same bytes again and syncing brings them back after a failed sync") {
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/f", ".");
              const auto file = open_file(disk, "d/f");
              REQUIRE(file->write(0, "x"));
              disk.fail_after(0, DiskFault::hiccup);
              REQUIRE(!file->sync());
              REQUIRE(file->write(0, "x"));
              REQUIRE(file->sync());
              disk.power_cut();
          }) == std::set<std::string>{"x"});
}

TEST_CASE("a file whose folder was not synced may be gone, synced as it was") {
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/other", "");
              const auto file = open_file(disk, "d/f");
              REQUIRE(file->write(0, "x"));
              REQUIRE(file->sync());
              disk.power_cut();
          }) == std::set<std::string>{"(absent)", "x"});
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/other", "");
              const auto file = open_file(disk, "d/f");
              REQUIRE(file->write(0, "x"));
              REQUIRE(file->sync());
              REQUIRE(disk.sync_directory("d"));
              disk.power_cut();
          }) == std::set<std::string>{"x"});
}

TEST_CASE("a removal that was not synced may be undone, with what the file held") {
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/f", "x");
              REQUIRE(disk.remove("d/f"));
              disk.power_cut();
          }) == std::set<std::string>{"(absent)", "x"});
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/f", "x");
              REQUIRE(disk.remove("d/f"));
              REQUIRE(disk.sync_directory("d"));
              disk.power_cut();
          }) == std::set<std::string>{"(absent)"});
}

TEST_CASE("a rename is there whole or not at all") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        SimFileSystem disk(seed);
        disk.put("d/f", "old");
        disk.put("d/new", "new");
        REQUIRE(disk.rename("d/new", "d/f"));
        disk.power_cut();
        seen.insert(*disk.content("d/f") + "+" + disk.content("d/new").value_or(""));
    }
    CHECK(seen == std::set<std::string>{"old+new", "new+"});
}

TEST_CASE("of several renames in one folder a later one may survive an earlier one") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        SimFileSystem disk(seed);
        disk.put("d/1", "");
        disk.put("d/2", "");
        REQUIRE(disk.rename("d/1", "d/a"));
        REQUIRE(disk.rename("d/2", "d/b"));
        disk.power_cut();
        std::string names;
        for (const std::string& name : *disk.list("d")) names += name;
        seen.insert(names);
    }
    CHECK(seen == std::set<std::string>{"12", "2a", "1b", "ab"});
}

TEST_CASE("operations in a folder are lost from the last one on, or here and there") {
    int in_order = 0;
    constexpr int kSeeds = 200;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
        SimFileSystem disk(seed);
        std::string names;
        for (char name = 'A'; name <= 'Z'; ++name) {
            open_file(disk, std::string(1, name));
            names += name;
        }
        disk.power_cut();
        std::string left;
        for (const std::string& name : *disk.list("/")) left += name;
        in_order += names.starts_with(left) ? 1 : 0;
    }
    CHECK(in_order > kSeeds / 4);
    CHECK(in_order < kSeeds * 3 / 4);
}

TEST_CASE("a rename between two folders needs both synced, and a file never has two names") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        for (int synced = 0; synced < 4; ++synced) {
            SimFileSystem disk(seed);
            disk.put("a/f", "x");
            disk.put("b/other", "");
            REQUIRE(disk.rename("a/f", "b/f"));
            REQUIRE(disk.rename("b/f", "b/g"));
            if ((synced & 1) != 0) REQUIRE(disk.sync_directory("a"));
            if ((synced & 2) != 0) REQUIRE(disk.sync_directory("b"));
            disk.power_cut();
            const int names = disk.content("a/f").has_value() + disk.content("b/f").has_value() +
                              disk.content("b/g").has_value();
            CAPTURE(seed);
            CAPTURE(synced);
            REQUIRE(names == 1);
            if (synced == 3) REQUIRE(disk.content("b/g") == "x");
        }
    }
}

TEST_CASE("what is synced brings along what it builds on") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SimFileSystem disk(seed);
        for (const char* name : {"d/a/f", "d/a/g", "d/b/h"}) disk.put(name, "x");
        REQUIRE(disk.rename("d/a/f", "d/b/f"));
        REQUIRE(disk.remove("d/b/f"));
        REQUIRE(disk.sync_directory("d/b"));  // and so the removed file must not come back
        REQUIRE(disk.rename("d/a/g", "d/b/g"));
        REQUIRE(disk.remove_tree("d/a"));
        REQUIRE(disk.sync_directory("d"));  // and so the file that had moved out must be there
        disk.power_cut();
        CAPTURE(seed);
        REQUIRE(*disk.list("d") == std::vector<std::string>{"b"});
        REQUIRE(*disk.list("d/b") == std::vector<std::string>{"g", "h"});
    }
}

TEST_CASE("a folder that was not synced takes with it all that is below") {
    std::set<bool> seen;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SimFileSystem disk(seed);
        REQUIRE(disk.make_directory("d"));
        REQUIRE(open_file(disk, "d/f")->sync());
        REQUIRE(disk.sync_directory("d"));
        disk.power_cut();
        seen.insert(*disk.exists("d"));
        REQUIRE(*disk.exists("d") == *disk.exists("d/f"));
    }
    CHECK(seen.size() == 2);
}

TEST_CASE("a removed tree may be there in part until its folder is synced") {
    std::set<std::size_t> left;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SimFileSystem disk(seed);
        for (const char* name : {"d/t/1", "d/t/2", "d/t/u/3"}) disk.put(name, "x");
        REQUIRE(disk.remove_tree("d/t"));
        REQUIRE(!*disk.exists("d/t"));
        if (seed % 2 == 0) REQUIRE(disk.sync_directory("d"));
        disk.power_cut();
        if (seed % 2 == 0) REQUIRE(!*disk.exists("d/t"));
        if (*disk.exists("d/t")) left.insert(disk.list("d/t")->size());
    }
    CHECK(left == std::set<std::size_t>{0, 1, 2, 3});
}

TEST_CASE("each call can fail once, and calls are counted") {
    SimFileSystem disk(1);
    disk.put("d/f", "abc");
    const auto file = open_file(disk, "d/f");
    const std::uint64_t before = disk.calls();
    REQUIRE(file->size());
    REQUIRE(disk.list("d"));
    CHECK(disk.calls() == before);  // those only look
    REQUIRE(file->sync());
    CHECK(disk.calls() == before + 1);

    disk.fail_after(1, DiskFault::hiccup);
    CHECK(file->sync());
    CHECK(!disk.failed());
    const Status failed = file->sync();
    CHECK(failed.error().code == Errc::io);
    CHECK(failed.error().text == "d/f: sync: simulated failure");
    CHECK(disk.failed());
    CHECK(file->sync());

    disk.fail_after(0, DiskFault::lasting);
    CHECK(!file->sync());
    CHECK(!disk.make_directory("e"));
    CHECK(!file->write(0, "x"));
    disk.mend();
    CHECK(file->sync());

    disk.count_reads(true);
    disk.fail_after(1, DiskFault::hiccup);
    CHECK(file->size());
    CHECK(!disk.list("d"));
    CHECK(disk.list("d"));
}

TEST_CASE("a failed write has written any part of it, and a full disk none") {
    const auto contents = outcomes([](SimFileSystem& disk) {
        disk.put("d/f", "..");
        disk.fail_after(0, DiskFault::hiccup);
        REQUIRE(disk.open("d/g", OpenMode::create).error().code == Errc::io);
    });
    CHECK(contents == std::set<std::string>{".."});
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/f", "..");
              const auto file = open_file(disk, "d/f");
              disk.fail_after(0, DiskFault::hiccup);
              REQUIRE(file->write(0, "ab").error().code == Errc::io);
          }) == std::set<std::string>{"..", "a.", ".b", "ab"});
    CHECK(outcomes([](SimFileSystem& disk) {
              disk.put("d/f", "..");
              const auto file = open_file(disk, "d/f");
              disk.fail_after(0, DiskFault::hiccup, Errc::no_space);
              REQUIRE(file->sync());  // needs no room
              REQUIRE(!disk.failed());
              REQUIRE(file->write(0, "ab").error().code == Errc::no_space);
          }) == std::set<std::string>{".."});
}

TEST_CASE("a full disk refuses what would grow, and takes what would not") {
    SimFileSystem disk(1);
    disk.put("d/f", "12345");
    disk.set_capacity(8);
    const auto file = open_file(disk, "d/f");
    CHECK(*disk.free_space("d") == 3);
    CHECK(file->write(5, "6789").error().code == Errc::no_space);
    CHECK(disk.content("d/f") == "12345");
    CHECK(file->write(0, "abcde"));
    CHECK(file->write(5, "678"));
    CHECK(*disk.free_space("d") == 0);
    CHECK(file->truncate(0));
    CHECK(*disk.free_space("d") == 8);
    disk.put("d/g", std::string(20, 'x'));
    CHECK(*disk.free_space("d") == 0);
}

TEST_CASE("the hook sees each call before it happens, and can end the process there") {
    SimFileSystem disk(1);
    disk.put("d/f", "old");
    const auto file = open_file(disk, "d/f");
    std::vector<std::string> seen;
    disk.on_call([&](const SimFileSystem::Call& call) {
        seen.emplace_back(call.path);
        if (call.operation == SimFileSystem::Operation::write) {
            CHECK(call.offset == 1);
            CHECK(call.size == 3);
            disk.crash();
        }
        if (call.operation == SimFileSystem::Operation::rename) disk.power_cut();
    });
    CHECK(!file->write(1, "new"));
    CHECK(disk.content("d/f") == "old");
    CHECK(!disk.rename("d/f", "d/g"));
    CHECK(disk.content("d/f") == "old");
    CHECK(seen == std::vector<std::string>{"d/f", "d/f"});
}

TEST_CASE("damage is one bit, on the disk too") {
    SimFileSystem disk(1);
    disk.put("d/f", "abc");
    disk.flip_bit("d/f", 8);
    CHECK(disk.content("d/f") == "acc");
    disk.power_cut();
    CHECK(disk.content("d/f") == "acc");
}

TEST_CASE("a misdirected write says yes and lands elsewhere, once") {
    SimFileSystem disk(1);
    disk.put("d/f", "......");
    const auto file = open_file(disk, "d/f");
    disk.misdirect_next_write(-2);
    CHECK(file->write(3, "a"));
    CHECK(file->write(3, "b"));
    CHECK(disk.content("d/f") == ".a.b..");
}

TEST_CASE("a power cut is another boot, a crash is not") {
    SimFileSystem disk(1);
    disk.put("d/f", "x");
    const FileIdentity first = *disk.identity("d/f");
    disk.crash();
    CHECK(*disk.identity("d/f") == first);
    disk.power_cut();
    CHECK(disk.identity("d/f")->boot != first.boot);
    CHECK(disk.identity("d/f")->inode == first.inode);
}
