# SPDX-License-Identifier: MIT
"""A static function of the library has a name that no other file of lib/ gives to a function.

One name for two functions misleads grep, a stack trace and a profile.
"""

import collections
import re

import public_api

LIB = public_api.ROOT / "lib"
DEFINITION = re.compile(r"^(?:__attribute__\(\(\w+\)\) )?static (?!inline\b)[^;{}=()]*?\b(\w+)\([^;{}]*\)\n\{", re.M)


def main():
    files = collections.defaultdict(set)
    for path in sorted(LIB.rglob("*.[ch]")):
        for name in DEFINITION.findall(path.read_text()):
            files[name].add(str(path.relative_to(LIB)))
    if len(files) < 500:
        raise SystemExit(f"only {len(files)} static functions found in lib/: is the expression out of date?")
    errors = [f"static {name}() stands in {', '.join(sorted(where))}: let each name say its object"
              for name, where in sorted(files.items()) if len(where) > 1]
    public_api.report(errors, f"{len(files)} static functions")


main()
