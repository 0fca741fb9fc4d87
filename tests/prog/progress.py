#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""progress.py [--size COLUMNS] CMD...: runs CMD with a terminal as its stderr.

Prints a line for each time that it drew its line of progress, "TIME_MS TEXT"; then "left: TEXT", quoted,
what a terminal shows of stderr when it has ended. Its stdout is discarded. Exit status: that of CMD.
"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

# One that is not empty: the others erase.
DRAWN = re.compile("\r([^\r\n\x1b]+)\x1b\\[K")


def screen(data):
    """The one line that is left, of what was written with \\r and 'erase in line' only."""
    shown, at = "", 0
    for part in data.replace("\x1b[K", "\0"):
        if part == "\r":
            at = 0
        elif part == "\0":
            shown = shown[:at]
        elif part == "\n":
            shown, at = shown + "\n", len(shown) + 1
        else:
            shown, at = shown[:at] + part + shown[at + 1 :], at + 1
    return shown


def main():
    args, columns = sys.argv[1:], 80
    if args[0] == "--size":
        columns, args = int(args[1]), args[2:]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    start, data = time.monotonic(), ""
    child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    while True:
        try:
            got = os.read(ours, 65536).decode()
        except OSError:  # EIO: nobody has it open any more
            break
        if not got:
            break
        data += got
        for text in DRAWN.findall(got):
            print(f"{(time.monotonic() - start) * 1000:.0f} {text}", flush=True)
    status = child.wait()
    print(f"left: {screen(data).strip()!r}")
    return status


sys.exit(main())
