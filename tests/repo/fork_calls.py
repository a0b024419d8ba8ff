# SPDX-License-Identifier: MIT
"""Every exported function that is given an object is called on a parent's object, in a child, by a test."""

import re

import public_api

TESTS = ["tests/trouble/fork_calls.c", "tests/bo/fork_calls.c"]
# Those that are given no object.
WITHOUT = re.compile(
    r"zcs_(version|counter_name|set_log|fault_\w+|pool_create\w*|store_open|device_create)$")


def main():
    text = "".join((public_api.ROOT / t).read_text() for t in TESTS)
    called = set(re.findall(r"\b(zcs_\w+)\(", text))
    names = {n for n in public_api.exported_names() if not WITHOUT.match(n)}
    public_api.report([f"{n}: called by none of {', '.join(TESTS)}" for n in sorted(names - called)],
                      f"{len(names)} functions")


main()
