// doctor: looks at everything a store depends on, says what it saw, and what to do.

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "journal/base/time_text.h"
#include "journal/journal.h"
#include "journal/verify.h"
#include "journal/base/json.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/door.h"
#include "tools/statectl/faults.h"
#include "tools/statectl/no_options.h"
#include "tools/statectl/store_facts.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

enum class Verdict : std::uint8_t { ok, warning, trouble, damage };

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok: return "ok";
        case Verdict::warning: return "warning";
        case Verdict::trouble: return "trouble";
        case Verdict::damage: break;
    }
    return "damage";
}

struct Finding {
    std::string check;
    Verdict verdict = Verdict::ok;
    std::string found;
    std::string advice;  ///< empty: nothing to do
};

constexpr int kSyncs = 15;
constexpr std::size_t kSyncFileBytes = 1u << 20;
constexpr double kSlowSyncMs = 20;
constexpr double kTooFastSyncMs = 0.02;  // no disk is that quick: something says yes too early
constexpr std::chrono::seconds kClockSlack{5};
constexpr std::uint64_t kDocumentsLookedAt = 200;
constexpr int kHttpOk = 200, kHttpNotFound = 404;

// --- what the store lies on

struct FileSystemKind {
    std::uint64_t magic;  // statfs(2)
    std::string_view name;
    Verdict verdict;
    std::string_view advice;
};
constexpr std::string_view kNetworkAdvice =
    "locks and syncs of network file systems cannot be relied on: move the folder to a local disk";
constexpr auto kFileSystems = std::to_array<FileSystemKind>({
    {0x6969, "nfs", Verdict::trouble, kNetworkAdvice},
    {0x517b, "smb", Verdict::trouble, kNetworkAdvice},
    {0xff534d42, "cifs", Verdict::trouble, kNetworkAdvice},
    {0xfe534d42, "smb2", Verdict::trouble, kNetworkAdvice},
    {0x5346414f, "afs", Verdict::trouble, kNetworkAdvice},
    {0x00c36400, "ceph", Verdict::trouble, kNetworkAdvice},
    {0x01021997, "9p", Verdict::trouble, kNetworkAdvice},
    {0x65735546, "fuse", Verdict::warning,
     "what a sync means here depends on the program behind it: ask its documentation, or move"},
    {0x01021994, "tmpfs", Verdict::warning, "it is memory: a reboot takes everything away"},
    {0x858458f6, "ramfs", Verdict::warning, "it is memory: a reboot takes everything away"},
    {0x794c7630, "overlay", Verdict::warning,
     "a container's own layer goes when the container goes: mount a volume there"},
    {0xef53, "ext4", Verdict::ok, ""},
    {0x58465342, "xfs", Verdict::ok, ""},
    {0x9123683e, "btrfs", Verdict::ok, ""},
    {0x2fc12fc1, "zfs", Verdict::ok, ""},
    {0xf2f52010, "f2fs", Verdict::ok, ""},
});

Finding check_file_system(const Context& context) {
    Finding finding{.check = "file system"};
    struct statfs about {};
    if (::statfs(context.data.c_str(), &about) != 0) {
        finding.verdict = Verdict::trouble;
        finding.found = "it does not say what it is";
        return finding;
    }
    const auto magic = static_cast<std::uint64_t>(about.f_type) & 0xffffffffu;
    const auto known = std::ranges::find(kFileSystems, magic, &FileSystemKind::magic);
    if (known == kFileSystems.end()) {
        finding.found = fmt::format("of type {:#x}, not a network one that is known", magic);
        return finding;
    }
    finding.verdict = known->verdict;
    finding.found = known->name;
    finding.advice = known->advice;
    return finding;
}

Finding check_permissions(const Context& context) {
    Finding finding{.check = "permissions"};
    struct stat folder {}, store {};
    if (::stat(context.data.c_str(), &folder) != 0 ||
        ::stat(context.paths().store_file().c_str(), &store) != 0) {
        finding.verdict = Verdict::trouble;
        finding.found = "the folder cannot be looked at";
        return finding;
    }
    finding.found = fmt::format("folder {:o}, store.json {:o}", folder.st_mode & 0777u,
                                store.st_mode & 0777u);
    if ((store.st_mode & 077u) != 0) {
        finding.verdict = Verdict::warning;
        finding.advice = fmt::format("others may read the store's secret: chmod 700 {0}; chmod 600 "
                                     "{0}/store.json",
                                     context.data);
    }
    return finding;
}

