#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# idle_memory.sh [PAIRS]: kernel memory that an idle member costs, by the kernel's slab caches, and what an empty
# instance costs. Needs root and a quiet machine. docs/limits.md has the numbers.
set -euo pipefail

pairs=${1:-2000}
# shellcheck source=tests/lib.bash
. "$(dirname "$0")/../lib.bash"
work=$(mktemp -d)
trap 'lib_teardown; rm -rf "$work"' EXIT

# Bytes in use, without the caches of files, which come and go by themselves.
slab() { awk '$2 ~ /^[0-9]+$/ && $1 ~ /^(kmalloc|dma-kmalloc)/ { print $1, $2 * $4 }' /proc/slabinfo | sort; }

talker='
import resource, socket, sys
n = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (4 * n + 100, 4 * n + 100))
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
pairs = []
for _ in range(n):
    client = socket.create_connection(listener.getsockname())
    pairs.append((client, listener.accept()[0]))
for end in sum(pairs, ()):
    end.setblocking(False)
def read(end):
    while True:
        try:
            return end.recv(64)
        except BlockingIOError:
            pass
for line in sys.stdin:
    for client, server in pairs:
        for _ in range(150):
            client.send(b"x" * 64); read(server)
            server.send(b"x" * 64); read(client)
    print("done", flush=True)
'

members() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .connections.members; }
talk() { echo talk >&"${TALK[1]}" && read -r -t 60 _ <&"${TALK[0]}"; }
# One burst each; a connection whose queue was not empty at the look joins after the next.
all_joined() { [ "$(members)" -ge $((2 * pairs)) ] || { talk && false; }; }

new_cgroup
coproc TALK { in_cgroup "$CG" python3 -c "$talker" "$pairs"; }
# shellcheck disable=SC2153 # coproc sets it
note_pid "$TALK_PID"
talk
before=$(awk '/^(Slab|VmallocUsed|Percpu):/ { s += $2 } END { print s }' /proc/meminfo)
attach "$CG"
"$SOCKHOP" policy add 'trust all' --instance "$INSTANCE" # python can splice
after=$(awk '/^(Slab|VmallocUsed|Percpu):/ { s += $2 } END { print s }' /proc/meminfo)
echo "an empty instance: about $(((after - before) / 1024)) MiB"
slab >"$work/before"
talk
wait_for 60 all_joined
slab >"$work/after"
join "$work/before" "$work/after" | awk -v n="$(members)" '
	{ d = ($3 - $2) / n }
	d > 25 { printf "%-18s %5d bytes per member\n", $1, d; sum += d }
	END { printf "all                %5d bytes per member, %d members\n", sum, n }'
