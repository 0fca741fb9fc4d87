#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Servers that wait for a request without blocking, and make the socket blocking to read it: gunicorn's threads and the
# HTTP server of the JDK. No request is lost, and no blocking read says EAGAIN.
# timeout: 900

setup_file() {
	load ../lib
	load e2e
	build_tool posts
	export APPS=$BATS_FILE_TMPDIR
	cat >"$APPS/echo_app.py" <<-'END'
		def application(environ, start_response):
		    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
		    start_response("200 OK", [("Content-Length", str(len(body)))])
		    return [body]
	END
	cat >"$APPS/Echo.java" <<-'END'
		import com.sun.net.httpserver.HttpServer;
		import java.net.InetSocketAddress;
		import java.util.concurrent.Executors;
		class Echo {
			public static void main(String[] args) throws Exception {
				int port = Integer.parseInt(args[0]);
				HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 64);
				server.setExecutor(Executors.newCachedThreadPool());
				server.createContext("/", exchange -> {
					try {
						byte[] body = exchange.getRequestBody().readAllBytes();
						exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
						exchange.getResponseBody().write(body);
					} catch (Exception e) {
						e.printStackTrace();
					}
					exchange.close();
				});
				server.start();
			}
		}
	END
	javac -d "$APPS" "$APPS/Echo.java"
}

setup() {
	load ../lib
	load e2e
}
teardown() { lib_teardown; }
teardown_file() { lib_teardown; }

# start_gunicorn, start_jdk plain|member: sets PORT, and SERVER_LOG, to which goes what the server complains of
start_gunicorn() {
	PORT=$(free_port)
	spawn_by "$1" gunicorn -k gthread --threads 16 --keep-alive 60 --chdir "$APPS" -b "127.0.0.1:$PORT" \
		--worker-tmp-dir /dev/shm --log-level warning echo_app
	SERVER_LOG=$SPAWN_LOG SERVER=$SPAWN_PID
	wait_listen "$PORT" '' 60
}
start_jdk() {
	PORT=$(free_port)
	# else the kernel waits for the acknowledgement of the header before it sends the body, 40 ms
	spawn_by "$1" java -Xmx128m -Dsun.net.httpserver.nodelay=true -cp "$APPS" Echo "$PORT"
	SERVER_LOG=$SPAWN_LOG SERVER=$SPAWN_PID
	wait_listen "$PORT" '' 60
}

# answers_all plain|member: twelve connections for six seconds; the server has nothing to complain of
answers_all() {
	run -0 "$1" "$POSTS" "$PORT" 12 6
	echo "$1: $output"
	cat "$SERVER_LOG"
	run ! grep -E 'Error|Exception|EAGAIN|Resource temporarily' "$SERVER_LOG"
}

joined() { "$SOCKHOP" status --json --instance "$INSTANCE" 2>/dev/null | jq .counters.joined; }

# as_member START [ATTACH OPTION...]: with an agent that has not met the program; its connections join, and are found out
as_member() {
	local start=$1
	shift
	attached_cgroup "$@"
	"start_$start" member
	for _ in 1 2 3 4 5; do # a busy machine may not look at any of them in time
		answers_all member
		! counted why_not flips || break
	done
	"$SOCKHOP" status --instance "$INSTANCE" | sed -n '/^joined late/p; /^left/p; /flips/p'
	counted why_not flips
	# and from then on none tries
	wait_list "$JOIN_WAIT" 'length == 0' "$INSTANCE"
	before=$(joined)
	answers_all member
	[ "$(joined)" -eq "$before" ]
	lib_teardown
}

plain_and_member() { # START [ATTACH OPTION...]
	"start_$1" plain
	answers_all plain
	end_pid "$SERVER"
	for _ in 1 2 3; do as_member "$@"; done
}

@test "gunicorn's threads lose no request" {
	echo "trust program gunicorn" >"$BATS_TEST_TMPDIR/policy"
	plain_and_member gunicorn --policy "$BATS_TEST_TMPDIR/policy"
}

@test "gunicorn's threads lose no request where each connection finds out for itself" {
	echo "trust program gunicorn" >"$BATS_TEST_TMPDIR/policy"
	SOCKHOP_TEST_FORCE=flips attached_cgroup --policy "$BATS_TEST_TMPDIR/policy"
	start_gunicorn member
	# most are found blocking as often as they are looked at
	for _ in 1 2 3 4 5; do
		answers_all member
		[ "$(joined)" -lt 2 ] || break
	done
	"$SOCKHOP" status --json --instance "$INSTANCE" | jq -c .counters
	[ "$(joined)" -ge 2 ]
}

@test "the HTTP server of the JDK loses no request" {
	plain_and_member jdk
}
