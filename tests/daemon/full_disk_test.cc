// A full disk refuses writes and nothing else, and when there is room again nobody has to be told.

#include <doctest/doctest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

/// A file system in memory, small enough to fill.
class SmallDisk {
public:
    explicit SmallDisk(std::string path) : path_(std::move(path)) {
        mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=24m") == 0;
        why_ = std::strerror(errno);
    }
    ~SmallDisk() {
        if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    bool mounted() const { return mounted_; }
    const std::string& why_not() const { return why_; }
    bool grow() { return ::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, "size=200m") == 0; }

private:
    std::string path_, why_;
    bool mounted_ = false;
};

TEST_CASE("a full disk refuses writes, serves reads, and goes on by itself when there is room") {
    TemporaryDirectory folder;
    SmallDisk disk(folder.path());
    if (!disk.mounted()) {
        std::printf("SKIP: full disk: mounting a small tmpfs: %s\n", disk.why_not().c_str());
        return;
    }
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .arguments = {"--set", "journal.disk_reserve_bytes=4MiB", "--set",
                                        "projection.map_bytes_first=1MiB", "--set",
                                        "projection.map_step_bytes=1MiB"}});
    daemon.start();
    HttpClient client = daemon.tcp();
    const std::string text = "\"" + std::string(20'000, 'x') + "\"";
    std::map<std::string, std::int64_t> versions;
    int refused = 0;
    for (int i = 0; i < 5'000 && refused < 10; ++i) {
        const std::string key = "k" + std::to_string(i % 50);
        const auto answer = client.post("/v1/mutations", set_text(key, text));
        REQUIRE(answer);
        const Json said = json_of(answer->body);
        if (answer->status == 200) {
            versions[key] = said.find("version")->integer();
            continue;
        }
        CHECK(answer->status == 503);
        CHECK(said.find("code")->string() == "unavailable");
        CHECK(said.find("reason")->string() == "disk_full");
        ++refused;
    }
    CHECK(refused == 10);
    for (const auto& [key, version] : versions) {
        const auto read = client.get("/v1/state/" + key);
        REQUIRE(read);
        CHECK(read->status == 200);
        CHECK(json_of(read->body).find("version")->integer() == version);
    }

    REQUIRE(disk.grow());
    bool goes_on = false;
    for (int tries = 0; tries < 600 && !goes_on; ++tries) {
        const auto answer = client.post("/v1/mutations", set_text("k0", text));
        REQUIRE(answer);
        goes_on = answer->status == 200;
        if (goes_on) CHECK(json_of(answer->body).find("version")->integer() == versions["k0"] + 1);
        if (!goes_on) std::this_thread::sleep_for(50ms);
    }
    CHECK(goes_on);
    CHECK(daemon.stop() == 0);
}

}  // namespace
}  // namespace se::test
