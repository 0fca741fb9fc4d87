#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""catalogue.py LOG: compares the columns of the behaviour catalogue that a guest printed.

Differences are judged by tests/lab/differences.json as if the guest's kernel ran here. Prints each that is not listed
there, and one ROW for the table of run.sh. A guest is slow: a case whose connection was no member in time is counted,
not run again.
"""

import importlib.machinery
import importlib.util
import json
import pathlib
import re
import sys

LAB = pathlib.Path(__file__).resolve().parent.parent / "lab"
ENOUGH = 0.8  # share of the cases that must count


def load_compare():
    loader = importlib.machinery.SourceFileLoader("compare", str(LAB / "compare"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def columns(log, compare):
    """{column: {case: Result}} from what stands between the CATALOGUE lines."""
    found = {"plain": {}, "default": {}}
    for column, text in re.findall(r"^CATALOGUE (plain|default)\n(.*?)^CATALOGUE end", log, re.M | re.S):
        found[column].update({raw["case"]: compare.Result(raw) for raw in json.loads(text)})
    return found


def main():
    log = pathlib.Path(sys.argv[1]).read_text(errors="replace").replace("\r", "")
    compare = load_compare()
    release = re.search(r"^RELEASE (.*)", log, re.M)
    compare.platform.release = lambda: release.group(1) if release else "0.0"
    try:
        got = columns(log, compare)
    except ValueError as why:
        print(f"ROW behaviour catalogue|FAIL|no results: {why}")
        return
    listed = [e for e in json.loads((LAB / "differences.json").read_text())["differences"] if e["column"] == "default"]
    default = got["default"]
    plain = {name: r for name, r in got["plain"].items() if name in default and r.counts}
    counting = {name: r for name, r in plain.items() if default[name].counts}
    for name in sorted(set(plain) - set(counting)):
        print(f"no member: {name}: {default[name].about}")
    faults = compare.check("default", counting, default, listed, True)
    passed = plain and not faults and len(counting) >= ENOUGH * len(plain)
    print(f"ROW behaviour catalogue|{'pass' if passed else 'FAIL'}|"
          f"{len(counting)} of {len(plain)} cases count, {faults} not as listed")


if __name__ == "__main__":
    main()
