#include "tests/daemon/storm.h"

#include <functional>
#include <utility>

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kKeys = 37;   // fewer than clients: they meet
constexpr std::size_t kAhead = 16;  // requests on their way, of each client

std::string key_of(const std::string& id) {
    return "k" + std::to_string(std::hash<std::string>()(id) % kKeys);
}
HttpClient::Request request_of(const std::string& id) {
    return {.method = "POST",
            .target = "/v1/mutations",
            .body = set_text(key_of(id), "\"" + id + "\"", id)};
}

}  // namespace

Storm::Storm(int clients) : clients_(static_cast<std::size_t>(clients)) {
    for (int i = 0; i < clients; ++i) clients_[static_cast<std::size_t>(i)].number = i;
}

HttpClient::Address Storm::address_of(const DaemonProcess& daemon, const Client& client) const {
    if (client.number % 2 == 0) return {.host = "127.0.0.1", .port = daemon.port()};
    return HttpClient::address_of_socket(daemon.data());
}

bool Storm::Client::take(const std::string& id, const HttpAnswer& answer) {
    const auto json = parse_json(answer.body);
    const Json* const named = json ? json->find("id") : nullptr;
    if (answer.status != 200 || named == nullptr || *named != Json(id)) {
        trouble = "answer to " + id + ": " + std::to_string(answer.status) + " " + answer.body;
        return false;
    }
    acknowledged[id] = {json->find("seq")->integer(), json->find("epoch")->integer(),
                        json->find("version")->integer(), json->find("key")->string()};
    return true;
}

void Storm::Client::write_until_it_breaks(HttpClient::Address address, std::atomic<int>& answers) {
    auto client = HttpClient::connect(std::move(address), 60s);
    if (!client) return;
    std::vector<std::string> to_send = std::exchange(unanswered, {});
    std::vector<std::string> in_flight;
    for (;;) {
        while (in_flight.size() < kAhead) {
            std::string id;
            if (!to_send.empty()) {
                id = to_send.back();
                to_send.pop_back();
            } else {
                id = "w" + std::to_string(number) + "-" + std::to_string(next++);
            }
            in_flight.push_back(id);
            if (!client->write(request_of(id))) break;
        }
        const auto answer = client->read();
        if (!answer || !take(in_flight.front(), *answer)) break;
        in_flight.erase(in_flight.begin());
        ++answers;
    }
    unanswered = std::move(in_flight);
    unanswered.insert(unanswered.end(), to_send.begin(), to_send.end());
}

void Storm::begin(const DaemonProcess& daemon) {
    answers_ = 0;
    for (Client& client : clients_) {
        threads_.emplace_back([this, &client, address = address_of(daemon, client)] {
            client.write_until_it_breaks(address, answers_);
        });
    }
}

std::string Storm::end() {
    for (std::thread& thread : std::exchange(threads_, {})) thread.join();
    for (const Client& client : clients_)
        if (!client.trouble.empty()) return client.trouble;
    return "";
}

std::string Storm::settle(const DaemonProcess& daemon) {
    for (Client& client : clients_) {
        if (client.unanswered.empty()) continue;
        auto connection = HttpClient::connect(address_of(daemon, client), 60s);
        if (!connection) return connection.error().text;
        for (const std::string& id : std::exchange(client.unanswered, {})) {
            const auto answer = connection->send(request_of(id));
            if (!answer) return answer.error().text;
            if (!client.take(id, *answer)) return client.trouble;
        }
    }
    return "";
}

std::size_t Storm::acknowledged() const {
    std::size_t count = 0;
    for (const Client& client : clients_) count += client.acknowledged.size();
    return count;
}

std::string Storm::check(const std::string& data) const {
    std::map<std::string, Acknowledged> journaled;
    std::map<std::string, std::int64_t> versions;
    std::int64_t seq = 0, epoch = 0;
    const auto records = read_records(data);
    if (!records) return records.error().text;
    for (const Json& record : *records) {
        const std::string at = " at seq " + std::to_string(++seq);
        if (record.find("seq")->integer() != seq)
            return "J1: seq " + std::to_string(record.find("seq")->integer()) + at;
        if (record.find("epoch")->integer() < epoch) return "J1: the epoch falls" + at;
        epoch = record.find("epoch")->integer();
        if (record.find("kind")->string() != "accepted") continue;
        const Json& change = record.find("changes")->array()[0];
        const std::string key = change.find("key")->string();
        if (change.find("version")->integer() != ++versions[key])
            return "E3: a version of " + key + at;
        const std::string id = record.find("id")->string();
        if (!journaled.try_emplace(id, Acknowledged{seq, epoch, versions[key], key}).second)
            return "E2: " + id + " twice" + at;
    }
    for (const Client& client : clients_) {
        for (const auto& [id, acknowledged] : client.acknowledged) {
            const auto found = journaled.find(id);
            const std::string was =
                id + ", acknowledged as seq " + std::to_string(acknowledged.seq);
            if (found == journaled.end()) return "J2: lost: " + was;
            if (found->second != acknowledged)
                return "J2: changed: " + was + ", is seq " + std::to_string(found->second.seq);
        }
    }
    return "";
}

std::string Storm::check_state(const DaemonProcess& daemon) {
    std::map<std::string, std::int64_t> newest;
    const auto records = read_records(daemon.data());
    if (!records) return records.error().text;
    for (const Json& record : *records) {
        if (record.find("kind")->string() != "accepted") continue;
        const Json& change = record.find("changes")->array()[0];
        newest[change.find("key")->string()] = change.find("version")->integer();
    }
    HttpClient client = daemon.tcp();
    for (const auto& [key, version] : newest) {
        const auto answer = client.get("/v1/state/" + key);
        if (!answer) return answer.error().text;
        const auto json = parse_json(answer->body);
        if (!json || !json->find("version") || json->find("version")->integer() != version)
            return "P1: " + key + " should have version " + std::to_string(version) + ": " +
                   answer->body;
    }
    return "";
}

}  // namespace se::test
