# SPDX-License-Identifier: MIT
"""A manual page for each name that a page of several lists in its NAME section: it leads to that page.

usage: links.py PAGE...         print their file names
       links.py -o DIR PAGE...  write them
"""

import pathlib
import re
import sys


def names(page):
    """The names that the page's NAME section lists."""
    section = re.search(r"^\.Sh NAME\n(.*?)^\.Nd ", page.read_text(), re.DOTALL | re.MULTILINE)
    return re.findall(r"^\.Nm ([\w-]+)", section.group(1), re.MULTILINE)


def links(pages):
    """{file name: page} of the pages that are only links."""
    return {
        name + page.suffix: page for page in pages for name in names(page) if name != page.stem
    }


def main(arguments):
    out = None
    if arguments[:1] == ["-o"]:
        out, arguments = pathlib.Path(arguments[1]), arguments[2:]
    for link, page in links(map(pathlib.Path, arguments)).items():
        if out:
            (out / link).write_text(f".so man{page.suffix[1:]}/{page.name}\n")
        else:
            print(link)


if __name__ == "__main__":
    main(sys.argv[1:])
