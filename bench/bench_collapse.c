/* SPDX-License-Identifier: MIT */
/*
 * Shmem that is not huge from the start, for the time of a case, and shmem that is.
 *
 * The library makes the file of a THP pool on a tmpfs with huge=always, where that is allowed.
 * Where it is not, and shmem_enabled is never (Debian's default), MADV_COLLAPSE makes shmem huge,
 * after small pages where a range traps. Both ways are worth a row.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <zcswap/fault.h>

#include "bench.h"

bool bench_is_huge_by_policy(void)
{
	char line[128] = "";
	int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && !strstr(line, "[never]") && !strstr(line, "[deny]");
}

bool bench_collapse_begin(struct bench *b)
{
	static const struct zcs_fault_attr refused = { .struct_size = sizeof(refused) };

	if (bench_is_huge_by_policy()) {
		bench_left_out(b, b->what, "huge shmem is the system's policy in all cases");
		return false;
	}
	bench_must(b, "zcs_fault_set", zcs_fault_set("huge_file", &refused));
	b->collapse = true;
	return true;
}

void bench_collapse_end(struct bench *b)
{
	bench_must(b, "zcs_fault_set", zcs_fault_set("huge_file", NULL));
	b->collapse = false;
}

int bench_huge_file(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mnt = -1, fd;

	if (fs >= 0 && !fsconfig(fs, FSCONFIG_SET_STRING, "huge", "always", 0) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	fd = openat(mnt, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	close(mnt);
	close(fs);
	return fd;
}
