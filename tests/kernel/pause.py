#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pause.py TALK PAUSE [bulk]: request-response over loopback for TALK seconds, silence for PAUSE seconds, and again.
With `bulk` the client does not fall silent but sends large messages that nobody answers.

Both ends are non-blocking and sleep in poll(2), each in a process of its own. Prints the rounds of each half.
"""
import os
import select
import socket
import sys
import time

BULK = b"B" * 65536

def talk(sock, send, seconds):
    """Sends what `send` makes of what it received, until nothing comes any more or the time is over."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        poller.poll()
        got = sock.recv(1 << 18)
        if not got:
            break
        rounds += 1
        sock.send(send(got, rounds))
    return rounds


def stream(sock, seconds):
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        poller.poll()
        try:
            sock.send(BULK)
        except BlockingIOError:
            pass


def main():
    seconds, pause = float(sys.argv[1]), float(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    if not os.fork():
        sock, _ = listener.accept()
        sock.setblocking(False)
        talk(sock, lambda got, _: b"" if got[0] == BULK[0] else got, 2 * seconds + pause + 5)
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
    if sys.argv[3:] == ["bulk"]:
        stream(client, pause)
        print(first)
        return
    time.sleep(pause)
    client.send(expected[0])
    print(first, talk(client, check, seconds))


main()
