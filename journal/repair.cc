#include "journal/repair.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "journal/base/hash.h"
#include "journal/erasures.h"
#include "journal/evidence.h"
#include "journal/head.h"
#include "journal/quarantine.h"
#include "journal/segment.h"

namespace se {
namespace {

/// How far beyond what the journal itself knows of an operator may give up: followers can have seen more.
constexpr std::uint64_t kUnseenLossMax = 1'000'000;

Error refused(std::string text) { return Error{Errc::malformed, std::move(text)}; }

std::string range_text(Seq from, Seq to) {
    return std::to_string(from.value) + "-" + std::to_string(to.value);
}

/// A place in the log: in `segments[index]`.
struct Place {
    std::size_t index = 0;
    std::uint64_t offset = 0;
};

/// What one pass over all lines finds out about one range of seqs.
struct Survey {
    struct Segment {
        Seq first;
        bool header_good = false;
        std::uint64_t records_begin = 0;  ///< behind the header, good or not
        std::uint64_t bytes = 0;
        std::optional<Epoch> epoch;       ///< of its first good record
    };
    std::vector<Segment> segments;

    // The last good record below the range (seq 0: none), and the first above it.
    Place before;
    Seq before_seq;
    Epoch before_epoch;
    EpochStarts starts;
    std::optional<Place> after;
    Seq after_seq;
    Epoch after_epoch;

    // Between the two:
    std::vector<Seq> good;
    std::vector<std::string> good_ids;
    std::vector<Seq> erased;  ///< those of `good` that are
    struct Stretch {
        Place place;
        std::uint64_t end = 0;
        std::size_t good_before = 0;  ///< how many of `good`
    };
    std::vector<Stretch> bad;  ///< lines that are no records of the log's, one behind the other

    Gaps gaps;
    Erasures erasures;
    Seq last;  ///< highest good record of all
    Epoch epoch_highest;

