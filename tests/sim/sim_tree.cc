#include "tests/sim/sim_tree.h"

#include <algorithm>
#include <utility>

namespace se {
namespace {

/// The steps of a path. `/a//b/.` is `a`, `b`.
std::vector<std::string> steps_of(std::string_view path) {
    std::vector<std::string> steps;
    while (!path.empty()) {
        const std::string_view step = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(path.size(), step.size() + 1));
        SE_ASSERT(step != "..");
        if (!step.empty() && step != ".") steps.emplace_back(step);
    }
    return steps;
}

Error not_found(std::string_view path) {
    return {Errc::not_found, std::string(path) + ": no such file or directory"};
}

Error not_a_directory(std::string_view path) {
    return {Errc::io, std::string(path) + ": not a directory"};
}

}  // namespace

SimTree::SimTree() : root_(make_node(true)) {}

/// After a power cut there is nothing but what is durable.
void SimTree::restore(SimNode& directory, SimRandom& random) {
    directory.entries = directory.durable_entries;
    for (const auto& [name, node] : directory.entries) {
        if (node->is_directory)
            restore(*node, random);
        else
            node->content.cut_power(random);
    }
}

SimNodePtr SimTree::make_node(bool is_directory) {
    auto node = std::make_shared<SimNode>();
    node->inode = ++inodes_;
    node->is_directory = is_directory;
    return node;
}

Result<SimNodePtr> SimTree::find(std::string_view path) const {
    SimNodePtr node = root_;
    for (const std::string& step : steps_of(path)) {
        if (!node->is_directory) return not_a_directory(path);
        const auto entry = node->entries.find(step);
        if (entry == node->entries.end()) return not_found(path);
        node = entry->second;
    }
    return node;
}

Result<SimNodePtr> SimTree::find_directory(std::string_view path) const {
    SE_TRY(node, find(path));
    if (!node->is_directory) return not_a_directory(path);
    return node;
}

Result<SimTree::Place> SimTree::find_place(std::string_view path) const {
    const std::vector<std::string> steps = steps_of(path);
    if (steps.empty()) return Error{Errc::io, std::string(path) + ": that is the root"};
    const std::size_t end = path.rfind(steps.back());
    SE_TRY(directory, find_directory(path.substr(0, end)));
    return Place{directory, steps.back()};
}

void SimTree::move(SimNodePtr node, Place from, Place to) {
    if (from.directory) from.directory->entries.erase(from.name);
    if (to.directory) to.directory->entries[to.name] = node;
    unsynced_.push_back({std::move(node), std::move(from), std::move(to)});
}

void SimTree::remove_all(const SimNodePtr& node, const Place& place, std::uint64_t& limit) {
    if (node->is_directory)
        for (const auto& [name, below] : std::map(node->entries))
            remove_all(below, {node, name}, limit);
    if (limit == 0) return;
    --limit;
    move(node, place, {});
}

/// Whether `later` cannot be durable without `earlier`: they are about the same entry, or the one
/// removes the folder in which the other happened.
bool SimTree::needs(const Move& later, const Move& earlier) {
    for (const Place* place : {&earlier.from, &earlier.to}) {
        if (!place->directory) continue;
        if (*place == later.from || *place == later.to) return true;
        if (!later.to.directory && place->directory == later.node) return true;
    }
    return false;
}

void SimTree::make_durable(const Move& move) {
    const auto take_away = [&](SimNode& directory, const std::string& name) {
        const auto entry = directory.durable_entries.find(name);
        if (entry != directory.durable_entries.end() && entry->second == move.node)
            directory.durable_entries.erase(entry);
    };
    if (!move.to.directory) return take_away(*move.from.directory, move.from.name);
    if (const SimNodePtr holder = move.node->durable_directory.lock())
        take_away(*holder, move.node->durable_name);
    move.to.directory->durable_entries[move.to.name] = move.node;
    move.node->durable_directory = move.to.directory;
    move.node->durable_name = move.to.name;
}

void SimTree::sync(const SimNodePtr& directory) {
    std::vector<bool> due(unsynced_.size());
    for (std::size_t later = unsynced_.size(); later-- > 0;) {
        Move& move = unsynced_[later];
        move.from_synced =
            move.from_synced || !move.from.directory || move.from.directory == directory;
        move.to_synced = move.to_synced || !move.to.directory || move.to.directory == directory;
        due[later] = due[later] || (move.from_synced && move.to_synced);
        for (std::size_t earlier = 0; due[later] && earlier < later; ++earlier)
            due[earlier] = due[earlier] || needs(move, unsynced_[earlier]);
    }
    std::vector<Move> not_due;
    for (std::size_t i = 0; i < unsynced_.size(); ++i) {
        if (due[i])
            make_durable(unsynced_[i]);
        else
            not_due.push_back(std::move(unsynced_[i]));
    }
    unsynced_ = std::move(not_due);
}

void SimTree::cut_power(SimRandom& random) {
    const bool in_order = random.chance(50);  // as a journal keeps it, or each for itself
    const std::uint64_t first_lost = random.below(unsynced_.size() + 1);
    for (std::size_t i = 0; i < unsynced_.size(); ++i)
        if (in_order ? i < first_lost : random.chance(50)) make_durable(unsynced_[i]);
    unsynced_.clear();
    restore(*root_, random);
}

SimNodePtr SimTree::find_durable(std::string_view path) const {
    SimNodePtr node = root_;
    for (const std::string& step : steps_of(path)) {
        const auto entry = node->durable_entries.find(step);
        if (entry == node->durable_entries.end()) return nullptr;
        node = entry->second;
    }
    return node;
}

SimNodePtr SimTree::put(std::string_view path) {
    const std::vector<std::string> steps = steps_of(path);
    SimNodePtr node = root_;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        SimNodePtr& below = node->entries[steps[i]];
        if (!below) below = make_node(i + 1 < steps.size());
        make_durable({below, {}, {node, steps[i]}});
        node = below;
    }
    return node;
}

}  // namespace se
