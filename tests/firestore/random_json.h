#pragma once

#include <string>

#include "journal/base/json.h"
#include "tests/sim/sim_random.h"

namespace se {

inline std::string random_name(SimRandom& random) {
    static const char* const kOdd[] = {"",     "__a__",    "____",     "__",      "se~",
                                       "se~a", "se~json",  "se~array", "se~se~a", "a.b",
                                       "`",    "\xC3\xA9", "__name__", "a/b",     "se"};
    if (random.chance(30)) return kOdd[random.below(std::size(kOdd))];
    if (random.chance(2)) return std::string(700 + random.below(810), 'n');
    return std::string(1, static_cast<char>('a' + random.below(26))) +
           std::to_string(random.below(20));
}

inline Json random_number(SimRandom& random) {
    switch (random.below(8)) {
        case 0:
            return Json(static_cast<std::int64_t>(random.next()));
        case 1:
            return Json(std::int64_t{INT64_MIN});
        case 2:
            return Json(std::int64_t{INT64_MAX});
        case 3:
            return Json(1e20);
        case 4:
            return Json(-0.0);
        case 5:
            return Json(5e-324);
        case 6:
            return Json(static_cast<double>(random.next()) / 1e7);
        default:
            return Json(static_cast<std::int64_t>(random.below(100)));
    }
}

/// Any canonical JSON, with a liking for what Firestore does not.
inline Json random_json(SimRandom& random, std::size_t depth) {
    const std::uint64_t kind = random.below(depth == 0 ? 5 : 12);
    switch (kind) {
        case 0:
            return Json();
        case 1:
            return Json(random.chance(50));
        case 2:
            return random_number(random);
        case 3:
            return Json(std::string("t\"\n\x01\xF0\x9F\x98\x80").substr(0, random.below(3)));
        case 4:
            return Json(std::string(random.below(40), 'x'));
        default:
            break;
    }
    // Deep ones are narrow, so that they end.
    const std::size_t width = depth > 6 ? 1 + random.below(2) : random.below(4);
    if (kind % 2 == 0) {
        Json::Array items;
        for (std::size_t i = 0; i < width; ++i) items.push_back(random_json(random, depth - 1));
        return Json(std::move(items));
    }
    Json object = Json(Json::Object{});
    for (std::size_t i = 0; i < width; ++i)
        object.set(random_name(random), random_json(random, depth - 1));
    return object;
}

}  // namespace se
