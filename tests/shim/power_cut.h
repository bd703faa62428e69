#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace se::test {

/// What a power cut took.
struct PowerCut {
    std::size_t writes_unsynced = 0;    ///< could have been lost
    std::size_t writes_lost = 0;        ///< wholly
    std::size_t writes_torn = 0;        ///< in part
    std::string story;                  ///< the changes of names that were taken back, newest first
    std::size_t names_lost = 0;         ///< creations, renames, removals taken back
    bool projection_scribbled = false;  ///< LMDB was not closed: its file holds nonsense now
};

/// Makes of the store that a killed daemon left what a power cut would have left: of each file what
/// was synced and, by chance, some of the writes behind that, whole or torn or none; of each folder
/// the changes up to its last sync and, by chance, some more. Takes the log away: what is left is
/// on the disk. Needs the daemon to be dead.
PowerCut cut_power(const std::string& data, const std::string& log, std::mt19937_64& chance);

/// Removes an old log and makes room for a new one.
void begin_log(const std::string& log);

}  // namespace se::test
