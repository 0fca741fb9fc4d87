#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""check.py RESULT.json: compares a run of the benchmark with the targets; `make bench-check` runs both.

A row is judged only where its control, a second sample of plain TCP, is within NOISE of plain: else the machine was
busy with something else, and the row says nothing. Exit status: 0 all rows that could be judged reach their targets, 1 some
do not, 2 the file cannot be used, 77 no row could be judged.
"""

import json
import re
import sys

NOISE = 0.03
# No row may be slower than plain TCP; this much is what control itself shows on an idle machine.
FLOOR = 0.97
# Non-blocking request-response beside what is possible: the naive program decides nothing, a Unix socket has no TCP.
REQUESTS = re.compile(r"^request-response \d+$|^redis-benchmark -c 1$")
OF = {"naive": 0.98, "unix": 1.00}


def median(row, variant):
    return row["variants"].get(variant, {}).get("ratio", [None] * 3)[1]


def misses(row):
    """What the row does not reach, as texts."""
    got = median(row, "sockhop")
    if got < FLOOR:
        yield f"{got:.3f} of plain TCP, at least {FLOOR:.3f} is wanted"
    if not REQUESTS.match(row["name"]):
        return
    for other, want in OF.items():
        beside = median(row, other)
        if beside and got / beside < want:
            yield f"{got / beside:.3f} of {other}, at least {want:.3f} is wanted"


def check(result):
    m = result["machine"]
    judged = failed = 0
    for row in result["workloads"]:
        control, got = median(row, "control"), median(row, "sockhop")
        if not control or not got or abs(control - 1) > NOISE:
            noise = f"control {control:.2f}" if control else "no control"
            print(f"not judged  {row['name']}: {noise}")
            continue
        judged += 1
        texts = list(misses(row))
        failed += bool(texts)
        for text in texts:
            print(f"FAIL        {row['name']}: {text}; control {control:.2f}")
    print(f"{m['model']}, {m['cpus']} CPUs, Linux {m['kernel']}: {judged - failed} of {judged} rows reach their targets")
    return 77 if not judged else int(failed > 0)


if __name__ == "__main__":
    try:
        with open(sys.argv[1], encoding="utf-8") as f:
            run = json.load(f)
        status = check(run)
    except (IndexError, OSError, ValueError, KeyError, TypeError) as e:
        print(f"check.py: {' '.join(sys.argv[1:]) or 'no file'}: {e!r}: give it the JSON of a run with plain, control and sockhop",
              file=sys.stderr)
        status = 2
    sys.exit(status)
