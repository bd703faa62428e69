#pragma once

#include <string>
#include <vector>

#include "journal/segment.h"

namespace se::statectl {

/// [{"segment","offset","seq","last"?,"kind","detail"},…]
std::string faults_json(const std::vector<Fault>& faults);
void print_faults(const std::vector<Fault>& faults);
/// The seqs lost there, as --accept-loss takes them.
std::string range_of(const Fault& fault);
/// What is to be said of an erased record that no later one names, where its place is not known.
std::string unnamed_erasure_text(const Fault& fault);
/// "1 fault", "2 faults"
std::string count_of(const std::vector<Fault>& faults);

}  // namespace se::statectl
