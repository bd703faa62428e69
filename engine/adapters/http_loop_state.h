#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "engine/adapters/http_loop.h"

namespace se {

/// Inside engine/adapters: the loop as Asio sees it.
struct HttpLoop::State {
    boost::asio::io_context context;
    std::atomic<bool> stop_wanted = false;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> stay =
        boost::asio::make_work_guard(context);
    boost::asio::steady_timer alarm{context};
    std::chrono::steady_clock::time_point alarm_at = std::chrono::steady_clock::time_point::max();
    std::function<void()> ring = [] {};
    std::vector<std::unique_ptr<boost::asio::signal_set>> signals;
};

}  // namespace se
