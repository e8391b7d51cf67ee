/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reuse_pid FOLDER CHILDREN: children that all get the same pid, one after the other. Child N opens FOLDER/N.key N times and exits with N.
 * Prints the pid, and begins after a line came.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int children = atoi(argv[2]);
	/* behind our own: the kernel hands pids out upwards and comes back here last. Below 300 it does not come back at all (RESERVED_PIDS) */
	pid_t pid = getpid() - 100;
	char path[4096], line[16];

	while (pid < 301 || !kill(pid, 0) || errno != ESRCH)
		pid = pid < 301 ? 32767 : pid - 1;
	printf("%d\n", pid);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	for (int number = 1; number <= children; number++) {
		struct clone_args arguments = { .exit_signal = SIGCHLD, .set_tid = (unsigned long)&pid, .set_tid_size = 1 };
		long child = syscall(SYS_clone3, &arguments, sizeof(arguments));

		if (child < 0)
			return 3;
		if (!child) {
			snprintf(path, sizeof(path), "%s/%d.key", argv[1], number);
			for (int times = 0; times < number; times++)
				close(open(path, O_RDONLY));
			_exit(number);
		}
		if (waitpid(pid, 0, 0) != pid)
			return 4;
	}
	return 0;
}
