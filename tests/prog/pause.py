#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pause.py TALK PAUSE [stream|ahead|behind]: request-response over loopback for TALK seconds, silence for PAUSE seconds, and again.
With `stream` the client does not fall silent but sends small messages without end that nobody answers; with `ahead` some
thousands, faster than they are read; with `behind` large ones, faster than they are read.

Both ends are non-blocking and sleep in poll(2), each in a process of its own. Prints the rounds of each half.
"""
import os
import select
import socket
import sys
import time

KIND = (sys.argv[3:] or [""])[0]
UNANSWERED = {"stream": b"S" * 100, "ahead": b"A" * 40, "behind": b"B" * 65536}.get(KIND, b"none")
READ = 400 if KIND == "ahead" else 1 << 18


def talk(sock, send, seconds):
    """Sends what `send` makes of what it received, until nothing comes any more or the time is over."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        poller.poll()
        got = sock.recv(READ)
        if not got:
            break
        rounds += 1
        sock.send(send(got, rounds))
    return rounds


def answer(got, _):
    if got[0] != UNANSWERED[0]:
        return got
    if KIND in ("ahead", "behind"):
        time.sleep(0.001)
    return b""


def stream(sock, seconds):
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    # some thousands: who leaves must first have been read empty
    end, left = time.monotonic() + seconds, 4000 if KIND in ("ahead", "behind") else -1
    while time.monotonic() < end:
        if not left:
            time.sleep(end - time.monotonic())
            break
        poller.poll()
        try:
            sock.send(UNANSWERED)
            left -= 1
        except BlockingIOError:
            pass


def main():
    seconds, pause = float(sys.argv[1]), float(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    if not os.fork():
        sock, _ = listener.accept()
        sock.setblocking(False)
        talk(sock, answer, 2 * seconds + pause + 5)
        os._exit(0)
    client = socket.create_connection(listener.getsockname())
    client.setblocking(False)
    expected = [b"0" * 40]

    def check(got, rounds):
        assert got == expected[0], f"round {rounds}: {got!r} instead of {expected[0]!r}"
        expected[0] = str(rounds % 10).encode() * 40
        return expected[0]

    client.send(expected[0])
    first = talk(client, check, seconds)
    select.select([client], [], [])  # the last answer is left in the queue: read it, to be silent
    assert client.recv(100) == expected[0]
    if KIND:
        stream(client, pause)
        print(first)
        return
    time.sleep(pause)
    client.send(expected[0])
    print(first, talk(client, check, seconds))


main()
