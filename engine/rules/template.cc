#include "engine/rules/template.h"

#include <cmath>
#include <optional>

namespace se {
namespace {

constexpr std::string_view kLiteral = "$literal";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// What a copy of it takes, roughly.
std::uint64_t bytes_of(const Json& json) {
    std::uint64_t bytes = sizeof(Json);
    if (json.is_string()) bytes += json.string().size();
    if (json.is_array())
        for (const Json& item : json.array()) bytes += bytes_of(item);
    if (json.is_object())
        for (const auto& [name, value] : json.object()) bytes += name.size() + bytes_of(value);
    return bytes;
}

/// The path in `{ path }` at the front of the text, and how long all of it is.
struct Found {
    std::string_view path;
    std::size_t size;
};
std::optional<Found> hole_at(std::string_view text) {
    const std::size_t end = text.find('}');
    if (!text.starts_with('{') || end == std::string_view::npos) return std::nullopt;
    std::string_view path = text.substr(1, end - 1);
    while (path.starts_with(' ')) path.remove_prefix(1);
    while (path.ends_with(' ')) path.remove_suffix(1);
    const std::string_view name = path.substr(0, path.find('.'));
    if (!is_moment_name(name) || path.find('{') != std::string_view::npos) return std::nullopt;
    return Found{path, end + 1};
}

/// JsonLogic can cut a pair of surrogates in two; no JSON may hold one half.
std::string well_formed(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool half = text[i] == '\xED' && i + 2 < text.size() &&
                          static_cast<unsigned char>(text[i + 1]) >= 0xA0;
        if (!half) {
            out += text[i];
            continue;
        }
        out += kReplacement;
        i += 2;
    }
    return out;
}

void append_plain(std::string& out, const Json* found) {
    if (found == nullptr || found->is_null()) return;
    out += found->is_string() ? found->string() : to_text(*found);
}

}  // namespace

Template::Template(Node node) : node_(std::make_unique<Node>(std::move(node))) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Template Template::verbatim(Json json) {
    return Template(Node(std::in_place_type<Json>, std::move(json)));
}

Template Template::of_text(const std::string& text) {
    Pieces pieces;
    std::string plain;
    for (std::size_t at = 0; at < text.size();) {
        const auto hole = hole_at(std::string_view(text).substr(at));
        if (!hole) {
            plain += text[at++];
            continue;
        }
        if (hole->size == text.size()) return Template(Hole{std::string(hole->path)});
        pieces.emplace_back(std::exchange(plain, {}));
        pieces.emplace_back(Hole{std::string(hole->path)});
        at += hole->size;
    }
    if (pieces.empty()) return verbatim(Json(text));
    pieces.emplace_back(std::move(plain));
    return Template(Node(std::move(pieces)));
}

Result<Template> Template::compile(const Json& json) {
    return compile(json, "");
}

Result<Template> Template::compile(const Json& json, const std::string& pointer) {
    if (json.is_string()) return of_text(json.string());
    bool constant = true;
    if (json.is_array()) {
        List list;
        for (const Json& item : json.array()) {
            SE_TRY(one, compile(item, pointer + "/" + std::to_string(list.size())));
            constant &= one.constant() != nullptr && *one.constant() == item;
            list.push_back(std::move(one));
        }
        return constant ? verbatim(json) : Template(Node(std::move(list)));
    }
    if (!json.is_object()) return verbatim(json);
    if (json.object().size() == 1) {
        const auto& [name, value] = json.object().front();
        if (name == kLiteral) return verbatim(value);
        if (is_json_logic_operation(name)) {
            auto logic = JsonLogic::compile(json);
            if (logic) return Template(Node(std::move(*logic)));
            Error error = std::move(logic).error();
            error.pointer.insert(0, pointer);
            return error;
        }
    }
    return compile_members(json, pointer);
}

Result<Template> Template::compile_members(const Json& object) {
    return compile_members(object, "");
}

Result<Template> Template::compile_members(const Json& object, const std::string& pointer) {
    bool constant = true;
    Map map;
    for (const auto& [name, value] : object.object()) {
        SE_TRY(one, compile(value, pointer + "/" + name));
        constant &= one.constant() != nullptr && *one.constant() == value;
        map.emplace_back(name, std::move(one));
    }
    return constant ? verbatim(object) : Template(Node(std::move(map)));
}

