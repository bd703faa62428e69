#include "engine/policy/yaml.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "engine/intake/utf8.h"
#include "engine/policy/core_schema.h"

namespace se {
namespace {

// An alias is written out where it stands, so a few lines can name billions of nodes.
constexpr std::size_t kNodesMax = 100'000;
constexpr std::size_t kYamlDepthMax = 64;

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

std::string pointer_step(std::string_view name) {
    std::string step = "/";
    for (const char c : name) {
        if (c == '~')
            step += "~0";
        else if (c == '/')
            step += "~1";
        else
            step += c;
    }
    return step;
}

Error at_line(int line, const std::string& what) {
    return Error{Errc::malformed, "line " + std::to_string(line) + ": " + what};
}

Error too_deep(int line) {
    return at_line(line, "more than " + std::to_string(kYamlDepthMax) + " levels deep");
}

/// Sees a text go by without keeping any of it. Where a line begins with a comma or a closing bracket,
/// yaml-cpp makes documents without end and without moving on, and whoever collects them never comes
/// back.
class Survey final : public YAML::EventHandler {
public:
    std::size_t documents() const { return documents_; }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (++documents_ > 1)
            throw YAML::ParserException(mark,
                                        "a second document begins here; one is all that is read");
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { count(mark); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { count(mark); }
    void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  const std::string&) override {
        count(mark);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        count(mark);
    }
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        count(mark);
    }
    void OnMapEnd() override {}

private:
    void count(const YAML::Mark& mark) {
        // Names count too: a map of n values has 2n of these.
        if (++nodes_ > 2 * kNodesMax)
            throw YAML::ParserException(mark,
                                        "more than " + std::to_string(kNodesMax) + " values");
    }

    std::size_t documents_ = 0, nodes_ = 0;
};

/// Turns yaml-cpp's tree into ours. `line` is that of the nearest thing that knows its own.
class Converter {
public:
    explicit Converter(YamlDocument& document) : document_(document) {}

    Result<Json> convert(const YAML::Node& node, const std::string& pointer, int line,
                         std::size_t depth) {
        line = line_of(node, line);
        document_.lines.try_emplace(pointer, line);
        if (++nodes_ > kNodesMax)
            return at_line(line, "more than " + std::to_string(kNodesMax) +
                                     " values (aliases count where they stand)");
        if (depth > kYamlDepthMax) return too_deep(line);
        switch (node.Type()) {
            case YAML::NodeType::Undefined:
                break;
            case YAML::NodeType::Null:
                return Json();
            case YAML::NodeType::Scalar:
                return scalar(node, line);
            case YAML::NodeType::Sequence:
                return list(node, pointer, line, depth);
            case YAML::NodeType::Map:
                return map(node, pointer, line, depth);
        }
        return at_line(line, "a value that is not defined");
    }

private:
    static int line_of(const YAML::Node& node, int otherwise) {
        const YAML::Mark mark = node.Mark();
        return mark.is_null() ? otherwise : mark.line + 1;
    }

    static Result<Json> scalar(const YAML::Node& node, int line) {
        const std::string& tag = node.Tag();
        if (tag == "!" || tag == std::string(kTagPrefix) + "str") return Json(node.Scalar());
        if (!tag.empty() && tag != "?") return unknown_tag(tag, line);
        auto resolved = resolve_plain_scalar(node.Scalar());
        if (!resolved) return at_line(line, resolved.error().text);
        return resolved;
    }

    static Error unknown_tag(const std::string& tag, int line) {
        return at_line(line, "the tag " + tag + " is not understood; only !!str is");
    }

    static bool has_foreign_tag(const YAML::Node& node) {
        return !node.Tag().empty() && node.Tag() != "?" && node.Tag() != "!";
    }

    Result<Json> list(const YAML::Node& node, const std::string& pointer, int line,
                      std::size_t depth) {
        if (has_foreign_tag(node)) return unknown_tag(node.Tag(), line);
        Json::Array array;
        for (const YAML::Node& item : node) {
            const std::string at = pointer + "/" + std::to_string(array.size());
            SE_TRY(converted, convert(item, at, line, depth + 1));
            array.push_back(std::move(converted));
        }
        return Json(std::move(array));
    }

    Result<Json> map(const YAML::Node& node, const std::string& pointer, int line,
                     std::size_t depth) {
        if (has_foreign_tag(node)) return unknown_tag(node.Tag(), line);
        std::map<std::string, Json> members;
        for (const auto& pair : node) {
            const int key_line = line_of(pair.first, line);
            if (!pair.first.IsScalar()) return at_line(key_line, "a name must be a text");
            const std::string& name = pair.first.Scalar();
            const std::string at = pointer + pointer_step(name);
            if (members.contains(name))
                return at_line(key_line, name + " is there twice, first in line " +
                                             std::to_string(document_.lines.at(at)));
            document_.lines.try_emplace(at, key_line);
            SE_TRY(converted, convert(pair.second, at, key_line, depth + 1));
            members.emplace(name, std::move(converted));
        }
        return Json(Json::Object(std::make_move_iterator(members.begin()),
                                 std::make_move_iterator(members.end())));
    }

    YamlDocument& document_;
    std::size_t nodes_ = 0;
};

}  // namespace

int YamlDocument::line_of(std::string_view pointer) const {
    while (true) {
        if (const auto at = lines.find(std::string(pointer)); at != lines.end()) return at->second;
        const std::size_t step = pointer.rfind('/');
        if (step == std::string_view::npos) return 0;
        pointer = pointer.substr(0, step);
    }
}

Result<YamlDocument> parse_yaml(std::string_view text, std::size_t bytes_max) {
    if (text.size() > bytes_max)
        return Error{Errc::malformed, "line 1: the file has " + std::to_string(text.size()) +
                                          " bytes, at most " + std::to_string(bytes_max) +
                                          " are read"};
    const std::size_t good = [&] {
        std::size_t at = 0;
        while (at < text.size() && text[at] != '\0' && next_code_point(text, &at)) {
        }
        return at;
    }();
    if (good != text.size()) {
        const auto line = 1 + std::ranges::count(text.substr(0, good), '\n');
        return at_line(static_cast<int>(line), "not UTF-8 text");
    }

    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        Survey survey;
        while (parser.HandleNextDocument(survey)) {
        }
        YamlDocument document;
        if (survey.documents() == 0) {
            document.lines.emplace("", 1);
            return document;
        }
        SE_TRY(root, Converter(document).convert(YAML::Load(std::string(text)), "", 1, 0));
        document.root = std::move(root);
        return document;
    } catch (const YAML::DeepRecursion& error) {  // whose own text is "bad file"
        return too_deep(error.mark.line + 1);
    } catch (const YAML::Exception& error) {
        return at_line(error.mark.is_null() ? 1 : error.mark.line + 1, error.msg);
    }
}

}  // namespace se
