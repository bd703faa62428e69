#include "engine/intake/proposal.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/intake/batch_form.h"
#include "engine/intake/utf8.h"

namespace se {
namespace {

/// What the parser itself can take. Our own limit is checked on the tree, so that one text is
/// refused alike whoever parsed it, and the refusal can name the limit.
constexpr std::size_t kParserDepth = 1024;

/// A client's `ts` is kept and never used: longer than any time there is, it is none.
constexpr std::size_t kTimeTextBytes = 64;

constexpr std::array<std::pair<OpKind, std::string_view>, 5> kOps = {{
    {OpKind::set, "set"},
    {OpKind::remove, "delete"},
    {OpKind::increment, "increment"},
    {OpKind::push, "push"},
    {OpKind::merge, "merge"},
}};

std::uint64_t depth_of(const Json& json) {
    std::uint64_t deepest = 0;
    if (json.is_array()) {
        for (const Json& item : json.array()) deepest = std::max(deepest, depth_of(item));
    } else if (json.is_object()) {
        for (const auto& [name, value] : json.object())
            deepest = std::max(deepest, depth_of(value));
    } else {
        return 0;
    }
    return deepest + 1;
}

Json* member(Json& object, std::string_view name) {
    return const_cast<Json*>(std::as_const(object).find(name));
}

bool has_control(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto c = next_code_point(text, &at);
        if (!c || is_control(*c)) return true;
    }
    return false;
}

/// Reads one proposal. A step returns false once refusal_ says why.
class Reader {
public:
    /// `text`: of which `root` was read; empty: it came as a tree.
    Reader(Json root, std::string_view text, const Limits& limits)
        : root_(std::move(root)), text_(text), limits_(limits) {}

    ParsedProposal read() && {
        ParsedProposal parsed;
        if (read_all()) {
            parsed.proposal = std::move(proposal_);
        } else {
            refusal_.pointer = batch_.original(std::move(refusal_.pointer));
            refusal_.original = original();
            parsed.refusal = std::move(refusal_);
        }
        return parsed;
    }

private:
    std::string original() const {
        if (!text_.empty()) return readable(text_, kOriginalBytes);
        // The tree may have lost its values by now.
        if (proposal_.canonical.empty()) return readable(to_text(root_), kOriginalBytes);
        if (!named_) return readable(proposal_.canonical, kOriginalBytes);
        auto whole = parse_json(proposal_.canonical, kParserDepth);
        SE_ASSERT(whole && whole->is_object());
        whole->set("id", proposal_.id);
        return readable(to_text(*whole), kOriginalBytes);
    }

    bool read_all() {
        if (!root_.is_object()) return malformed("", "a proposal must be an object");
        note_what_can_be_read();
        const std::uint64_t depth = depth_of(root_);
        if (depth > limits_.json_depth)
            return malformed("",
                             over("JSON", depth, "levels deep", "json_depth", limits_.json_depth));
        if (!read_id()) return false;

        // All but the id: other content under a known id must be found out.
        named_ = root_.find("id") != nullptr;
        root_.erase("id");
        proposal_.canonical = to_text(root_);

        return adopt_batch() && read_ops() && read_reason() && read_actor() &&
               read_metadata(root_, "", &proposal_.metadata) && read_basis() && read_time();
    }

    /// For whoever looks for what was refused.
    void note_what_can_be_read() {
        if (const Json* id = root_.find("id"); id && id->is_string())
            refusal_.id = utf8_prefix(id->string(), limits_.id_bytes);
        if (const Json* key = root_.find("key"); key && key->is_string())
            refusal_.key = utf8_prefix(key->string(), limits_.key_bytes);
    }

    bool read_id() {
        const bool batch = BatchForm::fits(root_);
        const std::string name = batch && !root_.find("id") ? "correlationId" : "id";
        const std::string pointer = "/" + name;
        const Json* id = root_.find(name);
        if (!id) return true;
        if (!id->is_string() || id->string().empty())
            return malformed(pointer, name + " must be a text that is not empty");
        const std::uint64_t size = id->string().size();
        if (size > limits_.id_bytes)
            return too_large(pointer, over(name, size, "bytes", "id_bytes", limits_.id_bytes));
        if (has_control(id->string()))
            return malformed(pointer, name + " must not hold control characters");
        proposal_.id = refusal_.id = id->string();
        return true;
    }

    bool adopt_batch() {
        if (!BatchForm::fits(root_)) return true;
        const Status adopted = batch_.adopt(root_, limits_.ops);
        return adopted || malformed(adopted.error().pointer, adopted.error().text);
    }

