"""Holds several builds of statectl against each other: see compilers.sh, which calls this."""
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import time

POLICY = """allowedKeys: ["*"]
rules:
  - id: sum
    when: { key: "n.*" }
    then:
      - action: mutate
        args: { key: sum.all, op: set, value: { "+": [ { var: state.sum.all }, { var: value.x } ] } }
      - action: obs.show
        args:
          product: { "*": [ { var: value.x }, 1.1, { var: value.y } ] }
          ratio: { "/": [ { var: value.x }, { var: value.y } ] }
          rest: { "%": [ { var: value.x }, 7.3 ] }
          text: { cat: [ { var: value.x }, " ", { var: value.y } ] }
          least: { min: [ { var: value.x }, { var: value.y }, 0.1 ] }
  - id: steep
    if: { ">": [ { "*": [ { var: value.x }, { var: value.y } ] }, 1.0e10 ] }
    when: { key: "n.*" }
    then: [ { action: mutate, args: { key: steep, op: increment, value: 0.1 } } ]
  - id: gone
    when: { key: "t.*", op: delete }
    then: [ { action: mutate, args: { key: gone, op: push, value: "{ key }" } } ]
"""
OTHER_POLICY = POLICY.replace("1.1", "1.2").replace('["*"]', '["n.*", "sum.all", "steep", "gone", "t.*"]')


def numbers(seed):
    """Doubles of every size, integers of every length, and what lies around the edges."""
    chance = random.Random(seed)
    edges = [0.1, 0.3, 1e21, 1e-7, 123456789012345680000.0, 5e-324, 1.7976931348623157e308, 2**53, 2**53 + 2, -1]
    while True:
        kind = chance.randrange(4)
        if kind == 0:
            yield chance.choice(edges)
        elif kind == 1:
            yield chance.randrange(-(10 ** chance.randrange(1, 18)), 10 ** chance.randrange(1, 18))
        elif kind == 2:
            yield round(chance.uniform(-1000, 1000), chance.randrange(6))
        else:
            value = struct.unpack("<d", chance.getrandbits(64).to_bytes(8, "little"))[0]
            yield value if value == value and abs(value) != float("inf") else 0.5


def proposals(count):
    some = numbers(1)
    for i in range(count):
        key = f"n.{i % 40}"
        if i % 7 == 3:
            yield {"op": "increment", "key": f"c.{i % 5}", "value": next(some), "reason": "count"}
        elif i % 11 == 5:
            yield {"op": "merge", "key": key, "value": {"y": next(some)}, "reason": "merge"}
        elif i % 13 == 6:
            yield {"op": "delete", "key": f"n.{(i * 7) % 60}", "reason": "delete"}
        else:
            yield {"op": "set", "key": key, "value": {"x": next(some), "y": next(some)}, "reason": "set"}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def table():
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        yield n


TABLE = list(table())


class Tool:
    def __init__(self, name, path):
        self.name, self.path = name, path / "statectl"

    def run(self, store, *words, stdin=None, config=None):
        flags = ["--data", str(store)] if store else []
        flags += ["--config", str(config)] if config else []
        return subprocess.run([self.path, *flags, *words], input=stdin, capture_output=True, check=False)

    def must(self, *args, **named):
        ran = self.run(*args, **named)
        if ran.returncode != 0:
            raise SystemExit(f"{self.name}: {args[1:]}: exit {ran.returncode}: {ran.stderr.decode()}")
        return ran.stdout


def write_store(tool, store, work, text):
    """Two policies, rules, derived mutations, refusals and an expiry."""
    first, second = work / "policy.yaml", work / "other.yaml"
    tool.must(store, "set", "t.1", "1", "--ttl", "1s", config=first)
    time.sleep(1.2)
    tool.must(store, "import", "-", stdin=text, config=first)
    tool.must(store, "import", "-", stdin=text.replace(b'"n.', b'"n.z'), config=second)


