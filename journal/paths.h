#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "journal/base/ids.h"

namespace se {

/// Where everything of one store lies (DESIGN: "On disk"). Pure names; touches no disk.
struct StorePaths {
    std::string root;

    std::string store_file() const { return root + "/store.json"; }
    std::string head() const { return root + "/HEAD"; }
    std::string socket() const { return root + "/engine.sock"; }
    std::string journal() const { return root + "/journal"; }
    std::string segment(Seq first) const { return journal() + "/" + segment_name(first); }
    std::string index(Seq first) const { return journal() + "/" + index_name(first); }
    std::string next() const { return journal() + "/next"; }
    std::string quarantine() const { return journal() + "/quarantine"; }
    std::string archive() const { return journal() + "/archive"; }
    std::string followers() const { return root + "/followers"; }
    std::string projection() const { return root + "/projection"; }

    static std::string segment_name(Seq first);  ///< seg-<16 decimal digits>.jsonl
    static std::string index_name(Seq first);    ///< seg-<16 decimal digits>.idx
    /// The first seq that a segment's name tells; nothing for any other name.
    static std::optional<Seq> first_seq_of(std::string_view segment_name);
};

}  // namespace se