/// Overwrites a block of a temporary file and syncs, as a commit does.
Result<double> median_sync_ms(Context& context) {
    const std::string path = fmt::format("{}/doctor-{}.tmp", context.data, make_hex(context.random, 4));
    struct Removed {
        Context& context;
        const std::string& path;
        ~Removed() { (void)context.files.remove(path); }
    } removed{context, path};
    SE_TRY(file, context.files.open(path, OpenMode::create));
    SE_TRY_OK(file->write(0, std::string(kSyncFileBytes, '\n')));
    SE_TRY_OK(file->sync());
    std::vector<double> times;
    for (int i = 0; i < kSyncs; ++i) {
        const auto start = context.clock.monotonic();
        SE_TRY_OK(file->write(static_cast<std::uint64_t>(i) * 4096, std::string(4096, 'x')));
        SE_TRY_OK(file->sync());
        times.push_back(
            std::chrono::duration<double, std::milli>(context.clock.monotonic() - start).count());
    }
    std::ranges::nth_element(times, times.begin() + kSyncs / 2);
    return times[kSyncs / 2];
}

Finding check_sync(Context& context) {
    Finding finding{.check = "sync cost"};
    const auto median = median_sync_ms(context);
    if (!median) {
        finding.verdict = Verdict::trouble;
        finding.found = "a temporary file cannot be written: " + median.error().text;
        finding.advice = "nothing can be journaled here; free space, or mend the permissions";
        return finding;
    }
    finding.found = fmt::format("{:.3f} ms, the median of {} syncs", *median, kSyncs);
    if (*median > kSlowSyncMs) {
        finding.verdict = Verdict::warning;
        finding.advice = "every commit waits so long: a faster disk, or more commits at once";
    } else if (*median < kTooFastSyncMs) {
        finding.verdict = Verdict::warning;
        finding.advice = "too quick to be a disk: memory, or something that does not wait for one";
    }
    return finding;
}

/// What is kept in reserve: as the daemon that runs says, else as the last run had it.
std::uint64_t disk_reserve_bytes(Context& context, const StoreFacts& facts) {
    auto door = Door::at_socket(context);
    if (door && *door) {
        const auto told = body_of((*door)->get("/_debug/config"));
        const auto config = told ? parse_json(*told, 1000) : Result<Json>(Json());
        const Json* const journal = config ? config->find("journal") : nullptr;
        const Json* const reserve = journal == nullptr ? nullptr : journal->find("disk_reserve_bytes");
        if (reserve != nullptr && reserve->is_integer() && reserve->integer() >= 0)
            return static_cast<std::uint64_t>(reserve->integer());
    }
    return (facts.opener ? facts.opener->settings : RunSettings{}).disk_reserve_bytes;
}

Finding check_space(Context& context, const StoreFacts& facts) {
    Finding finding{.check = "space"};
    const JournalOptions journal;
    const std::uint64_t reserve_bytes = disk_reserve_bytes(context, facts);
    if (!facts.free_bytes) {
        finding.verdict = Verdict::trouble;
        finding.found = "the file system does not say how much is free";
        return finding;
    }
    finding.found = fmt::format("{} free, {} are kept in reserve, the journal has {}",
                                bytes_text(*facts.free_bytes), bytes_text(reserve_bytes),
                                bytes_text(facts.journal_bytes));
    if (*facts.free_bytes <= reserve_bytes) {
        finding.verdict = Verdict::trouble;
        finding.advice = "writes are refused until there is room: free some";
    } else if (*facts.free_bytes < reserve_bytes + 4 * journal.segment_bytes) {
        finding.verdict = Verdict::warning;
        finding.advice = "soon full: free some before writes are refused";
    }
    return finding;
}

// --- the store itself

