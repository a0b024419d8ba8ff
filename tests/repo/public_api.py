# SPDX-License-Identifier: MIT
"""What the public headers declare, for the tests beside this file.

A header is read as comments, preprocessor lines, declarations marked ZCS_API, inline functions, and other
words. The comment that stands directly before a declaration is its documentation.
"""

import pathlib
import re
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = sorted((ROOT / "include/zcswap").glob("*.h")) + [ROOT / "include/zcswap/version.h.in"]

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/)
      | (?P<preprocessor>^\#(?:[^\\\n]|\\.)*)
      | (?P<api>ZCS_API\b[^;]*;)
      | (?P<inline>static\ inline\b[^{]*)
      | (?P<other>\w+|\S)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


class Function(NamedTuple):
    name: str
    params: list
    doc: str
    exported: bool
    header: pathlib.Path


def parse_params(text):
    """The names of the parameters in 'int (int a, void *b)' from its first parenthesis on."""
    inside = text[text.index("(") + 1 : text.rindex(")")]
    if inside.strip() in ("", "void"):
        return []
    return [re.search(r"(\w+)\W*$", param).group(1) for param in inside.split(",")]


def functions():
    """Every function that the public headers declare, exported or inline."""
    for header in HEADERS:
        doc = ""
        for token in TOKEN.finditer(header.read_text()):
            text = token.group()
            if token.lastgroup == "comment":
                doc = text
            elif token.lastgroup in ("api", "inline"):
                name = re.search(r"(\w+)\s*\(", text).group(1)
                yield Function(name, parse_params(text), doc, token.lastgroup == "api", header)
                doc = ""
            else:
                doc = ""


def exported_names():
    names = {f.name for f in functions() if f.exported}
    if not names:
        raise SystemExit("no declaration marked ZCS_API found: is the parser out of date?")
    return names


def report(errors, summary):
    """End the test: print what is wrong, or one line of what was found right."""
    for error in errors:
        print(error)
    if not errors:
        print(summary)
    sys.exit(1 if errors else 0)


def skip(reason):
    print(reason)
    sys.exit(77)
