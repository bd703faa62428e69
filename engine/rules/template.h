#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/rules/json_logic.h"
#include "engine/rules/moment.h"

namespace se {

/// A value with holes, compiled once (CONTRACTS 1.4). In its texts `{ state.scene.name }` is what
/// the moment has there: alone it is the value itself, null when absent; inside a longer text it is
/// written out, empty when absent. What begins with no name of the moment is no hole. An object
/// whose one member is an operation of JsonLogic is evaluated; {"$literal": x} is x as it stands.
class Template {
public:
    /// Errc::malformed with a pointer: a rule that is too deep.
    static Result<Template> compile(const Json& json);
    /// The same of an object that is none of JsonLogic's, whatever its one member is called.
    static Result<Template> compile_members(const Json& object);
    /// As it stands, without holes.
    static Template verbatim(Json json);
    /// {name: inner}, and the members of `beside`.
    static Template around(Json beside, std::string name, Template inner);

    Template(Template&&) noexcept;
    Template& operator=(Template&&) noexcept;
    ~Template();

    /// What it is at that moment. Costs the room what it makes.
    Result<Json> resolve(const Moment& moment, JsRoom& room) const;
    /// The value, when it has no holes.
    const Json* constant() const;
    /// The member of an object, as a Template of its own; nullptr when it has no holes, or is no
    /// object.
    const Template* member(std::string_view name) const;
    /// The text before the first hole; empty also for what is no text.
    std::string_view text_before_hole() const;

private:
    struct Hole {
        std::string path;
    };
    using Pieces = std::vector<std::variant<std::string, Hole>>;  // of a text
    using List = std::vector<Template>;
    using Map = std::vector<std::pair<std::string, Template>>;
    using Node = std::variant<Json, Hole, Pieces, JsonLogic, List, Map>;

    explicit Template(Node node);
    static Template of_text(const std::string& text);
    static Result<Template> compile(const Json& json, const std::string& pointer);
    static Result<Template> compile_members(const Json& object, const std::string& pointer);

    std::unique_ptr<Node> node_;
};

/// A result of JsonLogic as JSON would carry it: what JSON lacks is null, half a surrogate pair
/// U+FFFD. Lists that stand in themselves many times are written out each time: the room may fail,
/// then it is of no account.
Json to_json(JsRoom& room, const JsValue& value);

}  // namespace se
