#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""overlap.py RELAY-PORT TARGET-PORT: a segment whose first bytes were received before, as a retransmission with other
boundaries brings them, made with a raw socket. Only its new bytes may arrive. Exit status 0 if so."""
import pathlib
import socket
import sys

sys.dont_write_bytecode = True  # no files beside the tests
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "prog"))
from rawseg import LO, arrives, overlaps, sequences  # noqa: E402

relay, target = int(sys.argv[1]), int(sys.argv[2])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((LO, target))
listener.listen(1)
client = socket.create_connection((LO, relay))
server, _ = listener.accept()
server.settimeout(5)
client.settimeout(5)


# chatty, so that the relay chooses the kernel
for _ in range(60):
    client.sendall(b"hello")
    arrives(server, b"hello")
    server.sendall(b"x")
    client.recv(1)
overlaps(client, *sequences(client), server)
