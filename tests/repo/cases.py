# SPDX-License-Identifier: MIT
"""tests/README.md names only tests that exist, every case of TTM's behaviour once, and for each case the files that
have a test function with its number."""

import collections
import re

import public_api

TESTS = public_api.ROOT / "tests"
NR_CASES = 121
# A file in backquotes, by its path under tests/ or under the tree.
NAMED = re.compile(r"`([\w.]+(?:/[\w.]+)*/[\w.]+\.(?:c|h|py))`")
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
FUNCTION = re.compile(r"^static void \w*?case_(\d+)_\w+\(void \*\*state\)", re.MULTILINE)


def numbered():
    """{case: files with a test function of that number}."""
    files = collections.defaultdict(set)
    for path in TESTS.glob("*/*.c"):
        for number in FUNCTION.findall(path.read_text()):
            files[int(number)].add(str(path.relative_to(TESTS)))
    return files


def check_row(case, here, named, have):
    for path in sorted(have - named):
        yield f"case {case}: {path} has a test of that number"
    if have:
        for path in sorted(named - have):
            yield f"case {case}: {path} has no test of that number"
    elif not here.startswith("absent") and "No test" not in here:
        yield f"case {case}: no test, and no word about it"


def main():
    text = (TESTS / "README.md").read_text()
    errors = [f"{p}: there is no such file" for p in sorted(set(NAMED.findall(text)))
              if not (TESTS / p).is_file() and not (public_api.ROOT / p).is_file()]
    rows = ROW.findall(text)
    times = collections.Counter(int(case) for case, _, _ in rows)
    have = numbered()
    errors += [f"case {n}: {times[n]} rows, not one" for n in range(1, NR_CASES + 1) if times[n] != 1]
    errors += [f"case {n}: there are {NR_CASES}" for n in sorted(times.keys() | have.keys())
               if not 1 <= n <= NR_CASES]
    for case, here, named in rows:
        errors += check_row(case, here, set(NAMED.findall(named)), have[int(case)])
    public_api.report(errors, f"{len(times)} cases, {sum(map(len, have.values()))} files")


main()
