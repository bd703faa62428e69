#pragma once

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/json.h"
#include "tools/statectl/commands.h"

namespace se::statectl {

/// Which Firestore a command reads; what is not said comes from the environment, as for the daemon.
struct FirestorePlace {
    std::string project, database, emulator;
};
void add_place_flags(CLI::App* command, FirestorePlace& place);

/// What a project holds, read by the program firestore-reader beside this one: gRPC is loaded there
/// and only then, and no daemon is needed. Its process ends with this object.
class FirestoreSource {
public:
    /// Documents of `collections`, in that order. A Failure says why it cannot be read.
    static Outcome<std::unique_ptr<FirestoreSource>> open(
        const FirestorePlace& place, const std::vector<std::string>& collections,
        const std::string& prefix = {});
    FirestoreSource(const FirestoreSource&) = delete;
    FirestoreSource& operator=(const FirestoreSource&) = delete;
    ~FirestoreSource();

    const std::string& where() const { return where_; }
    /// Its fields, or null.
    const Json& watermark() const { return watermark_; }

    struct Item {
        std::string collection, id;
        std::optional<Json> data;
        std::string bad;  ///< without data: why there is none
    };
    /// Nothing at the end, when all was read; a Failure when it broke off.
    Outcome<std::optional<Item>> next();

private:
    FirestoreSource() = default;
    Outcome<Json> next_line();
    Failure broke_off();
    int end_process(int signal);

    pid_t process_ = -1;
    std::FILE* lines_ = nullptr;
    std::FILE* said_ = nullptr;  ///< its stderr
    std::string where_;
    Json watermark_;
    std::uint64_t count_ = 0;
};

}  // namespace se::statectl
