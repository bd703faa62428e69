#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "engine/adapters/firestore_store.h"
#include "engine/adapters/posix_runner.h"
#include "engine/firestore/follower.h"
#include "journal/base/clock.h"
#include "journal/base/log.h"

namespace se {

/// Looks, once the documents follow, whether the project exempts from its indexes what only grows,
/// and asks for that at a bootstrap. It says what is missing and how it is made; nothing waits for
/// it. All functions but give_up() are for one thread.
class DaemonExemptions {
public:
    struct Surroundings {
        Clock& clock;
        Log& log;
        std::function<void()> wake;  ///< there is an outcome; any thread
    };
    /// `make`: ask for those that are missing (also once it is said later).
    DaemonExemptions(firestore::Address address, bool make, Surroundings surroundings);

    void step(firestore::FollowerState::Phase phase);
    void make_from_now_on();
    /// JSON; empty: nobody has looked yet.
    const std::string& told() const { return told_; }
    void give_up();  ///< any thread
    void wait() { lane_.wait(); }

private:
    void tell();
    firestore::ExemptionReport look(bool make);

    const firestore::Address address_;
    bool make_;
    const Surroundings surroundings_;

    std::mutex mutex_;
    std::unique_ptr<firestore::IndexAdmin> admin_;  ///< opened by the first look
    bool given_up_ = false;

    std::shared_ptr<firestore::ExemptionReport> report_;
    std::chrono::nanoseconds look_again_{0};
    bool done_ = false;
    std::string told_;
    ThreadRunner lane_;
};

}  // namespace se
