#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/policy/config.h"

namespace se {

/// The section `firestore` of the settings (docs/firestore.md), with a table of its own as `nats`
/// has one: nothing but the daemon's follower reads it.
struct FirestoreSettings {
    std::string project;
    std::string database = "(default)";
    std::string emulator;    ///< host:port; empty: Google
    bool bootstrap = false;  ///< take over a project that is empty or not ours
    std::chrono::milliseconds timeout{20'000};
    std::uint64_t log_lanes = 4;

    /// A project or an emulator is named.
    bool on() const { return !project.empty() || !emulator.empty(); }
    /// An emulator takes any project.
    std::string project_or_default() const { return project.empty() ? "state-engine" : project; }
};

/// What a value may be so that its documents are taken: the limits `engine.value_bytes` and
/// `engine.json_depth` are brought down to it where Firestore follows.
inline constexpr std::uint64_t kFirestoreValueBytesMax = 900u << 10;
inline constexpr std::uint64_t kFirestoreLevelsMax = 20;

/// Brings the limits down to that where Firestore follows.
void leave_room_for_documents(const FirestoreSettings& settings, Limits* limits);

/// The section as it is in force.
Json redacted(const FirestoreSettings& settings);

/// For --help and the documents, as all_settings() has the others.
const std::vector<SettingInfo>& firestore_setting_infos();

inline constexpr std::string_view kFirestoreSection = "firestore";
/// Whether it belongs to this table: "firestore.…".
bool is_firestore_setting(std::string_view dotted_name);
/// An unknown name gets the nearest one; an Error says what is right.
Status set_firestore_setting(FirestoreSettings* settings, std::string_view dotted_name,
                             std::string_view text);
/// The section of a file. An Error's pointer is within it.
Status read_firestore_section(FirestoreSettings* settings, const Json& section);
Status apply_firestore_environment(FirestoreSettings* settings, const Environment& environment);
/// That of a configuration file (empty: none), and over it the environment.
Result<FirestoreSettings> firestore_settings_of(std::string_view yaml, const Environment& environment);

}  // namespace se
