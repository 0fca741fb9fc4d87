#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""relisten.py PIN: a chatty connection is dissolved by connect(AF_UNSPEC), and its socket listens then.

Prints whether it has socket storage in the map pinned at PIN: "connected: yes", "listening: no"."""
import ctypes
import os
import platform
import socket
import struct
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
NR_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_MAP_LOOKUP_ELEM, BPF_OBJ_GET = 1, 7


def bpf(cmd, attr):
    buf = ctypes.create_string_buffer(attr + bytes(64), len(attr) + 64)
    return libc.syscall(NR_BPF, cmd, buf, len(attr))


path = ctypes.create_string_buffer(sys.argv[1].encode())
pin = bpf(BPF_OBJ_GET, struct.pack("QII", ctypes.addressof(path), 0, 0))
assert pin >= 0, os.strerror(ctypes.get_errno())


def stored(sock):
    key = ctypes.c_int(sock.fileno())
    value = ctypes.create_string_buffer(4096)
    attr = struct.pack("IIQQQ", pin, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
    return "no" if bpf(BPF_MAP_LOOKUP_ELEM, attr) else "yes"


def echo(listener):
    conn, _ = listener.accept()
    try:
        while data := conn.recv(64):
            conn.sendall(data)
    except ConnectionError:
        pass  # connect(AF_UNSPEC) resets it


server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=echo, args=(server,), daemon=True).start()
client = socket.create_connection(server.getsockname())
for _ in range(2000):
    client.sendall(b"x" * 64)
    client.recv(64)
print("connected:", stored(client))
unspec = struct.pack("H14x", socket.AF_UNSPEC)
assert libc.connect(client.fileno(), unspec, len(unspec)) == 0, os.strerror(ctypes.get_errno())
client.listen()
print("listening:", stored(client))
