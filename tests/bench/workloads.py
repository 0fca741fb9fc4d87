# SPDX-License-Identifier: GPL-2.0-only
"""What is measured. A workload gives one sample for a place: operations a second, CPU an operation, latencies.

Programs that serve (redis, nginx, ...) run once per place and stay; clients run once per sample. After a warm-up, in
which connections join, rate and CPU time are taken over the same span: from the service's own counter where it has
one, else from what the client reports of that span.
"""

import glob
import json
import re
import socket
import time

from place import LOAD, RR, machine_busy_us, run

WARM = 1.0
SPAN = 0.8


def ask(address, text, end):
    """One request to a text service from outside; address: (host, port) or a path."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as s:
        s.settimeout(5)
        s.connect(address)
        s.sendall(text)
        got = b""
        while end not in got:
            part = s.recv(65536)
            if not part:
                break
            got += part
    return got.decode(errors="replace")


def wait_answer(address, text, end):
    for _ in range(200):
        try:
            if ask(address, text, end):
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"no answer from {address}")


def over_span(place, counter=None, warm=WARM, span=SPAN):
    """Waits for the warm-up, then measures over the span. counter(): operations so far."""
    time.sleep(warm)
    ops = counter() if counter else 0
    cpu, busy, start = place.cpu_us(), machine_busy_us(), time.monotonic()
    time.sleep(span)
    got = {"cpu": place.cpu_us() - cpu, "busy": machine_busy_us() - busy, "seconds": time.monotonic() - start}
    if counter:
        got["rate"] = (counter() - ops) / got["seconds"]
    return got


def sample(rate, span, p50=None, p99=None, p999=None):
    ops = rate * span["seconds"]
    return {"rate": rate, "cpu_us": span["cpu"] / ops if ops else None, "busy_us": span["busy"] / ops if ops else None,
            "p50_us": p50, "p99_us": p99, "p999_us": p999}


class Workload:
    """name; which variants it has; quick: part of the short run; late: leaves TIME_WAITs behind, so it comes last."""

    late = False

    def __init__(self, name, variants, quick=False):
        self.name, self.variants, self.quick = name, variants, quick

    def from_json(self, client, span):
        out = client.stdout.read()
        client.wait(20)
        j = json.loads(out)
        return sample(j["per_second"], span, j["p50_us"], j["p99_us"], j["p999_us"])


TCP = ("plain", "control", "sockhop", "early", "naive")


class Rr(Workload):
    """tests/prog/rr: client and server are one command, or two in two namespaces."""

    def __init__(self, name, args, quick=False, net=None, span=SPAN):
        super().__init__(name, TCP, quick)
        self.args, self.net, self.span = args.split(), net, span
        self.late = "crc" in self.args
        self.warm = 0.3 if self.late else WARM  # nothing joins, and ports are used up

    def measure(self, place):
        times = ["-w", self.warm, "-s", self.span]
        if not self.net:
            client = place.spawn(RR, *self.args, *times)
            server = None
        else:
            a, b = getattr(place.bench.networks, self.net)
            address = {"veth": "10.231.1.2", "bridge": "10.231.2.2"}[self.net]
            port = place.bench.new_port()
            where = ["-a", address, "-p", port]
            server = place.spawn(RR, "server", *self.args, *where, netns=b)
            while not run("nsenter", f"--net=/run/netns/{b}", "ss", "-Hltn", f"sport = :{port}"):
                time.sleep(0.02)
            client = place.spawn(RR, "client", *self.args, *where, *times, netns=a)
        try:
            return self.from_json(client, over_span(place, warm=self.warm, span=self.span))
        finally:
            place.end(client)
            if server:
                place.end(server)


class Streams(Workload):
    """Several streams at once, each of a pair of processes; the sum of their rates, the worst of their latencies."""

    WARM = 3  # time to find out what does not pay

    def __init__(self, count, size):
        super().__init__(f"{count} streams of {size}", TCP)
        self.count, self.size = count, size

    def measure(self, place):
        args = ["stream", "-z", self.size, "-w", self.WARM, "-s", SPAN]
        clients = [place.spawn(RR, *args) for _ in range(self.count)]
        try:
            span = over_span(place, warm=self.WARM)
            got = [self.from_json(c, span) for c in clients]
        finally:
            for c in clients:
                place.end(c)
        worst = (max(g[k] for g in got) for k in ("p50_us", "p99_us", "p999_us"))
        return sample(sum(g["rate"] for g in got), span, *worst)


class Load(Workload):
    """tests/bench/load, a server for each sample."""

    def __init__(self, name, args, server_args="", quick=False, warm=WARM):
        super().__init__(name, TCP + ("unix",), quick)
        self.warm = warm
        self.args, self.server_args = args.split(), server_args.split()

    def measure(self, place):
        if place.variant == "unix":
            path = place.bench.tmp / "load.sock"
            path.unlink(missing_ok=True)
            where = ["-u", path]
        else:
            where = ["-p", place.bench.new_port()]
        server = place.spawn(LOAD, "serve", *self.server_args, *where)
        address = str(where[1]) if place.variant == "unix" else ("127.0.0.1", where[1])
        for _ in range(100):
            try:
                with socket.socket(socket.AF_UNIX if place.variant == "unix" else socket.AF_INET) as s:
                    s.connect(address)
                break
            except OSError:
                time.sleep(0.02)
        client = place.spawn(LOAD, "ask", *self.args, *where, "-w", self.warm, "-s", SPAN)
        try:
            return self.from_json(client, over_span(place, warm=self.warm))
        finally:
            place.end(client)
            place.end(server)


class Service(Workload):
    """A service that stays up. start(place) once, then client(place) for each sample, which runs until ended."""

    shared = None  # name of the class whose service it asks, if not its own

    def service(self, place):
        key = self.shared or type(self).__name__
        if key not in place.services:
            place.services[key] = self.start(place)
        return place.services[key]

    def measure(self, place):
        s = self.service(place)
        client = self.client(place, s)
        try:
            span = over_span(place, lambda: self.counter(place, s))
            return sample(span["rate"], span)
        finally:
            place.end(client)


class Asked(Service):
    """A service asked by tests/bench/load, which takes every latency; clients of others do not over a span."""

    text, connections = "", 8

    def measure(self, place):
        where, answer = self.ask_where(place, self.service(place))
        client = place.spawn(LOAD, "ask", *where, "-q", self.text, "-r", answer, "-c", self.connections, "-w", WARM, "-s", SPAN)
        try:
            return self.from_json(client, over_span(place))
        finally:
            place.end(client)


class Redis(Service):
    def __init__(self, name, args, quick=False):
        super().__init__(name, TCP + ("unix",), quick)
        self.args = args.split()

    def start(self, place):
        port, path = place.bench.new_port(), place.bench.tmp / f"redis-{place.variant}.sock"
        place.spawn("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--unixsocket", path,
                    "--dir", place.bench.tmp, "--enable-protected-configs", "no", stdout=-3)
        wait_answer(("127.0.0.1", port), b"PING\r\n", b"PONG")
        return port, str(path)

    def client(self, place, s):
        where = ["-s", s[1]] if place.variant == "unix" else ["-h", "127.0.0.1", "-p", s[0]]
        return place.spawn("redis-benchmark", *where, "-n", 100_000_000, "-t", "get", "-q", *self.args, stdout=-3)

    def counter(self, place, s):
        stats = ask(s[1], b"INFO stats\r\n", b"total_commands_processed:")
        return int(re.search(r"total_commands_processed:(\d+)", stats)[1])


class RedisAsked(Asked, Redis):
    """PING, for the latencies."""

    shared = "Redis"
    text = r"*1\r\n$4\r\nPING\r\n"

    def __init__(self, connections, quick=False):
        Service.__init__(self, f"redis PING, {connections} connections", TCP + ("unix",), quick)
        self.connections = connections

    def ask_where(self, place, s):
        return (["-u", s[1]] if place.variant == "unix" else ["-p", s[0]]), len("+PONG\r\n")


class Memcached(Asked):
    """`get`, 8 connections. It listens on TCP or on a Unix socket, not on both."""

    text = r"get k\r\n"

    def __init__(self, quick=False):
        super().__init__("memcached get 1 KB, 8 connections", TCP + ("unix",), quick)

    def start(self, place):
        port, path = place.bench.new_port(), place.bench.tmp / f"memcached-{place.variant}.sock"
        unix = place.variant == "unix"
        where = ["-s", path, "-a", "0666"] if unix else ["-l", "127.0.0.1", "-p", port]
        if unix:
            place.bench.tmp.chmod(0o777)  # it gives up root before it listens
        place.spawn("memcached", "-u", "nobody", *where, "-t", 1, stdout=-3)
        address = str(path) if unix else ("127.0.0.1", port)
        wait_answer(address, b"set k 0 0 1000\r\n" + b"v" * 1000 + b"\r\n", b"STORED")
        return ["-u", path] if unix else ["-p", port]

    def ask_where(self, place, s):
        return s, len("VALUE k 0 1000\r\n") + 1000 + len("\r\nEND\r\n")


NGINX = """daemon off; user root; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests {keepalive}; open_file_cache max=10;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
  scgi_temp_path {dir}/s;
  upstream kept {{ server 127.0.0.1:{back}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; root {www};
    location /status {{ stub_status; }}
    location /kept/ {{ proxy_pass http://kept/; proxy_http_version 1.1; proxy_set_header Connection ''; }}
    location /fresh/ {{ proxy_pass http://127.0.0.1:{back}/; }} }} }}
"""


class Nginx(Service):
    """wrk with 8 connections; two nginx a place, the second is the proxies' backend."""

    def __init__(self, name, path, close=False, quick=False, late=False):
        super().__init__(name, TCP, quick)
        self.path, self.close, self.late = path, close, late or close

    def one(self, place, name, port, back, keepalive=100_000_000):
        folder, www = place.bench.tmp / f"{name}-{place.variant}", place.bench.tmp / "www"
        folder.mkdir()
        www.mkdir(exist_ok=True)
        (www / "small").write_bytes(b"x" * 612)
        (www / "large").write_bytes(b"x" * 1_000_000)
        (folder / "conf").write_text(NGINX.format(dir=folder, port=port, back=back, www=www, keepalive=keepalive))
        place.spawn("nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "conf", stdout=-3)
        wait_answer(("127.0.0.1", port), b"GET /status HTTP/1.0\r\n\r\n", b"requests")

    def start(self, place):
        port, back = place.bench.new_port(), place.bench.new_port()
        self.one(place, "back", back, back)
        self.one(place, "front", port, back)
        return port

    def client(self, place, port):
        more = ["-H", "Connection: close"] if self.close else []
        return place.spawn("wrk", "-t", 1, "-c", 8, "-d", 60, *more, f"http://127.0.0.1:{port}{self.path}", stdout=-3)

    def counter(self, place, port):
        status = ask(("127.0.0.1", port), b"GET /status HTTP/1.0\r\n\r\n", b"Waiting")
        return int(re.search(r"requests\s+\d+\s+\d+\s+(\d+)", status)[1])


class NginxAsked(Asked, Nginx):
    """The small file over kept connections, for the latencies."""

    shared = "Nginx"
    text = r"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"

    def __init__(self, connections, quick=False):
        Nginx.__init__(self, f"nginx 612 B, {connections} connections, own client", "/small", quick=quick)
        self.connections = connections

    def ask_where(self, place, s):
        # with its header, whose length does not change
        return ["-p", s], len(ask(("127.0.0.1", s), b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * 612))


class Vetoed(Nginx):
    """wrk > haproxy > nginx: haproxy is vetoed, so no connection joins. nginx ends each of them after 100 requests: what
    it costs to be a candidate is paid again and again. A `never all` rule spares that, so `never` is what to compare with."""

    def __init__(self):
        Service.__init__(self, "wrk > haproxy > nginx, vetoed, 100 requests a connection", ("plain", "control", "sockhop", "never"))

    def start(self, place):
        port, back = place.bench.new_port(), place.bench.new_port()
        self.one(place, "vetoed", back, back, keepalive=100)
        conf = place.bench.tmp / f"haproxy-vetoed-{place.variant}"
        conf.write_text(HAPROXY.format(port=port, back=back).replace("mode tcp", "mode http"))
        place.spawn("haproxy", "-db", "-q", "-f", conf, stdout=-3)
        wait_answer(("127.0.0.1", port), b"GET /status HTTP/1.0\r\n\r\n", b"requests")
        return port

    path = "/small"
    close = False


class Mixed(Load):
    """Request-response, beside streams of 16 KB that other programs send meanwhile."""

    def measure(self, place):
        stream = place.spawn(RR, "stream", "-z", 16384, "-w", 0, "-s", 30, stdout=-3)
        try:
            return super().measure(place)
        finally:
            place.end(stream)


HAPROXY = """global
  nbthread 1
  maxconn 200
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen l
  bind 127.0.0.1:{port}
  server s 127.0.0.1:{back}
"""


class Haproxy(Workload):
    """haproxy in mode tcp between `load` and its server, 8 connections."""

    def __init__(self, quick=False):
        super().__init__("haproxy (tcp) in the middle, 1 KB, 8 connections", TCP, quick)

    def measure(self, place):
        if "haproxy" not in place.services:
            port, back = place.bench.new_port(), place.bench.new_port()
            conf = place.bench.tmp / f"haproxy-{place.variant}"
            conf.write_text(HAPROXY.format(port=port, back=back))
            place.spawn(LOAD, "serve", "-p", back, "-z", 1024)
            place.spawn("haproxy", "-db", "-q", "-f", conf, stdout=-3)
            wait_answer(("127.0.0.1", port), b"x" * 1024, b"x")
            place.services["haproxy"] = port
        client = place.spawn(LOAD, "ask", "-p", place.services["haproxy"], "-z", 1024, "-c", 8, "-w", WARM, "-s", SPAN)
        try:
            return self.from_json(client, over_span(place))
        finally:
            place.end(client)


class Postgres(Workload):
    """pgbench -S, prepared, 4 clients; the rate of its second second, when the connections have joined."""

    def __init__(self, quick=False):
        super().__init__("pgbench -S, 4 clients", TCP + ("unix",), quick)
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]

    def start(self, place):
        port, data = place.bench.new_port(), place.bench.tmp / f"pg-{place.variant}"
        run("install", "-d", "-o", "postgres", "-m", "700", str(data))
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        run(*as_user, f"{self.bin}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", timeout=60, cwd="/")
        place.spawn(f"{self.bin}/postgres", "-D", data, "-F", "-p", port, "-c", "listen_addresses=127.0.0.1", "-c",
                    f"unix_socket_directories={data}", user="postgres", stdout=-3, cwd="/")
        for _ in range(200):
            try:
                run(f"{self.bin}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port))
                break
            except Exception:
                time.sleep(0.05)
        run(f"{self.bin}/pgbench", "-i", "-q", "-s", "1", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "postgres",
            stderr=-3)
        return port, str(data)

    def measure(self, place):
        if "postgres" not in place.services:
            place.services["postgres"] = self.start(place)
        port, folder = place.services["postgres"]
        where = folder if place.variant == "unix" else "127.0.0.1"
        client = place.spawn(f"{self.bin}/pgbench", "-n", "-S", "-M", "prepared", "-c", 4, "-T", 2, "-P", 1, "-h", where,
                             "-p", port, "-U", "postgres", "postgres", stdout=-3, stderr=-1)
        try:
            span = over_span(place)
            lines = re.findall(r"progress: .* ([\d.]+) tps, lat ([\d.]+) ms", client.stderr.read())
            client.stderr.close()
            client.wait(20)
            return sample(float(lines[-1][0]), span, p50=None)
        finally:
            place.end(client)


def all_workloads():
    return [
        *(Load(f"request-response {size}", f"-z {size}", f"-z {size}", quick=size in (64, 4096, 16384))
          for size in (1, 64, 1024, 4096, 16384, 65536)),
        *(Load(f"request-response 64, {c} connections", f"-z 64 -c {c}", "-z 64", quick=c == 100,
               warm=5 if c == 1000 else WARM)
          for c in (10, 100, 1000)),
        Load("request 100, answer 8192, 8 connections", "-z 100 -r 8192 -c 8", "-z 100 -r 8192"),
        Mixed("request-response 64, 4 connections, beside a stream", "-z 64 -c 4", "-z 64"),
        Load("frames of 100 both ways, 16 outstanding", "-z 100 -P 16", "-z 100", quick=True),
        Load("frames of 100 both ways, 8 connections", "-z 100 -P 16 -c 8", "-z 100"),
        Rr("request-response 64, one CPU", "rr -z 64 -C 0 -S 0"),
        Rr("request-response 64, two CPUs", "rr -z 64 -C 0 -S 1"),
        Rr("request-response 64, never sleeping", "rr -y -z 64 -C 0 -S 1", quick=True),
        Rr("request-response 64, blocking", "rr -b -z 64", quick=True),
        Rr("request-response 16384, blocking", "rr -b -z 16384"),
        *(Rr(f"stream of {size}", f"stream -z {size}", quick=size in (1024, 16384, 262144))
          for size in (64, 1024, 4096, 16384, 65536, 262144, 1048576)),
        Streams(2, 262144),
        Streams(8, 262144),
        Rr("request-response 64 over veth", "rr -z 64", net="veth"),
        Rr("stream of 16384 over veth", "stream -z 16384", net="veth"),
        Rr("request-response 64 over bridge and nftables", "rr -z 64", net="bridge", quick=True),
        Rr("stream of 16384 over bridge and nftables", "stream -z 16384", net="bridge"),
        Redis("redis-benchmark -c 1", "-c 1", quick=True),
        Redis("redis-benchmark -c 50", "-c 50", quick=True),
        Redis("redis-benchmark -c 50 -P 16", "-c 50 -P 16", quick=True),
        RedisAsked(1),
        RedisAsked(50, quick=True),
        Memcached(),
        Nginx("nginx 612 B, keep-alive", "/small", quick=True),
        NginxAsked(8, quick=True),
        Nginx("nginx 1 MB, keep-alive", "/large"),
        Nginx("nginx proxy, 612 B, keep-alive both sides", "/kept/small", quick=True),
        Postgres(quick=True),
        Haproxy(),
        Vetoed(),
        Nginx("nginx proxy, 612 B, backend without keep-alive", "/fresh/small", late=True),
        Nginx("nginx 612 B, no keep-alive", "/small", close=True),
        Nginx("nginx 1 MB, no keep-alive", "/large", close=True),
        Rr("connect-request-close 64", "crc -z 64", quick=True),
        Rr("connect-request-close 64, blocking", "crc -b -z 64"),
    ]


def outside_workloads():
    """For programs outside any attached cgroup: the same place, while an instance is attached elsewhere or not."""
    return [Rr("request-response 64", "rr -z 64", quick=True), Rr("stream of 16384", "stream -z 16384"),
            Redis("redis-benchmark -c 50", "-c 50"), Rr("connect-request-close 64", "crc -z 64", quick=True)]
