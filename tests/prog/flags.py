#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""flags.py CGROUP: another sockops program, which sets the callback flags of a socket instead of adding to them.

It takes them away at the first change of state, so nobody is called back at TCP_CLOSE. Attached until it is
ended; prints "attached" when it is.

flags.py CGROUP rtt: one that asks for the round-trip callback of each connection and counts its calls; prints
"rtt N" from time to time.
"""
import ctypes
import os
import signal
import struct
import sys
import time

BPF_MAP_CREATE, BPF_MAP_LOOKUP_ELEM, BPF_PROG_LOAD, BPF_LINK_CREATE = 0, 1, 5, 28
BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS = 13, 3
BPF_MAP_TYPE_ARRAY = 2
STATE_CB, CB_FLAGS_SET, MAP_LOOKUP = 10, 59, 1
ACTIVE, PASSIVE, RTT_CB, RTT_CB_FLAG, CB_FLAGS = 4, 5, 12, 8, 84
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]


def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, src << 4 | dst, off, imm)


def bpf(cmd, attr):
    buf = ctypes.create_string_buffer(attr.ljust(128, b"\0"))
    fd = libc.syscall(SYS_BPF, cmd, buf, 128)
    if fd < 0:
        err = ctypes.get_errno()
        sys.exit(f"flags.py: bpf({cmd}): {os.strerror(err)}")
    return fd


libc = ctypes.CDLL(None, use_errno=True)
def clearing():
    return b"".join([
        insn(0x61, dst=2, src=1),                # r2 = ctx->op
        insn(0x55, dst=2, off=2, imm=STATE_CB),  # if r2 != STATE_CB goto out
        insn(0xb7, dst=2),                       # r2 = 0
        insn(0x85, imm=CB_FLAGS_SET),            # bpf_sock_ops_cb_flags_set(ctx, r2)
        insn(0xb7, dst=0, imm=1),                # out: return 1
        insn(0x95),
    ])


def counting(counts):
    return b"".join([
        insn(0x61, dst=7, src=1),                  # r7 = ctx->op
        insn(0x15, dst=7, off=6, imm=RTT_CB),      # if r7 == RTT_CB goto count
        insn(0x15, dst=7, off=1, imm=ACTIVE),      # if r7 == ACTIVE_ESTABLISHED_CB goto ask
        insn(0x55, dst=7, off=13, imm=PASSIVE),    # if r7 != PASSIVE_ESTABLISHED_CB goto out
        insn(0x61, dst=2, src=1, off=CB_FLAGS),    # ask: r2 = ctx->bpf_sock_ops_cb_flags
        insn(0x47, dst=2, imm=RTT_CB_FLAG),        # r2 |= RTT_CB_FLAG
        insn(0x85, imm=CB_FLAGS_SET),              # bpf_sock_ops_cb_flags_set(ctx, r2)
        insn(0x05, off=9),                         # goto out
        insn(0x62, dst=10, off=-4),                # count: key = 0
        insn(0xbf, dst=2, src=10),                 # r2 = &key
        insn(0x07, dst=2, imm=-4),
        insn(0x18, dst=1, src=1, imm=counts), insn(0),  # r1 = the map
        insn(0x85, imm=MAP_LOOKUP),                # r0 = bpf_map_lookup_elem(r1, r2)
        insn(0x15, dst=0, off=2),                  # if !r0 goto out
        insn(0xb7, dst=1, imm=1),
        insn(0xdb, dst=0, src=1),                  # *r0 += 1
        insn(0xb7, dst=0, imm=1),                  # out: return 1
        insn(0x95),
    ])


def count():
    key, value = ctypes.create_string_buffer(4), ctypes.create_string_buffer(8)
    bpf(BPF_MAP_LOOKUP_ELEM, struct.pack("<IIQQQ", counts, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
    return struct.unpack("<Q", value.raw)[0]


counts = bpf(BPF_MAP_CREATE, struct.pack("<IIIII", BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0)) if sys.argv[2:] else -1
prog = counting(counts) if sys.argv[2:] else clearing()
insns, license_ = ctypes.create_string_buffer(prog), ctypes.create_string_buffer(b"GPL")
fd = bpf(BPF_PROG_LOAD, struct.pack("<IIQQ", BPF_PROG_TYPE_SOCK_OPS, len(prog) // 8,
                                    ctypes.addressof(insns), ctypes.addressof(license_)))
link = bpf(BPF_LINK_CREATE, struct.pack("<IIII", fd, os.open(sys.argv[1], os.O_RDONLY), BPF_CGROUP_SOCK_OPS, 0))
print("attached", flush=True)
while sys.argv[2:]:
    print("rtt", count(), flush=True)
    time.sleep(0.1)
signal.pause()
