#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""flags.py CGROUP: another sockops program, which sets the callback flags of a socket instead of adding to them.

It takes them away at the first change of state, so nobody is called back at TCP_CLOSE. Attached until it is
ended; prints "attached" when it is.
"""
import ctypes
import os
import signal
import struct
import sys

BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS = 13, 3
STATE_CB, CB_FLAGS_SET = 10, 59
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
prog = b"".join([
    insn(0x61, dst=2, src=1),                # r2 = ctx->op
    insn(0x55, dst=2, off=2, imm=STATE_CB),  # if r2 != STATE_CB goto out
    insn(0xb7, dst=2),                       # r2 = 0
    insn(0x85, imm=CB_FLAGS_SET),            # bpf_sock_ops_cb_flags_set(ctx, r2)
    insn(0xb7, dst=0, imm=1),                # out: return 1
    insn(0x95),
])
insns, license_ = ctypes.create_string_buffer(prog), ctypes.create_string_buffer(b"GPL")
fd = bpf(BPF_PROG_LOAD, struct.pack("<IIQQ", BPF_PROG_TYPE_SOCK_OPS, len(prog) // 8,
                                    ctypes.addressof(insns), ctypes.addressof(license_)))
link = bpf(BPF_LINK_CREATE, struct.pack("<IIII", fd, os.open(sys.argv[1], os.O_RDONLY), BPF_CGROUP_SOCK_OPS, 0))
print("attached", flush=True)
signal.pause()
