#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/adapters/http_loop.h"
#include "engine/adapters/http_server.h"
#include "journal/base/log.h"

namespace se::test {

/// A webhook's other end, on a thread of its own: keeps what it is posted, and answers as it is
/// told.
class Receiver {
public:
    /// Called on its thread for each request, numbered from 0. An answer with status 0 never comes.
    using Says = std::function<Response(const Request& request, std::size_t number)>;

    explicit Receiver(Says says = {}, std::uint16_t port = 0)
        : says_(std::move(says)),
          server_(
              loop_, HttpServer::from(Settings::Http{}),
              [this](Request&& request, Api::Reply reply) {
                  std::size_t number = 0;
                  {
                      const std::lock_guard lock(mutex_);
                      number = requests_.size();
                      requests_.push_back(request);
                  }
                  Response response = says_ ? says_(request, number) : Response{.body = "{}"};
                  if (response.status == 0) {
                      const std::lock_guard lock(mutex_);
                      return held_.push_back(std::move(reply));
                  }
                  reply(std::move(response));
              },
              log_) {
        const auto bound = server_.bind("127.0.0.1", port);
        REQUIRE_MESSAGE(bound, bound.error().text);
        server_.serve();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Receiver() {
        loop_.stop();
        thread_.join();
    }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    std::uint16_t port() const { return server_.port(); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port()) + "/hook?x=1"; }

    std::vector<Request> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }
    std::vector<std::string> ids() const {
        std::vector<std::string> ids;
        for (const Request& request : requests())
            ids.emplace_back(request.header("idempotency-key"));
        return ids;
    }
    /// Waits until `enough` says so of all that came.
    bool wait_until(const std::function<bool(const std::vector<Request>&)>& enough) const {
        for (int i = 0; i < 1'200; ++i) {
            if (enough(requests())) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
        }
        return false;
    }
    bool wait_for(std::size_t count) const {
        return wait_until([count](const auto& all) { return all.size() >= count; });
    }

private:
    const Says says_;
    NoLog log_;
    HttpLoop loop_;
    HttpServer server_;
    mutable std::mutex mutex_;
    std::vector<Request> requests_;
    std::vector<Api::Reply> held_;
    std::thread thread_;
};

}  // namespace se::test
