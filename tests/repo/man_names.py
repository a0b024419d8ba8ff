# SPDX-License-Identifier: MIT
"""Every exported function is in the NAME section of one manual page, which is where its own page leads; the
pages name no function or counter that does not exist, and every page is installed."""

import collections
import re
import sys

import public_api

sys.path.append(str(public_api.ROOT / "lib/man"))
import links

PAGES = sorted((public_api.ROOT / "lib/man").glob("*.[37]"))
# A name in a page that is called, or referred to as a page or a function.
CALLED = re.compile(r"\b(zcs_\w+)(?=(?:\\f[PR]|\s)*\()|^\.F[no] (zcs_\w+)", re.MULTILINE)

# The counters of a row of the tables that say what to do when one grows.
COUNTERS = re.compile(r"^T\{\n([a-z_, ]+)\nT\}\tT\{", re.MULTILINE)


def no_counters(text):
    """Names in those tables that are neither a field of the statistics nor one of enum zcs_counter."""
    headers = "".join(h.read_text() for h in public_api.HEADERS)
    for name in re.findall(r"\w+", " ".join(COUNTERS.findall(text))):
        if not re.search(rf"\b({name}|ZCS_COUNT_{name.upper()})\b[,;]", headers):
            yield name


def main():
    known = {f.name for f in public_api.functions()}
    pages = {page.name: page.read_text() for page in PAGES}
    leading = links.links(PAGES)
    titles = {page.stem for page in PAGES}
    installed = (public_api.ROOT / "lib/meson.build").read_text()

    listed = collections.Counter(name for page in PAGES for name in links.names(page))
    errors = [
        f"{n}: in the NAME section of {listed[n]} pages of lib/man, not of one"
        for n in sorted(public_api.exported_names())
        if listed[n] != 1
    ]
    errors += [
        f"{n}: no page of that name"
        for n in sorted(public_api.exported_names())
        if f"{n}.3" not in pages.keys() | leading.keys()
    ]
    errors += [f"{page}: {leading[page].name} lists that name" for page in pages.keys() & leading.keys()]
    for page, text in pages.items():
        called = {a or b for a, b in CALLED.findall(text)}
        errors += [f"{page}: no function {n}" for n in sorted(called - known - titles)]
        if f"'man/{page}'" not in installed:
            errors.append(f"{page}: lib/meson.build does not install it")
    errors += [f"zcswap-drivers.7: no counter {n}" for n in no_counters(pages["zcswap-drivers.7"])]
    public_api.report(errors, f"{len(pages)} pages, {len(leading)} that lead to them")


main()
