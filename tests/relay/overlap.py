#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""overlap.py RELAY-PORT TARGET-PORT: a segment whose first bytes were received before, as a retransmission with other
boundaries brings them, made with a raw socket. Only its new bytes may arrive. Exit status 0 if so."""
import socket
import struct
import sys

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
RECV_QUEUE, SEND_QUEUE, REPAIR_OFF_NO_WP = 1, 2, -1
LO = "127.0.0.1"

relay, target = int(sys.argv[1]), int(sys.argv[2])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((LO, target))
listener.listen(1)
client = socket.create_connection((LO, relay))
server, _ = listener.accept()
server.settimeout(5)
client.settimeout(5)


def sequence(queue):
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
    return struct.unpack("I", client.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, 4))[0]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def inject(seq, ack, data):
    def header(check):
        return struct.pack("!HHIIBBHHH", client.getsockname()[1], relay, seq & 0xFFFFFFFF, ack, 5 << 4, 0x18, 512,
                           check, 0)

    pseudo = socket.inet_aton(LO) * 2 + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20 + len(data))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.sendto(header(checksum(pseudo + header(0) + data)) + data, (LO, 0))


def arrives(want):
    got = b""
    while len(got) < len(want):
        got += server.recv(100)
    if got != want:
        sys.exit(f"{got!r} arrived instead of {want!r}")


# chatty, so that the relay chooses the kernel
for _ in range(60):
    client.sendall(b"hello")
    arrives(b"hello")
    server.sendall(b"x")
    client.recv(1)
client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
ack, seq = sequence(RECV_QUEUE), sequence(SEND_QUEUE)
client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_WP)
inject(seq - 5, ack, b"hello" + b"new")
arrives(b"new")
# more old bytes than the kernel cuts off at a time
old, new = b"o" * 9000, b"N" * 6000
inject(seq + 3, ack, old)
arrives(old)
inject(seq + 3, ack, old + new)
arrives(new)