    EpochStarts seen;     ///< of all good records, wherever they stand
    bool misled = false;  ///< one of them landed there, as a later run behind it tells
    EpochStarts later;    ///< what was seen by a survey before, if that was misled
};

void take_line(const Line& line, Place place, Seq from, Seq to, RecordView* record, Survey* survey) {
    const auto frame = read_frame(line.text);
    const bool good = frame && line.terminated && parse_record(line.text, record);
    if (frame) survey->epoch_highest = std::max(survey->epoch_highest, frame->epoch);
    const bool is_void = good && survey->later.void_at(record->epoch, record->seq);
    if (good) {
        survey->gaps.add(*record);
        survey->erasures.add(*record);
        if (record->epoch > survey->seen.highest() && record->seq <= survey->last) survey->misled = true;
        survey->seen.saw(record->epoch, record->seq);
        survey->last = std::max(survey->last, record->seq);
        if (auto& epoch = survey->segments.back().epoch; !epoch) epoch = record->epoch;
    }
    if (survey->after) return;
    // A record that the log had passed already, of a run that a later one took the place of, or that was given
    // up, is as bad as no record.
    const bool given_up = good && survey->gaps.hold(record->seq, record->epoch);
    if (!good || is_void || given_up || record->seq <= survey->before_seq || record->epoch < survey->before_epoch) {
        const std::uint64_t end = line.offset + line.text.size();
        const bool goes_on = !survey->bad.empty() && survey->bad.back().place.index == place.index &&
                             survey->bad.back().good_before == survey->good.size();
        if (!goes_on) survey->bad.push_back({.place = place, .good_before = survey->good.size()});
        survey->bad.back().end = end;
    } else if (record->seq < from) {
        survey->before = {place.index, line.offset + line.text.size() + 1};
        survey->before_seq = record->seq;
        survey->before_epoch = record->epoch;
        survey->starts.saw(record->epoch, record->seq);
        survey->good.clear();
        survey->good_ids.clear();
        survey->erased.clear();
        survey->bad.clear();
    } else if (record->seq <= to) {
        survey->good.push_back(record->seq);
        if (!record->erased.empty()) survey->erased.push_back(record->seq);
        survey->good_ids.push_back(record->id.empty() ? "seq " + std::to_string(record->seq.value)
                                                      : std::string(record->id));
    } else {
        survey->after = place;
        survey->after_seq = record->seq;
        survey->after_epoch = record->epoch;
    }
}

Status take_segment(const File& file, std::size_t index, const std::string& store, Seq from, Seq to,
                    Survey* survey) {
    Survey::Segment& segment = survey->segments.back();
    SE_TRY(size, file.size());
    segment.bytes = size;
    LineReader lines(file);
    RecordView record;
    const std::uint64_t header_bytes = header_bytes_least(segment.first);
    bool header_due = true;
    for (;;) {
        SE_TRY(line, lines.next());
        if (!line) break;
        // A good record where the header belongs landed there, and goes with what it destroyed.
        const bool is_record = line->offset >= header_bytes && read_frame(line->text).has_value();
        if (std::exchange(header_due, false) && !is_record) {
            const auto header = parse_segment_header(line->text);
            if (!header && header.error().code == Errc::unsupported) return header.error();
            segment.header_good = header && line->terminated && header->store == store &&
                                  header->first == segment.first && line->offset == 0;
            if (header) survey->epoch_highest = std::max(survey->epoch_highest, header->epoch);
            if (segment.header_good) segment.records_begin = line->text.size() + 1;
            if (segment.header_good) continue;
        }
        // All that stands before its first good record counts as the bad header.
        if (!segment.header_good && !segment.epoch && !is_record) continue;
        if (!segment.header_good && !segment.epoch) segment.records_begin = line->offset;
        take_line(*line, {index, line->offset}, from, to, &record, survey);
    }
    if (!segment.header_good && !segment.epoch) segment.records_begin = size;
    return Ok{};
}

Result<Survey> survey_once(FileSystem& files, const StorePaths& paths, const std::string& store,
                           Seq from, Seq to, EpochStarts later) {
    Survey survey{.later = std::move(later)};
    SE_TRY(quarantine, list_quarantine(files, paths));
    survey.gaps.add(quarantine);
    for (const Parked& parked : quarantine) {
        survey.epoch_highest = std::max(survey.epoch_highest, parked.epoch);
    }
    SE_TRY(segments, list_segments(files, paths));
    for (std::size_t i = 0; i < segments.size(); ++i) {
        SE_TRY(file, files.open(paths.segment(segments[i]), OpenMode::read));
        survey.segments.push_back({.first = segments[i]});
        SE_TRY_OK(take_segment(*file, i, store, from, to, &survey));
    }
    return survey;
}

Result<Survey> make_survey(FileSystem& files, const StorePaths& paths, const std::string& store,
                           Seq from, Seq to) {
    SE_TRY(survey, survey_once(files, paths, store, from, to, {}));
    if (!survey.misled) return survey;
    return survey_once(files, paths, store, from, to, survey.seen);
}

/// Segments whose header lies between the two good records.
std::vector<std::size_t> bad_headers(const Survey& survey) {
    std::vector<std::size_t> bad;
    const std::size_t begin = survey.before_seq == Seq{} ? 0 : survey.before.index + 1;
    const std::size_t end = survey.after ? survey.after->index + 1 : survey.segments.size();
    for (std::size_t i = begin; i < end; ++i) {
        if (!survey.segments[i].header_good) bad.push_back(i);
    }
    return bad;
}

/// Whether nothing is missing from it but what was given up before.
bool holds_all(const Survey& survey, Seq from, Seq to) {
    for (const Seq seq : survey.good) {
        if (seq < from || !survey.gaps.cover(from, seq, survey.before_epoch)) return false;
        from = seq.next();
    }
    return survey.gaps.cover(from, to.next(), survey.before_epoch);
}

/// The end of history is only missing if something says that there was more.
Status check_end(FileSystem& files, const StorePaths& paths, const std::string& store,
                 const Survey& survey, const std::vector<Evidence>& evidence, Seq from, Seq to) {
    std::vector<Seq> segments;
    for (const Survey::Segment& segment : survey.segments) segments.push_back(segment.first);
    SE_TRY(behind, look_behind(files, paths, segments, survey.before.index, survey.before.offset,
                               from, survey.starts, survey.gaps));
    Seq best = behind.best ? behind.best->seq : Seq{};
    if (behind.displaced) best = std::max(best, from);
    SE_TRY(head, read_head(files, paths.head()));
    if (head && head->store == store && !survey.starts.void_at(head->epoch, head->durable)) {
        best = std::max(best, head->durable);
    }
    for (const Evidence& one : evidence) {
        if (!survey.starts.void_at(one.epoch, one.seq)) best = std::max(best, one.seq);
    }
    if (best < from) {
        return refused("nothing says that seq " + std::to_string(from.value) +
                       " was ever acknowledged: the next open cuts such a tail by itself");
    }
    if (to < best) {
        return refused("the loss reaches seq " + std::to_string(best.value) +
                       ": accept all of it, or nothing");
    }
    if (to.value - best.value > kUnseenLossMax) {
        return refused("nothing is known of seqs beyond " + std::to_string(best.value));
    }
    return Ok{};
}

Status check_bounds(const Survey& survey, Seq from, Seq to) {
    const Seq begin = survey.before_seq.next();
    if (!survey.gaps.cover(begin, from, survey.before_epoch)) {
        return refused("the damage begins at seq " + std::to_string(begin.value));
    }
    if (survey.after && !survey.gaps.cover(to.next(), survey.after_seq, survey.before_epoch)) {
        return refused("the damage reaches to seq " +
                       std::to_string(survey.after_seq.value - 1));
    }
    return Ok{};
}

RepairPiece make_piece(Parked& name, Seq segment, std::uint64_t offset, const std::string& bytes) {
    name.segment = segment;
    name.offset = offset;
    return {.segment = segment,
            .offset = offset,
            .bytes = bytes.size(),
            .sha256 = to_hex(sha256(bytes)),
            .quarantined = parked_name(name)};
}

/// Between records that are all there. What stands behind the last one of the log is not between them: it
/// is torn, or records behind the range were lost there.
Result<std::vector<RepairPiece>> stray_pieces(FileSystem& files, const StorePaths& paths,
                                              const Survey& survey, Parked name) {
    name.what = Parked::What::stray;
    std::vector<RepairPiece> pieces;
    for (const Survey::Stretch& bad : survey.bad) {
        if (!survey.after && bad.good_before == survey.good.size()) continue;
        const Seq segment = survey.segments[bad.place.index].first;
        SE_TRY(file, files.open(paths.segment(segment), OpenMode::read));
        SE_TRY(bytes, used_bytes(*file, bad.place.offset, bad.end));
        pieces.push_back(make_piece(name, segment, bad.place.offset, bytes));
    }
    return pieces;
}

Result<std::vector<RepairPiece>> make_pieces(FileSystem& files, const StorePaths& paths,
                                             const Survey& survey, Seq from, Seq to, Parked name) {
    std::vector<RepairPiece> pieces;
    const auto add = [&](Seq segment, std::uint64_t offset, const std::string& bytes) {
        pieces.push_back(make_piece(name, segment, offset, bytes));
    };
    name.from = from;
    name.to = to;
    const std::size_t end = survey.after ? survey.after->index + 1 : survey.segments.size();
    for (std::size_t i = survey.before.index; i < end; ++i) {
        const Survey::Segment& segment = survey.segments[i];
        const bool first = survey.before_seq > Seq{} && i == survey.before.index;
        const std::uint64_t begin = first ? survey.before.offset : segment.records_begin;
        const bool last = survey.after && i == survey.after->index;
        SE_TRY(file, files.open(paths.segment(segment.first), OpenMode::read));
        SE_TRY(bytes, used_bytes(*file, begin, last ? survey.after->offset : segment.bytes));
        if (!bytes.empty()) add(segment.first, begin, bytes);
    }
    // Records that left no bytes behind: an empty file says that they were given up.
    if (pieces.empty()) {
        const bool none = survey.segments.empty();
        add(none ? from : survey.segments[survey.before.index].first, survey.before.offset, {});
    }
    return pieces;
}

struct Repair {
    Survey survey;
    RepairPlan plan;
    Parked name;  // of what goes to quarantine
};

Result<Repair> prepare(FileSystem& files, const StorePaths& paths, const std::string& store,
                       Seq from, Seq to, std::vector<Evidence> given) {
    if (from == Seq{} || to < from) return refused("not a range of seqs: " + range_text(from, to));
    SE_TRY(survey, make_survey(files, paths, store, from, to));
    SE_TRY(head, read_head(files, paths.head()));
    // What a later run has gone on to within it, behind a restore, is no gap any more: as for the open.
    if (head && head->store == store) survey.gaps.forget_around(head->durable, head->epoch);
    if (survey.after) survey.gaps.forget_around(survey.after_seq, survey.after_epoch);
    SE_TRY_OK(check_bounds(survey, from, to));
    SE_TRY(evidence, read_follower_watermarks(files, paths, store));
    evidence.insert(evidence.end(), given.begin(), given.end());
    Repair repair{.survey = std::move(survey),
                  .plan = {.from = from, .to = to, .evidence = std::move(given)}};
    const Survey& found = repair.survey;
    const std::vector<std::size_t> headers = bad_headers(found);
    for (const std::size_t i : headers) repair.plan.headers.push_back(found.segments[i].first);

    const bool given_up = found.good.empty() && found.gaps.cover(from, to.next(), found.before_epoch);
    // What was erased and is not believed (J7) is as lost as what is not there.
    const bool believed =
        std::ranges::all_of(found.erased, [&](Seq seq) { return found.erasures.name(seq); });
    const bool whole = !given_up && believed && holds_all(found, from, to);
    Epoch highest = found.epoch_highest;
    if (head) highest = std::max(highest, head->epoch);
    for (const Evidence& one : evidence) highest = std::max(highest, one.epoch);
    repair.name = {.what = Parked::What::lost,
                   .epoch = highest.next(),
                   .next = std::max(found.last, found.after ? found.last : to).next()};
    if (whole || (given_up && found.bad.empty())) {
        SE_TRY(pieces, stray_pieces(files, paths, found, repair.name));
        if (pieces.empty() && headers.empty()) {
            return refused(range_text(from, to) + (whole ? " is not damaged" : " was given up already"));
        }
        repair.plan.pieces = std::move(pieces);
        return repair;
    }

    repair.plan.loses_records = true;
    if (!found.after) SE_TRY_OK(check_end(files, paths, store, found, evidence, from, to));
    SE_TRY(pieces, make_pieces(files, paths, found, from, to, repair.name));
    repair.plan.pieces = std::move(pieces);
    repair.plan.good_lost = found.good_ids;
    return repair;
}

/// The tree before `segments[index]`, from the nearest good header below on. What is not there is taken
/// as given up.
Result<Frontier> tree_before(FileSystem& files, const StorePaths& paths, const Survey& survey,
                             std::size_t index) {
    std::size_t begin = index;
    while (begin > 0 && !survey.segments[begin - 1].header_good) --begin;
    if (begin > 0) --begin;
    Frontier tree;
    RecordView record;
    for (; begin < index; ++begin) {
        SE_TRY(file, files.open(paths.segment(survey.segments[begin].first), OpenMode::read));
        LineReader lines(*file);
        for (;;) {
            SE_TRY(line, lines.next());
            if (!line) break;
            if (tree.size() == 0) {
                if (auto header = parse_segment_header(line->text)) tree = header->before;
            }
            const auto frame = read_frame(line->text);
            if (!frame || frame->seq.value <= tree.size()) continue;
            if (survey.later.void_at(frame->epoch, frame->seq)) continue;
            if (!parse_record(line->text, &record)) continue;
            while (tree.size() + 1 < frame->seq.value) tree.append(lost_leaf({tree.size() + 1}));
            tree.append(leaf_hash(record));
        }
    }
    const Seq first = survey.segments[index].first;
    while (tree.size() + 1 < first.value) tree.append(lost_leaf({tree.size() + 1}));
    return tree;
}

/// The header line anew, newline included, padded with newlines to the place it has.
Result<std::string> header_anew(FileSystem& files, const StorePaths& paths,
                                const std::string& store, const Survey& survey,
                                std::size_t index) {
    const Survey::Segment& segment = survey.segments[index];
    SE_TRY(tree, tree_before(files, paths, survey, index));
    // The epoch it had is not known, only what it lay between; nor is how many digits that took.
    for (const Epoch epoch : {segment.epoch.value_or(survey.before_epoch), survey.before_epoch, Epoch{}}) {
        std::string text = encode_segment_header({.store = store,
                                                  .epoch = epoch,
                                                  .first = segment.first,
                                                  .before = tree}) +
                           '\n';
        if (!segment.epoch || text.size() <= segment.records_begin) return text;
    }
    return refused("no room for a header before the first record of " +
                   StorePaths::segment_name(segment.first));
}

Status rewrite_header(FileSystem& files, const StorePaths& paths, const Survey::Segment& segment,
                      const std::string& text) {
    SE_TRY(file, files.open(paths.segment(segment.first), OpenMode::update));
    SE_TRY(old, used_bytes(*file, 0, segment.records_begin));
    std::string bytes = text;
    if (old.size() > bytes.size()) bytes.resize(old.size(), '\n');
    SE_TRY_OK(file->write(0, bytes));
    return file->sync();
}

/// From the first blanked byte on the log reads otherwise than it was folded, and the writer who would find
/// that out is not there yet: without STAMP no reader believes LMDB, whenever this is cut short. Not before
/// all is parked: until then LMDB may be the only proof that there was something to lose.
Status distrust_projection(FileSystem& files, const StorePaths& paths) {
    const std::string stamp = paths.projection() + "/STAMP";
    SE_TRY(there, files.exists(stamp));
    if (!there) return Ok{};
    SE_TRY_OK(files.remove(stamp));
    return files.sync_directory(paths.projection());
}

/// What was made from the old bytes: it regrows. For good, before they go: whoever finishes a repair that was
/// cut short need not know of it.
Status forget_indexes(FileSystem& files, const StorePaths& paths, const std::vector<Seq>& segments) {
    for (const Seq segment : segments) {
        SE_TRY(indexed, files.exists(paths.index(segment)));
        if (indexed) SE_TRY_OK(files.remove(paths.index(segment)));
    }
    return files.sync_directory(paths.journal());
}

/// Whether that is what was parked, blanked in part or not at all.
bool stands(std::string_view bytes, std::string_view parked) {
    return std::ranges::equal(bytes, parked,
                              [](char now, char then) { return now == then || now == '\n'; });
}

/// Where a copy was made, and whether what stands there is still what was copied.
struct Standing {
    Seq segment;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    bool as_parked = false;
};

Result<Standing> look_at(FileSystem& files, const StorePaths& paths, const Parked& piece) {
    SE_TRY(kept, read_file(files, paths.quarantine() + "/" + parked_name(piece)));
    Standing standing{.segment = piece.segment, .offset = piece.offset, .bytes = kept.size()};
    standing.as_parked = kept.empty();
    SE_TRY(there, files.exists(paths.segment(piece.segment)));
    if (!there || kept.empty()) return standing;
    SE_TRY(file, files.open(paths.segment(piece.segment), OpenMode::read));
    std::string bytes(kept.size(), '\0');
    SE_TRY(got, file->read(piece.offset, std::span(bytes)));
    standing.as_parked = stands(std::string_view(bytes).substr(0, got), kept);
    return standing;
}

/// A header that a repair wrote anew may be in the page cache alone: what stands there is written again.
Status keep_header(FileSystem& files, const StorePaths& paths, const Parked& old) {
    SE_TRY(there, files.exists(paths.segment(old.segment)));
    if (!there) return Ok{};
    SE_TRY(file, files.open(paths.segment(old.segment), OpenMode::update));
    SE_TRY(kept, read_file(files, paths.quarantine() + "/" + parked_name(old)));
    LineReader lines(*file);
    SE_TRY(line, lines.next());
    std::string bytes(std::max<std::size_t>(kept.size(), line ? line->offset + line->text.size() + 1 : 0), '\0');
    SE_TRY(got, file->read(0, std::span(bytes)));
    bytes.resize(got);
    SE_TRY_OK(file->write(0, bytes));
    return file->sync();
}

Status same_plan(const RepairPlan& a, const RepairPlan& b) {
    const auto same_piece = [](const RepairPiece& x, const RepairPiece& y) {
        return x.segment == y.segment && x.offset == y.offset && x.bytes == y.bytes &&
               x.sha256 == y.sha256 && x.quarantined == y.quarantined;
    };
    if (a.from == b.from && a.to == b.to && a.loses_records == b.loses_records &&
        a.headers == b.headers &&
        std::equal(a.pieces.begin(), a.pieces.end(), b.pieces.begin(), b.pieces.end(),
                   same_piece)) {
        return Ok{};
    }
    return Error{Errc::unavailable, "the journal has changed since the repair was planned"};
}

}  // namespace

Result<RepairPlan> plan_repair(FileSystem& files, const StorePaths& paths, Seq from, Seq to,
                               std::vector<Evidence> evidence) {
    SE_TRY(store, read_store(files, paths));
    SE_TRY(repair, prepare(files, paths, store.store, from, to, std::move(evidence)));
    return std::move(repair.plan);
}

Status carry_out(FileSystem& files, const StorePaths& paths, const StoreHold& hold,
                 const RepairPlan& plan) {
    SE_TRY(repair, prepare(files, paths, hold.info.store, plan.from, plan.to, plan.evidence));
    SE_TRY_OK(same_plan(plan, repair.plan));
    const Survey& survey = repair.survey;
    const std::vector<std::size_t> headers =
        plan.headers.empty() ? std::vector<std::size_t>{} : bad_headers(survey);
    std::vector<std::string> texts;
    for (const std::size_t i : headers) {
        SE_TRY(text, header_anew(files, paths, hold.info.store, survey, i));
        texts.push_back(std::move(text));
    }

    // All of it is kept before any of it is touched.
    for (const RepairPiece& piece : plan.pieces) {
        std::string bytes;
        if (piece.bytes > 0) {
            SE_TRY(file, files.open(paths.segment(piece.segment), OpenMode::read));
            SE_TRY(read, used_bytes(*file, piece.offset, piece.offset + piece.bytes));
            bytes = std::move(read);
        }
        SE_TRY_OK(park(files, paths, *parked_from_name(piece.quarantined), bytes));
    }
    for (const std::size_t i : headers) {
        const Survey::Segment& segment = survey.segments[i];
        SE_TRY(file, files.open(paths.segment(segment.first), OpenMode::read));
        SE_TRY(bytes, used_bytes(*file, 0, segment.records_begin));
        Parked name = repair.name;
        name.what = Parked::What::header;
        name.segment = segment.first;
        SE_TRY_OK(park(files, paths, name, bytes));
    }
    SE_TRY_OK(distrust_projection(files, paths));
    // A header takes with it what stood before the first good record: its segment may have lost records, too.
    std::vector<Seq> touched;
    for (const std::size_t i : headers) touched.push_back(survey.segments[i].first);
    for (const RepairPiece& piece : plan.pieces) touched.push_back(piece.segment);
    SE_TRY_OK(forget_indexes(files, paths, touched));

    for (std::size_t i = 0; i < headers.size(); ++i) {
        SE_TRY_OK(rewrite_header(files, paths, survey.segments[headers[i]], texts[i]));
    }
    for (const RepairPiece& piece : plan.pieces) {
        if (piece.bytes == 0) continue;
        SE_TRY(file, files.open(paths.segment(piece.segment), OpenMode::update));
        SE_TRY_OK(blank(*file, piece.offset, piece.bytes));
    }
    return Ok{};
}

Status finish_repair(FileSystem& files, const StorePaths& paths, const std::vector<Parked>& parked) {
    std::map<Epoch, std::vector<Standing>> repairs;
    std::set<Epoch> changed;  // something else stands where one of its copies was made
    for (const Parked& piece : parked) {
        if (piece.what == Parked::What::header) SE_TRY_OK(keep_header(files, paths, piece));
        if (piece.what != Parked::What::lost && piece.what != Parked::What::stray) continue;
        SE_TRY(standing, look_at(files, paths, piece));
        if (standing.as_parked) {
            repairs[piece.epoch].push_back(standing);
        } else {
            changed.insert(piece.epoch);
        }
    }
    for (const auto& [epoch, pieces] : repairs) {
        if (changed.contains(epoch)) continue;
        SE_TRY_OK(distrust_projection(files, paths));
        std::vector<Seq> touched;
        for (const Standing& piece : pieces) touched.push_back(piece.segment);
        SE_TRY_OK(forget_indexes(files, paths, touched));
        for (const Standing& piece : pieces) {
            if (piece.bytes == 0) continue;
            SE_TRY(file, files.open(paths.segment(piece.segment), OpenMode::update));
            SE_TRY_OK(blank(*file, piece.offset, piece.bytes));
        }
    }
    return Ok{};
}

}  // namespace se
