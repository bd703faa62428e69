#pragma once

#include <string>

#include "engine/decide.h"
#include "journal/record.h"

namespace se {

/// Whether the caller may read all that a record says: every key that it changes or was based on.
/// One that names none (policy, notes, what never took shape), that holds all that was sent, or on which
/// rules fired, tells of the whole store: what a rule resolved may hold values of any key.
bool may_read(const Caller& caller, const RecordView& record);

/// {"seq","epoch","kind":"withheld"}: that there is a record, for whom may not read it: seqs stay
/// dense, and paging goes on by them.
std::string withheld(const RecordView& record);

}  // namespace se
