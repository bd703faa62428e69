#pragma once

#include <string>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/evidence.h"
#include "journal/paths.h"
#include "journal/quarantine.h"
#include "journal/store.h"

namespace se {

/// Giving up on damage (J4), by an operator who says so.
struct RepairPiece {
    Seq segment;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::string sha256;       ///< hex, of the bytes taken out
    std::string quarantined;  ///< file name in quarantine/
};
struct RepairPlan {
    Seq from, to;
    bool loses_records = false;         ///< from..to are given up; else only what stands between them goes
    std::vector<RepairPiece> pieces;    ///< what will be blanked in place
    std::vector<Seq> headers;           ///< segments whose unreadable header is written anew
    std::vector<std::string> good_lost; ///< ids of good records inside the range, which go too
    std::vector<Evidence> evidence;     ///< as given to plan_repair()
};

/// What accepting the loss of from..to would do. Errc::malformed when the range is not damaged, does not
/// cover a whole fault as `verify` names it, or would leave damage inside its bounds. It sees what an open
/// sees: HEAD, all lines, the watermarks in followers/; and `evidence`, what a trusted LMDB says.
Result<RepairPlan> plan_repair(FileSystem& files, const StorePaths& paths, Seq from, Seq to,
                               std::vector<Evidence> evidence = {});

/// {"done":…,"from":…,"to":…,"losesRecords":…,"pieces":[…],"headers":[…],"goodLost":[…]}
std::string to_json(const RepairPlan& plan, bool done);

/// Copies those bytes to quarantine/, syncs file and folder, takes STAMP away, blanks them in place, syncs.
/// The `repaired` note is appended by the next open (Journal::notes()). Needs the hold.
Status carry_out(FileSystem& files, const StorePaths& paths, const StoreHold& hold, const RepairPlan& plan);

/// Takes out once more what repairs have parked and, cut short, may have left standing. A repair whose
/// segments have anything else where one of its copies of `parked` was made, but for blanks, is left alone:
/// they were brought back from elsewhere. Blanks, and headers written anew, that a failed sync left in
/// the page cache alone are written again, too. Needs the hold.
Status finish_repair(FileSystem& files, const StorePaths& paths, const std::vector<Parked>& parked);

}  // namespace se
