#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""names.py: files and rules that comments and documents name must exist. `make lint` runs it.

A name without a folder is the last part of some path of the repository, one with a folder the end of such a path. Names of
the kernel's files carry their folder (net/ipv4/tcp.c), which none of ours is called; system headers stand in <>.

The rules are those of docs/design.md (I1, I2, ...). The code cites each at the function or header that enforces it, in one form:
(design.md, I17).
"""

import re
import subprocess
import sys

NAME = re.compile(r"(?<![\w./*{<$-])(?:\.\./)*((?:[\w.-]+/)*[\w-]+(?:\.bpf)?\.(?:c|h|bats|bash|sh|py|pml|md))(?![\w/*}>])")
# first folders of kernel paths
KERNEL = {"net", "kernel", "include", "drivers", "fs", "mm", "security", "lib", "tools", "arch", "asm-generic", "block", "io_uring", "sys", "linux", "asm",
          "bpf", "libbpf", "netinet"}
# what is made by the build or by a tool, and places for a name
MADE = re.compile(r"(^|/)(vmlinux\.h|.*\.skel\.h|pan\.c|x\.h|cmocka\.h|[A-Z]+\.\w+)$")

DESIGN = "docs/design.md"
RULE = re.compile(r"\bI([1-9]\d*)\b")
CODE = ("agent/", "bpf/", "cgroup/")
# Rules that no single place enforces.
NOWHERE = set()


def text_of(path):
    """Comments of a source file, all of a document."""
    with open(path, encoding="utf-8", errors="replace") as f:
        s = f.read()
    if path.endswith((".c", ".h")):
        return [(s.count("\n", 0, m.start()) + 1, m.group()) for m in re.finditer(r"/\*.*?\*/|//[^\n]*", s, re.S)]
    return list(enumerate(s.split("\n"), 1))


def rules(paths):
    """Complains of rules that are cited and do not exist, cited in another form, or cited nowhere in the code."""
    with open(DESIGN, encoding="utf-8") as f:
        known = {int(n) for n in re.findall(r"^\*\*I(\d+)\. ", f.read(), re.M)}
    cited, bad = set(), 0
    for path in paths:
        code = path.startswith(CODE)
        for line, text in text_of(path):
            for m in RULE.finditer(text):
                number, at = int(m.group(1)), line + text.count("\n", 0, m.start())
                if number not in known:
                    print(f"{path}:{at}: there is no rule I{number} in {DESIGN}")
                    bad += 1
                elif code:
                    cited.add(number)
            if code and RULE.search(text) and not re.search(r"design\.md,[\s*]+I\d", text):
                print(f"{path}:{line}: cite a rule as (design.md, I17)")
                bad += 1
    for number in sorted(known - cited - NOWHERE):
        print(f"{DESIGN}: no comment in the code cites rule I{number}, as (design.md, I{number})")
        bad += 1
    for number in sorted(NOWHERE & cited):
        print(f"tests/names.py: rule I{number} is cited, so it is not one of NOWHERE")
        bad += 1
    return bad


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split("\n")
    ours = {"/".join(f.split("/")[-n:]) for f in files for n in range(1, f.count("/") + 2)}
    bad = rules(sys.argv[1:])
    for path in sys.argv[1:]:
        for line, text in text_of(path):
            for m in NAME.finditer(text):
                name = m.group(1)
                if name in ours or MADE.search(name):
                    continue
                if "/" in name and name.split("/")[0] in KERNEL and not name.startswith("bpf/"):
                    continue
                print(f"{path}:{line + text.count(chr(10), 0, m.start())}: there is no {name}")
                bad += 1
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
