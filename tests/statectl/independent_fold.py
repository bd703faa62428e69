#!/usr/bin/env python3
"""Holds what statectl prints against a fold of its own: shares no code and no idea with the engine.

    independent_fold.py FILE [--first N] < entries.jsonl

FILE has proposals, one a line, gzip or not; with --first only the first N of them count. stdin has
entries as `statectl list -o jsonl` prints them. Says what differs and exits with 1, else prints counts.
"""
import argparse
import gzip
import json
import sys


def fold(path, first):
    values, versions, counts = {}, {}, {"accepted": 0, "rejected": 0}
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if first is not None and number >= first:
                break
            proposal = json.loads(line)
            key = proposal["key"]
            if proposal["op"] == "delete" and key not in values:
                counts["rejected"] += 1
                continue
            counts["accepted"] += 1
            versions[key] = versions.get(key, 0) + 1
            if proposal["op"] == "delete":
                del values[key]
            elif proposal["op"] == "set":
                values[key] = proposal["value"]
            else:
                sys.exit(f"line {number + 1}: this fold knows set and delete only")
    return values, versions, counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--first", type=int)
    options = parser.parse_args()
    values, versions, counts = fold(options.file, options.first)

    trouble = []
    keys = []
    for line in sys.stdin:
        entry = json.loads(line)
        key = entry["key"]
        keys.append(key)
        if key not in values:
            trouble.append(f"{key}: listed, but not live")
        elif json.dumps(entry["value"], sort_keys=True) != json.dumps(values[key], sort_keys=True):
            trouble.append(f"{key}: value {entry['value']}, expected {values[key]}")
        elif entry["version"] != versions[key]:
            trouble.append(f"{key}: version {entry['version']}, expected {versions[key]}")
    if keys != sorted(keys, key=lambda key: key.encode()):
        trouble.append("not ordered by the bytes of the keys")
    for key in values.keys() - set(keys):
        trouble.append(f"{key}: live, but not listed")
    for line in trouble[:20]:
        print(line)
    print(json.dumps({"live": len(values), "differences": len(trouble), **counts}))
    sys.exit(1 if trouble else 0)


main()
