// docs/settings.md is written from the table of settings, so that the two never differ. After a
// change:
//     SE_WRITE_DOCS=1 test_engine --test-case="docs/settings.md is the table of settings"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/policy/config.h"
#include "tests/places.h"

using namespace se;

namespace {

const std::string kFile = test::source_dir() + "/docs/settings.md";

constexpr std::string_view kIntroduction = R"(# Settings

A flag wins over the environment, the environment over the file, the file over the default. The file is
YAML (1.2 core schema: `on off yes no` are texts), named by `--config` or `STATE_ENGINE_CONFIG_PATH`;
a named file that is missing is an error, and so is a key that is not known.

```yaml
allowedKeys: [stream.state, "user.fact.*"]   # a trailing * is a prefix, all else is the key itself
http:
  port: 3000
journal:
  fsync: group
```

`allowedKeys` is policy: journaled, and read again by SIGHUP or `statectl reload`; a bad file then changes
nothing. A file without it, or with nothing behind it, has the default (`stream.state`, `stream.title`,
`stream.category`, `obs.scene`, `user.disposition.*`, `user.fact.*`); `allowedKeys: []` allows nothing. `rules` is policy, too: what follows
from a change ([rules.md](rules.md)); without it there is the one default rule, `rules: []` is none. `keys`, and the
section `checkpoint`, are not in this version: non-empty ones are an error.

docs/schemas/config.json is the JSON Schema of the file, for editors: a first line of
`# yaml-language-server: $schema=…/docs/schemas/config.json` makes many of them complete and check it.

Sizes take `KiB MiB GiB TiB`, durations `ms s m h d`; a plain number is in bytes, milliseconds or, where a
name ends in `seconds`, seconds. Of several variables the first one that is set counts; an empty one counts
as not set. A dotted name is a section and a key of it. `data` and `config` cannot stand in the file.
A value that cannot be is an error, save in `LOG_LEVEL` and `NATS_ACK_WAIT_SECONDS`, where the default counts.

`auth` is read again with the policy: its principals (docs/http.md has an example) come in from then on,
and those that are gone do not. So do the limits that a decision reads, which are part of the policy. All other
settings hold from the start to the end of a process.

The limits that a decision reads (`engine.ttl`, and from `engine.key_bytes` on) are journaled with the
policy: what was decided under a limit stays decided under it.

)";

std::string documentation() {
    std::string text(kIntroduction);
    text += "| name | default | environment | meaning |\n|---|---|---|---|\n";
    for (const SettingInfo& info : all_settings()) {
        text += "| `" + info.name + "` | ";
        text += info.default_value.empty() ? "–" : "`" + info.default_value + "`";
        std::string variables = "`" + info.environment + "`";
        for (std::size_t at = 0; (at = variables.find(", ", at)) != std::string::npos; at += 4)
            variables.replace(at, 2, "`, `");
        text += " | " + variables + " | " + info.meaning + " |\n";
    }
    return text;
}

}  // namespace

TEST_CASE("docs/settings.md is the table of settings") {
    if (std::getenv("SE_WRITE_DOCS")) std::ofstream(kFile) << documentation();
    std::ifstream file(kFile);
    std::stringstream text;
    text << file.rdbuf();
    CHECK_MESSAGE(text.str() == documentation(),
                  "run SE_WRITE_DOCS=1 test_engine --test-case=\"docs/settings.md*\"");
}
