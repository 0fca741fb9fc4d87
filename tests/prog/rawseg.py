# SPDX-License-Identifier: GPL-2.0-only
"""rawseg.py: TCP segments made by hand, with a raw socket on loopback (IPv4): what the overlap.py of tests/prog and of
of tests/relay share. Needs CAP_NET_RAW and CAP_NET_ADMIN."""
import socket
import struct
import sys

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
RECV_QUEUE, SEND_QUEUE, REPAIR_OFF_NO_WP = 1, 2, -1
LO = "127.0.0.1"


def _sequence(sock, queue):
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
    return struct.unpack("I", sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, 4))[0]


def sequences(sock):
    """(seq, ack): what the socket would send next, and what it expects next. Only while nothing is under way."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    ack, seq = _sequence(sock, RECV_QUEUE), _sequence(sock, SEND_QUEUE)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_WP)
    return seq, ack


def _checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def inject(sock, seq, ack, data):
    """Send the peer of a connected socket a segment as if the socket had sent it (PSH, ACK)."""
    ports = sock.getsockname()[1], sock.getpeername()[1]

    def header(check):
        return struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, 0x18, 512, check, 0)

    pseudo = socket.inet_aton(LO) * 2 + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20 + len(data))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(header(_checksum(pseudo + header(0) + data)) + data, (LO, 0))


def arrives(sock, want):
    """Receives just these bytes, or ends the program."""
    got = b""
    while len(got) < len(want):
        got += sock.recv(100000)
    if got != want:
        sys.exit(f"{got!r} arrived instead of {want!r}")


def overlaps(sock, seq, ack, peer):
    """Segments that repeat the last bytes sent (b"hello") before new ones; only the new ones may arrive at the peer."""
    inject(sock, seq - 5, ack, b"hello" + b"new")
    arrives(peer, b"new")
    # more old bytes than the kernel cuts off at a time
    old, new = b"o" * 9000, b"N" * 6000
    inject(sock, seq + 3, ack, old)
    arrives(peer, old)
    inject(sock, seq + 3, ack, old + new)
    arrives(peer, new)
