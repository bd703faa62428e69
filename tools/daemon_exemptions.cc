#include "tools/daemon_exemptions.h"

#include <utility>

#include "journal/base/json.h"

namespace se {
namespace {

using namespace std::chrono_literals;
using firestore::ExemptionReport;
using firestore::IndexExemption;
using Phase = firestore::FollowerState::Phase;

/// What is missing may be made by hand meanwhile; Google takes minutes, too.
constexpr std::chrono::nanoseconds kIndexesAgain = 10min;

std::string names_of(const std::vector<IndexExemption>& exemptions) {
    std::string names;
    for (const IndexExemption& one : exemptions)
        names += (names.empty() ? "" : ", ") + one.collection + "." + one.field;
    return names;
}

}  // namespace

DaemonExemptions::DaemonExemptions(firestore::Address address, bool make, Surroundings surroundings)
    : address_(std::move(address)),
      make_(make),
      surroundings_(std::move(surroundings)),
      lane_(surroundings_.wake) {}

void DaemonExemptions::step(Phase phase) {
    if (report_ != nullptr && lane_.poll()) {
        tell();
        report_.reset();
        look_again_ = surroundings_.clock.monotonic() + kIndexesAgain;
    }
    if (done_ || report_ != nullptr || (phase != Phase::following && phase != Phase::bootstrapping))
        return;
    if (surroundings_.clock.monotonic() < look_again_) return;
    report_ = std::make_shared<ExemptionReport>();
    lane_.start([this, report = report_, make = make_]() -> Status {
        *report = look(make);
        return Ok{};
    });
}

void DaemonExemptions::make_from_now_on() {
    make_ = true;
    done_ = false;
    look_again_ = std::chrono::nanoseconds(0);
}

ExemptionReport DaemonExemptions::look(bool make) {
    firestore::IndexAdmin* admin = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (given_up_) return {.why = "we are stopping"};
        if (admin_ == nullptr) {
            auto opened = firestore::open_index_admin(address_);
            if (!opened) return {.why = opened.error().text};
            admin_ = *std::move(opened);
        }
        admin = admin_.get();
    }
    return firestore::check_exemptions(*admin, make);
}

void DaemonExemptions::tell() {
    const std::string now =
        to_text(firestore::to_json(*report_, address_.project, address_.database));
    done_ = report_->looked && report_->missing.empty() && report_->asked.empty();
    if (std::exchange(told_, now) == now) return;
    Log& log = surroundings_.log;
    if (!report_->service)
        return log.write({Severity::info,
                          "state-engine.firestore.indexes_not_looked_at",
                          {{"why", "no administration service is there, as in an emulator"}}});
    if (!report_->asked.empty())
        log.write({Severity::info,
                   "state-engine.firestore.exemptions_asked",
                   {{"fields", names_of(report_->asked)}}});
    const auto& missing = report_->looked ? report_->missing : firestore::wanted_exemptions();
    if (missing.empty()) return;
    std::string commands;
    for (const IndexExemption& one : missing)
        commands += (commands.empty() ? "" : "; ") +
                    firestore::gcloud_command(one, address_.project, address_.database);
    log.write({Severity::warning,
               report_->looked ? "state-engine.firestore.exemptions_missing"
                               : "state-engine.firestore.exemptions_unknown",
               {{"fields", names_of(missing)}, {"why", report_->why}, {"commands", commands}}});
}

void DaemonExemptions::give_up() {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
    if (admin_ != nullptr) admin_->give_up();
}

}  // namespace se
