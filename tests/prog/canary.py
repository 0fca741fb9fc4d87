#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""canary.py PID CMD...: runs CMD beside a process that has this number, in a pid namespace that we are alone in.

The canary dies of any signal. Exit status: that of CMD; 70 when the canary did not survive, 71 when there is none."""
import os
import signal
import subprocess
import sys
import time

want = int(sys.argv[1])
for _ in range(20):
    with open("/proc/sys/kernel/ns_last_pid", "w") as f:
        f.write(str(want - 1))
    canary = os.fork()
    if canary == 0:
        for s in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
            signal.signal(s, signal.SIG_DFL)
        time.sleep(60)
        os._exit(0)
    if canary == want:
        break
    os.kill(canary, signal.SIGKILL)  # our child
    os.waitpid(canary, 0)
else:
    sys.exit(71)
status = subprocess.run(sys.argv[2:]).returncode
time.sleep(0.05)  # a signal that is on its way
if os.waitpid(canary, os.WNOHANG) != (0, 0):
    print("the canary did not survive")
    sys.exit(70)
os.kill(canary, signal.SIGKILL)
sys.exit(status)
