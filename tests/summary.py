#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sum up meson's test logs: failed tests, skipped tests with their reason, and one line of totals.

usage: summary TESTLOG.json...    Exit status 1 if a test failed. A log that does not exist is empty.
"""

import json
import re
import sys

PASSED = ("OK", "EXPECTEDFAIL")


def read(paths):
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as log:
                yield from (json.loads(line) for line in log if line.strip())
        except FileNotFoundError:
            pass


def lines(test):
    for stream in ("stderr", "stdout"):
        yield from (line.strip() for line in test.get(stream, "").splitlines() if line.strip())


def skipped_cases(test):
    """Cases that cmocka skipped inside a test that passed, with the reason if one stands before them."""
    reason = ""
    for line in lines(test):
        case = re.match(r"(?:not )?ok \d+ # SKIP (.*)", line)
        if case:
            yield f"{case.group(1)}: {reason or 'no reason given'}"
        said = re.match(r"# skipped: (.*)", line)
        reason = said.group(1) if said else ""


def main(paths):
    tests = list(read(paths))
    passed = [t for t in tests if t["result"] in PASSED]
    skipped = [t for t in tests if t["result"] == "SKIP"]
    failed = [t for t in tests if t["result"] not in (*PASSED, "SKIP")]

    for test in skipped:
        reason = ([""] + list(lines(test)))[-1]
        print(f"skipped: {test['name']}: {reason or 'no reason given'}")
    for test in passed:
        for case in skipped_cases(test):
            print(f"skipped in part: {test['name']}: {case}")
    for test in failed:
        print(f"failed: {test['name']}: {test['result']}, exit status {test['returncode']}")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
