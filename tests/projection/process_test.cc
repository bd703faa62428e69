// Other processes: readers beside a writer, and writers that are killed.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "tests/projection/written_store.h"

namespace se {
namespace {

/// Runs `body` in a child; its answer is the exit code. Whoever forks has no Env open.
class Child {
public:
    explicit Child(const std::function<int()>& body) : pid_(::fork()) {
        SE_ASSERT(pid_ >= 0);
        if (pid_ == 0) ::_exit(body());  // no destructors: as if it were killed
    }
    int wait() {
        int status = 0;
        SE_ASSERT(::waitpid(pid_, &status, 0) == pid_);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    void kill() { ::kill(pid_, SIGKILL); }

private:
    pid_t pid_;
};

/// One byte at a time between two processes.
struct Pipe {
    int ends[2];
    Pipe() { SE_ASSERT(::pipe2(ends, O_CLOEXEC) == 0); }
    ~Pipe() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    void tell() const { SE_ASSERT(::write(ends[1], "x", 1) == 1); }
    void wait() const {
        char byte = 0;
        SE_ASSERT(::read(ends[0], &byte, 1) == 1);
    }
};

}  // namespace

TEST_CASE("a killed writer's LMDB is trusted in the same boot, and is the fold of its watermark") {
    const History history(1, 3000, 500);
    for (int round = 0; round < 5; ++round) {
        Place place;
        Pipe begun;
        Child writer([&] {
            auto projection = place.grown(history, 100);
            if (!projection->begin_run(history.epoch)) return 1;
            for (std::size_t i = 100; i < history.size(); i += 10) {
                if (!projection->apply(history.range(i, i + 10), history.behind(i + 10))) return 2;
                if (i == 100) begun.tell();
            }
            return 0;
        });
        begun.wait();
        ::usleep(static_cast<unsigned>(round) * 3000);
        writer.kill();
        writer.wait();
        auto projection = place.open();
        REQUIRE_MESSAGE(projection->trusted(), projection->why_not_trusted());
        const std::size_t count = projection->watermark().seq.value;
        CHECK(count >= 110);
        CHECK(projection->watermark().frontier == history.behind(count).frontier);
        const Model model = model_of(history, count);
        CHECK(describe(*projection, model) == describe(model, Seq{count}, history.epoch));
        REQUIRE(projection->begin_run(history.epoch));
        REQUIRE(projection->apply(history.range(count, history.size()),
                                  history.behind(history.size())));
        const Model all = model_of(history, history.size());
        CHECK(describe(*projection, all) == describe(all, Seq{history.size()}, history.epoch));
    }
}

TEST_CASE(
    "a reader in another process sees committed states only, through growth and a new generation") {
    WrittenStore store(2, 300);
    store.open();
    store.write(200);
    store.leave();  // the child must inherit nothing that is open
    const Model at_start = store.model;
    Pipe ready, go_on;
    Child reader([&] {
        auto opened = StateReader::open(store.place.place(), {});
        if (!opened) return 1;
        Seq last;
        int swaps = 0;
        for (int round = 0; round < 400; ++round) {
            if (round == 0) {
                ready.tell();
                go_on.wait();
            }
            const auto as_of = opened->refresh();
            if (!as_of) return 2;
            if (as_of->seq < last) return 3;  // never back
            if (as_of->why_in_memory != "") ++swaps;
            last = as_of->seq;
            const auto listed = opened->list("", "", SIZE_MAX);
            if (!listed) return 4;
            for (const auto& [key, entry] : *listed) {
                // An entry is of its seq, and its newest change is that one.
                const auto newest = opened->history(key, Seq{0}, 1);
                if (!newest || newest->size() != 1 || newest->front() != entry.seq) return 5;
                if (entry.seq > as_of->seq) return 6;
                const auto again = opened->get(key);
                if (!again || !*again || **again != entry) return 7;
            }
        }
        return swaps == 0 ? 0 : 8;
    });
    ready.wait();
    store.open();
    go_on.tell();
    for (int round = 0; round < 12; ++round) {
        store.write(100, 40);
        store.follow_to(store.last);
        if (round % 4 == 3) {
            auto rebuild =
                Rebuild::begin(*store.projection, store.place.files, store.place.paths());
            REQUIRE(rebuild);
            const auto report = (*rebuild)->step(UINT64_MAX, true);
            REQUIRE(report);
            REQUIRE(*report);
            CHECK((*report)->equal);
        }
    }
    CHECK(reader.wait() == 0);
}

TEST_CASE("a reader's snapshot in another process holds its pages against the writer") {
    WrittenStore store(3, 50);
    store.open();
    store.write(300);
    store.close();
    const Model then = store.model;
    Pipe ready, go_on;
    Child reader([&] {
        auto opened = StateReader::open(store.place.place(), {});
        if (!opened || !opened->refresh()) return 1;
        ready.tell();
        go_on.wait();
        for (const auto& [key, entry] : then.state.entries()) {
            const auto found = opened->get(key);
            if (!found || !*found || **found != entry) return 2;
        }
        return 0;
    });
    ready.wait();
    store.open();
    for (int round = 0; round < 40; ++round) store.write(50);
    const auto behind = store.projection->check_readers();
    REQUIRE(behind);
    CHECK(*behind > 40);
    go_on.tell();
    CHECK(reader.wait() == 0);
    REQUIRE(store.projection->check_readers());
    CHECK(*store.projection->check_readers() == 0);  // the slot of the dead is free again
}

TEST_CASE("a killed reader leaves no slot behind") {
    WrittenStore store(4);
    store.open();
    store.write(100);
    store.close();
    Pipe ready, never;
    Child reader([&] {
        auto opened = StateReader::open(store.place.place(), {});
        if (!opened || !opened->refresh()) return 1;
        ready.tell();
        never.wait();
        return 0;
    });
    ready.wait();
    store.open();
    store.write(100);
    CHECK(*store.projection->check_readers() > 0);
    reader.kill();
    reader.wait();
    REQUIRE(store.projection->check_readers());
    CHECK(*store.projection->check_readers() == 0);
}

// --- no room -----------------------------------------------------------------------------------

namespace {

/// Applies until there is no room, then checks that reads go on, then makes room and goes on.
int fill_up(Place& place, const History& history, const std::function<void()>& make_room) {
    auto projection = place.grown(history, 10);
    if (!projection->begin_run(history.epoch)) return 1;
    std::size_t done = 10;
    for (; done < history.size(); ++done) {
        const auto applied =
            projection->apply(history.range(done, done + 1), history.behind(done + 1));
        if (applied) continue;
        if (applied.error().code != Errc::no_space) return 2;
        break;
    }
    if (done == history.size()) return 3;  // never full
    const Model model = model_of(history, done);
    for (int again = 0; again < 3; ++again) {
        if (describe(*projection, model) != describe(model, Seq{done}, history.epoch)) return 4;
        if (projection->apply(history.range(done, done + 1), history.behind(done + 1))) return 5;
    }
    make_room();
    for (; done < history.size(); ++done)
        if (!projection->apply(history.range(done, done + 1), history.behind(done + 1))) return 6;
    const Model all = model_of(history, done);
    if (describe(*projection, all) != describe(all, Seq{done}, history.epoch)) return 7;
    return 0;
}

}  // namespace

TEST_CASE(
    "at the limit of a file's size nothing is written, reads go on, and it goes on with more") {
    const History history(5, 3000, 3000);
    Place place;
    Child child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit before{1u << 20, RLIM_INFINITY};
        if (::setrlimit(RLIMIT_FSIZE, &before) != 0) return 100;
        return fill_up(place, history, [] {
            const rlimit more{RLIM_INFINITY, RLIM_INFINITY};
            SE_ASSERT(::setrlimit(RLIMIT_FSIZE, &more) == 0);
        });
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("a full disk refuses, never kills") {
    // A real small disk: a write into a hole of the map would be SIGBUS here.
    TemporaryDirectory mount_point;
    const std::string& path = mount_point.path();
    if (::mount("none", path.c_str(), "tmpfs", 0, "size=3m") != 0) {
        std::puts("SKIP: a full disk refuses, never kills: no tmpfs can be mounted here");
        return;
    }
    const History history(6, 6000, 6000);
    Place place;
    place.options.map_step_bytes = 512u << 10;
    const std::string cache = path + "/projection";
    std::filesystem::create_directories(cache);
    std::filesystem::create_directory_symlink(cache, place.paths().projection());
    Child child([&] {
        return fill_up(place, history, [&] {
            SE_ASSERT(::mount("none", path.c_str(), "tmpfs", MS_REMOUNT, "size=300m") == 0);
        });
    });
    CHECK(child.wait() == 0);
    CHECK(::umount(path.c_str()) == 0);
}

}  // namespace se
