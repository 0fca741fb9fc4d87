#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tree.sh: makes an image (image.bash) with the packages of `packages` and databases that are ready to start, and prints its
# path, build/kernels/real-HASH.img. It takes about 4 minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../image.bash"

image_begin real "$here" "$here/Web.java"
# shellcheck disable=SC2154 # image_begin makes it
cp "$here/Web.java" "$image_tree/root/"
# PostgreSQL's and MariaDB's files as their packages make them, without passwords
image_end 500 <<'SETUP'
javac -d /srv /root/Web.java
cd /
pg=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
install -d -o postgres /srv/pg /srv/pg-run
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
$as $pg/initdb -D /srv/pg -A trust -U postgres --no-sync
$as $pg/pg_ctl -D /srv/pg -w -o "-k /srv/pg-run -c listen_addresses= -F" start
$pg/pgbench -h /srv/pg-run -U postgres -i -q -s 1 postgres
$as $pg/pg_ctl -D /srv/pg -w stop
mariadb-install-db --user=mysql --datadir=/srv/maria --skip-test-db
SETUP
