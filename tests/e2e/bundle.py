#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bundle.py: config.json of OCI bundles, as a kubelet and its runtime would have it made.

bundle.py agent YAML BUNDLE HOST [SECCOMP]
    the container of the DaemonSet in YAML. BUNDLE holds the image, unpacked by umoci. HOST stands for the root of the
    node, but for /sys. SECCOMP: the profile of the runtime, in the format of containers/common
bundle.py documents YAML
    prints the documents of YAML, by their kind, in JSON
bundle.py app BUNDLE NETNS CMD...
    a container that another call of a runtime starts, in that network namespace; rootfs is that of the bundle

As Kubernetes has it: the container has a cgroup namespace of its own (cgroup v2, not privileged), a network namespace
of its own without hostNetwork, no pid namespace with hostPID, and no_new_privs only without allowPrivilegeEscalation.
"""
import json
import os
import platform
import sys

import yaml

# What containerd masks and protects in containers that are not privileged.
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
PLAIN = ["nosuid", "noexec", "nodev"]


def mounts():
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": PLAIN},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": PLAIN + ["mode=1777", "size=65536k"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": PLAIN + ["ro"]},
    ]


def config(process, spaces, more, read_only):
    return {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": "rootfs", "readonly": read_only},
        "hostname": "test",
        "mounts": mounts() + more,
        "linux": {"namespaces": spaces, "maskedPaths": MASKED, "readonlyPaths": READ_ONLY},
    }


def capability_sets(names):
    return {kind: names for kind in ("bounding", "effective", "permitted")}


# ---- the DaemonSet ----

def documents(path):
    with open(path, encoding="utf-8") as f:
        return {d["kind"]: d for d in yaml.safe_load_all(f)}


def bind(source, mount):
    return {"destination": mount["mountPath"], "type": "bind", "source": source,
            "options": ["rbind", "rprivate", "ro" if mount.get("readOnly") else "rw"]}


def volume_source(volume, bundle, host, maps):
    if "hostPath" in volume:
        path = volume["hostPath"]["path"]
        if not path.startswith("/sys/"):
            path = host + path
            os.makedirs(path, exist_ok=True)
        return path
    folder = os.path.join(bundle, "volume-" + volume["name"])
    os.makedirs(folder, exist_ok=True)
    for name, text in maps["data"].items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    return folder


def applies(rule, caps):
    """Is this rule of a profile for this machine and these capabilities?"""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    want, never = rule.get("includes") or {}, rule.get("excludes") or {}
    if "arches" in want and arch not in want["arches"] or arch in (never.get("arches") or []):
        return False
    return all(c in caps for c in want.get("caps") or []) and not any(c in caps for c in never.get("caps") or [])


def seccomp(path, caps):
    with open(path, encoding="utf-8") as f:
        profile = json.load(f)
    rules = []
    for rule in profile["syscalls"]:
        if applies(rule, caps):
            rules.append({k: rule[k] for k in ("names", "action", "args", "errnoRet") if rule.get(k) is not None})
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_" + platform.machine().upper()], "syscalls": rules}


def agent(path, bundle, host, profile=None):
    docs = documents(path)
    pod = docs["DaemonSet"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    context = container["securityContext"]
    caps = ["CAP_" + c for c in context["capabilities"]["add"]]
    with open(os.path.join(bundle, "config.json"), encoding="utf-8") as f:
        image = json.load(f)["process"]
    process = {
        "user": {"uid": context["runAsUser"], "gid": 0},
        # umoci has put the entry point there
        "args": image["args"][:1] + container["args"],
        "env": image["env"], "cwd": image["cwd"], "capabilities": capability_sets(caps),
        "noNewPrivileges": context.get("allowPrivilegeEscalation") is False,
    }
    spaces = [{"type": t} for t in ("mount", "ipc", "uts", "cgroup")]
    if not pod.get("hostPID"):
        spaces.append({"type": "pid"})
    if not pod.get("hostNetwork"):
        spaces.append({"type": "network"})
    volumes = {v["name"]: v for v in pod["volumes"]}
    binds = [bind(volume_source(volumes[m["name"]], bundle, host, docs["ConfigMap"]), m)
             for m in container["volumeMounts"]]
    out = config(process, spaces, binds, context["readOnlyRootFilesystem"])
    if profile and context["seccompProfile"]["type"] == "RuntimeDefault":
        out["linux"]["seccomp"] = seccomp(profile, caps)
    return out


# ---- an application ----

def app(netns, command):
    process = {"user": {"uid": 1000, "gid": 1000}, "args": command, "env": ["PATH=/"], "cwd": "/",
               "capabilities": capability_sets([]), "noNewPrivileges": True}
    spaces = [{"type": t} for t in ("mount", "ipc", "uts", "cgroup", "pid")]
    return config(process, spaces + [{"type": "network", "path": "/run/netns/" + netns}], [], True)


def main(kind, *args):
    if kind == "documents":
        json.dump(documents(args[0]), sys.stdout)
        return
    if kind == "agent":
        bundle, out = args[1], agent(*args)
    else:
        bundle, out = args[0], app(args[1], list(args[2:]))
    with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as f:
        json.dump(out, f, indent=1)


main(*sys.argv[1:])