Finding check_lock(Context& context, const StoreFacts& facts) {
    Finding finding{.check = "writer"};
    if (!facts.locked) {
        finding.found = "none; the last was " + describe(facts.opener);
        return finding;
    }
    auto door = Door::at_socket(context);
    const bool answers = door && *door;
    std::string who = describe(facts.opener);
    if (answers) {
        // Over a damaged store a daemon cannot say in the journal who it is; at its socket it can.
        const auto status = body_of((*door)->get("/v1/operator/status"));
        const auto json = status ? parse_json(*status, 1000) : Result<Json>(Json());
        if (json && json->is_object() && json->find("pid") != nullptr &&
            (!facts.opener || cell(*json, "pid") != std::to_string(facts.opener->pid)))
            who = fmt::format("pid {} (state-engine {})", cell(*json, "pid"), cell(*json, "version"));
    }
    finding.found = fmt::format("{}, {}", who,
                                answers ? "answers at engine.sock" : "does not answer at engine.sock");
    if (!answers) {
        finding.verdict = Verdict::warning;
        finding.advice = "a statectl at work, or a daemon that starts or hangs: look at that process";
    }
    return finding;
}

Finding check_fsync(const StoreFacts& facts) {
    Finding finding{.check = "fsync"};
    finding.found = facts.opener ? facts.opener->fsync : "not known";
    if (finding.found == "never") {
        finding.verdict = Verdict::warning;
        finding.advice = "ANSWERS DO NOT WAIT FOR THE DISK, a power cut loses what was acknowledged in the "
                         "last second: journal.fsync: group";
    }
    return finding;
}

Finding check_clock(Context& context) {
    Finding finding{.check = "clock"};
    const auto newest =
        find_newest(context.files, context.paths(), [](const RecordView&) { return true; });
    const Time now = context.clock.wall();
    if (!newest || !*newest) {
        finding.found = fmt::format("{}; no record to compare it with", to_text(now));
        return finding;
    }
    const Time last = (*newest)->view.ts;
    finding.found = fmt::format("{}; the last record is of {}", to_text(now), to_text(last));
    if (last > now + kClockSlack) {
        finding.verdict = Verdict::trouble;
        finding.advice = fmt::format("the clock went back, or was ahead: records keep that time, and ttls "
                                     "wait, for another {} s. Set the clock right",
                                     std::chrono::duration_cast<std::chrono::seconds>(last - now).count());
    }
    return finding;
}

Finding check_projection(const StoreFacts& facts) {
    Finding finding{.check = "projection"};
    if (!facts.watermark) {
        finding.found = "not used: " + facts.why_not_trusted;
        finding.advice = facts.stamped ? "the next writer grows it anew; until then reads fold the journal"
                                       : "";
        return finding;
    }
    const Seq durable = facts.head ? facts.head->durable : Seq{};
    finding.found = fmt::format("generation {}, trusted, as of seq {}; the journal's head is {}",
                                facts.generation, facts.watermark->seq.value, durable.value);
    if (facts.watermark->seq > durable && !facts.locked) {
        finding.verdict = Verdict::trouble;
        finding.advice = "it has seen records that the journal does not show: see `statectl journal verify`";
    }
    return finding;
}

Finding check_quarantine(const StoreFacts& facts) {
    Finding finding{.check = "quarantine"};
    std::size_t torn = 0, lost = 0, headers = 0;
    std::string gone;
    for (const Parked& parked : facts.quarantine) {
        if (parked.what == Parked::What::torn) ++torn;
        if (parked.what == Parked::What::header) ++headers;
        if (parked.what != Parked::What::lost) continue;
        ++lost;
        gone += fmt::format("{}{}-{}", gone.empty() ? "" : ", ", parked.from.value, parked.to.value);
    }
    if (facts.quarantine.empty()) {
        finding.found = "empty";
        return finding;
    }
    finding.found = fmt::format("{} torn tails, {} pieces given up{}, {} headers", torn, lost,
                                gone.empty() ? "" : " (seqs " + gone + ")", headers);
    if (torn != 0) {
        finding.advice = "torn tails are not known to be acknowledged (after a power cut they may have been); "
                         "kept in journal/quarantine/ for whoever wants to look";
    }
    return finding;
}

Finding check_store_file(const StoreFacts& facts) {
    Finding finding{.check = "store.json", .found = "store " + facts.store};
    if (facts.store_file.empty()) return finding;
    finding.verdict = Verdict::damage;
    finding.found = facts.store_file + "; by HEAD or a segment it is store " + facts.store;
    finding.advice = "bring it back from a backup: nothing opens the store without it. The records can "
                     "still be read: `statectl journal cat`";
    return finding;
}

