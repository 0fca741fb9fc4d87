# SPDX-License-Identifier: GPL-2.0-only
"""Where the measured programs run: one cgroup a variant, processes in it, and what they cost.

Variants: plain (a cgroup that nothing is attached to), control (another such one: what differs there is noise), sockhop, early (sockhop with the rule `early all`), never (sockhop with the rule `never all`), naive (the
always-redirect baseline), unix (no TCP at all). All are up at the same time, so that samples can take turns.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
SOCKHOP = os.environ.get("SOCKHOP", str(BUILD / "sockhop"))
RR = str(BUILD / "tests/prog/rr")
LOAD = str(BUILD / "tests/bench/load")
NAIVE = str(BUILD / "tests/bench/naive")
STATS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
SOCKHOPS = ("sockhop", "early", "never")  # variants with an instance; the others but sockhop are named by their rule
PORTS = 11000, 18999  # of services: new_port()


def cgroup2_mount():
    for line in open("/proc/self/mountinfo"):
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2" and fields[3] == "/":
            return pathlib.Path(fields[4])
    raise SystemExit("bench: no cgroup2 file system is mounted")


def run(*cmd, timeout=30, **kw):
    """A helper command; its output. Raises if it fails or takes too long."""
    return subprocess.run(cmd, check=True, timeout=timeout, text=True, stdout=subprocess.PIPE, **kw).stdout


def own_network():
    """Go on in a network namespace of our own, with more ports than the samples of short connections use up: with the
    28 000 of the default range they would measure how fast TIME_WAITs end."""
    if os.environ.get("SOCKHOP_BENCH_NETNS") != str(os.getpid()):
        os.environ["SOCKHOP_BENCH_NETNS"] = str(os.getpid())
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    run("ip", "link", "set", "lo", "up")
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("1025 65535")
    pathlib.Path("/proc/sys/net/ipv4/ip_local_reserved_ports").write_text("{}-{}".format(*PORTS))


def machine_busy_us():
    """CPU time of the whole machine that was not idle, in microseconds."""
    v = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) * 1_000_000 // os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def bpf_stats():
    """Meanwhile the kernel counts runs and time of BPF programs, at some cost to each run."""
    before = STATS.read_text()
    STATS.write_text("1")
    try:
        yield
    finally:
        STATS.write_text(before)


class Place:
    """A cgroup with a variant's programs in it."""

    def __init__(self, bench, variant):
        self.variant = variant
        self.bench = bench
        self.path = bench.mount / f"sockhop-bench-{os.getpid()}-{variant}"
        self.instance = f"bench{os.getpid()}-{variant}"
        self.path.mkdir()
        self.procs = []
        self.naive = None
        self.services = {}
        self.attached = False

    def attach(self):
        if self.variant == "naive":
            self.naive = subprocess.Popen([NAIVE, NAIVE + ".bpf.o", str(self.path)], stdout=subprocess.PIPE, text=True)
            if self.naive.stdout.readline() != "attached\n":
                raise SystemExit("bench: cannot attach the naive baseline")
        elif self.variant in SOCKHOPS:
            cmd = [SOCKHOP, "attach", str(self.path), "--instance", self.instance]
            if self.variant != "sockhop":
                policy = self.bench.tmp / f"policy-{self.variant}"
                policy.write_text(f"{self.variant} all\n")
                cmd += ["--policy", str(policy)]
            run(*cmd)
        self.attached = True

    def detach(self):
        if self.naive:
            self.naive.terminate()
            self.naive.wait()
            self.naive = None
        elif self.attached and self.variant in SOCKHOPS:
            run(SOCKHOP, "detach", "--all", "--instance", self.instance, timeout=60)
        self.attached = False

    def status(self):
        return json.loads(run(SOCKHOP, "status", "--json", "--instance", self.instance))

    def hops(self):
        return self.status()["hopped"]["messages"] if self.variant in SOCKHOPS else 0

    def pinned_map(self, name):
        """What bpftool says of a map of the instance."""
        j = json.loads(run("bpftool", "-j", "map", "show", "pinned", f"/sys/fs/bpf/sockhop/{self.instance}/{name}"))
        return j[0] if isinstance(j, list) else j

    def programs(self, *maps):
        """What bpftool says of the programs that use one of these maps of the instance."""
        ids = {self.pinned_map(name)["id"] for name in maps}
        return [p for p in json.loads(run("bpftool", "-j", "prog", "show")) if ids & set(p.get("map_ids", []))]

    def spawn(self, *cmd, netns=None, user=None, **kw):
        """Start a program in this cgroup (and network namespace); it is ended by end() at the latest."""
        shell = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        pre = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
        if user:
            pre += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.DEVNULL)
        p = subprocess.Popen(["sh", "-c", shell, str(self.path), *pre, *map(str, cmd)], text=True, **kw)
        self.procs.append(p)
        return p

    def end(self, p, sig=signal.SIGTERM):
        if p.poll() is None:
            p.send_signal(sig)
        try:
            p.wait(5)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        if p.stdout:
            p.stdout.close()
        self.procs.remove(p)

    def cpu_us(self):
        """CPU time of everything that ran in the cgroup, in microseconds."""
        return int(open(self.path / "cpu.stat").readline().split()[1])

    def close(self):
        for p in list(self.procs):
            self.end(p)
        self.detach()
        for _ in range(200):  # those that the services forked end on their own
            try:
                self.path.rmdir()
                return
            except OSError:
                for pid in (self.path / "cgroup.procs").read_text().split():
                    try:
                        os.kill(int(pid), signal.SIGTERM)
                    except ProcessLookupError:
                        pass
                time.sleep(0.05)
        raise SystemExit(f"bench: {self.path} does not become empty")


