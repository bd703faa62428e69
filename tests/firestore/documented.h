#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/firestore/emulator.h"

namespace se::test {

/// Empty when it is no text, or not there.
std::string text_of(const Json& json, std::string_view name);
/// Which must be there.
std::int64_t number_of(const Json& json, std::string_view name);
/// What `statectl --data <data> <words>` ends with, and its standard output.
std::pair<int, std::string> statectl_of(const std::string& data, const std::string& words);

/// A daemon that is told of an emulator as the platform tells its services.
class DocumentedDaemon {
public:
    DocumentedDaemon(const Emulator& where, std::string data)
        : where_(where), data_(std::move(data)) {}

    void start(std::vector<std::string> arguments = {});
    int propose(const std::string& proposal);
    Json operator_status();
    Json status();  ///< of the follower
    double metric(const std::string& name);
    Json wait_for(std::string_view what, const std::function<bool(const Json&)>& condition);
    Json wait_until_followed();  ///< all that is durable is there
    Json wait_until_stopped();
    std::pair<int, std::string> statectl(const std::string& words) const {
        return statectl_of(data_, words);
    }

    std::vector<firestore::Document> documents(std::string_view collection) const;
    /// Each entry has its document and each document its entry; what both say is the same.
    void must_be_the_state();
    /// mutation_log holds just these, each with its status.
    void must_be_the_log(const std::vector<std::pair<std::string, std::string>>& wanted) const;

    const std::string& data() const { return data_; }

    std::string through;  ///< who stands before the emulator; empty: nobody
    std::unique_ptr<DaemonProcess> daemon;

private:
    const Emulator& where_;
    const std::string data_;
};

struct EmulatorAndFolder {
    Emulator emulator;
    TemporaryDirectory folder;
};

/// An emulator and a daemon.
struct Documented : EmulatorAndFolder, DocumentedDaemon {
    Documented() : DocumentedDaemon(emulator, folder.path() + "/data") {}
};

}  // namespace se::test
