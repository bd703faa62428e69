#include "journal/base/json.h"

#include <simdjson.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <tuple>

#include "journal/base/json_depth.h"

namespace se {
namespace {

namespace dom = simdjson::dom;

/// Brings members into byte order, which they mostly have. Yields one whose name is there twice.
const Json::Member* put_in_order(Json::Object& members) {
    if (std::ranges::adjacent_find(members, std::greater_equal(), &Json::Member::first) ==
        members.end())
        return nullptr;
    std::ranges::sort(members, {}, &Json::Member::first);
    const auto twice = std::ranges::adjacent_find(members, {}, &Json::Member::first);
    return twice == members.end() ? nullptr : &*twice;
}

/// How large a text the parser of a thread keeps room for. It lets go of more after use, so that
/// one huge body does not cost its memory for ever.
constexpr std::size_t kKeptSizeMax = 1 << 20;

// simdjson has a limit too, and our own recursion needs one.
static_assert(kJsonDepthTrusted < simdjson::DEFAULT_MAX_DEPTH);

/// A parser with its padded input buffer. There is one for each thread: both are costly to make.
class Parser {
public:
    simdjson::simdjson_result<dom::element> parse(std::string_view text) {
        if (buffer_size_ < text.size() + simdjson::SIMDJSON_PADDING) {
            buffer_size_ =
                std::max<std::size_t>(4096, 2 * text.size()) + simdjson::SIMDJSON_PADDING;
            buffer_ = std::make_unique<char[]>(buffer_size_);
        }
        std::ranges::copy(text, buffer_.get());
        std::memset(buffer_.get() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
        return parser_.parse(buffer_.get(), text.size(), false);
    }

    void let_go_of_excess() {
        if (buffer_size_ <= 2 * kKeptSizeMax) return;
        buffer_.reset();
        buffer_size_ = 0;
        parser_ = dom::parser();
    }

private:
    std::unique_ptr<char[]> buffer_;
    std::size_t buffer_size_ = 0;
    dom::parser parser_;
};

/// `/` and the name as a step of a JSON pointer (RFC 6901).
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

/// Turns simdjson's tree into ours. The pointer of an error is put together on the way out, so that
/// good input does not pay for it.
class Builder {
public:
    explicit Builder(std::size_t depth_max) : depth_max_(std::min(depth_max, kJsonDepthTrusted)) {}

    bool build(const dom::element& element, std::size_t depth, Json& out) {
        switch (element.type()) {
            case dom::element_type::NULL_VALUE:
                out = Json();
                return true;
            case dom::element_type::BOOL:
                out = Json(bool(element));
                return true;
            case dom::element_type::INT64:
                out = Json(std::int64_t(element));
                return true;
            case dom::element_type::UINT64:
                return fail("the integer is beyond 64 bits with a sign");
            case dom::element_type::DOUBLE:
                out = Json(double(element));
                return true;
            case dom::element_type::STRING:
                out.become_string(std::string_view(element));
                return true;
            case dom::element_type::ARRAY:
                return build_array(dom::array(element), depth + 1, out);
            case dom::element_type::OBJECT:
                return build_object(dom::object(element), depth + 1, out);
        }
        return fail("unknown kind of value");
    }

    Error take_error() { return {Errc::malformed, "malformed JSON: " + text_, pointer_}; }

private:
    bool build_array(const dom::array& from, std::size_t depth, Json& out) {
        if (depth > depth_max_) return fail_depth();
        Json::Array& array = out.become_array();
        array.reserve(from.size());
        for (const dom::element item : from) {
            if (build(item, depth, array.emplace_back())) continue;
            pointer_.insert(0, pointer_step(std::to_string(array.size() - 1)));
            return false;
        }
        return true;
    }

    bool build_object(const dom::object& from, std::size_t depth, Json& out) {
        if (depth > depth_max_) return fail_depth();
        Json::Object& object = out.become_object();
        object.reserve(from.size());
        for (const dom::key_value_pair member : from) {
            Json& value = object.emplace_back(std::piecewise_construct, std::forward_as_tuple(member.key),
                                              std::forward_as_tuple()).second;
            if (build(member.value, depth, value)) continue;
            pointer_.insert(0, pointer_step(member.key));
            return false;
        }
        if (const Json::Member* twice = put_in_order(object)) {
            pointer_ = pointer_step(twice->first);
            return fail("the member is there twice");
        }
        return true;
    }

    bool fail(std::string_view text) {
        text_ = text;
        return false;
    }

    bool fail_depth() { return fail("more than " + std::to_string(depth_max_) + " levels deep"); }

    std::size_t depth_max_;
    std::string text_;
    std::string pointer_;
};

}  // namespace

Json::Json(Object value) {
    SE_ASSERT(put_in_order(value) == nullptr);
    value_ = std::move(value);
}

double Json::number() const {
    return is_integer() ? static_cast<double>(integer()) : std::get<double>(value_);
}

const Json* Json::find(std::string_view name) const {
    constexpr std::size_t kFew = 16;
    if (!is_object()) return nullptr;
    if (object().size() <= kFew) {  // to look at the lengths is quicker than to compare in order
        const auto at = std::ranges::find(object(), name, &Member::first);
        return at != object().end() ? &at->second : nullptr;
    }
    const auto at = std::ranges::lower_bound(object(), name, {}, &Member::first);
    return at != object().end() && at->first == name ? &at->second : nullptr;
}

void Json::set(std::string name, Json value) {
    Object& members = object();
    const auto at = std::ranges::lower_bound(members, name, {}, &Member::first);
    if (at != members.end() && at->first == name)
        at->second = std::move(value);
    else
        members.emplace(at, std::move(name), std::move(value));
}

void Json::erase(std::string_view name) {
    Object& members = object();
    const auto at = std::ranges::lower_bound(members, name, {}, &Member::first);
    if (at != members.end() && at->first == name) members.erase(at);
}

Result<Json> parse_json(std::string_view text, std::size_t depth_max) {
    thread_local Parser parser;
    struct LetGo {
        ~LetGo() { parser.let_go_of_excess(); }
    } let_go;

    dom::element root;
    if (const auto error = parser.parse(text).get(root))
        return Error{Errc::malformed, std::string("malformed JSON: ") + error_message(error)};
    Builder builder(depth_max);
    Json json;
    if (!builder.build(root, 0, json)) return builder.take_error();
    return json;
}

}  // namespace se
