#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""names.py: files that comments and documents name must exist. `make lint` runs it.

A name without a folder is the last part of some path of the repository, one with a folder the end of such a path. Names of
the kernel's files carry their folder (net/ipv4/tcp.c), which none of ours is called; system headers stand in <>.
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


def text_of(path):
    """Comments of a source file, all of a document."""
    with open(path, encoding="utf-8", errors="replace") as f:
        s = f.read()
    if path.endswith((".c", ".h")):
        return [(s.count("\n", 0, m.start()) + 1, m.group()) for m in re.finditer(r"/\*.*?\*/|//[^\n]*", s, re.S)]
    return list(enumerate(s.split("\n"), 1))


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split("\n")
    ours = {"/".join(f.split("/")[-n:]) for f in files for n in range(1, f.count("/") + 2)}
    bad = 0
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
