#include "engine/firestore/reading.h"

#include "journal/base/json.h"
#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

bool passes(Trouble::Kind kind) {
    return kind == Trouble::Kind::aborted || kind == Trouble::Kind::throttled ||
           kind == Trouble::Kind::away;
}

class Reading {
public:
    Reading(const ReadDoors& doors, const ReadOptions& options)
        : doors_(doors), options_(options), backoff_(options.backoff, doors.random) {}

    Status run() {
        SE_TRY_OK(tell_watermark());
        for (const std::string& collection : options_.collections) {
            SE_TRY(more, read(collection));
            if (!more) return Ok{};
        }
        std::string line;
        JsonObject(line).boolean("end", true).integer("documents", documents_).close();
        doors_.tell(line);
        return Ok{};
    }

private:
    /// Reading changes nothing, so what became of a call that failed does not matter.
    template <class T>
    Result<T> again(const std::function<Outcome<T>()>& call) {
        for (int attempt = 1;; ++attempt) {
            auto outcome = call();
            if (outcome) {
                backoff_.reset();
                return *std::move(outcome);
            }
            const Trouble& met = outcome.error();
            if (!passes(met.kind) || attempt >= options_.attempts_max)
                return Error{Errc::unavailable, doors_.documents.describe() + ": " +
                                                    std::string(to_text(met.kind)) + ": " +
                                                    met.text};
            doors_.sleep(backoff_.next());
        }
    }

    Status tell_watermark() {
        using Found = std::vector<std::optional<Document>>;
        SE_TRY(found, again<Found>(
                          [this] { return doors_.documents.get({std::string(kWatermarkPath)}); }));
        std::string line;
        JsonObject object(line);
        object.text("where", doors_.documents.describe());
        std::string mark = "null";
        if (found.front()) {
            const auto fields = json_of({found.front()->fields});
            mark = fields ? to_text(*fields) : "{}";
        }
        object.raw("watermark", mark).close();
        doors_.tell(line);
        return Ok{};
    }

    Result<bool> read(const std::string& collection) {
        Query query{.collection = collection, .prefix = options_.prefix, .limit = options_.page};
        for (;;) {
            SE_TRY(page,
                   again<std::vector<Document>>([&] { return doors_.documents.list(query); }));
            for (const Document& document : page) {
                ++documents_;
                if (!tell_document(collection, document)) return false;
            }
            if (page.size() < query.limit) return true;
            query.after = page.back().id();
        }
    }

    bool tell_document(const std::string& collection, const Document& document) {
        const auto data = json_of({document.fields});
        std::string line;
        JsonObject object(line);
        object.text("collection", collection).text("id", document.id());
        if (data)
            object.raw("data", to_text(*data));
        else
            object.text("bad", data.error().text);
        object.close();
        return doors_.tell(line);
    }

    const ReadDoors& doors_;
    const ReadOptions& options_;
    Backoff backoff_;
    std::uint64_t documents_ = 0;
};

}  // namespace

Status read_documents(const ReadDoors& doors, const ReadOptions& options) {
    return Reading(doors, options).run();
}

}  // namespace se::firestore