Template Template::around(Json beside, std::string name, Template inner) {
    Map map;
    for (auto& [other, value] : beside.object())
        map.emplace_back(other, verbatim(std::move(value)));
    map.emplace_back(std::move(name), std::move(inner));
    return Template(Node(std::move(map)));
}

const Template* Template::member(std::string_view name) const {
    const auto* map = std::get_if<Map>(node_.get());
    if (map == nullptr) return nullptr;
    for (const auto& [known, value] : *map)
        if (known == name) return &value;
    return nullptr;
}

const Json* Template::constant() const {
    return std::get_if<Json>(node_.get());
}

std::string_view Template::text_before_hole() const {
    if (const Json* json = constant())
        return json->is_string() ? json->string() : std::string_view();
    const auto* pieces = std::get_if<Pieces>(node_.get());
    return pieces == nullptr ? std::string_view() : std::get<std::string>(pieces->front());
}

Result<Json> Template::resolve(const Moment& moment, JsRoom& room) const {
    const auto spent = [&room](std::uint64_t bytes) -> Status {
        if (room.spend(bytes)) return Ok{};
        return room.error();
    };
    if (const Json* json = constant()) {
        SE_TRY_OK(spent(bytes_of(*json)));
        return *json;
    }
    if (const auto* hole = std::get_if<Hole>(node_.get())) {
        const Json* const found = moment.look(hole->path);
        if (found == nullptr) return Json();
        SE_TRY_OK(spent(bytes_of(*found)));
        return *found;
    }
    if (const auto* pieces = std::get_if<Pieces>(node_.get())) {
        std::string text;
        for (const auto& piece : *pieces) {
            const std::size_t before = text.size();
            if (const auto* plain = std::get_if<std::string>(&piece))
                text += *plain;
            else
                append_plain(text, moment.look(std::get<Hole>(piece).path));
            SE_TRY_OK(spent(text.size() - before));
        }
        return Json(std::move(text));
    }
    if (const auto* logic = std::get_if<JsonLogic>(node_.get())) {
        SE_TRY(result, logic->evaluate(room, moment.data()));
        Json json = to_json(room, result);
        if (room.failed()) return room.error();
        return json;
    }
    if (const auto* list = std::get_if<List>(node_.get())) {
        Json::Array array;
        for (const Template& item : *list) {
            SE_TRY(one, item.resolve(moment, room));
            array.push_back(std::move(one));
        }
        return Json(std::move(array));
    }
    Json::Object object;
    for (const auto& [name, value] : std::get<Map>(*node_)) {
        SE_TRY(one, value.resolve(moment, room));
        object.emplace_back(name, std::move(one));
    }
    return Json(std::move(object));
}

Json to_json(JsRoom& room, const JsValue& value) {
    if (!room.spend(sizeof(Json))) return {};
    switch (value.kind()) {
        case JsValue::Kind::undefined:
        case JsValue::Kind::null:
            return Json();
        case JsValue::Kind::boolean:
            return Json(value.boolean());
        case JsValue::Kind::number:
            return std::isfinite(value.number()) ? Json(value.number()) : Json();
        case JsValue::Kind::string:
            if (!room.spend(value.string().size())) return {};
            return Json(well_formed(value.string()));
        case JsValue::Kind::array:
        case JsValue::Kind::object:
            break;
    }
    if (const Json* json = value.json()) return room.spend(bytes_of(*json)) ? *json : Json();
    if (const JsHost* host = value.host()) {
        Json json = host->to_json();
        room.spend(bytes_of(json));
        return json;
    }
    if (const JsScope* scope = value.scope())
        return Json(Json::Object{{"accumulator", to_json(room, scope->accumulator)},
                                 {"current", to_json(room, scope->current)}});
    Json::Array array;
    for (std::size_t i = 0; i < value.array_size() && !room.failed(); ++i)
        array.push_back(to_json(room, value.item(i)));
    return Json(std::move(array));
}

}  // namespace se
