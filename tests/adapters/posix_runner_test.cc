#include "engine/adapters/posix_runner.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <semaphore>

using namespace se;
using namespace std::chrono_literals;

TEST_CASE("a job runs on another thread, and its outcome is polled once") {
    ThreadRunner runner({});
    CHECK(!runner.busy());
    CHECK(!runner.poll());
    runner.wait();  // nothing to wait for

    std::thread::id where;
    runner.start([&]() -> Status {
        where = std::this_thread::get_id();
        return Error{Errc::io, "no"};
    });
    CHECK(runner.busy());
    runner.wait();
    CHECK(runner.busy());  // until it was polled
    const auto outcome = runner.poll();
    REQUIRE(outcome);
    CHECK(outcome->error().text == "no");
    CHECK(where != std::this_thread::get_id());
    CHECK(!runner.busy());
    CHECK(!runner.poll());
}

TEST_CASE("a job that runs has no outcome yet") {
    std::binary_semaphore go{0};
    ThreadRunner runner({});
    runner.start([&]() -> Status {
        go.acquire();
        return Ok{};
    });
    CHECK(!runner.poll());
    CHECK(runner.busy());
    go.release();
    runner.wait();
    const auto outcome = runner.poll();
    REQUIRE(outcome);
    CHECK(*outcome);
}

TEST_CASE("the outcome can be polled when the wake-up comes") {
    std::counting_semaphore<> woken{0};
    ThreadRunner runner([&] { woken.release(); });
    for (int i = 0; i < 1000; ++i) {
        runner.start([]() -> Status { return Ok{}; });
        woken.acquire();
        REQUIRE(runner.poll());
    }
}

TEST_CASE("what a job held is gone before its outcome is there") {
    ThreadRunner runner({});
    auto held = std::make_shared<int>(1);
    runner.start([held]() -> Status { return Ok{}; });
    runner.wait();
    CHECK(held.use_count() == 1);
    CHECK(runner.poll());
}

TEST_CASE("the destructor waits for the job that was started") {
    std::atomic<int> done{0};
    std::atomic<int> wakes{0};
    for (int i = 0; i < 20; ++i) {
        ThreadRunner runner([&] { ++wakes; });
        runner.start([&]() -> Status {
            std::this_thread::sleep_for(1ms);
            ++done;
            return Ok{};
        });
    }
    CHECK(done == 20);
    CHECK(wakes == 20);
}
