#include "tools/statectl/faults.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/statectl/output.h"

namespace se::statectl {

std::string faults_json(const std::vector<Fault>& faults) {
    std::string text = "[";
    for (const Fault& fault : faults) {
        if (text.back() != '[') text += ',';
        JsonObject json(text);
        json.text("segment", StorePaths::segment_name(fault.segment))
            .integer("offset", fault.offset)
            .integer("seq", fault.seq.value);
        if (fault.last >= fault.seq) json.integer("last", fault.last.value);
        json.text("kind", to_text(fault.kind)).text("detail", fault.detail).close();
    }
    return text + "]";
}

void print_faults(const std::vector<Fault>& faults) {
    if (faults.empty()) return;
    std::vector<Cells> rows;
    for (const Fault& fault : faults) {
        rows.push_back({StorePaths::segment_name(fault.segment), std::to_string(fault.offset),
                        range_of(fault), std::string(to_text(fault.kind)), fault.detail});
    }
    print_table({"SEGMENT", "OFFSET", "SEQS", "KIND", "DETAIL"}, rows);
}

std::string count_of(const std::vector<Fault>& faults) {
    return fmt::format("{} fault{}", faults.size(), faults.size() == 1 ? "" : "s");
}

std::string unnamed_erasure_text(const Fault& fault) {
    return fmt::format("damage: of seq {} {}; see `statectl journal verify`", fault.seq.value, fault.detail);
}

std::string range_of(const Fault& fault) {
    return fmt::format("{}-{}", fault.seq.value, std::max(fault.seq, fault.last).value);
}

}  // namespace se::statectl
