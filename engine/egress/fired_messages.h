#pragma once

#include "engine/egress/sink.h"

namespace se {

/// One message for each action that the rules of a record fired and that goes out (publishEgress
/// and connector actions; `mutate` is the engine's own): the payload as the rule resolved it,
/// verbatim, under the action's id. A record without a body (erased) has none.
Status fired_messages(const RecordView& record, const std::string& store,
                      std::vector<Message>* messages);

}  // namespace se
