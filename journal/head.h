#pragma once

#include <memory>
#include <optional>
#include <string>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"

namespace se {

/// How far the journal is known to be synced. The file HEAD holds two slots, each at the start of its
/// own 4096-byte block, written in turn; a slot is one line of JSON padded with blanks to
/// kHeadSlotBytes and ended by a newline:
///   {"store":"…","epoch":…,"durable":…,"segment":…,"end":…,"crc":"hhhhhhhh"}
/// The valid slot with the higher (epoch, durable) counts; both may be equal in that.
struct Head {
    std::string store;
    Epoch epoch;
    Seq durable;           ///< highest synced seq; 0: none
    Seq segment;           ///< first seq of the segment that `end` is in
    std::uint64_t end = 0; ///< offset behind the newline of the durable record (or of the header line)

    bool operator==(const Head&) const = default;
};

inline constexpr std::uint64_t kHeadBlockBytes = 4096;
inline constexpr std::size_t kHeadSlotBytes = 512;

/// The slot that counts; nothing when the file is absent or has no valid slot. Errors only when the
/// disk fails. Takes no lock: a slot half written by a living writer is simply not valid.
Result<std::optional<Head>> read_head(FileSystem& files, const std::string& path);
std::optional<Head> read_head(const File& file, Status* status);

/// Whether a living writer keeps HEAD exact. It takes a lock on HEAD once its open has written and
/// synced it, and holds that until it closes, fails or dies. Who holds the store (the lock on
/// store.json) and not HEAD is still opening, or found damage: HEAD then says what it would say
/// without a writer (J6). Exact is what is read after this said yes. Takes nothing; no HEAD: false.
Result<bool> head_is_held(FileSystem& files, const std::string& path);

/// Overwrites the older slot. Not synced until sync(). Either failing is a failed journal (J5).
class HeadFile {
public:
    /// Makes the file (two blocks, synced, directory synced) when absent.
    static Result<HeadFile> open(FileSystem& files, const std::string& root, const std::string& path);
    const std::optional<Head>& current() const { return current_; }
    Status write(const Head& head);
    Status sync();

private:
    std::unique_ptr<File> file_;
    std::optional<Head> current_;
    int next_slot_ = 0;
};

std::string encode_head_slot(const Head& head);                     ///< kHeadSlotBytes bytes
std::optional<Head> decode_head_slot(std::string_view slot_bytes);

}  // namespace se
