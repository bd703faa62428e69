// A segment's bytes: lines, the header, order, faults and what is behind them.

#include "journal/segment.h"

#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

const std::string kStore = "6f1c2f2e-0000-4000-8000-000000000001";  // as in the corpus
constexpr Seq kFirst{1};

/// One line, however the file is cut into reads.
void check_lines(std::string_view bytes, std::size_t chunk) {
    const TextFile file(bytes);
    LineReader large(file), small(file, 0, UINT64_MAX, chunk);
    for (;;) {
        const auto a = large.next();
        const auto b = small.next();
        SE_ASSERT(a && b);
        SE_ASSERT(a->has_value() == b->has_value());
        if (!*a) return;
        const Line &x = **a, &y = **b;
        SE_ASSERT(x.offset == y.offset && x.text == y.text && x.terminated == y.terminated);
        SE_ASSERT(!x.text.empty());
        SE_ASSERT(bytes.substr(x.offset, x.text.size()) == x.text);
        const std::size_t end = x.offset + x.text.size();
        if (x.terminated) SE_ASSERT(bytes.at(end) == '\n');
    }
}

struct Found {
    std::vector<std::uint64_t> records;
    std::size_t faults = 0;
};

/// Reads to the end, over every gap, and holds each item against what its type promises.
Found read_all(SegmentReader& reader, std::string_view bytes) {
    Found found;
    // Every item but the header's and one more look behind a gap uses up a line.
    const std::size_t items_max = 2 * (bytes.size() + 2);
    for (std::size_t items = 0;; ++items) {
        SE_ASSERT(items <= items_max);
        const Seq expected = reader.expected();
        const Epoch epoch = reader.epoch();
        const auto item = reader.next();
        if (!item) {
            SE_ASSERT(item.error().code == Errc::unsupported);
            return found;
        }
        if (!*item) return found;
        if (const Fault* fault = std::get_if<Fault>(&**item)) {
            ++found.faults;
            SE_ASSERT(!to_text(*fault).empty());
            if (fault->kind == FaultKind::bad_seq && reader.frame().seq > expected)
                reader.resume_at(reader.frame().seq);
            continue;
        }
        const Line& line = std::get<Line>(**item);
        const auto frame = read_frame(line.text);
        SE_ASSERT(frame && line.terminated);
        SE_ASSERT(frame->seq == expected && frame->epoch >= epoch);
        SE_ASSERT(reader.expected() == expected.next() && reader.epoch() == frame->epoch);
        SE_ASSERT(bytes.substr(line.offset, line.text.size()) == line.text);
        SE_ASSERT(reader.end_of_good() == line.offset + line.text.size() + 1);
        found.records.push_back(line.offset);
    }
}

void check_segment(std::string_view bytes) {
    const TextFile file(bytes);
    auto reader = SegmentReader::over(file, kFirst, kStore, {});
    SE_ASSERT(reader);
    const Found all = read_all(*reader, bytes);
    if (all.records.empty() || all.faults != 0) return;
    // Without a fault, a reader that goes on from any record's end sees just the rest.
    auto front = SegmentReader::over(file, kFirst, kStore, {});
    for (std::size_t i = 0; i < all.records.size(); ++i) SE_ASSERT(front->next());
    auto rest = SegmentReader::over(file, kFirst, kStore,
                                    {.offset = front->end_of_good(),
                                     .expected = front->expected(),
                                     .epoch_min = front->epoch()});
    const Found behind = read_all(*rest, bytes);
    SE_ASSERT(behind.records.empty() && behind.faults == 0);
}

void check_header(std::string_view line) {
    const auto header = parse_segment_header(line);
    if (!header) return;
    const auto again = parse_segment_header(encode_segment_header(*header));
    SE_ASSERT(again);
    SE_ASSERT(again->store == header->store && again->epoch == header->epoch);
    SE_ASSERT(again->first == header->first && again->before == header->before);
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = se::fuzz::text_of(data, size);
    se::fuzz::check_lines(bytes, 1 + size % 61);
    se::fuzz::check_segment(bytes);
    se::fuzz::check_header(bytes.substr(0, bytes.find('\n')));
    return 0;
}

/// Lines doubled, dropped, swapped and changed, under checksums that hold again.
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
    using namespace se::fuzz;
    std::minstd_rand chance(seed);
    if (chance() % 8 == 0)
        return hand_back(mutated(std::string(text_of(data, size)), size_max), data, size_max);
    std::vector<std::string> lines = lines_of(text_of(data, size));
    const auto some = [&] { return chance() % lines.size(); };
    switch (chance() % 6) {
        case 0:
            lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(some()), lines[some()]);
            break;
        case 1:
            lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(some()));
            break;
        case 2:
            std::swap(lines[some()], lines[some()]);
            break;
        default: {
            std::string& line = lines[some()];
            const bool seal = has_crc_tail(line);
            line = mutated(std::string(without_crc_tail(line)), line.size() + 32);
            if (seal) line = sealed(line);
        }
    }
    std::string text;
    for (const std::string& line : lines) text += line + '\n';
    if (!text.empty() && chance() % 4 != 0) text.pop_back();
    return hand_back(text, data, size_max);
}
