#include "tools/daemon_firestore.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/adapters/firestore_store.h"
#include "tools/daemon_surroundings.h"

namespace se {
namespace {

using namespace std::chrono_literals;
using firestore::DocumentStore;
using firestore::Outcome;
using firestore::Trouble;

/// The engine may be busy, or closed just then so that nobody answers.
constexpr std::chrono::seconds kEnginePatience = 5s;

/// Firestore, opened by the first call: credentials that cannot be had now are an outage like any
/// other, and no reason not to serve the state.
class LateDocuments final : public DocumentStore {
public:
    explicit LateDocuments(firestore::Address address)
        : address_(std::move(address)),
          where_("projects/" + address_.project + "/databases/" + address_.database +
                 (address_.emulator.empty() ? "" : " at the emulator " + address_.emulator)) {}

    Outcome<std::vector<firestore::Timestamp>> commit(
        const std::vector<firestore::Write>& writes) override {
        return with([&](DocumentStore& opened) { return opened.commit(writes); });
    }
    Outcome<std::vector<std::optional<firestore::Document>>> get(
        const std::vector<std::string>& paths) override {
        return with([&](DocumentStore& opened) { return opened.get(paths); });
    }
    Outcome<std::vector<firestore::Document>> list(const firestore::Query& query) override {
        return with([&](DocumentStore& opened) { return opened.list(query); });
    }
    void give_up() override {
        const std::lock_guard lock(mutex_);
        given_up_ = true;
        if (opened_ != nullptr) opened_->give_up();
    }
    std::string describe() const override { return where_; }

private:
    std::expected<DocumentStore*, Trouble> open() {
        const std::lock_guard lock(mutex_);
        if (opened_ != nullptr) return opened_.get();
        if (given_up_) return std::unexpected(Trouble{Trouble::Kind::away, "we are stopping"});
        auto opened = firestore::open_firestore(address_);
        if (!opened) return std::unexpected(Trouble{Trouble::Kind::denied, opened.error().text});
        opened_ = *std::move(opened);
        return opened_.get();
    }
    auto with(auto call) -> decltype(call(std::declval<DocumentStore&>())) {
        const auto opened = open();
        if (!opened) return std::unexpected(opened.error());
        return call(**opened);
    }

