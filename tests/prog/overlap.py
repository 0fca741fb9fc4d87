#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""overlap.py: a segment whose first bytes were received before, as a retransmission with other boundaries brings
them, made with a raw socket and sent to a member. Only its new bytes may arrive. Exit status 0 if so, 77 if the
connection never joined. Runs in an attached cgroup whose policy trusts this program."""
import os
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True  # no files beside the tests
from rawseg import LO, arrives, overlaps, sequences  # noqa: E402

listener = socket.create_server((LO, 0))
port = listener.getsockname()[1]
client = socket.create_connection((LO, port))
server, _ = listener.accept()
for s in client, server:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(5)  # which makes the file non-blocking


def tcp_bytes(sock):
    """(sent, received) on the TCP path: hop bytes do not count."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    received, = struct.unpack_from("Q", info, 128)
    sent, again = struct.unpack_from("QQ", info, 200)
    return sent - again, received


# the sequence numbers are asked for before it is a member: TCP_REPAIR makes a member leave
seq0, ack0 = sequences(client)
base = tcp_bytes(client)

plain = "SOCKHOP_PLAIN" in os.environ
end = time.monotonic() + (1 if plain else 15)
while time.monotonic() < end:
    before = tcp_bytes(client), tcp_bytes(server)
    for _ in range(20):
        client.sendall(b"hello")
        arrives(server, b"hello")
        server.sendall(b"x")
        client.recv(1)
    if before == (tcp_bytes(client), tcp_bytes(server)):
        break
else:
    if not plain:
        print("never joined")
        sys.exit(77)
now = tcp_bytes(client)
overlaps(client, seq0 + now[0] - base[0], ack0 + now[1] - base[1], server)
