/* SPDX-License-Identifier: MIT */
/*
 * From a specification to open devices. Two things matter here: a message that lets the reader
 * correct the specification, and safety from other users' files.
 *
 * So a file is made with O_EXCL unless keep=1 is given, and is never opened through a symlink in
 * its last component. An existing file is accepted only if it is regular, the caller's, private
 * (mode 0600) and without a second name. A device may be named by a symlink (/dev/disk/by-id),
 * because only root can make one there.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/env.h"
#include "common/log.h"
#include "common/size.h"
#include "swap_priv.h"
#include "sys/sys.h"

#define MIB(bytes) ((unsigned long long)((bytes) >> 20))

static int parse_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno || !isdigit((unsigned char)*text) || *end || *number > max ? -EINVAL : 0;
}

static int parse_size(struct zcs_swap_spec *spec, const char *text)
{
	int err = zcs_parse_size(text, &spec->size);

	return err || !spec->size || spec->size > INT64_MAX ? -EINVAL : 0;
}

static int parse_prio(struct zcs_swap_spec *spec, const char *text)
{
	bool minus = *text == '-';
	uint64_t n;
	int err = parse_number(text + minus, 32767, &n);

	spec->prio = minus ? -(int)n : (int)n;
	return err;
}

static int parse_keep(struct zcs_swap_spec *spec, const char *text)
{
	uint64_t n;
	int err = spec->block ? -EINVAL : parse_number(text, 1, &n);

	spec->keep = !err && n;
	return err;
}

static int parse_discard(struct zcs_swap_spec *spec, const char *text)
{
	uint64_t n;
	int err = parse_number(text, 1, &n);

	spec->discard = !err && n;
	return err;
}

static int parse_direct(struct zcs_swap_spec *spec, const char *text)
{
	uint64_t n;
	int err = parse_number(text, 1, &n);

	spec->direct = err ? -1 : (int)n;
	return err;
}

static int parse_depth(struct zcs_swap_spec *spec, const char *text)
{
	uint64_t n;
	int err = parse_number(text, 1024, &n);

	spec->depth = err ? 0 : (unsigned)n;
	return err || n < 2 ? -EINVAL : 0;
}

static const struct {
	const char *name, *values;
	int (*parse)(struct zcs_swap_spec *spec, const char *text);
} keys[] = {
	{ "size", "a number of bytes over 0, with K, M, G or T", parse_size },
	{ "prio", "-32767 to 32767", parse_prio },
	{ "keep", "0 or 1, for files only", parse_keep },
	{ "discard", "0 or 1", parse_discard },
	{ "direct", "0 or 1", parse_direct },
	{ "depth", "2 to 1024", parse_depth },
};

#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

static void unknown_key(const char *where, const char *key)
{
	char known[128] = "";

	for (size_t i = 0; i < NR_KEYS; i++) {
		strcat(known, i ? ", " : "");
		strcat(known, keys[i].name);
	}
	zcs_warn("swap \"%s\": unknown key \"%s\"; known keys: %s", where, key, known);
}

static size_t find_key(const char *name)
{
	size_t i = 0;

	while (i < NR_KEYS && strcmp(name, keys[i].name))
		i++;
	return i;
}

/* Parses one key. @given has a bit for each key that was there before. */
static int parse_dev_key(struct zcs_swap_spec *spec, const char *where, char *key, unsigned *given)
{
	char *value = strchr(key, '=');
	size_t i;

	if (value)
		*value++ = '\0';
	i = find_key(key);
	if (i == NR_KEYS) {
		unknown_key(where, key);
		return -EINVAL;
	}
	if (*given & 1u << i) {
		zcs_warn("swap \"%s\": %s= is given twice", where, key);
		return -EINVAL;
	}
	*given |= 1u << i;
	if (value && !keys[i].parse(spec, value))
		return 0;
	zcs_warn("swap \"%s\": %s=%s: must be %s", where, key, value ? value : "", keys[i].values);
	return -EINVAL;
}

