# SPDX-License-Identifier: MIT
"""Every public function has a kernel-doc comment that names it, and that describes its parameters: all of
them and no others, unless the comment is a single line. That of an exported function has a word about threads."""

import re

import public_api


def check(function):
    where = f"{function.header.name}: {function.name}"
    first = re.match(r"/\*\*[\s*]*(\w+) - \S", function.doc)
    if not first:
        return [f"{where}: no kernel-doc comment before it"]
    if first.group(1) != function.name:
        return [f"{where}: the comment before it is that of {first.group(1)}"]
    if function.exported and not re.search(r"thread|quiescent", function.doc, re.IGNORECASE):
        return [f"{where}: no word about threads"]
    if "\n" not in function.doc:
        return []
    described = set(re.findall(r"^ \* @(\w+):", function.doc, re.MULTILINE))
    return [
        *(f"{where}: @{p} is not described" for p in function.params if p not in described),
        *(f"{where}: there is no parameter {p}" for p in sorted(described - set(function.params))),
    ]


def main():
    functions = list(public_api.functions())
    errors = [error for function in functions for error in check(function)]
    public_api.report(errors, f"{len(functions)} functions")


main()
