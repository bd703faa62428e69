#include <fmt/format.h>

#include "engine/firestore/follower.h"
#include "journal/base/json.h"

namespace se::firestore {

std::string_view to_text(FollowerState::Phase phase) {
    switch (phase) {
        case FollowerState::Phase::looking:
            return "looking";
        case FollowerState::Phase::claiming:
            return "claiming";
        case FollowerState::Phase::bootstrapping:
            return "bootstrapping";
        case FollowerState::Phase::following:
            return "following";
        case FollowerState::Phase::stopped:
            break;
    }
    return "stopped";
}

std::string to_json(const FollowerState& state, const std::string& where) {
    std::string out;
    JsonObject json(out);
    json.text("where", where).text("phase", to_text(state.phase));
    if (!state.why.empty()) json.text("why", state.why);
    json.integer("watermark", state.watermark.value)
        .integer("lag", state.lag)
        .number("lagSeconds", state.lag_seconds)
        .text("breaker", to_text(state.breaker))
        .integer("stateCommits", state.state_commits)
        .integer("stateDocuments", state.state_documents)
        .integer("coalesced", state.coalesced)
        .integer("logCommits", state.log_commits)
        .integer("logDocuments", state.log_documents)
        .integer("bootstrapDocuments", state.bootstrap_documents)
        .integer("healing", state.healing)
        .integer("healed", state.healed)
        .integer("troubles", state.troubles)
        .integer("deadLetters", state.dead_letters)
        .close();
    return out;
}

std::string metrics_of(const FollowerState& state) {
    std::string out;
    const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                            double value) {
        out += fmt::format(
            "# HELP state_engine_firestore_{0} {1}\n# TYPE state_engine_firestore_{0} {2}\n"
            "state_engine_firestore_{0} {3}\n",
            name, help, type, value);
    };
    const auto real = [](std::uint64_t number) { return static_cast<double>(number); };
    using enum FollowerState::Phase;
    family("following", "gauge", "1 while the documents follow the journal.",
           state.phase == following);
    family("stopped", "gauge", "1 when it has stopped for good; status says why.",
           state.phase == stopped);
    family("breaker_state", "gauge", "Circuit breaker: 0 closed, 1 half open, 2 open.",
           static_cast<double>(state.breaker));
    family("watermark_seq", "gauge", "Seq of which the documents are the fold.",
           real(state.watermark.value));
    family("lag_records", "gauge", "Durable records behind the watermark.", real(state.lag));
    family("lag_seconds", "gauge", "Age of the first record behind the watermark.",
           state.lag_seconds);
    family("interval_seconds", "gauge",
           "Between two commits of state documents; it widens when throttled.",
           std::chrono::duration<double>(state.interval).count());
    family("state_commits_total", "counter", "Commits of state documents with the watermark.",
           real(state.state_commits));
    family("state_documents_total", "counter", "State documents written or deleted.",
           real(state.state_documents));
    family("coalesced_changes_total", "counter",
           "Changes that a newer one in the same commit made needless.", real(state.coalesced));
    family("log_commits_total", "counter", "Commits of log documents.", real(state.log_commits));
    family("log_documents_total", "counter", "Log documents written.", real(state.log_documents));
    family("healed_documents_total", "counter",
           "Documents written once more by an operator's heal.", real(state.healed));
    family("troubles_total", "counter", "Calls that did not end well.", real(state.troubles));
    family("dead_letters", "gauge", "Documents that Firestore does not take.",
           real(state.dead_letters));
    return out;
}

}  // namespace se::firestore
