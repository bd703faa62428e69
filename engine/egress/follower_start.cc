#include <utility>

#include "engine/egress/follower.h"
#include "journal/base/json.h"

namespace se {

/// False: not yet.
bool Follower::begin(std::chrono::nanoseconds now) {
    if (now < begin_again_) return false;
    const Status begun = try_to_begin();
    if (!begun) {
        trouble("state-engine.follower.waits", begun.error().text);
        reader_.reset();
        aligned_ = false;
        begin_again_ = now + disk_backoff_.next();
        return false;
    }
    if (!aligned_) return false;
    begun_ = true;
    return true;
}

Status Follower::try_to_begin() {
    if (!reader_) {
        SE_TRY(opened, JournalReader::open(doors_.files, paths_));
        reader_.emplace(std::move(opened));
        store_ = reader_->store();
    }
    if (!letters_) {
        SE_TRY(letters,
               DeadLetters::open(doors_.files, paths_, options_.name, options_.dead_letters));
        letters_.emplace(std::move(letters));
        if (letters_->damaged() != 0)
            doors_.log.write(
                {Severity::error,
                 "state-engine.follower.dead_letters_damaged",
                 {{"follower", options_.name}, {"lines", std::to_string(letters_->damaged())}}});
    }
    if (!mark_) SE_TRY_OK(find_start());
    if (!mark_) return Ok{};
    return align();
}

Status Follower::find_start() {
    const auto stand_at = [this](Cursor start) -> Status {
        SE_TRY_OK(file_.save(store_, start));
        mark_ = read_ = saved_ = start;
        return Ok{};
    };
    if (noting_) {
        if (!noting_->told->has_value()) return Ok{};
        if (!**noting_->told)
            trouble("state-engine.follower.not_noted", (*noting_->told)->error().text);
        SE_TRY_OK(stand_at(noting_->head));
        noting_.reset();
        return Ok{};
    }
    SE_TRY(found, file_.load(store_));
    // A run that died may have left one that can be seen and is not on the disk: kept anew, it is.
    if (found.kind == Watermark::Found::Kind::good) return stand_at(found.cursor);
    if (found.kind == Watermark::Found::Kind::missing) {
        SE_TRY(fresh, nothing_happened_before());
        SE_TRY(head, reader_->head());
        if (fresh) return stand_at({head ? head->epoch : Epoch{}, Seq{}});
        found.why = paths_.followers() + "/" + options_.name + " is not there";
    }
    return start_at_head(found.why);
}

/// Before this run nothing was decided, so nobody can have delivered anything of this store.
Result<bool> Follower::nothing_happened_before() {
    SE_TRY(head, reader_->head());
    SE_TRY(durable, reader_->durable());
    if (durable == Seq{}) return true;
    if (!head) return false;
    SE_TRY_OK(reader_->seek(Seq{1}));
    for (Seq expected{1};; expected = expected.next()) {
        const auto record = reader_->next();
        if (!record && record.error().code == Errc::io) return record.error();
        if (!record) return false;
        if (*record == nullptr) return true;
        if ((*record)->seq != expected) return false;  // given up: nobody knows what was there
        if ((*record)->epoch == head->epoch) return true;
        if ((*record)->kind != Kind::note && (*record)->kind != Kind::config) return false;
    }
}

/// The watermark follows when the note is told: else a death in between would leave the one without
/// the other.
Status Follower::start_at_head(const std::string& why) {
    SE_TRY(durable, reader_->durable());
    Cursor head{Epoch{}, durable};
    if (durable != Seq{}) {
        SE_TRY(record, reader_->at(durable));
        head.epoch = record->epoch;
    }
    told_.at_head = why;
    doors_.log.write({Severity::error,
                      "state-engine.follower.at_head",
                      {{"follower", options_.name}, {"why", why}, {"from", to_text(head)}}});
    std::string body;
    JsonObject(body)
        .text("follower", options_.name)
        .text("after", to_text(head))
        .text("why", why)
        .close();
    mark_.reset();
    noting_ = Noting{why, head, std::make_shared<std::optional<Status>>()};
    doors_.note("follower_at_head", std::move(body),
                [told = noting_->told](Status outcome) { *told = std::move(outcome); });
    // The simulator and a stopped engine answer at once.
    return noting_->told->has_value() ? find_start() : Ok{};
}

Status Follower::align() {
    SE_TRY(rewound, reader_->resume(read_));
    const Seq next = reader_->expected();
    if (rewound && read_ != *mark_) {
        restart();  // what was read ahead of the watermark may be of what was given up
        return Ok{};
    }
    if (rewound && next == Seq{1} && read_.seq != Seq{}) {
        SE_TRY_OK(start_at_head("its watermark " + to_text(read_) + " is of another history"));
        if (!mark_) return Ok{};
        SE_TRY(again, reader_->resume(read_));
        static_cast<void>(again);  // the head itself
    } else if (rewound) {
        doors_.log.write({Severity::warning,
                          "state-engine.follower.realigned",
                          {{"follower", options_.name},
                           {"watermark", to_text(read_)},
                           {"from", std::to_string(next.value)}}});
        std::string body;
        JsonObject(body)
            .text("follower", options_.name)
            .text("watermark", to_text(read_))
            .integer("from", next.value)
            .close();
        doors_.note("follower_realigned", std::move(body), [](Status) {});
    }
    aligned_ = true;
    return Ok{};
}

}  // namespace se
