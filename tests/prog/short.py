#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""short.py COUNT [CMD...]: connections of a program that is vetoed, since Python can splice(2). Both ends are its own,
non-blocking. One talks until SIGUSR1 comes; then COUNT short ones do, one after the other; then a last one until
SIGUSR1 comes again. With CMD it starts that in its place instead of the last one, with `{}` for the descriptor of
each end of a connection that has talked. Says `done` when the short ones are over.
"""
import os
import signal
import socket
import sys

ROUNDS = 300  # more than the segments after which a connection is looked at, and its first window

told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
listener = socket.create_server(("127.0.0.1", 0))


def connection():
    a = socket.create_connection(listener.getsockname())
    b = listener.accept()[0]
    for s in (a, b):
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return a, b


def receive(s):
    while True:
        try:
            return s.recv(64)
        except BlockingIOError:
            pass


def talk(pair, go_on):
    a, b = pair
    rounds = 0
    while go_on(rounds):
        a.send(b"x")
        b.send(receive(b))
        receive(a)
        rounds += 1


def until_told():
    told.clear()
    pair = connection()
    talk(pair, lambda _: not told)
    return pair


def main():
    first = until_told()
    for _ in range(int(sys.argv[1])):
        pair = connection()
        talk(pair, lambda rounds: rounds < ROUNDS)
        for s in pair:
            s.close()
    last = connection()
    talk(last, lambda rounds: rounds < ROUNDS)
    print("done", flush=True)
    if not sys.argv[2:]:
        for s in first + last:
            s.close()
        until_told()
        return
    for s in last:
        s.send(b"x")
    ends = iter(last)
    for s in last:
        s.set_inheritable(True)
    args = [a.format(next(ends).fileno()) if "{}" in a else a for a in sys.argv[2:]]
    os.execvp(args[0], args)


main()
