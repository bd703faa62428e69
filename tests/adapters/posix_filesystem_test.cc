// What only the real disk can be asked.

#include "engine/adapters/posix_filesystem.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "engine/adapters/posix_clock.h"
#include "engine/adapters/posix_random.h"
#include "tests/adapters/temporary_directory.h"

using namespace se;

namespace {

/// Runs `child` in a process of its own; yields what it returned.
int in_child(const std::function<int()>& child) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(child());
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

mode_t permissions(const std::string& path) {
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("files and folders are for their owner only") {
    TemporaryDirectory directory;
    PosixFileSystem files;
    REQUIRE(files.make_directory(directory.path() + "/d"));
    REQUIRE(files.open(directory.path() + "/d/f", OpenMode::create));
    CHECK(permissions(directory.path() + "/d") == 0700);
    CHECK(permissions(directory.path() + "/d/f") == 0600);
}

TEST_CASE("files are not inherited by programs that we start") {
    TemporaryDirectory directory;
    PosixFileSystem files;
    const int before = ::dup(0);
    ::close(before);  // the number that the next descriptor will have
    const auto file = files.open(directory.path() + "/f", OpenMode::create);
    REQUIRE(file);
    const int flags = ::fcntl(before, F_GETFD);
    REQUIRE(flags >= 0);
    CHECK((flags & FD_CLOEXEC) != 0);
}

TEST_CASE("a lock holds against other processes, and is free when its process is killed") {
    TemporaryDirectory directory;
    PosixFileSystem files;
    const std::string path = directory.path() + "/f";
    REQUIRE(files.open(path, OpenMode::create));

    {
        const auto lock = files.lock(path);
        REQUIRE(lock);
        CHECK(in_child([&] {
                  PosixFileSystem theirs;
                  const auto denied = theirs.lock(path);
                  return !denied && denied.error().code == Errc::busy && *theirs.is_locked(path);
              }) == 1);
    }

    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        PosixFileSystem theirs;
        const auto lock = theirs.lock(path);
        const char answer = lock ? 'y' : 'n';
        if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
        while (true) ::pause();
    }
    char answer = 0;
    REQUIRE(::read(ready[0], &answer, 1) == 1);
    ::close(ready[0]);
    ::close(ready[1]);
    CHECK(answer == 'y');
    CHECK(*files.is_locked(path));
    REQUIRE(::kill(pid, SIGKILL) == 0);
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    CHECK(!*files.is_locked(path));
    CHECK(files.lock(path));
}

TEST_CASE("a short write is a failure that says how far it came") {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/f";
    // The one way to a short write that needs no full disk: a limit on the size of files.
    CHECK(in_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit = {1000, 1000};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
              PosixFileSystem files;
              const auto file = files.open(path, OpenMode::create);
              if (!file) return 3;
              const Status written = (*file)->write(900, std::string(200, 'x'));
              if (written || written.error().code != Errc::io) return 4;
              if (written.error().text != path + "@900: write: only 100 of 200 bytes were taken")
                  return 5;
              const Status refused = (*file)->write(1000, "x");
              return refused || refused.error().code != Errc::io ? 6 : 0;
          }) == 0);
}

TEST_CASE("a full disk is told from a broken one") {
    PosixFileSystem files;
    const auto full = files.open("/dev/full", OpenMode::update);
    if (!full) {
        std::puts("SKIP: a full disk is told from a broken one: there is no /dev/full");
        return;
    }
    const Status status = (*full)->write(0, "x");
    REQUIRE(!status);
    CHECK(status.error().code == Errc::no_space);
    CHECK(status.error().text == "/dev/full@0: write: No space left on device");
}

TEST_CASE("reading what cannot be read is an error, not the end") {
    TemporaryDirectory directory;
    PosixFileSystem files;
    const auto file = files.open(directory.path() + "/f", OpenMode::create);
    REQUIRE(file);
    char byte = 0;
    const auto got = (*file)->read(~0ull, {&byte, 1});  // an offset that the kernel refuses
    REQUIRE(!got);
    CHECK(got.error().code == Errc::io);
}

TEST_CASE("the machine's clock moves on and its chance does not repeat") {
    const PosixClock clock;
    const auto before = clock.monotonic();
    CHECK(clock.monotonic() >= before);
    CHECK(clock.wall() > Time(std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}));

    PosixRandom random;
    CHECK(make_hex(random, 16) != make_hex(random, 16));
    CHECK(make_hex(random, 1000).size() == 2000);  // more than the kernel gives at once
}