    bool read_ops() {
        Json* list = member(root_, "ops");
        if (!list) return read_op(root_, "", &proposal_.ops.emplace_back());

        proposal_.single = false;
        for (const std::string name : {"op", "key", "value", "ttl", "expectedVersion"})
            if (root_.find(name))
                return malformed("/" + name, name + " stands beside ops: it belongs inside them");
        if (!list->is_array() || list->array().empty())
            return malformed("/ops", "ops must be a list that is not empty");
        const std::uint64_t size = list->array().size();
        if (size > limits_.ops)
            return too_large("/ops", over("ops", size, "long", "ops", limits_.ops));
        append_json(proposal_.ops_text, *list);  // before the values are taken out
        for (Json& item : list->array()) {
            const std::string pointer = "/ops/" + std::to_string(proposal_.ops.size());
            if (!item.is_object()) return malformed(pointer, "an op must be an object");
            Op& op = proposal_.ops.emplace_back();
            if (!read_op(item, pointer, &op) || !read_metadata(item, pointer, &op.metadata))
                return false;
        }
        return true;
    }

    bool read_op(Json& object, const std::string& pointer, Op* op) {
        const Json* kind = object.find("op");
        const auto known = kind && kind->is_string() ? op_from_text(kind->string()) : std::nullopt;
        if (!known)
            return malformed(pointer + "/op", std::string(kind ? "op must be" : "op is missing:") +
                                                  " set, delete, increment, push or merge");
        op->kind = *known;
        return read_key(object, pointer, &op->key) && read_value(object, pointer + "/value", op) &&
               read_ttl(object, pointer + "/ttl", op) && read_expected_version(object, pointer, op);
    }

    bool read_key(const Json& object, const std::string& object_pointer, std::string* out) {
        const std::string pointer = object_pointer + "/key";
        const Json* key = object.find("key");
        if (!key || !key->is_string())
            return malformed(pointer, key ? "key must be a text" : "key is missing");
        *out = key->string();
        if (out->size() > limits_.key_bytes)
            return too_large(pointer,
                             over("key", out->size(), "bytes", "key_bytes", limits_.key_bytes));
        std::string problem = key_problem(*out, limits_);
        return problem.empty() || malformed(pointer, std::move(problem));
    }

    bool read_value(Json& object, const std::string& pointer, Op* op) {
        if (op->kind == OpKind::remove) return true;
        Json* value = member(object, "value");
        if (!value)
            return malformed(pointer,
                             "value is missing: " + std::string(to_text(op->kind)) + " needs one");
        if (op->kind == OpKind::increment && !value->is_number())
            return malformed(pointer, "value must be a number: it is added to what is there");
        if (op->kind == OpKind::merge && !value->is_object())
            return malformed(pointer, "value must be an object: a merge patch of RFC 7396");
        append_json(op->value_text, *value);
        if (op->value_text.size() > limits_.value_bytes)
            return too_large(pointer, over("value", op->value_text.size(), "bytes", "value_bytes",
                                           limits_.value_bytes));
        op->value = std::move(*value);
        return true;
    }

    bool read_ttl(const Json& object, const std::string& pointer, Op* op) {
        const Json* ttl = object.find("ttl");
        if (!ttl || ttl->is_null()) return true;
        if (!ttl->is_integer() || ttl->integer() < 0)
            return malformed(pointer, "ttl must be a whole number of seconds, 0 for none");
        op->ttl = static_cast<std::uint64_t>(ttl->integer());
        if (*op->ttl <= limits_.ttl_seconds) return true;
        return malformed(pointer,
                         over("ttl", *op->ttl, "seconds", "ttl_seconds", limits_.ttl_seconds));
    }

    bool read_expected_version(const Json& object, const std::string& pointer, Op* op) {
        const Json* version = object.find("expectedVersion");
        if (!version || version->is_null()) return true;
        if (!version->is_integer() || version->integer() < 0)
            return malformed(pointer + "/expectedVersion",
                             "expectedVersion must be a whole number, 0 for an absent key");
        op->expected_version = static_cast<std::uint64_t>(version->integer());
        return true;
    }

    bool read_reason() {
        if (!root_.find("reason"))
            return malformed("/reason", "reason is missing: say why, in a few words");
        return read_text("reason", "reason_bytes", limits_.reason_bytes, &proposal_.reason);
    }

    bool read_actor() {
        if (!root_.find("actor")) return true;
        if (!read_text("actor", "actor_bytes", limits_.actor_bytes, &proposal_.actor)) return false;
        return !has_control(proposal_.actor) ||
               malformed("/actor", "actor must not hold control characters");
    }

    bool read_metadata(const Json& object, const std::string& object_pointer, std::string* out) {
        const std::string pointer = object_pointer + "/metadata";
        const Json* metadata = object.find("metadata");
        if (!metadata) return true;
        if (!metadata->is_object()) return malformed(pointer, "metadata must be an object");
        append_json(*out, *metadata);
        return out->size() <= limits_.metadata_bytes ||
               too_large(pointer, over("metadata", out->size(), "bytes", "metadata_bytes",
                                       limits_.metadata_bytes));
    }

