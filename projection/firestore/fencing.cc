#include "projection/firestore/fencing.h"

namespace se::firestore {

std::string_view to_text(Standing standing) {
    switch (standing) {
        case Standing::ours:
            return "ours";
        case Standing::takeover:
            return "takeover";
        case Standing::vacant:
            return "vacant";
        case Standing::foreign:
            return "foreign";
        case Standing::other_history:
            return "other_history";
        case Standing::fenced:
            break;
    }
    return "fenced";
}

Result<Verdict> judge(const std::optional<Document>& found, const Us& us,
                      const std::function<Result<std::string>(const Mark&)>& why_not_ours) {
    if (!found) return Verdict{.standing = Standing::vacant, .why = "the project has no watermark"};
    const std::optional<Mark> mark = mark_of(found->fields);
    if (!mark) {
        return Verdict{.standing = Standing::foreign,
                       .why = std::string(kWatermarkPath) + " is no watermark of this engine"};
    }
    if (mark->store != us.store) {
        return Verdict{.standing = Standing::foreign,
                       .mark = mark,
                       .why = "the project holds store " + mark->store + ", this is " + us.store};
    }
    const bool own_run = mark->run == us.run && mark->epoch == us.epoch;
    if (!own_run && mark->epoch >= us.epoch) {
        return Verdict{.standing = Standing::fenced,
                       .mark = mark,
                       .why = "a later run writes: epoch " + std::to_string(mark->epoch.value) +
                              ", run " + mark->run + "; ours is " + std::to_string(us.epoch.value)};
    }
    SE_TRY(why, why_not_ours(*mark));
    if (!why.empty())
        return Verdict{.standing = Standing::other_history, .mark = mark, .why = std::move(why)};
    return Verdict{.standing = own_run ? Standing::ours : Standing::takeover, .mark = mark};
}

}  // namespace se::firestore
