#include "tests/daemon/daemon_process.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "engine/adapters/posix_filesystem.h"
#include "journal/journal_reader.h"
#include "tests/places.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

// How long to wait for what must come: for a hung program, not for a slow machine.
constexpr auto kPatience = 120s;

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace

void write_text(const std::string& path, std::string_view text) {
    std::ofstream out(path, std::ios::trunc);
    out << text;
    REQUIRE(out.good());
}

Json json_of(std::string_view text) {
    auto json = parse_json(text);
    REQUIRE_MESSAGE(json, std::string(text));
    return *std::move(json);
}

std::string set_text(const std::string& key, const std::string& value, const std::string& id) {
    std::string text =
        R"({"op":"set","key":")" + key + R"(","value":)" + value + R"(,"reason":"test")";
    if (!id.empty()) text += R"(,"id":")" + id + "\"";
    return text + "}";
}

Result<std::vector<Json>> read_records(const std::string& data) {
    PosixFileSystem files;
    SE_TRY(reader, JournalReader::open(files, StorePaths{data}));
    std::vector<Json> records;
    for (;;) {
        SE_TRY(record, reader.next());
        if (record == nullptr) return records;
        records.push_back(json_of(record->line));
    }
}

std::vector<Json> records_of(const std::string& data) {
    auto records = read_records(data);
    REQUIRE_MESSAGE(records, records.error().text);
    return *std::move(records);
}

DaemonProcess::DaemonProcess(Options options)
    : options_(std::move(options)), log_path_(options_.data + ".log") {
    if (!options_.policy.empty()) write_text(config_path(), options_.policy);
}

void DaemonProcess::spawn() {
    REQUIRE(!running());
    std::vector<std::string> words = {bin_dir() + "/state-engine", "--data", options_.data,
                                      "--port", "0"};
    if (!options_.policy.empty()) words.insert(words.end(), {"--config", config_path()});
    words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
    process_.start(
        {.words = std::move(words), .environment = options_.environment, .log = log_path_});
}

void DaemonProcess::start() {
    REQUIRE(start_unless_killed());
}

bool DaemonProcess::start_unless_killed() {
    spawn();
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        const std::string text = log();
        const std::size_t line = text.find("\"state-engine.listening\"");
        if (line != text.npos && text.find('\n', line) != text.npos) {
            const std::size_t port = text.find("\"port\":\"", line);
            REQUIRE(port != text.npos);
            port_ = static_cast<std::uint16_t>(std::stoi(text.substr(port + 8)));
            return true;
        }
        if (const auto status = process_.ended()) {
            if (WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL) return false;
            FAIL("it did not start: " << text);
        }
        REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, text);
        std::this_thread::sleep_for(5ms);
    }
}

int DaemonProcess::run_to_end() {
    spawn();
    return wait();
}

void DaemonProcess::signal(int number) const {
    process_.signal(number);
}

int DaemonProcess::wait() {
    REQUIRE(running());
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        if (const auto status = process_.ended())
            return WIFEXITED(*status) ? WEXITSTATUS(*status) : -WTERMSIG(*status);
        REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, "it does not end: " << log());
        std::this_thread::sleep_for(2ms);
    }
}

void DaemonProcess::limit_file_size(std::uint64_t bytes) const {
    const rlimit limit{.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    REQUIRE(::prlimit(process_.id(), RLIMIT_FSIZE, &limit, nullptr) == 0);
}

int DaemonProcess::stop() {
    signal(SIGTERM);
    return wait();
}

std::string DaemonProcess::log() const {
    return read_text(log_path_);
}

bool DaemonProcess::log_says(std::string_view text) const {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
        if (log().find(text) != std::string::npos) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

HttpClient DaemonProcess::tcp() const {
    auto client = HttpClient::connect({.host = "127.0.0.1", .port = port_}, kPatience);
    REQUIRE_MESSAGE(client, client.error().text);
    return *std::move(client);
}

HttpClient DaemonProcess::socket() const {
    auto client = HttpClient::connect(HttpClient::address_of_socket(options_.data), kPatience);
    REQUIRE_MESSAGE(client, client.error().text);
    return *std::move(client);
}

}  // namespace se::test
