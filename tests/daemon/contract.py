"""Holds docs/openapi.yaml and docs/schemas/ against running daemons: every route of the document is called,
and every answer must have a documented status, fit its schema, and have no member that the schema lacks.

Says what is wrong, a line each, and exits with 1 then. Routes that the daemon knows come on stdin.
"""

import argparse
import http.client
import json
import pathlib
import socket
import subprocess
import sys
import time

import jsonschema
import yaml

# Answers that are documented and cannot be had yet.
NOT_YET = {
    ("POST", "/v1/mutations", "202"),  # nothing is held for approval
    ("POST", "/v1/mutations", "429"),  # there are no rate limits
}

arguments = argparse.ArgumentParser()
arguments.add_argument("--docs", type=pathlib.Path, required=True)
arguments.add_argument("--golden", type=pathlib.Path, required=True)
arguments.add_argument("--bin", type=pathlib.Path, required=True)
arguments.add_argument("--config", required=True)
arguments.add_argument("--data", required=True, help="of the daemon that is well")
arguments.add_argument("--port", type=int, required=True, help="of the same")
arguments.add_argument("--token-port", type=int, required=True, help="of one that wants a token")
arguments.add_argument("--damaged", required=True, help="data of one whose journal is damaged at seq 4")
arguments.add_argument("--bus", help="data of one on a bus that takes no message over 8 KiB; without it the bus is left out")
arguments.add_argument("--firestore", help="data of one that waits for a bootstrap of its project; without it Firestore is left out")
given = arguments.parse_args()

troubles = []


def must(holds, *what):
    if not holds:
        troubles.append(" ".join(str(part) for part in what))


# --- the documents, as one: a reference to a file becomes one into #/files


