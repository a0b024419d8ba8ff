# SPDX-License-Identifier: MIT
"""A static function of the library has a name that no other file of lib/ gives to a function.

One name for two functions misleads grep, a stack trace and a profile. The list TWICE has the names that still stand
in more than one file. It may only get shorter: a name that stands there for nothing fails.
"""

import collections
import re

import public_api

LIB = public_api.ROOT / "lib"
DEFINITION = re.compile(r"^(?:__attribute__\(\(\w+\)\) )?static (?!inline\b)[^;{}=()]*?\b(\w+)\([^;{}]*\)\n\{", re.M)

TWICE = """
    refuse
""".split()


def main():
    files = collections.defaultdict(set)
    for path in sorted(LIB.rglob("*.[ch]")):
        for name in DEFINITION.findall(path.read_text()):
            files[name].add(str(path.relative_to(LIB)))
    if len(files) < 500:
        raise SystemExit(f"only {len(files)} static functions found in lib/: is the expression out of date?")
    twice = {name: sorted(where) for name, where in files.items() if len(where) > 1}
    errors = [f"static {name}() stands in {', '.join(where)}: let each name say its object"
              for name, where in sorted(twice.items()) if name not in TWICE]
    errors += [f"{name} is in the list TWICE, but stands twice no longer: take it out"
               for name in TWICE if name not in twice]
    public_api.report(errors, f"{len(files)} static functions, {len(TWICE)} names still stand twice")


main()
