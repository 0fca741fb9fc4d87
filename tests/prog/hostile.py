#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""hostile.py DIR COUNT MEGABYTES: ELF files that are as long to examine as their size allows: sparse, one segment of
code each. None can be run."""
import struct
import sys

folder, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) << 20
ehdr = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 4096, 0, 64, 56, 1, 64, 2, 1)
phdr = struct.pack("<IIQQQQQQ", 1, 5, 8192, 8192, 8192, size - 8192, size - 8192, 4096)
shdr = bytes(64) + struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 512, 16, 0, 0, 1, 0)
for i in range(count):
    with open(f"{folder}/{i}", "wb") as f:
        f.write((ehdr + phdr).ljust(4096, b"\0") + shdr)
        f.truncate(size)
