// GET /metrics: Prometheus text (version 0.0.4).

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "engine/api/changes.h"
#include "engine/api/core.h"
#include "journal/base/json.h"
#include "journal/scrub.h"

namespace se {
namespace {

void append_value(std::string& out, double value) {
    if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else if (std::isnan(value)) {
        out += "NaN";
    } else {
        append_json_number(out, value);
    }
    out += '\n';
}

/// Writes families one after the other, as the format wants them: help, type, then all samples.
class Families {
public:
    explicit Families(std::string& out) : out_(out) {}

    Families& begin(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        for (const auto& [keyword, text] : {std::pair{"# HELP ", help}, {"# TYPE ", type}}) {
            out_ += keyword;
            out_ += name;
            out_ += ' ';
            out_ += text;
            out_ += '\n';
        }
        return *this;
    }
    /// `labels` is the inside of the braces, values already escaped; empty: none.
    Families& sample(double value, std::string_view labels = {}, std::string_view suffix = {}) {
        out_ += name_;
        out_ += suffix;
        if (!labels.empty()) {
            out_ += '{';
            out_ += labels;
            out_ += '}';
        }
        out_ += ' ';
        append_value(out_, value);
        return *this;
    }
    void counter(std::string_view name, std::string_view help, double value) {
        begin(name, "counter", help).sample(value);
    }
    void gauge(std::string_view name, std::string_view help, double value) {
        begin(name, "gauge", help).sample(value);
    }
    /// `buckets` are cumulative: upper bound, count.
    void histogram(std::string_view name, std::string_view help,
                   const std::vector<std::pair<double, std::uint64_t>>& buckets, double sum,
                   std::uint64_t count) {
        begin(name, "histogram", help);
        for (const auto& [bound, up_to] : buckets) {
            if (std::isinf(bound)) continue;
            std::string label = "le=\"";
            append_value(label, bound);
            label.back() = '"';
            sample(static_cast<double>(up_to), label, "_bucket");
        }
        sample(static_cast<double>(count), "le=\"+Inf\"", "_bucket");
        sample(sum, {}, "_sum");
        sample(static_cast<double>(count), {}, "_count");
    }

private:
    std::string& out_;
    std::string name_;
};

std::string label(std::string_view name, std::string_view value) {
    std::string out(name);
    out += "=\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    out += '"';
    return out;
}

double real(std::uint64_t value) { return static_cast<double>(value); }

void append_decisions(Families& out, const EngineStats& stats) {
    out.begin("state_engine_decisions_total", "counter", "Proposals answered, by outcome and code.");
    out.sample(real(stats.accepted), "outcome=\"accepted\",code=\"none\"");
    std::map<Code, std::uint64_t> by_code;
    for (const auto& [code, count] : stats.rejected_by_code) by_code[code] += count;
    for (const auto& [code, count] : by_code)
        out.sample(real(count), "outcome=\"rejected\"," + label("code", to_text(code)));
    out.sample(real(stats.duplicates), "outcome=\"duplicate\",code=\"none\"");
    by_code = {{Code::unavailable, 0}};  // told also while there is none
    for (const auto& [code, count] : stats.refused_by_code) by_code[code] += count;
    for (const auto& [code, count] : by_code)
        out.sample(real(count), "outcome=\"refused\"," + label("code", to_text(code)));
    out.sample(real(stats.unknown), "outcome=\"unknown\",code=\"outcome_unknown\"");
    out.counter("state_engine_expired_total", "Entries deleted because their time to live was over.",
                real(stats.expired));
}

std::uint64_t last_count(const std::vector<std::pair<double, std::uint64_t>>& buckets) {
    return buckets.empty() ? 0 : buckets.back().second;
}

void append_groups(Families& out, const EngineStats& stats) {
    out.histogram("state_engine_group_records", "Records that shared one write and sync.",
                  stats.group_size, real(stats.grouped_records), stats.groups);
    out.histogram("state_engine_sync_seconds", "Time to write and sync one group.",
                  stats.sync_seconds, stats.sync_seconds_sum, last_count(stats.sync_seconds));
    out.gauge("state_engine_queue_proposals", "Proposals that wait to be decided.", real(stats.queue));
    out.gauge("state_engine_in_flight_bytes", "Bytes of proposals not answered yet.",
              real(stats.in_flight_bytes));
    out.gauge("state_engine_overlay_keys", "Keys decided, and not yet in LMDB.",
              real(stats.overlay_keys));
    out.gauge("state_engine_overlay_bytes", "Bytes of decisions that are not yet in LMDB.",
              real(stats.overlay_bytes));
}

void append_followers(Families& out, ApiCore& core) {
    Engine& engine = *core.engine;
    const std::uint64_t durable = engine.durable().value;
    const std::uint64_t projection = engine.applied().seq.value;
    std::uint64_t slowest = durable;
    for (const auto& weak : core.feeds) {
        if (const auto feed = weak.lock()) slowest = std::min(slowest, feed->reached().value);
    }
    const auto lag = [&](std::uint64_t reached) { return real(durable - std::min(reached, durable)); };
    out.begin("state_engine_follower_watermark_seq", "gauge",
              "Seq up to which a follower has applied everything.");
    out.sample(real(projection), "follower=\"projection\"");
    out.sample(real(slowest), "follower=\"changes\"");
    out.begin("state_engine_follower_lag_records", "gauge",
              "Durable records that a follower has not applied; of the change feed the slowest reader.");
    out.sample(lag(projection), "follower=\"projection\"");
    out.sample(lag(slowest), "follower=\"changes\"");
}

void append_journal(Families& out, ApiCore& core) {
    Engine& engine = *core.engine;
    const Journal& journal = engine.journal();
    out.gauge("state_engine_last_seq", "Last record appended, durable or not.",
              real(journal.last().value));
    out.gauge("state_engine_durable_seq", "Last record whose sync has returned.",
              real(engine.durable().value));
    out.gauge("state_engine_epoch", "Number of this run of the writer.", real(journal.epoch().value));
    out.gauge("state_engine_journal_bytes", "All segments, as allocated.",
              real(journal.journal_bytes()));
    const Scrub& scrub = journal.scrub();
    out.gauge("state_engine_journal_damaged_places",
              "Damaged places that are known among the old records; writes go on.",
              real(scrub.places_known()));
    out.counter("state_engine_journal_scrubbed_bytes_total",
                "Of old records, read once more to find damage.", real(scrub.bytes()));
    if (const auto at = scrub.last_pass())
        out.gauge("state_engine_journal_scrub_timestamp_seconds",
                  "When all old records had been read once more, in seconds since 1970.",
                  std::chrono::duration<double>(at->time_since_epoch()).count());
    out.gauge("state_engine_segment_used_bytes", "Of the active segment.",
              real(journal.active_bytes_used()));
    if (const auto free_bytes = journal.disk_free_bytes())
        out.gauge("state_engine_disk_free_bytes", "Free space where the journal lies.",
                  real(*free_bytes));
    out.gauge("state_engine_disk_full_seconds",
              "Time until only the reserve is left, at the pace of the last ten minutes; +Inf when "
              "the free space does not shrink.",
              core.disk.seconds_left(core.settings().journal.disk_reserve_bytes));
    out.begin("state_engine_fsync_info", "gauge",
              "Always 1; `never` means that answers do not wait for the disk.");
    const bool group = core.settings().journal.fsync == FsyncMode::group;
    out.sample(1, label("mode", group ? "group" : "never"));
}

void append_projection(Families& out, Engine& engine) {
    Projection& projection = engine.projection();
    out.gauge("state_engine_map_bytes", "Size of the LMDB map.", real(projection.map_bytes()));
    out.gauge("state_engine_map_used_bytes", "Of it in use.", real(projection.used_bytes()));
    if (const auto age = projection.check_readers())
        out.gauge("state_engine_oldest_reader_transactions",
                  "How many transactions the oldest reader of LMDB is behind; 0 when none reads.",
                  real(*age));
    if (const auto snapshot = projection.snapshot()) {
        if (const auto keys = snapshot->live_keys())
            out.gauge("state_engine_live_keys", "Keys that have an entry.", real(*keys));
    }
}

}  // namespace

void DiskTrend::sample(std::chrono::nanoseconds now, std::optional<std::uint64_t> free_bytes) {
    using namespace std::chrono_literals;
    if (!free_bytes || (!samples_.empty() && now - samples_.back().at < 10s)) return;
    samples_.push_back({now, *free_bytes});
    std::erase_if(samples_, [&](const Sample& sample) { return now - sample.at > 10min; });
}

double DiskTrend::seconds_left(std::uint64_t reserve_bytes) const {
    constexpr double kNever = std::numeric_limits<double>::infinity();
    if (samples_.empty()) return kNever;
    const Sample& first = samples_.front();
    const Sample& last = samples_.back();
    if (last.free_bytes <= reserve_bytes) return 0;
    if (last.free_bytes >= first.free_bytes) return kNever;
    const double seconds = std::chrono::duration<double>(last.at - first.at).count();
    const double pace = real(first.free_bytes - last.free_bytes) / seconds;
    return real(last.free_bytes - reserve_bytes) / pace;
}

void get_metrics(ApiCore& core, Exchange&& exchange) {
    Response response{.content_type = "text/plain; version=0.0.4; charset=utf-8"};
    Families out(response.body);
    out.begin("state_engine_build_info", "gauge", "Always 1.");
    out.sample(1, label("version", core.host.version));
    out.gauge("state_engine_uptime_seconds", "Since the program started.", core.uptime_seconds());
    const bool ready = core.engine != nullptr && !core.draining &&
                       core.engine->state() == EngineState::ready;
    out.gauge("state_engine_ready", "1 when writes are taken.", ready ? 1 : 0);
    out.gauge("state_engine_streams", "Followers of the change feed.", real(core.count_feeds()));
    out.gauge("state_engine_min_seq_waiters", "Reads that wait for min_seq.",
              real(core.waiters.size()));
    if (core.engine != nullptr) {
        const EngineStats stats = core.engine->stats();
        append_decisions(out, stats);
        append_groups(out, stats);
        append_followers(out, core);
        append_journal(out, core);
        append_projection(out, *core.engine);
    }
    if (core.host.extra_metrics) response.body += core.host.extra_metrics();
    exchange.reply(std::move(response));
}

}  // namespace se
