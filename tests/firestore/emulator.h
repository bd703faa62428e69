#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "projection/firestore/document_store.h"

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
    Emulator(const Emulator&) = delete;
    Emulator& operator=(const Emulator&) = delete;
    ~Emulator();

    void start();
    void kill_hard();  ///< all that it holds is gone
    /// It takes connections, and says nothing.
    void pause() const;
    void resume() const;
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::unique_ptr<firestore::DocumentStore> open(const std::string& project) const;

private:
    std::uint16_t port_ = 0;
    pid_t pid_ = -1;
};

}  // namespace se::test
