#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "projection/firestore/document_store.h"
#include "tests/adapters/child_process.h"
#include "tests/adapters/temporary_directory.h"

namespace se::test {

/// Google's Firestore emulator on a free port of loopback; ended, by its process id, with this
/// object.
class Emulator {
public:
    /// Where it is: FIRESTORE_EMULATOR_JAR, else where the Google Cloud CLI installs it. Empty:
    /// nowhere.
    static std::string jar();
    /// Says so, loudly, and returns true where there is none. Where there is one, it must work.
    static bool skipped(const char* test);

    Emulator();

    /// Returns once it answers; ends this program, with what it said, when it does not.
    void start();
    void kill_hard() { process_.end(SIGKILL); }  ///< all that it holds is gone
    /// It takes connections, and says nothing.
    void pause() const { process_.signal(SIGSTOP); }
    void resume() const { process_.signal(SIGCONT); }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::unique_ptr<firestore::DocumentStore> open(const std::string& project) const;

private:
    std::uint16_t port_ = 0;
    TemporaryDirectory folder_;
    ChildProcess process_;
};

}  // namespace se::test
