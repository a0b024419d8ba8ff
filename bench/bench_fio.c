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
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_fio.h"

#define OUTPUT_BYTES (1u << 16)

extern char **environ;

/* The number after @key, in what follows @section; 0: it is not there. */
static double number(const char *json, const char *section, const char *key)
{
	const char *at = strstr(json, section);

	at = at ? strstr(at, key) : NULL;
	return at ? strtod(at + strlen(key), NULL) : 0;
}

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

/* Starts fio with its standard output, and nothing on the other two, where @fd is read. */
static pid_t start(char **argv, char **env, int *fd)
{
	posix_spawn_file_actions_t files;
	int ends[2], err;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawnp(&pid, argv[0], &files, NULL, argv, env);
	posix_spawn_file_actions_destroy(&files);
	close(ends[1]);
	*fd = ends[0];
	if (!err)
		return pid;
	close(ends[0]);
	return -1;
}

/* What fio printed; NULL: it could not be run, or failed. To be freed. */
static char *output(char **argv, bool huge)
{
	static char tunable[] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
	char *text = malloc(OUTPUT_BYTES), **env = huge ? environ_with(tunable) : environ;
	size_t len = 0;
	int fd, status;
	ssize_t n;
	pid_t pid = text && env ? start(argv, env, &fd) : -1;

	if (huge)
		free(env);

	if (pid < 0) {
		free(text);
		return NULL;
	}
	while (len < OUTPUT_BYTES - 1 && (n = read(fd, text + len, OUTPUT_BYTES - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status))
		return text;
	free(text);
	return NULL;
}

bool bench_fio(const char *path, uint64_t bytes, unsigned depth, bool write, bool huge,
	       struct bench_fio *fio)
{
	char file[4200], size[64], rw[16], iodepth[32], *text;
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
	const char *section = write ? "\"write\" : {" : "\"read\" : {";

	snprintf(file, sizeof(file), "--filename=%s", path);
	snprintf(size, sizeof(size), "--size=%llu", (unsigned long long)bytes);
	snprintf(rw, sizeof(rw), "--rw=%s", write ? "write" : "read");
	snprintf(iodepth, sizeof(iodepth), "--iodepth=%u", depth);
	text = output(argv, huge);
	if (!text)
		return false;
	fio->rate = number(text, section, "\"bw_bytes\" : ");
	fio->cpu = (number(text, section, "\"usr_cpu\" : ") +
		    number(text, section, "\"sys_cpu\" : ")) /
		   100 * number(text, section, "\"job_runtime\" : ") / 1000;
	free(text);
	return fio->rate > 0;
}