class Networks:
    """Two namespaces joined by veth, two joined by a bridge with nftables rules in a third."""

    RULES = """table bridge bench { chain forward { type filter hook forward priority 0; policy accept;
        ether type ip ip protocol udp counter drop
        tcp dport 22 counter drop
        tcp dport 1-65535 counter accept; }; }
        table inet bench { chain input { type filter hook input priority 0; policy accept;
        ct state established,related counter accept; }; }"""

    def __init__(self):
        self.id = f"shb{os.getpid()}"
        self.names = []

    def open(self):
        self.veth = [self.add("va"), self.add("vb")]
        self.bridge = [self.add("ba"), self.add("bb")]
        hub = self.add("br")
        a, b = self.veth
        run("ip", "link", "add", "veth0", "netns", a, "type", "veth", "peer", "name", "veth0", "netns", b)
        for ns, address in zip(self.veth, ("10.231.1.1/24", "10.231.1.2/24")):
            self.up(ns, address)
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "br0", "up")
        for i, ns in enumerate(self.bridge):
            run("ip", "link", "add", "veth0", "netns", ns, "type", "veth", "peer", "name", f"port{i}", "netns", hub)
            run("ip", "-n", hub, "link", "set", f"port{i}", "master", "br0", "up")
            self.up(ns, f"10.231.2.{i + 1}/24")
        for ns in (hub, *self.bridge):
            run("nsenter", f"--net=/run/netns/{ns}", "nft", "-f", "-", input=self.RULES)

    def add(self, name):
        ns = f"{self.id}{name}"
        run("ip", "netns", "add", ns)
        self.names.append(ns)
        run("ip", "-n", ns, "link", "set", "lo", "up")
        return ns

    @staticmethod
    def up(ns, address):
        run("ip", "-n", ns, "addr", "add", address, "dev", "veth0")
        run("ip", "-n", ns, "link", "set", "veth0", "up")

    def close(self):
        for ns in self.names:
            run("ip", "netns", "del", ns)


class Bench:
    """Everything that one run makes, and takes away at its end."""

    def __init__(self, variants):
        self.mount = cgroup2_mount()
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="sockhop-bench-"))
        self.tmp.chmod(0o755)
        self.places = {}
        self.networks = None
        self.port = PORTS[0] + os.getpid() % 5000
        for v in variants:
            self.places[v] = Place(self, v)

    def new_port(self):
        self.port += 1
        return self.port

    def close(self):
        for p in self.places.values():
            p.close()
        if self.networks:
            self.networks.close()
        shutil.rmtree(self.tmp, ignore_errors=True)
