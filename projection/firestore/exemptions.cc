#include "projection/firestore/exemptions.h"

#include <algorithm>

#include "projection/firestore/documents.h"

namespace se::firestore {

const std::vector<IndexExemption>& wanted_exemptions() {
    static const std::vector<IndexExemption> wanted = [] {
        std::vector<IndexExemption> all;
        for (const char* field : {"seq", "updatedAt", "expiresAt"})
            all.push_back({std::string(kStateCollection), field});
        for (const char* field : {"seq", "committedAt", "ts", "cause.sequence", "cause.after"})
            all.push_back({std::string(kLogCollection), field});
        return all;
    }();
    return wanted;
}

ExemptionReport check_exemptions(IndexAdmin& admin, bool make) {
    ExemptionReport report;
    for (const std::string_view name : {kStateCollection, kLogCollection}) {
        const std::string collection(name);
        const auto found = admin.exempted(collection);
        if (!found) {
            report.why = std::string(to_text(found.error().kind)) + ": " + found.error().text;
            return report;
        }
        if (!*found) {
            report.looked = true;
            report.service = false;
            return report;
        }
        for (const IndexExemption& wanted : wanted_exemptions())
            if (wanted.collection == collection &&
                std::ranges::find(**found, wanted.field) == (*found)->end())
                report.missing.push_back(wanted);
    }
    report.looked = true;
    if (!make) return report;
    for (auto at = report.missing.begin(); at != report.missing.end();) {
        const auto asked = admin.exempt(*at);
        if (!asked) {
            report.why = std::string(to_text(asked.error().kind)) + ": " + asked.error().text;
            return report;
        }
        report.asked.push_back(*at);
        at = report.missing.erase(at);
    }
    return report;
}

std::string gcloud_command(const IndexExemption& exemption, const std::string& project,
                           const std::string& database) {
    return "gcloud firestore indexes fields update " + exemption.field +
           " --collection-group=" + exemption.collection +
           " --disable-indexes --project=" + project + " --database='" + database + "'";
}

Json to_json(const ExemptionReport& report, const std::string& project,
             const std::string& database) {
    if (!report.service) return Json(Json::Object{{"service", false}});
    const auto list = [&](const std::vector<IndexExemption>& exemptions) {
        Json::Array all;
        for (const IndexExemption& one : exemptions)
            all.push_back(Json::Object{{"collection", one.collection},
                                       {"field", one.field},
                                       {"command", gcloud_command(one, project, database)}});
        return all;
    };
    Json json(
        Json::Object{{"missing", list(report.looked ? report.missing : wanted_exemptions())}});
    if (!report.looked) json.set("looked", false);
    if (!report.asked.empty()) json.set("asked", list(report.asked));
    if (!report.why.empty()) json.set("why", report.why);
    return json;
}

}  // namespace se::firestore
