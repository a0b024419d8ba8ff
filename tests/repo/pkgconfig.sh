#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Install the library alone into a prefix of its own, shared, static or both as asked, and build and run
# programs outside the tree that know only the zcswap.pc installed there. For a program that links the shared
# library no other .pc file is in reach unless there is a static one as well: ours must need none.
# usage: pkgconfig.sh SOURCE_DIR shared|static|both

set -eu
source=$1
kind=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

meson setup --prefix="$tmp/prefix" --libdir=lib -Ddefault_library="$kind" \
	-Dtests=disabled -Dexamples=disabled -Dbench=disabled \
	"$tmp/build" "$source" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
meson install -C "$tmp/build" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }

cd "$tmp"
case $kind in
shared) export PKG_CONFIG_LIBDIR="$tmp/prefix/lib/pkgconfig" PKG_CONFIG_PATH= ;;
*) export PKG_CONFIG_PATH="$tmp/prefix/lib/pkgconfig" ;;
esac
cp "$source/tests/repo/consumer.c" .

# consumer NAME LIBRARY-OPTION...
consumer()
{
	name=$1
	shift
	# shellcheck disable=SC2046
	${CC:-cc} -std=c11 -Wall -Wextra -Werror $(pkg-config --cflags zcswap) consumer.c -o "$name" "$@"
	LD_LIBRARY_PATH="$(pkg-config --variable=libdir zcswap)" "./$name"
	echo "consumer $name of $(pkg-config --modversion zcswap) ran"
}

# shellcheck disable=SC2046
consumer "$kind" $(pkg-config --libs zcswap)
if [ "$kind" = both ]; then
	# not all of it static: Debian's libxxhash.a lacks what chooses by the CPU
	# shellcheck disable=SC2046
	consumer static $(pkg-config --static --libs zcswap | sed 's/-lzcswap/-l:libzcswap.a/')
	! readelf --dynamic static | grep zcswap
fi
for library in so a; do
	case $kind,$library in
	shared,a | static,so) ! test -e "prefix/lib/libzcswap.$library" ;;
	*) test -e "prefix/lib/libzcswap.$library" ;;
	esac
done
