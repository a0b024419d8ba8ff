# SPDX-License-Identifier: MIT
"""bench/README.md names every case of the benchmarks, and no other."""

import re

import public_api

BENCH = public_api.ROOT / "bench"
# A line of a table of cases: its name and its help.
CASE = re.compile(r'^\t\{ "(\w+)", "', re.MULTILINE)
# The first column of a table of cases; options begin with a dash.
ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def main():
    cases = {name for path in BENCH.rglob("*.c") for name in CASE.findall(path.read_text())}
    named = set(re.findall(r"\w+", " ".join(ROW.findall((BENCH / "README.md").read_text()))))
    errors = [f"bench/README.md: case {n} is missing" for n in sorted(cases - named)]
    errors += [f"bench/README.md: there is no case {n}" for n in sorted(named - cases)]
    if not cases:
        errors = ["no cases in bench/: is the pattern out of date?"]
    public_api.report(errors, f"{len(cases)} cases")


main()
