#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Install the library alone into a prefix of its own, and build and run a program outside the tree that
# knows only the zcswap.pc installed there: no other .pc file is in reach, ours must need none.
# usage: pkgconfig.sh SOURCE_DIR

set -eu
source=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

meson setup --prefix="$tmp/prefix" --libdir=lib -Dtests=disabled -Dexamples=disabled -Dbench=false \
	"$tmp/build" "$source" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
meson install -C "$tmp/build" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }

cd "$tmp"
export PKG_CONFIG_LIBDIR="$tmp/prefix/lib/pkgconfig" PKG_CONFIG_PATH=
cp "$source/tests/repo/consumer.c" .
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Wextra -Werror $(pkg-config --cflags zcswap) consumer.c -o consumer \
	$(pkg-config --libs zcswap)
LD_LIBRARY_PATH="$(pkg-config --variable=libdir zcswap)" ./consumer
echo "consumer $(pkg-config --modversion zcswap) ran"
