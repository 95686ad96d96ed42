"""A plugin of pytest for the check on a GPU: `-p outcomes --outcomes FILE` writes what became of the tests, also where
they are interrupted. After a fault that costs a process its GPU, the process ends, so that pytest-xdist starts another
one for the tests that are left."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest

LOST = "This process cannot use the device any more"  # cuda/backend.cpp
MOST = 60  # failures that are listed with their message; all are counted and named


def pytest_addoption(parser):
    parser.addoption("--outcomes", help="write what became of the tests to a file")


def pytest_configure(config):
    config.pluginmanager.register(Outcomes(config), "nncore-outcomes")


class Outcomes:
    def __init__(self, config):
        self.config = config
        self.counts = Counter()
        self.failures: dict[str, str] = {}
        self.lost = False

    def pytest_runtest_logreport(self, report):
        if report.nodeid in self.failures:  # the process ended after it, or it cannot be cleaned up either
            return
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
        if report.outcome == "failed":
            text = str(report.longrepr)
            self.lost |= LOST in text
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failures[report.nodeid] = " ".join((crash.message if crash else text).split())[:300]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self):
        done = yield
        if self.lost and hasattr(self.config, "workerinput"):
            time.sleep(0.5)  # the report is on its way to the main process
            os._exit(1)
        if self.lost and not self.config.pluginmanager.hasplugin("dsession"):
            pytest.exit("a fault cost this process its GPU", returncode=1)
        return done

    def pytest_sessionfinish(self, exitstatus):
        target = self.config.getoption("--outcomes")
        if not target or hasattr(self.config, "workerinput"):
            return
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items())) or "no test ran"
        lines = [counted + (", interrupted" if exitstatus == pytest.ExitCode.INTERRUPTED else "")]
        lines += [f"{name}: {text}" for name, text in list(self.failures.items())[:MOST]]
        if len(self.failures) > MOST:
            lines.append(f"and {len(self.failures) - MOST} more")
        Path(target).write_text(json.dumps({"counts": self.counts, "failures": self.failures, "lines": lines}))
