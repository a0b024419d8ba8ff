/* SPDX-License-Identifier: MIT */
/*
 * Runs a command as a container does: under a seccomp filter that refuses what the default filters
 * of the common container runtimes refuse to a container without capabilities. So the suite can be
 * run where nobody may open a userfaultfd, set up io_uring, mount, or bind memory to a node.
 *
 * It is a list of refused calls, where the runtimes' filters are lists of allowed ones: a call that
 * is new to both is allowed here and refused there. With -c only the calls that are named are
 * refused:
 *
 *	zcs-under-seccomp -c io_uring_setup tests/run	as with kernel.io_uring_disabled=2
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
#define CLONE_NEW 0x7e020000u

static const char *const refused[] = {
	"acct",
	"add_key",
	"bpf",
	"delete_module",
	"fanotify_init",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"get_mempolicy",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"kexec_load",
	"keyctl",
	"lookup_dcookie",
	"mbind",
	"mount",
	"mount_setattr",
	"move_mount",
	"move_pages",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"personality",
	"pivot_root",
	"quotactl",
	"reboot",
	"request_key",
	"set_mempolicy",
	"setns",
	"swapoff",
	"swapon",
	"umount2",
	"unshare",
	"userfaultfd",
};

static void check(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "zcs-under-seccomp: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* Calls that this architecture or libseccomp does not know cannot be made by their name either. */
static void refuse(scmp_filter_ctx filter, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr != __NR_SCMP_ERROR)
		check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), nr, 0), name);
}

static void refuse_all(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		refuse(filter, refused[i]);
	/*
	 * threads and children yes, namespaces no; the flags of clone3() are out of a filter's
	 * reach
	 */
	for (unsigned bit = 0; bit < 32; bit++)
		if (CLONE_NEW & 1u << bit)
			check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
					       SCMP_A0(SCMP_CMP_MASKED_EQ, 1u << bit, 1u << bit)),
			      "clone");
	check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int named = 0, opt;

	if (!filter)
		check(-ENOMEM, "no filter");
	while ((opt = getopt(argc, argv, "+c:")) == 'c') {
		refuse(filter, optarg);
		named++;
	}
	if (opt != -1 || optind == argc) {
		fprintf(stderr, "usage: zcs-under-seccomp [-c CALL]... COMMAND [ARGUMENT]...\n");
		return 2;
	}
	if (!named)
		refuse_all(filter);
	check(seccomp_load(filter), "the filter is not accepted");
	execvp(argv[optind], argv + optind);
	check(-errno, argv[optind]);
	return 1;
}
