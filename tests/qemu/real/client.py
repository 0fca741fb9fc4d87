#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""client.py redis|pubsub|postgres|mariadb|echo PORT COUNT SECONDS: Debian's Python drivers, every byte of every answer compared.

Goes on for COUNT answers and for at least SECONDS; all have a time limit, so that their sockets do not block. Prints answers,
bytes and the longest time of an answer. Exit status 1 if a byte was wrong.
"""

import os
import random
import socket
import sys
import time

LIMIT = 60  # seconds that an answer may take


class Tally:
    """What was asked for and compared."""

    def __init__(self, count, seconds):
        self.count, self.until = count, time.monotonic() + seconds
        self.answers = self.bytes = 0
        self.longest = 0.0

    def more(self):
        return self.answers < self.count or time.monotonic() < self.until

    def compare(self, got, want, since, size):
        self.longest = max(self.longest, time.monotonic() - since)
        if got != want:
            sys.exit(f"FAULT: answer {self.answers} differs")
        self.answers += 1
        self.bytes += size


def value():
    """Mostly small, one in sixteen long."""
    return os.urandom(random.choice([random.randrange(500)] * 15 + [random.randrange(200_000)]))


def redis_pipelines(tally, port):
    import redis

    client = redis.Redis(port=port, socket_timeout=LIMIT, socket_connect_timeout=LIMIT)
    while tally.more():
        want = [value() for _ in range(random.randint(1, 24))]
        since = time.monotonic()
        pipe = client.pipeline(transaction=False)
        for k, v in enumerate(want):
            pipe.set(f"key{k}", v)
            pipe.get(f"key{k}")
        tally.compare(pipe.execute()[1::2], want, since, sum(map(len, want)))


def redis_pubsub(tally, port):
    import redis

    publisher = redis.Redis(port=port, socket_timeout=LIMIT, socket_connect_timeout=LIMIT)
    subscriber = redis.Redis(port=port, socket_timeout=LIMIT, socket_connect_timeout=LIMIT).pubsub(
        ignore_subscribe_messages=True
    )
    subscriber.subscribe("news")
    subscriber.get_message(timeout=1)
    while tally.more():
        want = [value() for _ in range(random.randint(1, 8))]
        since = time.monotonic()
        for v in want:
            publisher.publish("news", v)
        got = []
        while len(got) < len(want) and time.monotonic() < since + LIMIT:
            message = subscriber.get_message(timeout=1)
            if message:
                got.append(message["data"])
        tally.compare(got, want, since, sum(map(len, want)))


def rows(tally, cursor, cast):
    """Values sent to the database and back, and an answer of many rows that is the same each time."""
    while tally.more():
        want, since = value(), time.monotonic()
        cursor.execute(f"select {cast}", (want,))
        tally.compare(bytes(cursor.fetchone()[0]), want, since, len(want))


def postgres(tally, port):
    import psycopg2

    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    cursor = connection.cursor()
    cursor.execute("select aid, bid, abalance, filler from pgbench_accounts where aid <= 2000 order by aid")
    table = cursor.fetchall()
    rows(tally, cursor, "%s::bytea")
    since = time.monotonic()
    cursor.execute("select aid, bid, abalance, filler from pgbench_accounts where aid <= 2000 order by aid")
    tally.compare(cursor.fetchall(), table, since, 2000 * 97)


def mariadb(tally, port):
    import pymysql

    connection = pymysql.connect(
        host="127.0.0.1", port=port, user="root", read_timeout=LIMIT, write_timeout=LIMIT, binary_prefix=True
    )
    rows(tally, connection.cursor(), "cast(%s as binary) as value")


def echo(tally, port):
    conn = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while tally.more():
        messages = [os.urandom(random.randrange(1, 500)) for _ in range(15)] + [value()]
        want, since, got = b"".join(messages), time.monotonic(), b""
        for message in messages:
            conn.sendall(message)
        while len(got) < len(want):
            some = conn.recv(65536)
            if not some:
                break
            got += some
        tally.compare(got, want, since, 2 * len(want))


WHAT = {"redis": redis_pipelines, "pubsub": redis_pubsub, "postgres": postgres, "mariadb": mariadb, "echo": echo}


def main():
    what, port, count, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    random.seed(1)
    tally = Tally(count, seconds)
    WHAT[what](tally, port)
    print(f"{what} answers={tally.answers} bytes={tally.bytes} longest_ms={tally.longest * 1e3:.1f}")


if __name__ == "__main__":
    main()
