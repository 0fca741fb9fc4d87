#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""suite_run.py OUT NAME...: runs unittest tests by name (modules, classes, tests) and writes {test id: outcome} to OUT.

For tests/lab/suites; runs in whatever cgroup it was started in. Without external network.
"""

import json
import logging
import sys
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


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL if any(n.startswith("tornado") for n in sys.argv[2:]) else logging.NOTSET)
    result = Outcomes()
    for name in sys.argv[2:]:
        unittest.defaultTestLoader.loadTestsFromName(name).run(result)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump(result.outcome, f, indent=0, sort_keys=True)
    for test, text in result.failures + result.errors:
        print(f"==== {test}\n{text}")


main()
