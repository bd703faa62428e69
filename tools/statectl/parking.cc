// --force of an import: the old store goes out of the way of a new one.

#include "tools/statectl/parking.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "journal/head.h"
#include "journal/store.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

/// Everything of the old store, out of the way of a new one: store.json last, since without it
/// nobody knows whose history it is. Whatever stops this halfway is mended by doing it again.
class Parking {
public:
    static Outcome<Parking> plan(Context& context) {
        Parking parking(context);
        const StorePaths paths = context.paths();
        Epoch epoch;
        if (const auto opener = last_opener(context.files, paths); opener && *opener)
            epoch = (*opener)->epoch;
        if (const auto head = read_head(context.files, paths.head()); head && *head)
            epoch = std::max(epoch, (*head)->epoch);
        const std::string plain = fmt::format("parked-{}", epoch.value);
        parking.name_ = plain;
        for (int i = 2;; ++i) {
            SE_TRY(taken, context.files.exists(context.data + "/" + parking.name_));
            if (!taken) break;
            parking.name_ = fmt::format("{}-{}", plain, i);
        }
        for (const char* const name : {"journal", "HEAD", "checkpoints", "followers",
                                       "dead-letters", "projection", "store.json"}) {
            SE_TRY(exists, context.files.exists(context.data + "/" + name));
            if (exists) parking.names_.push_back(name);
        }
        return parking;
    }

    const std::string& name() const { return name_; }
    const std::vector<std::string>& names() const { return names_; }

    Outcome<Ok> carry_out() {
        FileSystem& files = context_->files;
        const std::string to = context_->data + "/" + name_;
        SE_TRY_OK(files.make_directory(to));
        for (const std::string& name : names_)
            SE_TRY_OK(files.rename(context_->data + "/" + name, to + "/" + name));
        SE_TRY_OK(files.sync_directory(to));
        SE_TRY_OK(files.sync_directory(context_->data));
        return Ok{};
    }

private:
    explicit Parking(Context& context) : context_(&context) {}

    Context* context_;
    std::string name_;
    std::vector<std::string> names_;
};

}  // namespace

Outcome<std::unique_ptr<Decider>> begin_anew(Context& context, const std::string& command,
                                             const std::string& holds, bool dry_run, bool yes) {
    SE_TRY_OK(context.need_files(command));
    SE_TRY(door, find_daemon(context));
    if (door) {
        return Failure(
            kError,
            fmt::format("a daemon runs on {}: stop it before its store is parked", context.data));
    }
    SE_TRY(parking, Parking::plan(context));
    remark(fmt::format("Will park the store in {0}/{1}/ and begin a new one with {2}:",
                       context.data, parking.name(), holds));
    for (const std::string& name : parking.names()) remark("  " + name);
    if (dry_run) return std::unique_ptr<Decider>();
    SE_TRY(agreed, confirm("Go on?", yes));
    if (!agreed) return Failure(kError, "nothing was changed");

    // What was allowed stays so, unless --config says otherwise.
    SE_TRY(policy, policy_of_config(context));
    if (!policy) {
        auto journaled = policy_in_force(context);
        if (journaled) policy = std::move(*journaled);
    }
    std::optional<RunSettings> wrote;  // it lies on the same disk
    {
        const auto lock =
            wait_for_store(context, [&] { return context.files.lock(context.paths().store_file()); });
        if (!lock) return lock.error();
        // What cannot be read is no reason to stay with it: it is parked for that.
        if (auto told = settings_of_last_run(context.files, context.paths())) wrote = *std::move(told);
        SE_TRY_OK(parking.carry_out());
    }
    remark(fmt::format("The old store is in {}/{}/", context.data, parking.name()));
    SE_TRY(engine,
           EmbeddedEngine::open(context, std::move(policy), Pace::bulk, {}, wrote ? &*wrote : nullptr));
    return decider_over(std::move(engine), context);
}

}  // namespace se::statectl
