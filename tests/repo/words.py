# SPDX-License-Identifier: MIT
"""Comments and manual pages are in plain English: none of the wordings below, each listed with a better one.

usage: words.py [FILE...]; without files, all of lib/, include/ and the README

These wordings make a reader stop and read again.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# (regular expression, better wording)
PHRASES = [(re.compile(expression, re.I if flags == "i" else 0), better) for flags, expression, better in (
    ("i", r"\bto be had\b", "say: is available, exists; or that the call fails"),
    ("i", r"\b(?:is|are|was|were|has|have|had) none\b(?! of\b)", "say which noun is missing: no slot is free"),
    ("i", r"\bput by\b", "reserve, or set aside"),
    ("i", r"\b(?:goes?|going) for\b(?! the\b)", "applies to, or costs"),
    ("i", r"\bfor want of\b", "because no NOUN is left"),
    ("i", r"\ball the (?:while|same)\b", "meanwhile, or: although that is so"),
    ("i", r"\bin (?:some|any|no)body's hands?\b", "name the holder: a caller holds it"),
    ("i", r"\bcome (?:what may|of it)\b", "say what happens"),
    ("", r"(?:^|[.;:] )Who(?:ever)? [a-z]", "name the actor: a caller that ..., a waiter"),
    ("", r"(?:^|[.;:] )What(?:ever)? (?!if\b|it costs\b)[a-z][^.?]*[^?]?(?=\.|$)",
     "name the noun: pages that ..., a block that ..."),
    ("i", r"\b(?:of|with|for|to|from|in|by|on|behind|at|into|than|not|and|or|beside|but) what(?:ever)? "
          r"(?:is|was|are|were|has|had|can|could|may|it|they|he|a|nobody|somebody)\b",
     "name the noun in place of the clause"),
    ("i", r"\b(?:of|with|for|to|from|by|and|or|but|not) who(?:ever)? (?!le\b)[a-z]", "name the actor: caller, waiter, writer"),
    ("i", r"(?:^|[:;(] |\b(?:that|as|because|where|if) )who(?:ever)? (?!(?:is|are) (?:there|it)\b)[a-z]+\b",
     "name the actor: a waiter, the holder"),
    ("i", r"(?:,|\b(?:because|that|where|when|if|as|while)) what (?:is|was|were|are|has|had|it|they|a|the)\b",
     "name the noun in place of the clause"),
    ("i", r"\b(?:some|no|any)body else's\b|\bof somebody else\b", "name the owner: the program, another process"),
    ("i", r"\b(?:he|she|his|him|hers?|himself|herself)\b", "name the actor: the caller, the thread"),
)]


def comments(text):
    """(offset, comment as one line of words) for each comment of a C file; a paragraph is one."""
    for comment in re.finditer(r"/\*.*?\*/|//[^\n]*", text, re.S):
        at = comment.start()
        for paragraph in re.split(r"(\n[ \t]*\*[ \t]*(?=\n))", comment[0]):
            yield at, " ".join(re.sub(r"^[ \t]*(?:/\*+-?|\*/|\*|//)", "", paragraph, flags=re.M).split())
            at += len(paragraph)


def paragraphs(text):
    """The same for a manual page or a Markdown file: no requests, no code."""
    text = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), text, flags=re.S | re.M)
    at = 0
    for paragraph in re.split(r"(\n(?:\.(?!B|I|R).*)?\n|\n\.(?:TP|PP|IP|SH|SS|TH|nf|fi|EX|EE|RE|RS).*)", text):
        words = re.sub(r'^\.\\".*$|^\.[BIR]{1,2} |\\f.|`[^`]*`|\\', "", paragraph, flags=re.M)
        yield at, " ".join(words.split())
        at += len(paragraph)


def findings(path):
    text = path.read_text()
    parts = comments(text) if path.suffix in (".c", ".h", ".in") else paragraphs(text)
    for at, part in parts:
        for expression, better in PHRASES:
            for found in expression.finditer(part):
                yield text.count("\n", 0, at) + 1, " ".join(found[0].split()[:6]), better


def all_files():
    files = [p for p in (ROOT / "lib").rglob("*") if re.fullmatch(r"\.([ch]|md|[37])", p.suffix)]
    return sorted(files + list((ROOT / "include").rglob("*.h*")) + [ROOT / "README.md"])


def main(names):
    files, errors = [pathlib.Path(n).resolve() for n in names] or all_files(), 0
    for path in files:
        for line, words, better in findings(path):
            print(f'{path.relative_to(ROOT)}:{line}: "{words}": {better}')
            errors += 1
    print(f"{len(files)} files, {len(PHRASES)} wordings, {errors} places")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
