#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""seeds.py DIR: writes small ELF files for the fuzzer: of each class and byte order one that has everything that
program/elf.c looks at, and hostile variants of it."""
import os
import struct
import sys

SHT = {"NULL": 0, "STRTAB": 3, "RELA": 4, "DYNAMIC": 6, "NOBITS": 8, "DYNSYM": 11}
# mov $275,%eax; syscall  and  mov $275,%edi; call; mov $FIONREAD,%esi
CODE = bytes.fromhex("b8130100000f05" "bf13010000e800000000" "bf13010000ff1500000000" "be1b540000" "90c3")


class Elf:
    def __init__(self, wide, big, machine=62, etype=3):
        self.wide, self.e, self.machine, self.etype = wide, ">" if big else "<", machine, etype
        self.big, self.phs, self.shs = big, [], [(0,) * 10]
        self.names = b"\0"
        self.body = b""
        self.base = 64 + 6 * 56

    def pack(self, fmt, *values):
        return struct.pack(self.e + fmt, *values)

    def name(self, text):
        self.names += text.encode() + b"\0"
        return len(self.names) - len(text) - 1

    def put(self, data):
        self.body += b"\0" * (-len(self.body) % 8)
        self.body += data
        return self.base + len(self.body) - len(data), len(data)

    def section(self, name, kind, data, link=0, entsize=0, flags=0, size=None):
        offset, n = self.put(data)
        self.shs.append((self.name(name), SHT.get(kind, kind), flags, offset, offset, size or n, link, 0, 8, entsize))
        return len(self.shs) - 1

    def segment(self, kind, flags, offset, size):
        self.phs.append((kind, flags, offset, offset, offset, size, size, 4096))

    def symbols(self, strings, names, section=0):
        out = b"\0" * (24 if self.wide else 16)
        for n in names:
            at = strings.index(n.encode() + b"\0")
            out += self.pack("IBBHQQ", at, 18, 0, section, 0, 0) if self.wide else self.pack(
                "IIIBBH", at, 0, 0, 18, 0, section)
        return out

    def rela(self, sym):
        return self.pack("QQq", 0x4000, sym << 32 | 7, 0) if self.wide else self.pack("IIi", 0x4000, sym << 8 | 7, 0)

    def dyn(self, tag, value):
        return self.pack("qQ" if self.wide else "iI", tag, value)

    def bytes(self, shnum=None, phnum=None):
        names = self.section(".shstrtab", "STRTAB", b"")
        at, n = self.put(self.names)
        self.shs[names] = (self.shs[names][0], 3, 0, 0, at, n, 0, 0, 1, 0)
        shoff, _ = self.put(b"".join(self.pack("IIQQQQIIQQ" if self.wide else "IIIIIIIIII", *s) for s in self.shs))
        ph = b""
        for kind, flags, offset, v, p, fs, ms, al in self.phs:
            ph += self.pack("IIQQQQQQ", kind, flags, offset, v, p, fs, ms, al) if self.wide else self.pack(
                "IIIIIIII", kind, offset, v, p, fs, ms, flags, al)
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 2 if self.big else 1, 1]) + b"\0" * 9
        hsize = 64 if self.wide else 52
        head = ident + self.pack("HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH", self.etype, self.machine, 1, 0, hsize,
                                 shoff, 0, hsize, 56 if self.wide else 32, len(self.phs) if phnum is None else phnum,
                                 64 if self.wide else 40, len(self.shs) if shnum is None else shnum, names)
        return (head + ph).ljust(self.base, b"\0") + self.body


def full(wide=True, big=False, machine=62, etype=3, names=("syscall", "ioctl"), strings=None, interp=True, extra=None, section=0, **kw):
    elf = Elf(wide, big, machine, etype)
    strings = strings or b"\0syscall\0ioctl\0splice\0tee\0__libc_start_main\0sockatmark\0"
    text, n = elf.put(CODE)
    strtab = elf.section(".dynstr", "STRTAB", strings)
    dynsym = elf.section(".dynsym", "DYNSYM", elf.symbols(strings, names, section), strtab, 24 if wide else 16)
    elf.section(".rela.plt", "RELA", elf.rela(1), dynsym, 24 if wide else 12)
    elf.section(".dynamic", "DYNAMIC", elf.dyn(0x6FFFFFFB, 0x08000000) + elf.dyn(0, 0), strtab, 16 if wide else 8)
    if extra:
        elf.section(extra, 1, b"go")
    if interp:
        elf.segment(3, 4, text, 4)
    elf.segment(1, 5, text, n)
    elf.segment(1, 4, text, n)
    return elf, elf.bytes(**kw)


def main(out):
    os.makedirs(out, exist_ok=True)
    seeds = {}
    for wide in (False, True):
        for big in (False, True):
            seeds[f"full{64 if wide else 32}{'be' if big else 'le'}"] = full(wide, big)[1]
    for n in ("splice", "tee", "sockatmark"):
        seeds[n] = full(names=(n,))[1]
    seeds["libc"] = full(names=("ioctl", "splice", "__libc_start_main"), section=1)[1]
    seeds["static"] = full(etype=2, interp=False)[1]
    seeds["arm64"] = full(machine=183)[1]
    seeds["go"] = full(extra=".note.go.buildid")[1]
    seeds["many_sections"] = full(shnum=65535)[1]
    seeds["sections_elsewhere"] = full(shnum=0)[1]
    seeds["many_segments"] = full(phnum=65535)[1]
    seeds["no_end"] = full(strings=b"\0syscall\0ioctl\0no end", names=("ioctl",))[1]
    elf, _ = full()
    elf.shs[2] = elf.shs[2][:5] + (1 << 40,) + elf.shs[2][6:]
    elf.section(".go.buildinfo", "DYNSYM", b"", 1, 1, size=1 << 20)
    seeds["huge_section"] = elf.bytes()
    elf, _ = full()
    elf.section(".zip", "DYNSYM", struct.pack("<IIQQ", 1, 0, 1 << 40, 8) + b"x\x9c\x03\0\0\0\0\x01", 1, 24, flags=0x800)
    seeds["compressed"] = elf.bytes()
    seeds["empty"], seeds["cut"] = b"", full()[1][:200]
    for name, data in seeds.items():
        with open(os.path.join(out, name), "wb") as f:
            f.write(data)


main(sys.argv[1])
