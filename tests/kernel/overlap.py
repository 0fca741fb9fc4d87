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

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
RECV_QUEUE, SEND_QUEUE, REPAIR_OFF_NO_WP = 1, 2, -1
LO = "127.0.0.1"

listener = socket.create_server((LO, 0))
port = listener.getsockname()[1]
client = socket.create_connection((LO, port))
server, _ = listener.accept()
for s in client, server:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(5)  # which makes the file non-blocking


def sequence(queue):
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
    return struct.unpack("I", client.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, 4))[0]


def tcp_bytes(sock):
    """(sent, received) on the TCP path: hop bytes do not count."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    received, = struct.unpack_from("Q", info, 128)
    sent, again = struct.unpack_from("QQ", info, 200)
    return sent - again, received


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def inject(seq, ack, data):
    def header(check):
        return struct.pack("!HHIIBBHHH", client.getsockname()[1], port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                           5 << 4, 0x18, 512, check, 0)

    pseudo = socket.inet_aton(LO) * 2 + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20 + len(data))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.sendto(header(checksum(pseudo + header(0) + data)) + data, (LO, 0))


def arrives(want):
    got = b""
    while len(got) < len(want):
        got += server.recv(100000)
    if got != want:
        sys.exit(f"{got!r} arrived instead of {want!r}")


# the sequence numbers are asked for before it is a member: TCP_REPAIR makes a member leave
client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
ack0, seq0 = sequence(RECV_QUEUE), sequence(SEND_QUEUE)
client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_WP)
base = tcp_bytes(client)

plain = "SOCKHOP_PLAIN" in os.environ
end = time.monotonic() + (1 if plain else 15)
while time.monotonic() < end:
    before = tcp_bytes(client), tcp_bytes(server)
    for _ in range(20):
        client.sendall(b"hello")
        arrives(b"hello")
        server.sendall(b"x")
        client.recv(1)
    if before == (tcp_bytes(client), tcp_bytes(server)):
        break
else:
    if not plain:
        print("never joined")
        sys.exit(77)
now = tcp_bytes(client)
seq, ack = seq0 + now[0] - base[0], ack0 + now[1] - base[1]
inject(seq - 5, ack, b"hello" + b"new")
arrives(b"new")
# more old bytes than the kernel cuts off at a time
old, new = b"o" * 9000, b"N" * 6000
inject(seq + 3, ack, old)
arrives(old)
inject(seq + 3, ack, old + new)
arrives(new)