Outcome<Finding> check_damage(Context& context, const StoreFacts& facts) {
    Finding finding{.check = "damage"};
    Progress progress("reading the journal", 1000);
    SE_TRY(report, verify(context.files, context.paths(),
                          {.hashes = false,
                           .evidence = projection_evidence(facts),
                           .progress = [&](std::uint64_t done, std::uint64_t all) {
                               progress.at(all == 0 ? 1000 : done * 1000 / all);
                           }}));
    progress.clear();
    finding.found = fmt::format("records: {}, segments: {}, faults: {}{}", report.records, report.segments,
                                report.faults.size(),
                                report.torn_bytes == 0
                                    ? ""
                                    : fmt::format(", {} torn bytes that the next writer cuts",
                                                  report.torn_bytes));
    if (report.faults.empty()) return finding;
    finding.verdict = Verdict::damage;
    finding.found += ": " + se::to_text(report.faults.front());
    finding.advice = fmt::format("see `statectl journal verify`; bring back the segment from a backup, or "
                                 "give it up: `statectl journal repair --accept-loss {}`",
                                 range_of(report.faults.front()));
    return finding;
}

/// What the daemon has found by reading its old records once more; nothing without one.
std::optional<Finding> check_scrub(Context& context) {
    auto door = Door::at_socket(context);
    if (!door || !*door) return std::nullopt;
    const auto body = body_of((*door)->get("/v1/operator/status"));
    const auto status = body ? parse_json(*body, 1000) : Result<Json>(Json());
    const Json* const scrub = status && status->is_object() ? status->find("scrub") : nullptr;
    if (scrub == nullptr || !scrub->is_object()) return std::nullopt;
    Finding finding{.check = "scrub"};
    const std::string places = cell(*scrub, "damagedPlaces");
    finding.found = fmt::format("{} bytes of old records read once more since the daemon's start; {}; damaged "
                                "places: {}",
                                cell(*scrub, "bytes"),
                                scrub->find("lastPass") == nullptr
                                    ? std::string("not all of them yet")
                                    : "all of them last at " + cell(*scrub, "lastPass"),
                                places);
    if (places == "0") return finding;
    finding.verdict = Verdict::damage;
    finding.advice = "writes go on; see `statectl journal verify`, then bring back the segment from a backup, or "
                     "give it up: `statectl journal repair`";
    return finding;
}

/// What the daemon says of its documents; nothing when none follows in Firestore.
std::optional<Finding> check_firestore(Context& context) {
    auto door = Door::at_socket(context);
    if (!door || !*door) return std::nullopt;
    const auto reply = (*door)->get("/v1/operator/firestore");
    if (!reply || reply->status != 200) return std::nullopt;
    const auto status = parse_json(reply->body);
    if (!status) return std::nullopt;
    Finding finding{.check = "firestore", .found = cell(*status, "phase")};
    if (const Json* const why = status->find("why"); why != nullptr && why->is_string()) {
        finding.verdict = Verdict::warning;
        finding.found += ": " + why->string();
        finding.advice = "see `statectl firestore status`";
    }
    const Json* const exemptions = status->find("exemptions");
    const Json* const missing = exemptions == nullptr ? nullptr : exemptions->find("missing");
    if (missing == nullptr || !missing->is_array() || missing->array().empty()) return finding;
    const bool looked = exemptions->find("looked") == nullptr;
    finding.verdict = Verdict::warning;
    finding.found += looked ? "; indexes grow at one end for want of an exemption:"
                            : "; it is not known whether these are exempt from indexes:";
    for (const Json& one : missing->array()) {
        finding.found += " " + cell(one, "collection") + "." + cell(one, "field");
        if (!finding.advice.empty()) finding.advice += "; ";
        finding.advice += cell(one, "command");
    }
    if (exemptions->find("why") != nullptr) finding.found += " (" + cell(*exemptions, "why") + ")";
    return finding;
}

