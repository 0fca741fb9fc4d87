# SPDX-License-Identifier: GPL-2.0-only
"""The results as a table in Markdown and as a plot by gnuplot."""

import shutil
import subprocess

# Hops in a sample that make a member; an early stream that leaves at its first review has fewer.
HOPPED = 1000

COLOURS = {"control": "#000000", "sockhop": "#1b7837", "early": "#2166ac", "naive": "#b2182b", "unix": "#777777", "never": "#999933", "outside": "#1b7837"}


def ratio(got, key="ratio"):
    return f"{got[key][1]:.2f} ({got[key][0]:.2f}-{got[key][2]:.2f})" if got and key in got else "-"


def cell(got):
    """Rate with its quartiles, and CPU time of an operation: the latter hardly depends on what else the machine does."""
    return f"{ratio(got)}, {got['cpu_ratio'][1]:.2f}" if got and "cpu_ratio" in got else ratio(got)


def latency(variants, key):
    parts = [f"{variants[v][key]:.0f}" if v in variants and key in variants[v] else "-" for v in ("plain", "sockhop")]
    return "-" if parts == ["-", "-"] else " / ".join(parts)


def joined(w, variants):
    """In how many rounds the connections of each variant of sockhop hopped. In none: that column measures the TCP path."""
    cells = []
    for v in ("sockhop", "early"):
        got = [r[v] for r in w["rounds"] if r.get(v)]
        if v in variants and got:
            cells.append(f"{sum(s.get('hops', 0) > HOPPED for s in got)}/{len(got)}")
    return ", ".join(cells)


def table(result, variants):
    others = [v for v in variants if v != "plain"]
    m = result["machine"]
    lines = [f"{m['model']}, {m['cpus']} CPUs, Linux {m['kernel']}, {m['date']}, commit {m['commit']}, load average "
             f"{m['load']} before and {m['load_at_end']} after; {result['options']['rounds']} rounds.", "",
             "Ratios to plain TCP of the same round: operations a second, median (quartiles), then CPU time of all "
             "programs of the workload for each operation. Latencies in microseconds, plain / sockhop. Hopped: the "
             "rounds in which connections hopped more than 1 000 times, under sockhop and (after the comma) early; "
             "without, the column measures the TCP path, and noise.", "",
             "| workload | plain, 1/s | hopped | " + " | ".join(others) + " | p50 | p99 | p99.9 |",
             "|---|---:|---|" + "---|" * len(others) + "---|---|---|"]
    for w in result["workloads"]:
        v = w["variants"]
        plain = f"{v['plain']['rate']:.0f}" if "plain" in v else "-"
        cells = [w["name"], plain, joined(w, others), *(cell(v.get(o)) for o in others),
                 *(latency(v, k) for k in ("p50_us", "p99_us", "p999_us"))]
        lines.append("| " + " | ".join(cells) + " |")
    if result["outside"]:
        lines += ["", "Programs outside any attached cgroup: while an instance is attached elsewhere, to before.", "",
                  "| workload | alone, 1/s | ratio | CPU |", "|---|---:|---|---|"]
        for w in result["outside"]:
            got = w["variants"].get("outside")
            alone = w["variants"].get("nothing attached", {}).get("rate", 0)
            lines.append(f"| {w['name']} | {alone:.0f} | {ratio(got)} | {ratio(got, 'cpu_ratio')} |")
    return "\n".join(lines) + "\n"


def plot(result, variants, out):
    """A row a workload, a point a variant with its quartiles; to the right of 1 is faster than plain TCP."""
    if not shutil.which("gnuplot") or not result["workloads"]:
        return
    others = [v for v in ("unix", "never", "naive", "early", "sockhop", "control") if v in variants]
    rows = list(reversed(result["workloads"]))
    blocks, plots = [], []
    for i, v in enumerate(others):
        lines = [f"{w['variants'][v]['ratio'][1]} {n + 0.12 * (i - len(others) / 2 + 0.5)} "
                 f"{w['variants'][v]['ratio'][0]} {w['variants'][v]['ratio'][2]}"
                 for n, w in enumerate(rows) if "ratio" in w["variants"].get(v, {})]
        if not lines:
            continue
        blocks.append(f"${v} << EOD\n" + "\n".join(lines) + "\nEOD")
        plots.append(f"${v} using 1:2:3:4 with xerrorbars pt 7 ps 0.6 lw 1.3 lc rgb '{COLOURS[v]}' title '{v}'")
    names = ", ".join(f"'{w['name']}' {n}" for n, w in enumerate(rows))
    height = 120 + 26 * len(rows)
    for terminal, suffix in (("svg enhanced font 'sans,11' background rgb 'white'", "svg"),
                             ("pngcairo font 'sans,9'", "png")):
        script = "\n".join([
            *blocks, f"set terminal {terminal} size 1000,{height}", f"set output '{out}.{suffix}'",
            f"set ytics ({names})", f"set yrange [-0.7:{len(rows) - 0.3}]", "set xrange [0:4]", "set grid x y",
            "set key outside top center horizontal", "set xlabel 'operations a second, ratio to plain TCP'",
            "set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 lc rgb 'black'", "plot " + ", ".join(plots)])
        done = subprocess.run(["gnuplot"], input=script, text=True, stderr=subprocess.PIPE, timeout=30)
        if done.returncode:
            print(done.stderr)
