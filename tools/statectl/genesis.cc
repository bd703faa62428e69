// import --genesis DIR: a first state from a file for each entity.

#include "tools/statectl/genesis.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/intake/proposal.h"
#include "journal/base/hash.h"
#include "tools/statectl/decider.h"
#include "tools/statectl/parking.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::uint64_t kFileBytesMax = 10u << 20;

struct Entity {
    std::string key;
    std::string path;
};

struct GenesisCounts {
    std::uint64_t imported = 0, already_present = 0, different = 0, rejected = 0;
};

/// Files that hold entities, by key. Others are named and left out.
Outcome<std::vector<Entity>> entities_in(Context& context, const std::string& folder) {
    auto names = context.files.list(folder);
    if (!names) return Failure(kError, fmt::format("--genesis {}: {}", folder, names.error().text));
    std::vector<Entity> entities;
    for (const std::string& name : *names) {
        if (!name.ends_with(kSuffix)) {
            complain(fmt::format("{}/{}: left out, it is no <key>.json", folder, name));
            continue;
        }
        Entity entity{name.substr(0, name.size() - kSuffix.size()), folder + "/" + name};
        const std::string problem = key_problem(entity.key, Limits{});
        if (!problem.empty()) {
            return Failure(kError, fmt::format("{}: its name is no key: {}", entity.path, problem));
        }
        entities.push_back(std::move(entity));
    }
    std::ranges::sort(entities, {}, &Entity::key);
    if (entities.empty())
        return Failure(kError, fmt::format("{} holds no <key>.json file", folder));
    return entities;
}

/// Whether `json` is an entry as this program prints them, and of this key.
bool is_entry(const Json& json, const std::string& key) {
    for (const std::string_view member : {"value", "version", "seq", "updatedAt", "updatedBy"}) {
        if (json.find(member) == nullptr) return false;
    }
    const Json* const name = json.find("key");
    return name != nullptr && name->is_string() && name->string() == key;
}

/// What is proposed for a file: a set, only if the key is absent.
Outcome<Json> proposal_of(Context& context, const Entity& entity, const std::string& reason) {
    SE_TRY(text, read_file(context.files, entity.path, kFileBytesMax));
    auto content = parse_json(text);
    if (!content) {
        return Failure(kError, fmt::format("{}: {}{}", entity.path, content.error().text,
                                           content.error().pointer.empty()
                                               ? ""
                                               : " (at " + content.error().pointer + ")"));
    }
    Json proposal(Json::Object{{"op", "set"}, {"key", entity.key}, {"reason", reason}});
    if (!is_entry(*content, entity.key)) {
        proposal.set("value", std::move(*content));
    } else {
        proposal.set("value", *content->find("value"));
        if (content->find("updatedBy")->is_string())
            proposal.set("actor", *content->find("updatedBy"));
        const Json* const ttl = content->find("ttl");
        if (ttl != nullptr && ttl->is_integer()) proposal.set("ttl", *ttl);
        const Json* const metadata = content->find("metadata");
        if (metadata != nullptr && metadata->is_object()) {
            Json kept = *metadata;
            kept.erase("source");  // the reason of then; this import has its own
            if (!kept.object().empty()) proposal.set("metadata", std::move(kept));
        }
    }
    proposal.set("expectedVersion", 0);
    proposal.set("id", "genesis:" + to_hex(sha256(to_text(proposal))).substr(0, 32));
    return proposal;
}

class Genesis {
public:
    Genesis(Context& context, const GenesisOptions& options)
        : context_(context),
          options_(options),
          reason_(options.reason.empty() ? "statectl import --genesis" : options.reason) {}