    bool read_basis() {
        const Json* basis = root_.find("basis");
        if (!basis) return true;
        if (!basis->is_array())
            return malformed("/basis", R"(basis must be a list of {"key", "seq"})");
        const std::uint64_t size = basis->array().size();
        if (size > limits_.basis)
            return too_large("/basis", over("basis", size, "facts long", "basis", limits_.basis));
        for (const Json& fact : basis->array()) {
            const std::string pointer = "/basis/" + std::to_string(proposal_.basis.size());
            Body::Basis& read = proposal_.basis.emplace_back();
            if (!fact.is_object()) return malformed(pointer, R"(a fact must be {"key", "seq"})");
            if (!read_key(fact, pointer, &read.key)) return false;
            const Json* seq = fact.find("seq");
            if (!seq || !seq->is_integer() || seq->integer() < 0)
                return malformed(pointer + "/seq",
                                 "seq must be a whole number: that of the entry "
                                 "reasoned from, 0 for an absent one");
            read.seq = Seq{static_cast<std::uint64_t>(seq->integer())};
        }
        return true;
    }

    bool read_time() {
        const Json* ts = root_.find("ts");
        if (!ts) return true;
        if (!ts->is_string() || ts->string().size() > kTimeTextBytes)
            return malformed("/ts", "ts must be a time as text, at most " +
                                        std::to_string(kTimeTextBytes) + " bytes");
        proposal_.ts = ts->string();
        return true;
    }

    /// A member that is a text of 1 to `bytes_max` bytes. Needs it to be there.
    bool read_text(const std::string& name, std::string_view limit, std::uint64_t bytes_max,
                   std::string* out) {
        const Json& text = *root_.find(name);
        if (!text.is_string() || text.string().empty())
            return malformed("/" + name, name + " must be a text that is not empty");
        *out = text.string();
        return out->size() <= bytes_max ||
               too_large("/" + name, over(name, out->size(), "bytes", limit, bytes_max));
    }

    static std::string over(std::string_view what, std::uint64_t size, std::string_view unit,
                            std::string_view limit, std::uint64_t limit_value) {
        return std::string(what) + " is " + std::to_string(size) + " " + std::string(unit) +
               "; the limit engine." + std::string(limit) + " is " + std::to_string(limit_value);
    }

    bool malformed(std::string pointer, std::string message) {
        return refuse(Code::malformed, std::move(pointer), std::move(message));
    }
    bool too_large(std::string pointer, std::string message) {
        return refuse(Code::too_large, std::move(pointer), std::move(message));
    }
    bool refuse(Code code, std::string pointer, std::string message) {
        refusal_.code = code;
        refusal_.pointer = std::move(pointer);
        refusal_.message = std::move(message);
        return false;
    }

    Json root_;
    const std::string_view text_;
    const Limits& limits_;
    BatchForm batch_;
    bool named_ = false;  // it has an `id`
    Proposal proposal_;
    Refusal refusal_;
};

}  // namespace

std::string_view to_text(OpKind kind) {
    for (const auto& [known, name] : kOps)
        if (known == kind) return name;
    SE_ASSERT(false);
}

std::optional<OpKind> op_from_text(std::string_view text) {
    for (const auto& [kind, name] : kOps)
        if (name == text) return kind;
    return std::nullopt;
}

ParsedProposal parse_proposal(std::string_view json, const Limits& limits) {
    Result<Json> root = parse_json(json, kParserDepth);
    if (root) return Reader(std::move(*root), json, limits).read();
    ParsedProposal parsed;
    parsed.refusal.message = root.error().text;
    parsed.refusal.pointer = root.error().pointer;
    parsed.refusal.original = readable(json, kOriginalBytes);
    return parsed;
}

ParsedProposal proposal_of_json(Json json, const Limits& limits) {
    return Reader(std::move(json), {}, limits).read();
}

std::string key_problem(std::string_view key, const Limits& limits) {
    if (key.empty()) return "a key must not be empty";
    if (key.size() > limits.key_bytes)
        return "a key has at most " + std::to_string(limits.key_bytes) +
               " bytes (limit engine.key_bytes), this one has " + std::to_string(key.size());
    for (std::size_t at = 0; at < key.size();) {
        const auto c = next_code_point(key, &at);
        if (!c) return "a key must be UTF-8";
        if (is_control(*c)) return "a key must not hold control characters";
        if (is_white_space(*c)) return "a key must not hold white space";
        if (*c == '/') return "a key must not hold '/'";
    }
    if (key == "." || key == "..") return "'.' and '..' are no keys";
    if (key.size() >= 4 && key.starts_with("__") && key.ends_with("__"))
        return "keys of the form __…__ are reserved";
    return "";
}

}  // namespace se