static int parse_dev_keys(struct zcs_swap_spec *spec, const char *where, char *list)
{
	unsigned given = 0;
	int err = 0;

	while (list && !err) {
		char *key = strsep(&list, "&");

		if (*key) {
			err = parse_dev_key(spec, where, key, &given);
		} else {
			zcs_warn("swap \"%s\": an empty key beside \"&\"", where);
			err = -EINVAL;
		}
	}
	return err;
}

static int hex(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Replaces each %XX by its byte, in place. */
static int decode(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		if (hex(from[1]) < 0 || hex(from[2]) < 0 || (from[1] == '0' && from[2] == '0'))
			return -EINVAL;
		*to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
		from += 2;
	}
	*to = '\0';
	return 0;
}

static bool strip(char **text, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*text, prefix, len) != 0)
		return false;
	*text += len;
	return true;
}

/* Parses one device. Cuts @text up. */
static int parse_dev(char *text, struct zcs_swap_spec *spec)
{
	char *list, *path = text;
	int err;

	*spec = (struct zcs_swap_spec){ .direct = -1 };
	spec->block = strip(&path, "dev:") || !strncmp(path, "/dev/", 5);
	if (!spec->block && !strip(&path, "file:")) {
		zcs_warn(
			"swap \"%s\": a device is file:/path?size=..., file:?size=..., /dev/... or "
			"dev:/dev/...; several are joined by \";\"",
			text);
		return -EINVAL;
	}
	list = strchr(path, '?');
	if (list)
		*list++ = '\0';
	if (decode(path)) {
		zcs_warn("swap \"%s\": bad path; %%XX in it stands for a byte", text);
		return -EINVAL;
	}
	if (spec->block && !*path) {
		zcs_warn("swap \"%s\": a device needs a path", text);
		return -EINVAL;
	}
	err = parse_dev_keys(spec, text, list && *list ? list : NULL);
	if (err)
		return err;
	if (spec->keep && !*path) {
		zcs_warn("swap \"%s\": keep=1 needs a path", text);
		return -EINVAL;
	}
	spec->path = strdup(path);
	return spec->path ? 0 : -ENOMEM;
}

static int parse_next(char *text, struct zcs_swap_spec *specs, unsigned *nr)
{
	int err = -EINVAL;

	if (!*text)
		zcs_warn("swap: an empty device beside \";\"");
	else if (*nr == ZCS_SWAP_DEVS_MAX)
		zcs_warn("swap \"%s\": more than %u devices", text, ZCS_SWAP_DEVS_MAX);
	else
		err = parse_dev(text, &specs[*nr]);
	*nr += !err;
	return err;
}

/* Parses a specification. An empty device after the last ";" is allowed. */
int zcs_swap_parse(const char *text, struct zcs_swap_spec *specs, unsigned *nr)
{
	char *copy = strdup(text), *rest = copy;
	int err = copy ? 0 : -ENOMEM;

	*nr = 0;
	if (copy && (!*copy || !strcmp(copy, ";"))) {
		zcs_warn("swap \"%s\": names no device", text);
		err = -EINVAL;
	}
	while (!err && rest && (*rest || !*nr))
		err = parse_next(strsep(&rest, ";"), specs, nr);
	free(copy);
	if (err)
		zcs_swap_free_specs(specs, *nr);
	return err;
}

void zcs_swap_free_specs(struct zcs_swap_spec *specs, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		free(specs[i].path);
}

/* Logs why a device cannot be used, in one line. Return: @err. */
static int refuse_dev(const struct zcs_swap_dev *d, int err, const char *what)
{
	zcs_warn("swap %s: %s", d->name, what);
	return err;
}

static int refuse_for(const struct zcs_swap_dev *d, int err, const char *what)
{
	zcs_warn("swap %s: %s: %s", d->name, what, strerror(-err));
	return err;
}