    Outcome<int> run() {
        SE_TRY(entities, entities_in(context_, options_.folder));
        entities_ = std::move(entities);
        // Every file is read before anything is changed: one bad file must not leave half a genesis.
        for (const Entity& entity : entities_) SE_TRY_OK(proposal_of(context_, entity, reason_));
        SE_TRY(exists, context_.files.exists(context_.paths().store_file()));
        if (options_.force && exists) {
            SE_TRY(decider, begin_anew(context_, "import --genesis --force",
                                       fmt::format("{} entities", entities_.size()),
                                       options_.dry_run, options_.yes));
            if (!decider) return run_dry(DryRun::Over::nothing);
            decider_ = std::move(decider);
        } else if (options_.dry_run) {
            return run_dry(DryRun::Over::the_store);
        } else {
            SE_TRY(decider, open_decider(context_, Pace::bulk));
            decider_ = std::move(decider);
        }
        Progress progress("genesis", entities_.size());
        std::uint64_t number = 0;
        for (const Entity& entity : entities_) {
            SE_TRY(proposal, proposal_of(context_, entity, reason_));
            proposal_value_[number] = *proposal.find("value");
            SE_TRY_OK(decider_->propose(number, to_text(proposal), on_told()));
            progress.at(++number);
        }
        SE_TRY_OK(decider_->finish(on_told()));
        progress.clear();
        SE_TRY_OK(need_all_decided());
        if (counts_.imported != 0) SE_TRY_OK(decider_->note_import(options_.id, note()));
        SE_TRY_OK(decider_->close());
        SE_TRY(head, decider_->head());
        return finish(head);
    }

private:
    Outcome<Ok> need_all_decided() const {
        if (undecided_ == 0) return Ok{};
        return Failure(exit_,
                       fmt::format("{} entities are undecided ({}): run it again", undecided_, why_));
    }

    Decider::OnTold on_told() {
        return [this](std::uint64_t number, Told&& told) {
            const Json value = std::move(proposal_value_[number]);
            proposal_value_.erase(number);
            take(entities_[number], told.answer, value);
        };
    }

    void take(const Entity& entity, const Answer& answer, const Json& value) {
        const bool stands = answer.code == Code::version_conflict;
        const bool known = answer.duplicate && answer.status == Answer::Status::accepted;
        if (answer.code == Code::unavailable || answer.code == Code::outcome_unknown) {
            ++undecided_;
            why_ = answer.message;
            exit_ = exit_code(answer);
        } else if (known || stands) {
            ++counts_.already_present;
            if (stands && answer.current && *answer.current != "null") {
                const auto current = parse_json(*answer.current, 1000);
                const Json* const held = current ? current->find("value") : nullptr;
                if (held != nullptr && *held != value) {
                    ++counts_.different;
                    complain(fmt::format("{}: the store holds another value of {}; it stays", entity.path,
                                         entity.key));
                }
            }
        } else if (answer.status == Answer::Status::rejected) {
            ++counts_.rejected;
            complain(fmt::format("{}: {}: {}", entity.path, to_text(answer.code), answer.message));
        } else {
            ++counts_.imported;
        }
    }

    Outcome<int> run_dry(DryRun::Over over) {
        SE_TRY_OK(context_.need_files("import --genesis --dry-run"));
        SE_TRY(dry, DryRun::open(context_, over));
        for (const Entity& entity : entities_) {
            SE_TRY(proposal, proposal_of(context_, entity, reason_));
            take(entity, dry->decide(to_text(proposal)).answer, *proposal.find("value"));
        }
        SE_TRY_OK(need_all_decided());
        return finish(dry->as_of());
    }

    std::string note() const {
        std::string body;
        JsonObject json(body);
        json.text("reason", reason_).text("source", options_.folder).boolean("genesis", true);
        append(json);
        json.close();
        return body;
    }

    void append(JsonObject& json) const {
        json.integer("entities", entities_.size())
            .integer("imported", counts_.imported)
            .integer("already_present", counts_.already_present)
            .integer("different", counts_.different)
            .integer("rejected", counts_.rejected);
    }

    Outcome<int> finish(Seq head) {
        if (context_.form() == Form::table) {
            print_facts({{"entities", std::to_string(entities_.size())},
                         {"imported", std::to_string(counts_.imported)},
                         {"already_present", std::to_string(counts_.already_present)},
                         {"different", std::to_string(counts_.different)},
                         {"rejected", std::to_string(counts_.rejected)},
                         {"head", std::to_string(head.value)}});
        } else {
            std::string text;
            JsonObject json(text);
            append(json);
            // As every import sums up, too.
            json.integer("proposals", entities_.size())
                .integer("accepted", counts_.imported)
                .integer("duplicates", counts_.already_present)
                .integer("head", head.value)
                .close();
            print(text + "\n");
        }
        if (options_.dry_run) complain("dry run: nothing was changed");
        return kOk;
    }

    Context& context_;
    const GenesisOptions& options_;
    std::string reason_;
    std::vector<Entity> entities_;
    std::unique_ptr<Decider> decider_;
    std::map<std::uint64_t, Json> proposal_value_;  // of those on their way, for comparison
    GenesisCounts counts_;
    std::uint64_t undecided_ = 0;
    std::string why_;
    int exit_ = kUnavailable;
};

}  // namespace

Outcome<int> genesis(Context& context, const GenesisOptions& options) {
    return Genesis(context, options).run();
}

}  // namespace se::statectl