def embedded(node, file):
    if isinstance(node, list):
        return [embedded(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for name, value in node.items():
        if name == "$ref":
            there, _, inside = value.partition("#")
            there = there.removeprefix("schemas/") or file
            value = "#" + (f"/files/{there}" if there else "") + inside
        if name not in ("$schema", "$id"):
            out[name] = embedded(value, file)
    return out


files = {}
for path in sorted(given.docs.glob("schemas/*.json")):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    files[path.name] = embedded(schema, path.name)
document = embedded(yaml.safe_load((given.docs / "openapi.yaml").read_text()), "")
document["files"] = files


def at(pointer):
    node = document
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return at(node["$ref"]) if isinstance(node, dict) and set(node) == {"$ref"} else node


def collect(schema, value, members, items):
    """All that a schema and what it is made of say about members and items; False: other members may come."""
    if not isinstance(schema, dict):
        return True
    closed = "additionalProperties" not in schema
    if "$ref" in schema:
        closed &= collect(at(schema["$ref"]), value, members, items)
    for name, below in schema.get("properties", {}).items():
        members.setdefault(name, []).append(below)
    if "items" in schema:
        items.append(schema["items"])
    for part in ("allOf", "oneOf", "anyOf"):
        for branch in schema.get(part, []):
            closed &= collect(branch, value, members, items)
    if "if" in schema:
        holds = jsonschema.Draft202012Validator({**document, "allOf": [schema["if"]]}).is_valid(value)
        closed &= collect(schema.get("then" if holds else "else", {}), value, members, items)
    return closed


def undocumented(schema, value, where=""):
    members, items = {}, []
    closed = collect(schema, value, members, items)
    if isinstance(value, dict) and members:
        for name, below in value.items():
            if name in members:
                yield from undocumented({"allOf": members[name]}, below, f"{where}/{name}")
            elif closed:
                yield f"{where}/{name}"
    if isinstance(value, list) and items:
        for i, item in enumerate(value):
            yield from undocumented({"allOf": items}, item, f"{where}/{i}")


def problems(pointer, value):
    """What is wrong with `value` under the schema at `pointer`; nothing: it fits."""
    validator = jsonschema.Draft202012Validator({**document, "$ref": pointer})
    found = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
    return found + [f"{member}: not in the document" for member in undocumented(at(pointer), value)]


def fits(pointer, value, *what):
    for problem in problems(pointer, value):
        must(False, *what, "does not fit", pointer, problem, json.dumps(value)[:500])


def misfits(pointer, value, *what):
    must(problems(pointer, value), *what, "fits", pointer, json.dumps(value)[:500])


# --- calls


class Socket(http.client.HTTPConnection):
    def __init__(self, data):
        super().__init__("localhost", timeout=60)
        self.path = data + "/engine.sock"

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def tcp(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


called = set()
left_out = set()  # on a machine that has no bus, or no Firestore


def call(connection, method, path, expect, query="", key=None, body=None, headers=None):
    """One request of the route `path`; its answer is held against the document. Returns the JSON."""
    target = (path.replace("{key}", key) if key else path) + query
    connection.request(method, target, body=body, headers=headers or {})
    response = connection.getresponse()
    text = response.read()
    what = f"{method} {target}: {response.status}"
    must(response.status == expect, what, f"instead of {expect}:", text[:500])
    operation = at(f"#/paths/{path.replace('/', '~1')}")[method.lower()]
    status = str(response.status)
    called.add((method, path, status))
    documented = operation["responses"].get(status) or operation["responses"].get("default")
    if documented is None:
        must(False, what, "is not documented")
        return None
    if "$ref" in documented:
        documented = at(documented["$ref"])
    content = documented.get("content", {})
    kind = (response.getheader("Content-Type") or "").partition(";")[0]
    if not content:
        must(not text, what, "has a body that is not documented")
        return None
    must(kind in content, what, "came as", kind)
    for name in documented.get("headers", {}):
        wanted = name != "Retry-After" or b"retryAfterMs" in text
        must(not wanted or response.getheader(name), what, "lacks the header", name)
    if kind != "application/json":
        return text.decode()
    value = json.loads(text)
    # The schema in its place, where a reference can name it.
    document["answer"] = content[kind]["schema"]
    fits("#/answer", value, what)
    return value


def propose(connection, proposal, expect, query="", headers=None, shape=True):
    """`shape`: whether the document says that this is a proposal."""
    (fits if shape else misfits)("#/files/proposal.json", proposal, "the proposal")
    answer = call(connection, "POST", "/v1/mutations", expect, query, body=json.dumps(proposal),
                  headers=headers)
    if expect == 200 and "?dryRun" not in query:
        must(answer["status"] == "accepted", "not accepted:", answer)
    return answer


def setting(key, value, **more):
    return {"op": "set", "key": key, "value": value, "reason": "contract", **more}


def mutations(live):
    first = propose(live, setting("a", {"x": [1, 2.5, None]}, id="one", metadata={"m": 1}, ttl=3600), 200)
    again = propose(live, setting("a", {"x": [1, 2.5, None]}, id="one", metadata={"m": 1}, ttl=3600), 200)
    must(again["duplicate"] and again["seq"] == first["seq"], "no duplicate:", again)
    propose(live, setting("a", 2, id="one"), 409)  # id_reused
    propose(live, {"op": "increment", "key": "n", "value": 2, "reason": "r", "actor": "somebody"}, 200)
    propose(live, {"op": "push", "key": "list", "value": "x", "reason": "r", "ts": "yesterday"}, 200)
    propose(live, {"op": "merge", "key": "a", "value": {"y": 1}, "reason": "r"}, 200,
            headers={"If-Match": '"1"'})
    propose(live, setting("b", 1), 200, headers={"If-None-Match": "*"})
    propose(live, setting("b", 1), 409, headers={"If-None-Match": "*"})
    propose(live, setting("b", 2, expectedVersion=7), 409)
    propose(live, {"op": "delete", "key": "b", "reason": "r"}, 200)
    conflict = propose(live, setting("b", 1, expectedVersion=1), 409)
    must(conflict["current"] is None and conflict["tombstone"]["version"] == 2, "no tombstone:", conflict)
    propose(live, setting("a", 1, basis=[{"key": "a", "seq": first["seq"]}]), 409)
    propose(live, setting("c", 1, basis=[{"key": "a", "seq": 1000}]), 200)
    several = [{"op": "set", "key": "p", "value": 1}, {"op": "push", "key": "q", "value": 2, "ttl": 5000}]
    propose(live, {"ops": several, "reason": "r"}, 200)
    propose(live, {"ops": several, "reason": "r"}, 200, "?dryRun=true")
    propose(live, setting("dry", 1), 200, "?dryRun=true")
    propose(live, setting("forbidden.key", 1), 403)
    propose(live, {"op": "delete", "key": "nobody", "reason": "r"}, 422)
    propose(live, {"op": "increment", "key": "a", "value": 1, "reason": "r"}, 422)
    for wrong in ({"op": "set", "key": "a", "value": 1}, {"op": "set", "key": "a", "reason": "r"},
                  {"op": "grow", "key": "a", "value": 1, "reason": "r"}, setting("no key", 1), setting("", 1),
                  setting("a", 1, ttl=-1), setting("a", 1, expectedVersion="1"), setting("a", 1, metadata=[]),
                  {"ops": [], "reason": "r"}, {"ops": several, "key": "a", "reason": "r"}, [],
                  setting("a", 1, basis=[{"key": "a"}]), setting("a", 1, reason=""), setting("a", 1, id="")):
        propose(live, wrong, 400, shape=False)
    propose(live, setting("a", "x" * 40_000), 413)
    call(tcp(given.port), "POST", "/v1/mutations", 413, body=json.dumps(setting("a", "x" * 70_000)))
    lines = "\n".join(json.dumps(line) for line in (setting("l", 1), setting("forbidden.key", 1), []))
    told = call(live, "POST", "/v1/mutations", 200, body=lines, headers={"Content-Type": "application/x-ndjson"})
    for line, status in zip(told.splitlines(), ("accepted", "rejected", "rejected"), strict=True):
        fits("#/files/answer.json", json.loads(line), "a line's answer")
        must(json.loads(line)["status"] == status, "instead of", status, line)
    call(live, "POST", "/v1/mutations", 400, "?dryrun=1")
    call(tcp(given.token_port), "POST", "/v1/mutations", 401, body="{}")
    call(Socket(given.damaged), "POST", "/v1/mutations", 503, body=json.dumps(setting("k", 1)))
    for name, sample in json.loads((given.golden / "bitbrat_mutations.json").read_text()).items():
        if "op" in sample or "mutations" in sample:
            propose(live, sample, 200)


def reads(live):
    call(live, "GET", "/v1/state/{key}", 200, key="a")
    call(live, "GET", "/v1/state/{key}", 304, key="a", headers={"If-None-Match": '"2"'})
    call(live, "GET", "/v1/state/{key}", 404, key="b")
    call(live, "GET", "/v1/state/{key}", 404, key="never")
    call(live, "GET", "/v1/state/{key}", 400, key="no%20key")
    call(live, "GET", "/v1/state/{key}", 503, "?min_seq=100000&timeout=1ms", key="a")
    call(Socket(given.damaged), "GET", "/v1/state/{key}", 200, key="k")
    call(live, "GET", "/v1/state", 200, "?key=a&key=b&key=never")
    call(live, "GET", "/v1/state", 200, "?prefix=&limit=2")
    call(live, "GET", "/v1/state", 400, "?limit=0")
    call(live, "GET", "/v1/history/{key}", 200, key="a")
    call(live, "GET", "/v1/history/{key}", 400, "?before=0", key="a")
    call(live, "GET", "/v1/records", 200)
    call(live, "GET", "/v1/records", 400, "?form=1")
    for path in ("/healthz", "/livez", "/readyz", "/health"):
        call(live, "GET", path, 200)
    call(Socket(given.damaged), "GET", "/readyz", 503)
    call(live, "GET", "/metrics", 200)
    call(tcp(given.token_port), "GET", "/metrics", 401)
    fits("#/files/config.json", without_place(call(live, "GET", "/_debug/config", 200)), "/_debug/config")
    call(tcp(given.token_port), "GET", "/_debug/config", 401)


def changes():
    """The past of the change feed up to its first bookmark, and what a foreign cursor gets."""
    path = "/v1/changes"
    for since, last in ((f"{epoch()}.0", "bookmark"), ("9999999999.1", "resync")):
        connection = tcp(given.port)
        connection.request("GET", f"{path}?since={since}")
        response = connection.getresponse()
        called.add(("GET", path, str(response.status)))
        must(response.getheader("Content-Type") == "text/event-stream", "changes as", response.headers)
        event, seen = {}, []
        while not seen or seen[-1] != last:
            line = response.readline().decode()
            if not line:
                must(False, "the change feed ended behind", seen)
                break
            line = line.rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
                continue
            kind = "Change" if event["event"] == "change" else "Mark"
            fits(f"#/components/schemas/{kind}", json.loads(event["data"]), event["event"])
            seen.append(event["event"])
            event = {}
        must(last == "resync" or seen.count("change") > 10, "few changes:", seen)
        connection.close()
    call(tcp(given.port), "GET", path, 400, "?since=now")


def epoch():
    return call(Socket(given.data), "GET", "/v1/operator/status", 200)["epoch"]


def operators(live):
    operator = Socket(given.data)
    call(live, "GET", "/v1/operator/status", 403)
    status = call(Socket(given.damaged), "GET", "/v1/operator/status", 200)
    must(status["damage"]["from"] == 4, "damage elsewhere:", status)
    path = pathlib.Path(given.config)
    path.write_text(path.read_text().replace("[a, b,", "[a, b, new,").replace("32KiB", "16KiB"))
    preview = call(operator, "POST", "/v1/operator/reload", 200, "?dryRun=true")
    must([change["name"] for change in preview["changes"]] == ["allowedKeys", "engine.value_bytes"] and
         (preview["changes"][1]["from"], preview["changes"][1]["to"]) == (32768, 16384), "changes:", preview)
    propose(live, setting("new", 1), 403)
    call(operator, "POST", "/v1/operator/reload", 200, body='{"id":"r-1","reason":"a new key"}')
    propose(live, setting("new", 1), 200)
    again = call(operator, "POST", "/v1/operator/reload", 200, "?dryRun=true")
    must(again["changes"] == [] and again["policy"] == preview["policy"], "not in force:", again)
    for wrong in ('{"reason":""}', '[]', '{"id":1}', "{"):
        call(operator, "POST", "/v1/operator/reload", 400, body=wrong)
    call(live, "POST", "/v1/operator/reload", 403)
    call(operator, "POST", "/v1/operator/rebuild", 200, "?swap=true", body='{"reason":"to be sure"}')
    call(operator, "POST", "/v1/operator/rebuild", 400, "?swap=perhaps")
    call(Socket(given.damaged), "POST", "/v1/operator/repair", 200, "?from=4&to=4")
    call(operator, "POST", "/v1/operator/repair", 400, "?from=4&to=4")
    call(operator, "POST", "/v1/operator/note", 200, body='{"note":"imported","body":{"file":"x"}}')
    call(operator, "POST", "/v1/operator/note", 400, body='{"note":"repaired"}')
    known = {"from": "projects/p/databases/(default)", "document": "state/user.imported", "at": "2026-01-01T00:00:00.000Z",
             "version": 41, "proposal": {"op": "set", "key": "user.imported", "value": 1, "reason": "there", "actor": "a"}}
    lines = json.dumps(known) + "\n" + json.dumps({"document": 1}) + "\n"
    for again in (False, True):
        told = call(operator, "POST", "/v1/operator/import", 200, body=lines)
        first, second = [json.loads(line) for line in told.splitlines()]
        for line in (first, second):
            fits("#/files/answer.json", line, "an import")
        must(first["status"] == "accepted" and first["duplicate"] == again and first["version"] == 41, "an import", first)
        must(second["code"] == "malformed" and second["seq"] == 0, "a line that is none", second)
    call(live, "POST", "/v1/operator/import", 403, body=lines)


def outbound(live):
    """Its webhook refuses everything."""
    operator = Socket(given.data)
    propose(live, setting("stream.state", "off"), 200)
    propose(live, setting("stream.state", "on"), 200)
    for _ in range(600):
        followers = call(operator, "GET", "/v1/operator/followers", 200)["followers"]
        if followers[0]["deadLetters"]:
            break
        time.sleep(0.05)
    whose = "?follower=" + followers[0]["name"]
    letters = call(operator, "GET", "/v1/operator/deadletters", 200, whose)["deadLetters"]
    one = call(operator, "GET", "/v1/operator/deadletters/{key}", 200, whose, key=letters[0]["id"])
    must(json.loads(one["message"])["type"] == "system.stream.online", "another message:", one)
    call(operator, "GET", "/v1/operator/deadletters/{key}", 404, whose, key="none")
    call(operator, "GET", "/v1/operator/deadletters", 404, "?follower=none")
    call(operator, "GET", "/v1/operator/deadletters", 400)
    call(live, "GET", "/v1/operator/followers", 403)
    for what in ("retry", "drop"):
        path = "/v1/operator/deadletters/" + what
        call(operator, "POST", path, 200, whose + "&dryRun=true")
        call(operator, "POST", path, 400, whose, body='{"letters":[]}')
        call(operator, "POST", path, 404, whose, body='{"letters":["none"]}')
        call(operator, "POST", path, 200, whose, body=json.dumps({"reason": what}))


def bus(live):
    """Whatever is larger than the server takes is a dead letter."""
    path = "/v1/operator/bus"
    call(live, "GET", path, 403)
    call(Socket(given.data), "GET", path, 404)
    call(Socket(given.data), "POST", path + "/deadletters", 404, body="{}")
    if not given.bus:
        left_out.update({("GET", path, "200"), ("POST", path + "/deadletters", "200")})
        return
    operator = Socket(given.bus)
    propose(operator, setting("k", "x" * 10_000), 200)
    for _ in range(1200):
        status = call(operator, "GET", path, 200)
        if status["publishing"]["deadLetters"]:
            break
        time.sleep(0.05)
    must(status["state"] == "taking" and status["stream"] == "BITBRAT" and "trouble" not in status, "the bus:", status)
    letter = json.loads(run("statectl", "--data", given.bus, "bus", "deadletters", "ls", "-o", "json"))[0]["id"]
    # It is a follower like any other.
    names = [one["name"] for one in call(operator, "GET", "/v1/operator/followers", 200)["followers"]]
    must(names == ["nats"], "other followers than that of the bus:", names)
    shown = call(operator, "GET", "/v1/operator/deadletters/{key}", 200, "?follower=nats", key=letter)
    must(len(shown["message"]) > 10_000, "not what the letter said:", shown)
    for wrong in ('{"action":"burn","id":"x"}', '{"action":"drop"}', "[]", "{"):
        call(operator, "POST", path + "/deadletters", 400, body=wrong)
    call(operator, "POST", path + "/deadletters", 404, body='{"action":"drop","id":"none"}')
    for action in ("retry", "drop"):
        noted = call(operator, "POST", path + "/deadletters", 200, body=json.dumps(
            {"action": action, "id": letter, "actId": "act-" + action, "reason": "it was mended"}))
        record = json.loads(run("statectl", "--data", given.bus, "journal", "cat", "--from", str(noted["seq"]), "--to",
                                str(noted["seq"]), "-o", "jsonl"))
        must(record["id"] == "act-" + action and record["note"] == {"retry": "dead_letters_retried", "drop": "dead_letters_dropped"}[action] and
             record["body"]["letters"] == [letter] and record["body"]["reason"] == "it was mended", "another note about a letter:", record)


def firestore(live):
    """A project that is taken over by an order, and a log document that has no room there."""
    path = "/v1/operator/firestore"
    call(live, "GET", path, 403)
    posts = [path + end for end in ("/diff", "/heal", "/resume", "/deadletters")]
    for method, one in [("GET", path), ("GET", path + "/deadletters")] + [("POST", post) for post in posts]:
        call(Socket(given.data), method, one, 404, body="{}" if method == "POST" else None)
        if not given.firestore:
            left_out.add((method, one, "200"))
    if not given.firestore:
        return
    operator = Socket(given.firestore)

    def until(phase):
        for _ in range(1200):
            status = call(operator, "GET", path, 200)
            if status["phase"] == phase and (phase == "stopped" or status["lag"] == 0):
                return status
            time.sleep(0.05)
        must(False, "not", phase, status)
        return status

    must("why" in until("stopped"), "it stopped and says no reason")
    call(operator, "POST", path + "/diff", 503, body="{}")
    call(operator, "POST", path + "/resume", 400, body='{"bootstrap":1}')
    call(operator, "POST", path + "/resume", 200, body="{}")
    until("stopped")
    noted = call(operator, "POST", path + "/resume", 200, body='{"bootstrap":true,"id":"b-1","reason":"a test"}')
    until("following")
    record = json.loads(run("statectl", "--data", given.firestore, "journal", "cat", "--from", str(noted["seq"]), "--to",
                            str(noted["seq"]), "-o", "jsonl"))
    must(record["note"] == "firestore_resumed" and record["id"] == "b-1" and
         record["body"] == {"bootstrap": True, "reason": "a test"}, "another note about it:", record)
    call(operator, "POST", path + "/resume", 400, body="{}")

    value = "x" * 700_000
    propose(operator, {"id": "big", "reason": "r", "ops": [{"op": "set", "key": key, "value": value} for key in "ab"]}, 200)
    must(until("following")["deadLetters"] == 1, "not a dead letter")
    must(call(operator, "POST", path + "/diff", 200, body='{"prefix":"a"}')["entries"] == 1, "not the one entry")
    call(operator, "POST", path + "/diff", 400, body='{"limit":0}')
    must(call(operator, "POST", path + "/heal", 200, body='{"reason":"a test"}')["differences"] == [], "a difference")
    letters = call(operator, "GET", path + "/deadletters", 200)["deadLetters"]
    must([one["id"] for one in letters] == ["mutation_log/big"], "other letters:", letters)
    call(operator, "POST", path + "/deadletters", 400, body="{}")
    call(operator, "POST", path + "/deadletters", 404, body='{"action":"drop","id":"none"}')
    call(operator, "POST", path + "/deadletters", 200, body='{"action":"drop","id":"mutation_log/big"}')


# --- what stands in files


def run(program, *words):
    return subprocess.run([given.bin / program, *words], check=True, capture_output=True, text=True).stdout


def without_place(shown):
    """What is in force is shown with where it is from, which a file cannot say."""
    shown = dict(shown)
    must(shown.pop("data", None) and "config" in shown, "no place in", shown)
    shown.pop("config", None)
    return shown


def members(schema):
    return {(name, below) for name, value in schema["properties"].items()
            for below in value.get("properties", {"": 0})}


def config_files():
    shown = without_place(json.loads(run("state-engine", "--config", given.config, "--check-config")))
    fits("#/files/config.json", shown, "--check-config")
    fits("#/files/config.json", yaml.safe_load(pathlib.Path(given.config).read_text()), given.config)
    known = {(name, below) for name, value in shown.items()
             for below in (value if isinstance(value, dict) else [""])}
    later = {("keys", ""), ("checkpoint", "")}
    documented = members(files["config.json"])
    must(documented - later == known, "settings that only one of config.json and the daemon knows:",
         sorted((documented - later) ^ known))
    for wrong in ({"allowedKeys": "a"}, {"http": {"prot": 3000}}, {"journal": {"fsync": "always"}},
                  {"http": {"port": 70000}}, {"rules": [{}]}, {"engine": {"drain": "soon"}}):
        misfits("#/files/config.json", wrong, "a configuration")
        pathlib.Path(given.config + ".wrong").write_text(json.dumps(wrong))
        ran = subprocess.run([given.bin / "state-engine", "--config", given.config + ".wrong",
                              "--check-config"], capture_output=True)
        must(ran.returncode == 1, "the daemon takes", wrong)


def journal_lines():
    kinds, whys = set(), []
    records = json.loads(run("statectl", "--data", given.data, "journal", "cat", "-o", "json"))
    for record in records:
        fits("#/files/record.json", record, "a record")
        names = [name for name in files["record.json"]["properties"] if name in record]
        must(names == list(record), "another order of members:", list(record))
        if "reason" in record["body"] and record["kind"] in ("config", "note"):
            whys.append((record["kind"], record.get("note"), record.get("id"), record["body"]["reason"]))
            must(record["actor"].startswith("local:"), "not the operator's:", record)
        kinds.add(record.get("note") or record.get("code") or record["kind"])
    must(whys == [("config", None, "r-1", "a new key"), ("note", "rebuilt", None, "to be sure"),
                  ("note", "dead_letters_retried", None, "retry"),
                  ("note", "dead_letters_dropped", None, "drop")],
         "acts without their reason:", whys)
    must({"accepted", "config", "opened", "imported", "key_not_allowed", "absent", "version_conflict",
          "malformed", "too_large"} <= kinds, "not all kinds of records:", kinds)
    entries = json.loads(run("statectl", "--data", given.data, "list", "-o", "json"))
    must(len(entries) > 5, "few entries:", entries)
    for entry in entries:
        fits("#/files/entry.json", entry, "an entry")
    misfits("#/files/record.json", {**records[-1], "seq": 0}, "a record")
    misfits("#/files/entry.json", {**entries[0], "updatedAt": "now"}, "an entry")


def coverage():
    operations = set()
    for path in document["paths"]:
        for method, operation in at(f"#/paths/{path.replace('/', '~1')}").items():
            route = (method.upper(), path)
            operations.add(route)
            for status in operation["responses"]:
                seen = any(one[:2] == route for one in called) if status == "default" else \
                    (*route, status) in called
                must(seen != ((*route, status) in NOT_YET | left_out), *route, status,
                     "was had after all: take it out of NOT_YET" if seen else "was never had")
    routes = {tuple(line.split()) for line in sys.stdin.read().splitlines()}
    must(len(routes) > 10, "no routes on stdin")
    for route in sorted(routes ^ operations):
        must(False, *route, "only the daemon knows" if route in routes else "only the document knows")


def finish():
    print("\n".join(troubles))
    sys.exit(1 if troubles else 0)


connection = tcp(given.port)
mutations(connection)
reads(connection)
changes()
operators(connection)
outbound(connection)
bus(connection)
firestore(connection)
config_files()
journal_lines()
coverage()
finish()
