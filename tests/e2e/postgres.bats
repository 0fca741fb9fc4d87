#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# PostgreSQL with pgbench over TCP: the same rows as on plain TCP.
# timeout: 900

setup_file() {
	load ../lib
	load e2e
	local dirs
	# the newest of Debian's
	mapfile -t dirs < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V)
	export PGBIN=${dirs[-1]} PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=10
	export PGDATA=$BATS_FILE_TMPDIR/data
	[ -x "$PGBIN/initdb" ] || return 1
	# postgres refuses to be root
	chmod o+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	install -d -o postgres -g postgres -m 700 "$PGDATA"
	as_postgres timeout 60 "$PGBIN/initdb" -A trust -U postgres --no-sync >/dev/null
}

setup() {
	load ../lib
	load e2e
}
teardown() { lib_teardown; }
teardown_file() { lib_teardown; }

# cgroup.procs is written by root before this
as_postgres() { (cd / && exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }

ready() { "$PGBIN/pg_isready" -q; }

# start_postgres plain|member: with a fresh set of pgbench's tables
start_postgres() {
	PGPORT=$(free_port)
	export PGPORT
	spawn_by "$1" setpriv --reuid=postgres --regid=postgres --clear-groups \
		"$PGBIN/postgres" -F -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c jit=off -c synchronous_commit=off
	SERVER_PID=$SPAWN_PID
	wait_for 20 ready
	"$1" "$PGBIN/pgbench" -i -q -s 1 2>/dev/null
}

# Reports that pgbench gives at its end: all transactions done, none failed
good_report() {
	cat "$SPAWN_LOG"
	grep -q "number of transactions actually processed: $1" "$SPAWN_LOG"
	grep -q 'number of failed transactions: 0 ' "$SPAWN_LOG"
}

# What the tables hold; the balances must add up to the deltas of the history.
contents() {
	"$PGBIN/psql" -XAtc "select 'accounts', count(*), sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts
		union all select 'branches', count(*), sum(bbalance) = (select sum(delta) from pgbench_history) from pgbench_branches
		union all select 'tellers', count(*), sum(tbalance) = (select sum(delta) from pgbench_history) from pgbench_tellers
		union all select 'history', count(*), true from pgbench_history order by 1"
}

@test "pgbench's default transactions hop; the tables end as on plain TCP" {
	start_postgres plain
	plain "$PGBIN/pgbench" -n -c 4 -t 2500 --random-seed 7 >/dev/null
	plain_contents=$(contents)
	[[ $plain_contents == *"history|10000|t"* ]]
	end_pid "$SERVER_PID"
	attached_cgroup
	start_postgres member
	spawn_member timeout "$LIMIT" "$PGBIN/pgbench" -n -c 4 -t 2500 --random-seed 7
	wait_hops "$PGPORT" "$(between pgbench postgres)"
	finish
	good_report 10000/10000
	same "$plain_contents" "$(contents)"
	end_pid "$SERVER_PID"
}

@test "pgbench -S hops" {
	attached_cgroup
	start_postgres member
	spawn_member timeout "$LIMIT" "$PGBIN/pgbench" -n -S -c 2 -t 25000
	wait_hops "$PGPORT" "$(between pgbench postgres)"
	finish
	good_report 50000/50000
	end_pid "$SERVER_PID"
}

@test "psql: a large result and a COPY are the same as on plain TCP" {
	local sql="select md5(i::text), repeat(chr(65 + i % 26), i % 300) from generate_series(1, 200000) i"
	start_postgres plain
	want=$(plain "$PGBIN/psql" -XAtc "$sql" | sha256sum)
	end_pid "$SERVER_PID"
	attached_cgroup
	start_postgres member
	same "$want" "$(member "$PGBIN/psql" -XAtc "$sql" | sha256sum)"
	same "$want" "$(member "$PGBIN/psql" -XAtc "copy ($sql) to stdout (delimiter '|')" | sha256sum)"
	"$PGBIN/psql" -qXc "create table t (a text, b text)"
	member "$PGBIN/psql" -XAtc "copy ($sql) to stdout" | member "$PGBIN/psql" -qXc "copy t from stdin"
	# a table has no order
	want=$("$PGBIN/psql" -XAtc "$sql order by 1" | sha256sum)
	same "$want" "$(member "$PGBIN/psql" -XAtc "select * from t order by 1" | sha256sum)"
	end_pid "$SERVER_PID"
}
