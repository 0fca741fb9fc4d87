#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""suite_run.py OUT SLOW NAME...: runs unittest tests by name (modules, classes, tests) and writes {test id: outcome} to OUT.

For tests/lab/suites; runs in whatever cgroup it was started in. Without external network. SLOW: milliseconds that each
look of an event loop takes longer, so that connections live long enough to join late.
"""

import json
import logging
import select
import selectors
import sys
import time
import unittest
import warnings


class Outcomes(unittest.TestResult):
    """The worst outcome of each test; subtests count for the test that they belong to."""

    def __init__(self):
        super().__init__()
        self.outcome = {}

    def note(self, test, what):
        self.outcome[test.id()] = what

    def addSuccess(self, test):
        self.outcome.setdefault(test.id(), "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "fail")

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "error")

    def addSkip(self, test, reason):
        self.note(test, "skip")

    def addExpectedFailure(self, test, err):
        self.note(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected success")

    def addSubTest(self, test, subtest, err):
        if err:
            super().addSubTest(test, subtest, err)
            self.note(test, "fail")


def slowed(look, seconds):
    """A function that looks as that one does, later. (Not by a blocking call that waits: it may have no timeout.)"""

    def wait_and_look(*args, **kwargs):
        time.sleep(seconds)
        return look(*args, **kwargs)

    return wait_and_look


def slow_down(seconds):
    """The event loops of asyncio, asyncore, asynchat and Tornado."""
    for kind in (selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector):
        kind.select = slowed(kind.select, seconds)
    select.select = slowed(select.select, seconds)


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL if any(n.startswith("tornado") for n in sys.argv[3:]) else logging.NOTSET)
    result = Outcomes()
    if float(sys.argv[2]):
        slow_down(float(sys.argv[2]) / 1000)
    for name in sys.argv[3:]:
        unittest.defaultTestLoader.loadTestsFromName(name).run(result)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump(result.outcome, f, indent=0, sort_keys=True)
    for test, text in result.failures + result.errors:
        print(f"==== {test}\n{text}")


main()
