#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""arrows.py [ROOT]: who includes whom. Fails, naming the lines, on

- an arrow that goes up: a file that includes a header of a room above its own (ROOMS);
- a circle between files, where NAME.c and NAME.h are one file;
- an include that does not say its folder: "x.h" is a header beside the file, all others start at the root.

Headers of the system (<x.h>) and generated ones (x.skel.h) are not looked at.
"""
import pathlib
import re
import sys

# From the top down. A room may include its own headers and those of the rooms after it.
ROOMS = [
    "agent",  # main.c
    "agent/cmd",
    "agent/metrics",
    "agent/top",
    "agent/check",
    "agent/relay",
    "agent/daemon",
    "agent/config",
    "agent/view",
    "agent/program",
    "agent/instance",
    "agent/policy",
    "agent/probe",
    "cgroup",
    "agent/lib",
    "bpf",
]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def includes(root):
    """(file, line number, what it includes) for all files in the rooms, as paths from the root."""
    for room in ROOMS:
        for file in sorted((root / room).glob("*.[ch]")):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if found and not found[1].endswith((".skel.h", "vmlinux.h")):
                    yield f"{room}/{file.name}", number, found[1]


def resolve(root, file, name):
    """The header that is meant, None if there is none."""
    room = file.rpartition("/")[0]
    beside = f"{room}/{name}"
    if "/" not in name and (root / beside).is_file():
        return beside
    return name if "/" in name and (root / name).is_file() else None


def unit(file):
    return re.sub(r"(\.bpf)?\.[ch]$", "", file)


def circles(arrows):
    """Groups of files that include each other (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(arrows.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return found


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    arrows, wrong, count = {}, [], 0
    for file, number, name in includes(root):
        count += 1
        target = resolve(root, file, name)
        if not target:
            wrong.append(f"{file}:{number}: no {name} beside it, nor from the root")
            continue
        here, there = file.rpartition("/")[0], target.rpartition("/")[0]
        if there not in ROOMS:
            wrong.append(f"{file}:{number}: {there} is in no room that tests/arrows.py knows")
        elif ROOMS.index(there) < ROOMS.index(here):
            wrong.append(f"{file}:{number}: {here} is below {there} and may not include {target}")
        elif unit(file) != unit(target):
            arrows.setdefault(unit(file), set()).add(unit(target))
    if not count:
        wrong.append(f"{root}: no file includes anything")
    wrong += [f"a circle: {', '.join(circle)}" for circle in circles(arrows)]
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