/// A sample of the documents that the daemon keeps in Firestore; nothing where it keeps none.
Outcome<std::optional<Finding>> check_documents(Context& context) {
    SE_TRY(door, Door::at_socket(context));
    if (!door) return std::optional<Finding>();
    SE_TRY(status, door->get("/v1/operator/firestore"));
    if (status.status == kHttpNotFound) return std::optional<Finding>();
    Finding finding{.check = "documents"};
    const auto state = parse_json(status.body);
    if (!state || state->find("why") != nullptr) return std::optional<Finding>();  // told of already
    // From a place that chance chooses; where no key is behind it, from the first one.
    std::array<std::byte, 1> chosen{};
    context.random.fill(chosen);
    std::string after(1, static_cast<char>('a' + std::to_integer<int>(chosen[0]) % 26));
    for (;;) {
        std::string body;
        JsonObject(body).text("after", after).integer("keys", kDocumentsLookedAt).close();
        SE_TRY(reply, door->post("/v1/operator/firestore/diff", body));
        const auto report = parse_json(reply.body, 512);
        const Json* const found = report ? report->find("differences") : nullptr;
        if (reply.status != kHttpOk || found == nullptr || !found->is_array()) {
            finding.verdict = Verdict::warning;
            finding.found = "they cannot be looked at: " +
                            (report ? cell(*report, "message") : std::string("no JSON"));
            finding.advice = "see `statectl firestore status`";
            return std::optional(std::move(finding));
        }
        if (cell(*report, "entries") == "0" && cell(*report, "documents") == "0" && !after.empty()) {
            after.clear();
            continue;
        }
        std::string keys;
        std::uint64_t wrong = 0, late = 0;
        for (const Json& one : found->array()) {
            ++(cell(one, "difference") == "behind" ? late : wrong);
            if (cell(one, "difference") != "behind" && wrong <= 3)
                keys += fmt::format("{} {} ({})", keys.empty() ? ":" : ",", cell(one, "key"),
                                    cell(one, "difference"));
        }
        finding.found = fmt::format(
            "compared {} entries with {} documents{}{}: {} differ{}, {} are late", cell(*report, "entries"),
            cell(*report, "documents"), after.empty() ? "" : fmt::format(" from '{}' on", after),
            cell(*report, "more") == "true" ? ", not all" : "", wrong, keys, late);
        if (wrong == 0) return std::optional(std::move(finding));
        finding.verdict = Verdict::trouble;
        finding.advice = "somebody else writes there: `statectl firestore diff` names them all, "
                         "`statectl firestore heal` writes them once more";
        return std::optional(std::move(finding));
    }
}

Outcome<int> doctor(Context& context, const NoOptions&) {
    SE_TRY_OK(context.need_files("doctor"));
    SE_TRY(facts, store_facts(context));
    std::vector<Finding> findings{
        check_store_file(facts),    check_file_system(context), check_permissions(context), check_sync(context),
        check_space(context, facts), check_clock(context),       check_lock(context, facts),
        check_fsync(facts),         check_projection(facts),    check_quarantine(facts)};
    SE_TRY(damage, check_damage(context, facts));
    findings.push_back(std::move(damage));
    if (auto scrub = check_scrub(context)) findings.push_back(*std::move(scrub));
    if (auto follower = check_firestore(context)) findings.push_back(*std::move(follower));
    SE_TRY(documents, check_documents(context));
    if (documents) findings.push_back(*std::move(documents));

    Verdict worst = Verdict::ok;
    std::vector<Cells> rows;
    std::string checks = "[";
    for (const Finding& finding : findings) {
        worst = std::max(worst, finding.verdict);
        rows.push_back({finding.check, std::string(name_of(finding.verdict)), finding.found});
        if (!finding.advice.empty()) rows.push_back({"", "", "-> " + finding.advice});
        if (checks.back() != '[') checks += ',';
        JsonObject json(checks);
        json.text("check", finding.check)
            .text("verdict", name_of(finding.verdict))
            .text("found", finding.found);
        if (!finding.advice.empty()) json.text("do", finding.advice);
        json.close();
    }
    checks += ']';
    if (context.form() == Form::table) {
        print_table({"CHECK", "VERDICT", "FOUND"}, rows);
    } else {
        std::string text;
        JsonObject(text)
            .text("verdict", name_of(worst))
            .text("data", context.data)
            .raw("checks", checks)
            .close();
        print(text + "\n");
    }
    switch (worst) {
        case Verdict::ok:
        case Verdict::warning: return kOk;
        case Verdict::trouble: return kError;
        case Verdict::damage: break;
    }
    return kDamage;
}

}  // namespace

void add_doctor(CommandLine& line) {
    line.on(line.add(&line.app, "doctor", "Look for what is or may go wrong, and say what to do",
                     "  statectl doctor -o table\n"
                     "  statectl doctor -o json | jq '.checks[] | select(.verdict != \"ok\")'\n"
                     "Exit code 4 on damage, 1 on other trouble. Writes one temporary file, to time the "
                     "disk."),
            std::make_shared<NoOptions>(), doctor);
}

}  // namespace se::statectl
