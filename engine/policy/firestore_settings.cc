#include "engine/policy/firestore_settings.h"

#include <algorithm>

#include "engine/policy/section_table.h"
#include "engine/policy/yaml.h"

namespace se {
namespace {

const SectionTable<FirestoreSettings>& firestore_table() {
    using F = FirestoreSettings;
    using Table = SectionTable<F>;
    using enum Unit;
    static const Table table(
        kFirestoreSection,
        {
            {"project",
             "",
             "Google Cloud project whose Firestore follows the journal (docs/firestore.md). Empty, "
             "and no emulator: none does.",
             Table::text(&F::project),
             {"GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"}},
            {"database",
             "(default)",
             "Database in it.",
             Table::text(&F::database, false),
             {"FIRESTORE_DATABASE_ID"}},
            {"emulator",
             "",
             "An emulator instead of Google: host:port. Without a project, its is state-engine.",
             Table::text(&F::emulator),
             {"FIRESTORE_EMULATOR_HOST"}},
            {"bootstrap", "false",
             "Make a project that is empty or not ours the documents of this store, as "
             "--firestore-bootstrap; one that is ours already is left as it is.",
             Table::choice(&F::bootstrap)},
            {"timeout", "20s",
             "How long one call may take; longer: its outcome is unknown, and looked at again.",
             Table::number(&F::timeout, milliseconds, 100, 600'000)},
            {"log_lanes", "4", "Commits of log documents under way at once.",
             Table::number(&F::log_lanes, count, 1, 64)},
        });
    return table;
}

}  // namespace

Json redacted(const FirestoreSettings& settings) {
    return Json(Json::Object{
        {"project", settings.project},
        {"database", settings.database},
        {"emulator", settings.emulator},
        {"bootstrap", settings.bootstrap},
        {"timeout", Json(static_cast<std::int64_t>(settings.timeout.count()))},
        {"log_lanes", Json(static_cast<std::int64_t>(settings.log_lanes))},
    });
}

const std::vector<SettingInfo>& firestore_setting_infos() {
    return firestore_table().infos();
}

bool is_firestore_setting(std::string_view dotted_name) {
    return firestore_table().has(dotted_name);
}

Status set_firestore_setting(FirestoreSettings* settings, std::string_view dotted_name,
                             std::string_view text) {
    return firestore_table().set(settings, dotted_name, text);
}

Status read_firestore_section(FirestoreSettings* settings, const Json& section) {
    return firestore_table().read(settings, section);
}

Status apply_firestore_environment(FirestoreSettings* settings, const Environment& environment) {
    return firestore_table().apply(settings, environment);
}

Result<FirestoreSettings> firestore_settings_of(std::string_view yaml, const Environment& environment) {
    FirestoreSettings settings;
    if (!yaml.empty()) {
        SE_TRY(document, parse_yaml(yaml));
        if (const Json* const section = document.root.find(kFirestoreSection))
            SE_TRY_OK(read_firestore_section(&settings, *section));
    }
    SE_TRY_OK(apply_firestore_environment(&settings, environment));
    return settings;
}

void leave_room_for_documents(const FirestoreSettings& settings, Limits* limits) {
    if (!settings.on()) return;
    limits->value_bytes = std::min(limits->value_bytes, kFirestoreValueBytesMax);
    limits->json_depth = std::min(limits->json_depth, kFirestoreLevelsMax + 1);
}

}  // namespace se