    const firestore::Address address_;
    const std::string where_;
    std::mutex mutex_;
    std::unique_ptr<DocumentStore> opened_;
    bool given_up_ = false;
};

firestore::Address address_of(const FirestoreSettings& settings) {
    return {.project = settings.project_or_default(),
            .database = settings.database,
            .emulator = settings.emulator,
            .timeout = settings.timeout};
}

std::vector<std::unique_ptr<ThreadRunner>> make_lanes(std::uint64_t count,
                                                      const std::function<void()>& wake) {
    std::vector<std::unique_ptr<ThreadRunner>> lanes;
    for (std::uint64_t i = 0; i < count; ++i) lanes.push_back(std::make_unique<ThreadRunner>(wake));
    return lanes;
}

std::vector<Runner*> runners(const std::vector<std::unique_ptr<ThreadRunner>>& lanes) {
    std::vector<Runner*> all;
    for (const auto& lane : lanes) all.push_back(lane.get());
    return all;
}

}  // namespace

Result<FirestoreSettings> load_firestore_settings(const DaemonOptions& options) {
    SE_TRY(text, config_text(options));
    SE_TRY(settings, firestore_settings_of(text, environment));
    for (const auto& [name, value] : options.settings)
        if (is_firestore_setting(name)) SE_TRY_OK(set_firestore_setting(&settings, name, value));
    if (const std::string wrong = DaemonFirestore::problem(settings); !wrong.empty())
        return Error{Errc::malformed, wrong};
    return settings;
}

std::string DaemonFirestore::problem(const FirestoreSettings& settings) {
    if (settings.on() && !firestore::speaks_firestore())
        return "firestore.project (GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT) or firestore.emulator "
               "(FIRESTORE_EMULATOR_HOST) is set, and this program was built without gRPC: leave "
               "them out, or build it where gRPC is (tools/install-deps.sh)";
    if (settings.bootstrap && !settings.on())
        return "firestore.bootstrap (--firestore-bootstrap) is set, and nothing says which "
               "Firestore: set firestore.project (GOOGLE_CLOUD_PROJECT) or firestore.emulator "
               "(FIRESTORE_EMULATOR_HOST)";
    for (const auto& [name, text] : {std::pair("firestore.project", settings.project_or_default()),
                                     std::pair("firestore.database", settings.database)}) {
        if (text.find_first_of("/ \t\r\n") != std::string::npos)
            return std::string(name) + " must be a name without slashes and blanks";
    }
    return {};
}

std::unique_ptr<DaemonFirestore> DaemonFirestore::make(const FirestoreSettings& settings,
                                                       World world) {
    if (!settings.on()) return nullptr;
    return std::unique_ptr<DaemonFirestore>(new DaemonFirestore(settings, std::move(world)));
}

DaemonFirestore::DaemonFirestore(const FirestoreSettings& settings, World world)
    : world_(std::move(world)),
      documents_(std::make_unique<LateDocuments>(address_of(settings))),
      state_lane_([this] { changed(); }),
      log_lanes_(make_lanes(settings.log_lanes, [this] { changed(); })),
      follower_({.files = world_.files,
                 .clock = world_.clock,
                 .random = world_.random,
                 .log = world_.log,
                 .documents = *documents_,
                 .state_lane = state_lane_,
                 .log_lanes = runners(log_lanes_),
                 .state =
                     [this](const std::string& after, std::size_t limit) {
                         return ask_engine<firestore::Follower::StatePage>(
                             [this, after, limit] { return world_.state("", after, limit); });
                     },
                 .entries =
                     [this](const std::vector<std::string>& keys) {
                         return ask_engine<std::vector<std::optional<Entry>>>(
                             [this, keys] { return world_.entries(keys); });
                     }},
                world_.paths, {.bootstrap = settings.bootstrap}),
      exemptions_(address_of(settings), settings.bootstrap,
                  {.clock = world_.clock, .log = world_.log, .wake = [this] { changed(); }}),
      look_lane_([this] { changed(); }) {}

DaemonFirestore::~DaemonFirestore() {
    stop();
}

void DaemonFirestore::engine_opened() {
    {
        const std::lock_guard lock(mutex_);
        opened_ = woken_ = true;
    }
    changed_.notify_all();
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void DaemonFirestore::changed() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(woken_, true)) return;
    }
    changed_.notify_all();
}

void DaemonFirestore::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    documents_->give_up();
    exemptions_.give_up();
    if (thread_.joinable()) thread_.join();
    state_lane_.wait();
    for (const auto& lane : log_lanes_) lane->wait();
    look_lane_.wait();
    exemptions_.wait();
}

void DaemonFirestore::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        woken_ = false;
        const bool opened = std::exchange(opened_, false);
        const auto asked = std::exchange(asked_, {});
        lock.unlock();
        if (opened) follower_.restart();
        for (const auto& job : asked) job();
        if (look_done_ && look_lane_.poll())
            world_.post([done = std::exchange(look_done_, {}), found = std::move(looked_)] {
                done(*found);
            });
        const auto wait = follower_.step();
        firestore::FollowerState now = follower_.state();
        exemptions_.step(now.phase);
        lock.lock();
        told_ = std::move(now);
        told_exemptions_ = exemptions_.told();
        if (wait.count() > 0) changed_.wait_for(lock, wait, [this] { return woken_ || stopping_; });
    }
}

