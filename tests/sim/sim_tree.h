#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/result.h"
#include "tests/sim/sim_content.h"

namespace se {

/// A file or folder.
struct SimNode {
    std::uint64_t inode = 0;
    bool is_directory = false;

    SimContent content;  // of a file

    std::uint64_t lock = 0;          // number of the lock that is held on it, or 0,
    std::uint64_t lock_process = 0;  // and the process that holds it

    // Of a directory:
    std::map<std::string, std::shared_ptr<SimNode>> entries;
    std::map<std::string, std::shared_ptr<SimNode>> durable_entries;

    // Where the durable tree has this node. A rename must take it away from there, which need not
    // be where it was renamed from: an earlier rename may have got lost.
    std::weak_ptr<SimNode> durable_directory;
    std::string durable_name;
};

using SimNodePtr = std::shared_ptr<SimNode>;

/// The files and folders of a simulated disk, twice: as processes see them, and as they would be
/// found after a power cut if no more of the unsynced operations got there.
class SimTree {
public:
    /// An entry of a directory; nowhere if that is null.
    struct Place {
        SimNodePtr directory;
        std::string name;

        bool operator==(const Place&) const = default;
    };

    SimTree();

    Result<SimNodePtr> find(std::string_view path) const;
    Result<SimNodePtr> find_directory(std::string_view path) const;
    /// The entry that a path names, whether something is there or not; its folder must exist.
    Result<Place> find_place(std::string_view path) const;
    /// In the durable tree; nullptr if nothing is there.
    SimNodePtr find_durable(std::string_view path) const;

    /// A node that is nowhere yet.
    SimNodePtr make_node(bool is_directory);
    /// Creates (from nowhere), renames or removes (to nowhere).
    void move(SimNodePtr node, Place from, Place to);
    /// Removes a node and all below it, deepest first, but not more than `limit` of them.
    void remove_all(const SimNodePtr& node, const Place& place, std::uint64_t& limit);
    /// Makes a file and its folders, all durable; or finds it.
    SimNodePtr put(std::string_view path);

    /// Makes durable what happened in this directory. A rename between two needs both.
    void sync(const SimNodePtr& directory);
    /// Of what is unsynced some is lost, in the files as well; the rest is what there is.
    void cut_power(SimRandom& random);

    template <class Visit>
    void for_each_file(Visit visit) const {
        for_each_file(*root_, visit);
    }

private:
    /// An unsynced operation. Durable when every directory it touches was synced.
    struct Move {
        SimNodePtr node;
        Place from;
        Place to;
        bool from_synced = false;
        bool to_synced = false;
    };

    static bool needs(const Move& later, const Move& earlier);
    static void make_durable(const Move& move);
    static void restore(SimNode& directory, SimRandom& random);

    template <class Visit>
    static void for_each_file(const SimNode& directory, Visit visit) {
        for (const auto& [name, node] : directory.entries) {
            if (node->is_directory)
                for_each_file(*node, visit);
            else
                visit(node->content);
        }
    }

    SimNodePtr root_;
    std::vector<Move> unsynced_;  // in order; the live tree is the durable one with these applied
    std::uint64_t inodes_ = 0;
};

}  // namespace se
