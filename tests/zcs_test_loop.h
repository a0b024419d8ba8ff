/* SPDX-License-Identifier: MIT */
#ifndef ZCS_TEST_LOOP_H
#define ZCS_TEST_LOOP_H

/*
 * struct zcs_test_loop - a loop device, which stands for a block device
 * @fd, @file: the device, and the file behind it; closed, the device is detached, however the
 *	program ends
 */
struct zcs_test_loop {
	char device[32];
	int fd, file;
};

/*
 * Makes a file of @mib MiB at @path, and a device with sectors of @sector bytes. Returns NULL, or
 * why there can be none.
 */
const char *zcs_test_loop_open(struct zcs_test_loop *loop, const char *path, unsigned mib,
			       unsigned sector);
void zcs_test_loop_close(struct zcs_test_loop *loop);

#endif
