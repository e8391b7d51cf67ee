/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the benchmarks make a host do: one kind of work in a tight loop, or at a rate, and how long it took, as one line of JSON.
 *
 *   load open PATH SECONDS          open(2) and close(2)
 *   load getppid SECONDS            the cheapest system call that is one
 *   load exec PROGRAM COUNT         start a program and wait for it
 *   load call FUNCTION COUNT        a probed function of libcrypto
 *   load rate PER_SECOND SECONDS    EVP_DigestInit_ex, evenly
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 1000 /* calls between two looks at the clock */
#define SLICES 1000 /* of a second, at a rate */

static const unsigned char key[32], iv[16];
static EVP_MD_CTX *digest;
static EVP_CIPHER_CTX *cipher;
static EVP_MAC_CTX *mac;

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

/* of this process and of those it started */
static double cpu(void)
{
	struct timespec own;
	struct rusage theirs;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	getrusage(RUSAGE_CHILDREN, &theirs);
	return own.tv_sec + own.tv_nsec / 1e9 + theirs.ru_utime.tv_sec + theirs.ru_stime.tv_sec +
	       (theirs.ru_utime.tv_usec + theirs.ru_stime.tv_usec) / 1e6;
}

static void open_one(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	close(fd);
}

static void getppid_one(const char *unused)
{
	(void)unused;
	syscall(SYS_getppid);
}

static void exec_one(const char *path)
{
	char *const argv[] = {(char *)path, NULL};
	pid_t pid;
	int status;

	errno = posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (errno || waitpid(pid, &status, 0) != pid || status)
		die(path);
}

static void digest_one(const char *unused)
{
	(void)unused;
	if (!EVP_DigestInit_ex(digest, EVP_sha256(), NULL))
		die("EVP_DigestInit_ex");
}

static void cipher_one(const char *unused)
{
	(void)unused;
	if (!EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, iv, 1))
		die("EVP_CipherInit_ex");
}

static void encrypt_one(const char *unused)
{
	(void)unused;
	if (!EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, iv))
		die("EVP_EncryptInit_ex");
}

static void mac_one(const char *unused)
{
	(void)unused;
	if (!EVP_MAC_init(mac, key, sizeof(key), NULL))
		die("EVP_MAC_init");
}

typedef void (*work)(const char *);

static const struct {
	const char *name;
	work call;
} functions[] = {
	{"EVP_DigestInit_ex", digest_one},
	{"EVP_CipherInit_ex", cipher_one},
	{"EVP_EncryptInit_ex", encrypt_one},
	{"EVP_MAC_init", mac_one},
};

static work function(const char *name)
{
	for (size_t each = 0; each < sizeof(functions) / sizeof(*functions); each++)
		if (!strcmp(functions[each].name, name))
			return functions[each].call;
	errno = EINVAL;
	die(name);
	return NULL;
}

static void prepare(void)
{
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0), OSSL_PARAM_construct_end()};

	digest = EVP_MD_CTX_new();
	cipher = EVP_CIPHER_CTX_new();
	mac = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
	if (!digest || !cipher || !mac || !EVP_MAC_CTX_set_params(mac, params))
		die("libcrypto");
}

static unsigned long run_seconds(work one, const char *argument, double seconds)
{
	unsigned long count = 0;
	double until = now() + seconds;

	for (; now() < until; count += BATCH)
		for (int each = 0; each < BATCH; each++)
			one(argument);
	return count;
}

static unsigned long run_count(work one, const char *argument, unsigned long count)
{
	for (unsigned long each = 0; each < count; each++)
		one(argument);
	return count;
}

static unsigned long run_rate(unsigned long per_second, unsigned long seconds)
{
	unsigned long count = 0;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (unsigned long slice = 0; slice < seconds * SLICES; slice++) {
		count += run_count(digest_one, NULL, per_second / SLICES);
		next.tv_nsec += 1000000000 / SLICES;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return count;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	work one = NULL;
	unsigned long count;
	double began, cpu_began;

	prepare();
	if (!strcmp(mode, "call") && argc == 4)
		one = function(argv[2]);
	began = now();
	cpu_began = cpu();
	if (!strcmp(mode, "open") && argc == 4)
		count = run_seconds(open_one, argv[2], atof(argv[3]));
	else if (!strcmp(mode, "getppid") && argc == 3)
		count = run_seconds(getppid_one, NULL, atof(argv[2]));
	else if (!strcmp(mode, "exec") && argc == 4)
		count = run_count(exec_one, argv[2], strtoul(argv[3], NULL, 10));
	else if (one)
		count = run_count(one, NULL, strtoul(argv[3], NULL, 10));
	else if (!strcmp(mode, "rate") && argc == 4)
		count = run_rate(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	else
		return fprintf(stderr, "load: see the beginning of load.c\n"), 2;
	printf("{\"count\": %lu, \"seconds\": %.9f, \"cpu_seconds\": %.9f}\n", count, now() - began, cpu() - cpu_began);
	return 0;
}