/// On the follower's thread, or on the one that compares: asks the engine's.
template <class T>
Result<T> DaemonFirestore::ask_engine(std::function<Result<T>()> question) {
    const auto answer = std::make_shared<std::optional<Result<T>>>();
    world_.post([this, answer, question = std::move(question)] {
        auto found = question();
        {
            const std::lock_guard lock(mutex_);
            *answer = std::move(found);
        }
        changed_.notify_all();
    });
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kEnginePatience, [&] { return answer->has_value() || stopping_; });
    if (answer->has_value()) return **std::move(answer);
    return Error{Errc::unavailable, "the engine does not answer"};
}

Result<firestore::DriftReport> DaemonFirestore::look(const std::string& prefix,
                                                     std::size_t found_max,
                                                     const firestore::DriftPart& part) {
    SE_TRY(reader, JournalReader::open(world_.files, world_.paths));
    return firestore::find_drift(
        {.documents = *documents_,
         .store = reader.store(),
         .state =
             [this](const std::string& begin, const std::string& after, std::size_t limit) {
                 return ask_engine<firestore::Follower::StatePage>(
                     [this, begin, after, limit] { return world_.state(begin, after, limit); });
             },
         .entries =
             [this](const std::vector<std::string>& keys) {
                 return ask_engine<std::vector<std::optional<Entry>>>(
                     [this, keys] { return world_.entries(keys); });
             }},
        prefix, found_max, part);
}

void DaemonFirestore::do_it_there(std::function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        asked_.push_back(std::move(job));
        woken_ = true;
    }
    changed_.notify_all();
}

void DaemonFirestore::compare(const std::string& prefix, std::size_t found_max,
                              const firestore::DriftPart& part,
                              std::function<void(Result<firestore::DriftReport>)> done) {
    do_it_there([this, prefix, found_max, part, done = std::move(done)] {
        if (look_done_)
            return world_.post([done] {
                done(Error{Errc::unavailable, "another comparison goes on: ask again later"});
            });
        look_done_ = done;
        looked_ = std::make_shared<Result<firestore::DriftReport>>(firestore::DriftReport{});
        look_lane_.start([this, prefix, found_max, part, found = looked_]() -> Status {
            *found = look(prefix, found_max, part);
            return Ok{};
        });
    });
}

void DaemonFirestore::ask(Job job, std::function<void(Result<std::string>)> done) {
    do_it_there([this, job = std::move(job), done = std::move(done)] {
        world_.post([done, answer = job(follower_)] { done(answer); });
    });
}

void DaemonFirestore::resume(bool bootstrap, std::function<void(Result<std::string>)> done) {
    ask(
        [this, bootstrap](firestore::Follower& follower) -> Result<std::string> {
            SE_TRY_OK(follower.resume(bootstrap));
            if (bootstrap) exemptions_.make_from_now_on();
            // Whoever hears that it is done does not see that it has stopped.
            const std::lock_guard lock(mutex_);
            told_ = follower.state();
            return std::string();
        },
        std::move(done));
}

firestore::FollowerState DaemonFirestore::state(Seq durable) const {
    const std::lock_guard lock(mutex_);
    firestore::FollowerState now = told_;
    now.lag = std::max(durable, now.watermark).value - now.watermark.value;
    return now;
}

std::string DaemonFirestore::status(Seq durable) const {
    std::string text = firestore::to_json(state(durable), documents_->describe());
    const std::lock_guard lock(mutex_);
    if (told_exemptions_.empty()) return text;
    text.back() = ',';
    return text + "\"exemptions\":" + told_exemptions_ + "}";
}

bool DaemonFirestore::follows() const {
    const std::lock_guard lock(mutex_);
    return told_.phase == firestore::FollowerState::Phase::following;
}

bool DaemonFirestore::stopped() const {
    const std::lock_guard lock(mutex_);
    return told_.phase == firestore::FollowerState::Phase::stopped;
}

std::string DaemonFirestore::metrics(Seq durable) const {
    return firestore::metrics_of(state(durable));
}

}  // namespace se
