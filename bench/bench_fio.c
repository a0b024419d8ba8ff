/* SPDX-License-Identifier: MIT */
/*
 * fio as the measure of a device: what its io_uring engine gets out of it, a program in C that does
 * nothing but transfers can get. It runs as a child and its own clock is read, so that starting it
 * costs nothing.
 *
 * Its buffers are huge pages where the store's memory is: of small ones a request has 512 pieces,
 * which halves the rate. They are those of glibc's malloc(), which need neither a reserve nor
 * privileges; where the system has transparent huge pages switched off they are small all the same.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_child.h"
#include "bench_fio.h"

/* Our environment with @first before it; to be freed. */
static char **environ_with(char *first)
{
	size_t nr = 0;
	char **env;

	while (environ[nr])
		nr++;
	env = malloc((nr + 2) * sizeof(*env));
	if (!env)
		return NULL;
	env[0] = first;
	memcpy(env + 1, environ, (nr + 1) * sizeof(*env));
	return env;
}

/* fio may say something before its JSON. Reads to the end, so that fio never waits to write. */
static json_t *parse(FILE *f)
{
	json_t *root;
	int c;

	do
		c = getc(f);
	while (c != EOF && c != '{');
	ungetc(c, f);
	root = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	while (getc(f) != EOF)
		;
	return root;
}

/* The output of fio; NULL: it could not be run, or failed. */
static json_t *output(char **argv, char **env)
{
	json_t *root = NULL;
	int ends[2];
	pid_t pid;
	FILE *f;

	if (pipe2(ends, O_CLOEXEC))
		return NULL;
	pid = bench_child_start(argv, env, ends[1]);
	close(ends[1]);
	f = fdopen(ends[0], "r");
	if (f) {
		root = parse(f);
		fclose(f);
	} else {
		close(ends[0]);
	}
	if (pid > 0 && bench_child_good(pid))
		return root;
	json_decref(root);
	return NULL;
}

static json_t *run(char **argv, bool huge)
{
	static char tunable[] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
	char **env = huge ? environ_with(tunable) : environ;
	json_t *root = env ? output(argv, env) : NULL;

	if (huge)
		free(env);
	return root;
}

static bool read_result(json_t *root, const char *direction, uint64_t bytes,
			struct bench_span *span)
{
	double rate, user, system, ms;

	if (json_unpack(root, "{s:[{s:{s:F}, s:F, s:F, s:F}]}", "jobs", direction, "bw_bytes",
			&rate, "usr_cpu", &user, "sys_cpu", &system, "job_runtime", &ms) ||
	    rate <= 0)
		return false;
	span->time = (uint64_t)((double)bytes * 1e9 / rate);
	span->cpu = (uint64_t)((user + system) / 100 * ms * 1e6);
	return true;
}

static bool measure(const char *path, const struct bench_fio *fio, struct bench_span *span)
{
	char file[4200], size[64], rw[16], iodepth[32];
	char *argv[] = { "fio",
			 "--name=base",
			 file,
			 size,
			 rw,
			 iodepth,
			 "--bs=2M",
			 "--mem=malloc",
			 "--iomem_align=2M",
			 "--ioengine=io_uring",
			 "--direct=1",
			 "--fallocate=none",
			 "--overwrite=1",
			 "--thread",
			 "--output-format=json",
			 NULL };
	const char *direction = fio->write ? "write" : "read";
	json_t *root;
	bool good;

	snprintf(file, sizeof(file), "--filename=%s", path);
	snprintf(size, sizeof(size), "--size=%llu", (unsigned long long)fio->bytes);
	snprintf(rw, sizeof(rw), "--rw=%s", direction);
	snprintf(iodepth, sizeof(iodepth), "--iodepth=%u", fio->depth);
	root = run(argv, fio->huge);
	good = root && read_result(root, direction, fio->bytes, span);
	json_decref(root);
	return good;
}

bool bench_has_fio(struct bench *b, const char *path)
{
	const struct bench_fio probe = { .bytes = BENCH_UNIT, .depth = 1, .write = true };
	struct bench_span span;
	bool has = measure(path, &probe, &span);

	if (!has)
		bench_left_out(b, b->what, "fio: not installed, or without its io_uring engine");
	return has;
}

void bench_fio_sample(struct bench *b, const struct bench_pair *pair, const char *path,
		      const struct bench_fio *fio)
{
	struct bench_span span;

	if (measure(path, fio, &span))
		bench_pair_sample(b, pair, fio->bytes, span);
	else
		bench_say(b, "fio failed in round %u", b->round);
}
