#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/statectl/context.h"

namespace se::statectl {

/// Reading state, from whoever has it: the daemon that runs, or the files. Every JSON text is the same
/// to the byte whichever it was.
class Reads {
public:
    static Outcome<std::unique_ptr<Reads>> open(Context& context);
    virtual ~Reads() = default;

    struct Found {
        std::string json;  ///< the entry, or what the door says of an absent key
        bool live = false;
        bool denied = false;  ///< the caller may not read it, whether there is one or not
    };
    /// In the order of `keys`, all as of one seq (for hundreds of keys: of several).
    virtual Outcome<std::vector<Found>> get(const std::vector<std::string>& keys) = 0;
    /// Live entries in byte order of their keys.
    using Visit = std::function<void(std::string_view entry_json)>;
    virtual Outcome<Ok> list(const std::string& prefix, const Visit& visit) = 0;
    /// Record lines that changed `key`, oldest first; at most `limit`, the newest ones.
    virtual Outcome<std::vector<std::string>> history(const std::string& key, std::size_t limit) = 0;
    /// Whether what is read ends at damage: then nobody knows what is behind it.
    virtual Outcome<bool> ends_at_damage() = 0;
};

}  // namespace se::statectl
