/* SPDX-License-Identifier: MIT */
/*
 * The unnamed file that the library made for a store or a swap. No name is left behind, and so the
 * file is found among the process's own descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

/*
 * Whether a descriptor is the library's: an unnamed file of that size on the file system of the
 * bench's directory.
 */
static bool is_file(int fd, const struct stat *dir, uint64_t bytes)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_nlink && st.st_dev == dir->st_dev &&
	       (uint64_t)st.st_size == bytes;
}

void bench_file_path(struct bench *b, uint64_t bytes, char path[BENCH_PATH])
{
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *e;
	struct stat dir;
	int fd = -1;

	if (!fds || stat(b->dir, &dir))
		bench_die(b, b->dir, -errno);
	while (fd < 0 && (e = readdir(fds)))
		if (is_file(atoi(e->d_name), &dir, bytes))
			fd = atoi(e->d_name);
	closedir(fds);
	if (fd < 0)
		bench_die(b, "the library's file", -ENOENT);
	snprintf(path, BENCH_PATH, "/proc/%d/fd/%d", (int)getpid(), fd);
}
