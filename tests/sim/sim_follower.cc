#include "tests/sim/sim_follower.h"

#include <algorithm>

#include "journal/base/json.h"
#include "tests/sim/sim_places.h"

namespace se::sim {
namespace {

constexpr const char* kName = "peer";

std::optional<Cursor> cursor_in(const std::string& file, const std::string& store) {
    const auto json = parse_json(file);
    if (!json) return {};
    const Json* of = json->find("store");
    const Json* epoch = json->find("epoch");
    const Json* seq = json->find("seq");
    if (of == nullptr || !of->is_string() || of->string() != store) return {};
    if (epoch == nullptr || !epoch->is_integer() || seq == nullptr || !seq->is_integer()) return {};
    return Cursor{Epoch{static_cast<std::uint64_t>(epoch->integer())},
                  Seq{static_cast<std::uint64_t>(seq->integer())}};
}

}  // namespace

void Follower::die() {
    reader_.reset();
}

void Follower::history_lost(Seq through) {
    reader_.reset();
    lost_through_ = std::max(lost_through_, through);
}

/// A missing or bad watermark starts at the head, never at genesis.
void Follower::begin(const Model& model) {
    auto opened = JournalReader::open(files_, paths_);
    if (!opened) return;
    const auto file = read_file(files_, paths_.followers() + "/" + kName);
    if (!file && file.error().code != Errc::not_found) return;
    const auto kept = file ? cursor_in(*file, opened->store()) : std::nullopt;
    if (kept) {
        must(kept->seq <= acknowledged_, "X3", [&] {
            return "the watermark kept is " + text(kept->seq) + ", the peer acknowledged " +
                   text(acknowledged_);
        });
        watermark_ = *kept;
    } else {
        // Nothing was kept yet, or its folder was not synced: that is only so in the beginning.
        must(!file_seq_, "X3", [&] { return "the watermark " + text(*file_seq_) + " is gone"; });
        const auto durable = opened->durable();
        if (!durable) return;
        if (*durable > model.last()) return;
        began_at_ = std::max(acknowledged_, *durable);
        watermark_ = *durable == Seq{} ? Cursor{} : Cursor{model.epoch_of(*durable), *durable};
        acknowledged_ = std::max(acknowledged_, watermark_.seq);
    }
    const auto rewound = opened->resume(watermark_);
    if (!rewound) return;
    must(!*rewound || watermark_.seq <= lost_through_, "X2", [&] {
        return "a follower at " + to_text(watermark_) + " is rewound, although nothing was lost";
    });
    reader_.emplace(*std::move(opened));
}

/// False: nothing more for now.
bool Follower::deliver(const Model& model, bool peer_answers) {
    const auto record = reader_->next();
    if (!record) {
        reader_.reset();  // the disk says no: it begins anew
        return false;
    }
    if (*record == nullptr) return false;
    const Seq seq = (*record)->seq;
    must(seq <= model.last(), "J6", [&] { return "a follower is shown " + text(seq); });
    const bool in_order = seq == watermark_.seq.next() ||
                          (seq > watermark_.seq && watermark_.seq.next() <= lost_through_);
    must(in_order || seq <= lost_through_, "X2",
         [&] { return "delivers " + text(seq) + " behind " + text(watermark_.seq); });
    // The peer: knows it already, or knows all before it.
    const auto known = received_.find(seq);
    must(known == received_.end() || known->second == (*record)->epoch || seq <= lost_through_,
         "X1", [&] { return "seq " + text(seq) + " comes again under another id"; });
    must(known != received_.end() || received_.empty() || seq <= lost_through_.next() ||
             received_.contains(Seq{seq.value - 1}) || seq <= began_at_.next() ||
             model.is_lost(Seq{seq.value - 1}),
         "X1", [&] { return "the peer never got what is before " + text(seq); });
    received_[seq] = (*record)->epoch;
    if (!peer_answers) return false;
    acknowledged_ = std::max(acknowledged_, seq);
    watermark_ = Cursor{(*record)->epoch, seq};
    saved_ = false;
    return true;
}

void Follower::save() {
    std::string content;
    JsonObject object(content);
    object.text("store", reader_->store()).integer("epoch", watermark_.epoch.value);
    object.integer("seq", watermark_.seq.value);
    object.close();
    if (!files_.make_directory(paths_.followers())) return;
    if (!files_.sync_directory(paths_.root)) return;
    if (!replace_file(files_, paths_.followers(), kName, content)) return;
    file_seq_ = watermark_.seq;
    saved_ = true;
}

void Follower::step(const Model& model, SimRandom& random) {
    if (!reader_) begin(model);
    for (std::uint64_t count = random.below(6); count > 0 && reader_; --count) {
        const bool answers = random.chance(90);
        if (deliver(model, answers)) continue;
        // Without an answer it is delivered again: from where the watermark is.
        if (!answers) reader_.reset();
        break;
    }
    if (reader_ && !saved_ && random.chance(30)) save();
}

bool Follower::catch_up(const Model& model) {
    if (!reader_) begin(model);
    while (reader_ && deliver(model, true)) {
    }
    if (reader_ && !saved_) save();
    return reader_ && saved_ && watermark_.seq == model.last_kept();
}

}  // namespace se::sim