def changed_copies(store, work):
    """(what, seq, a copy of the store in which it was changed), the checksum of the record put right."""
    segment = min((store / "journal").glob("seg-*.jsonl"))
    lines = segment.read_bytes().split(b"\n")
    changes = [
        ("a decision", b'"code":"absent"', b'"code":"absenz"', lambda r: r.get("code") == "absent"),
        ("a computed value", None, None,
         lambda r: r["kind"] == "accepted" and r["changes"][0]["key"].startswith("c.")
         and r["changes"][0]["version"] > 1),
        ("a fired action", b'"action":"show"', b'"action":"shoz"', lambda r: "fired" in r["body"]),
        ("an expiry", b'"version":2', b'"version":3', lambda r: r.get("actor") == "system:ttl"),
    ]
    for what, old, new, wanted in changes:
        for i, line in enumerate(lines):
            if b'"kind"' not in line[:400]:
                continue
            record = json.loads(line)
            if not wanted(record):
                continue
            body = line[:-18]
            if old is None:
                at = body.rindex(b'"values":[') + len(b'"values":[')
                while not body[at:at + 1].isdigit():
                    at += 1
                digit = b"1" if body[at:at + 1] != b"1" else b"2"
                body = body[:at] + digit + body[at + 1:]
            elif old in body:
                body = body.replace(old, new, 1)
            else:
                continue
            copy = work / ("changed-" + what.replace(" ", "-"))
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(store, copy)
            again = list(lines)
            again[i] = body + b',"crc":"%08x"}' % crc32c(body)
            assert len(again[i]) == len(line)
            (copy / "journal" / segment.name).write_bytes(b"\n".join(again))
            yield what, record["seq"], copy
            break
        else:
            raise SystemExit(f"no record to change for: {what}")


def main():
    work = pathlib.Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    tools = [Tool(name, pathlib.Path(path)) for name, path in (build.split("=", 1) for build in sys.argv[2:])]
    (work / "policy.yaml").write_text(POLICY)
    (work / "other.yaml").write_text(OTHER_POLICY)
    text = "".join(json.dumps({**p, "id": f"p{i}"}) + "\n" for i, p in enumerate(proposals(2000))).encode()
    passed = failed = 0

    def check(good, what):
        nonlocal passed, failed
        passed, failed = passed + bool(good), failed + (not good)
        print(("passed: " if good else "FAILED: ") + what, flush=True)

    stores = {}
    for tool in tools:
        store = work / f"store-{tool.name}"
        shutil.rmtree(store, ignore_errors=True)
        write_store(tool, store, work, text)
        stores[tool.name] = store
    listed = {tool.name: [(e["key"], e["value"], e["version"]) for e in map(json.loads, tools[0].must(
        stores[tool.name], "list", "-o", "jsonl").splitlines())] for tool in tools}
    for tool in tools[1:]:
        check(listed[tool.name] == listed[tools[0].name],
              f"the state that {tool.name} came to is that of {tools[0].name}, {len(listed[tool.name])} keys")
    for writer in tools:
        for reader in tools:
            ran = reader.run(stores[writer.name], "journal", "replay", "--verify", "-o", "jsonl")
            told = json.loads(ran.stdout) if ran.stdout else {}
            counts = f"{told.get('decided')} decisions, {told.get('derived')} derived"
            check(ran.returncode == 0 and told.get("differences") == [] and told.get("derived", 0) > 1000,
                  f"{reader.name} replays what {writer.name} wrote: {counts}")
    for what, seq, copy in changed_copies(stores[tools[0].name], work):
        for tool in tools:
            ran = tool.run(copy, "journal", "replay", "--verify", "-o", "jsonl")
            first = (json.loads(ran.stdout)["differences"] if ran.stdout else []) or [{}]
            check(ran.returncode == 4 and first[0].get("seq") == seq,
                  f"{tool.name} finds {what} that was changed at seq {seq}")
    chance, some = random.Random(2), numbers(3)
    cases = b"".join(json.dumps({"rule": {chance.choice(["+", "-", "*", "/", "%", "cat", "<", "==", "max"]): [
        next(some), chance.choice([next(some), str(next(some))])]}, "data": None}).encode() + b"\n"
        for _ in range(20000))
    first = tools[0].must(None, "rules", "eval", "--batch", stdin=cases)
    for tool in tools[1:]:
        check(tool.must(None, "rules", "eval", "--batch", stdin=cases) == first,
              f"{tool.name} computes 20,000 expressions as {tools[0].name}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