/* Opens a file that may exist. */
static int open_kept(struct zcs_swap_dev *d)
{
	int fd = zcs_sys_open(d->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

	d->made = fd >= 0;
	if (fd != -EEXIST)
		return fd;
	/* O_NONBLOCK, for a FIFO would block; the flag goes when O_DIRECT is set or cleared */
	return zcs_sys_open(d->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
}

/*
 * Locks a kept file and examines it again. Before the lock is held, another store may change the
 * size of the file, or remove a file that it has made.
 */
static int lock_kept(const struct zcs_swap_dev *d, struct zcs_sys_file *f)
{
	int err = zcs_sys_lock(d->fd);

	if (err == -EBUSY)
		return refuse_dev(d, err, "is in use by another store");
	if (err)
		return refuse_for(d, err, "cannot be locked");
	err = zcs_sys_file(d->fd, f);
	if (err)
		return refuse_for(d, err, "cannot be examined");
	if (!f->links)
		return refuse_dev(d, -EBUSY, "has just been removed by another store; try again");
	return 0;
}

static int check_kept(const struct zcs_swap_dev *d, struct zcs_sys_file *f)
{
	if (f->block)
		return refuse_dev(d, -EINVAL, "is a block device; write dev: in place of file:");
	if (!f->regular)
		return refuse_dev(d, -EINVAL, "is not a regular file");
	if (!f->own)
		return refuse_dev(d, -EPERM, "belongs to another user");
	if (f->mode & 077)
		return refuse_dev(d, -EPERM, "may be read by others; chmod 600");
	if (f->links != 1)
		return refuse_dev(d, -EPERM, "has another name (a hard link)");
	return lock_kept(d, f);
}

static bool is_directory(const char *path)
{
	int fd = zcs_sys_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	zcs_sys_close(fd);
	return fd >= 0;
}

static int open_file_error(const struct zcs_swap_dev *d, int err)
{
	if (err == -EISDIR || (err == -EEXIST && is_directory(d->name)))
		return refuse_dev(d, -EISDIR, "is a directory; name a file in it");
	if (err == -EEXIST)
		return refuse_dev(d, err, "exists; remove it, or use it with keep=1");
	if (err == -ELOOP)
		return refuse_dev(d, err, "is a symlink, which is never followed");
	if (err == -ETXTBSY)
		return refuse_dev(d, err, "is in use by the kernel (swapoff?)");
	return refuse_for(d, err, "cannot be opened");
}

static int open_file(const struct zcs_swap_spec *spec, struct zcs_swap_dev *d)
{
	struct zcs_sys_file f;
	int err;

	if (!*spec->path)
		d->fd = zcs_sys_open_unnamed(d->name);
	else if (spec->keep)
		d->fd = open_kept(d);
	else
		d->fd = zcs_sys_open(d->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (d->fd < 0)
		return open_file_error(d, d->fd);
	if (*spec->path && !spec->keep)
		zcs_sys_unlink(d->name);
	err = zcs_sys_file(d->fd, &f);
	if (err)
		return refuse_for(d, err, "cannot be examined");
	if (spec->keep && (err = check_kept(d, &f)))
		return err;
	if (f.memory)
		zcs_warn("swap %s: lies in RAM (tmpfs): what is swapped out there frees none",
			 d->name);
	d->bytes = f.bytes;
	d->sector = f.sector;
	return 0;
}

/* Makes the file @size long and allocates blocks for all of it. */
static int preallocate(struct zcs_swap_dev *d, uint64_t size)
{
	int err;

	if (size > zcs_sys_file_limit())
		return refuse_dev(d, -EFBIG, "size= is over the limit of file sizes (ulimit -f)");
	err = zcs_sys_fallocate(d->fd, 0, size);
	if (err == -EOPNOTSUPP) {
		d->sparse = true;
		err = size > d->bytes ? zcs_sys_ftruncate(d->fd, size) : 0;
	}
	if (!err) {
		d->bytes = size;
		return 0;
	}
	zcs_warn("swap %s: %llu MiB cannot be reserved: %s", d->name, MIB(size), strerror(-err));
	zcs_sys_ftruncate(d->fd, d->bytes);
	return err;
}

static int size_file(const struct zcs_swap_spec *spec, struct zcs_swap_dev *d)
{
	uint64_t size = spec->size ? spec->size : d->bytes;

	if (!size)
		return refuse_dev(d, -EINVAL, "size= is needed for a new file");
	if (size < ZCS_CLUSTER_BYTES)
		return refuse_dev(d, -EINVAL, "is too small; 2 MiB is the least");
	return preallocate(d, size);
}

static int open_block(const struct zcs_swap_spec *spec, struct zcs_swap_dev *d)
{
	struct zcs_sys_file f;
	int err;

	d->fd = zcs_sys_open(d->name, O_RDWR | O_EXCL | O_NONBLOCK, 0);
	if (d->fd == -EBUSY)
		return refuse_dev(d, -EBUSY, "is in use: mounted, or another store's");
	if (d->fd < 0)
		return refuse_for(d, d->fd, "cannot be opened");
	err = zcs_sys_file(d->fd, &f);
	if (err)
		return refuse_for(d, err, "cannot be examined");
	if (!f.block)
		return refuse_dev(d, -ENOTBLK, "is no block device; for a file write file:");
	if (f.sector > ZCS_SLOT_BYTES)
		return refuse_dev(d, -EINVAL, "has sectors over 4 KiB");
	d->bytes = spec->size ? spec->size : f.bytes;
	d->sector = f.sector;
	if (d->bytes > f.bytes) {
		zcs_warn("swap %s: holds %llu MiB, and size= asks for %llu", d->name, MIB(f.bytes),
			 MIB(d->bytes));
		return -ENOSPC;
	}
	if (d->bytes < ZCS_CLUSTER_BYTES)
		return refuse_dev(d, -EINVAL, "is too small; 2 MiB is the least");
	return 0;
}

/* Tries a read, for some file systems accept O_DIRECT and then refuse the transfer. */
static int try_transfer(const struct zcs_swap_dev *d)
{
	void *page;
	int64_t r = zcs_sys_reserve(ZCS_SLOT_BYTES, &page);

	if (r)
		return (int)r;
	do
		r = zcs_sys_pread(d->fd, page, ZCS_SLOT_BYTES, 0);
	while (r == -EINTR);
	zcs_sys_unmap(page, ZCS_SLOT_BYTES);
	return r < 0 ? (int)r : 0;
}

static int choose_direct(const struct zcs_swap_spec *spec, struct zcs_swap_dev *d)
{
	int err = spec->direct ? zcs_sys_direct(d->fd, true) : -EINVAL;

	if (!err)
		err = try_transfer(d);
	d->direct = !err;
	if (!err)
		return 0;
	if (err != -EINVAL)
		return refuse_for(d, err, "cannot be read");
	if (spec->direct == 1)
		return refuse_dev(d, -EOPNOTSUPP, "direct=1, but the file system refuses O_DIRECT");
	return zcs_sys_direct(d->fd, false);
}

int zcs_swap_open_dev(const struct zcs_swap_spec *spec, struct zcs_swap_dev *d)
{
	const char *dir = zcs_env(ZCS_ENV_TMPDIR);
	int err;

	*d = (struct zcs_swap_dev){ .fd = -1,
				    .block = spec->block,
				    .keep = spec->keep,
				    .discard = spec->discard,
				    .prio = spec->prio,
				    .turn_left = ZCS_CLUSTER_SLOTS };
	d->name = strdup(*spec->path ? spec->path : dir);
	if (!d->name)
		return -ENOMEM;
	err = spec->block ? open_block(spec, d) : open_file(spec, d);
	if (!err && !spec->block)
		err = size_file(spec, d);
	if (!err)
		err = choose_direct(spec, d);
	d->bytes -= d->bytes % ZCS_CLUSTER_BYTES;
	return err;
}
