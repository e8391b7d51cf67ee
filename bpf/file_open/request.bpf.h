/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an open system call, or a request of io_uring, asked for. */
#ifndef CRYPTOFLEET_REQUEST_BPF_H
#define CRYPTOFLEET_REQUEST_BPF_H

#include "shared/common.bpf.h"

#define AT_FDCWD (-100)

/* The programs that may be loaded together: the index of each one's own record in `scratch`. */
enum { OPEN_BY_NAME, OPEN_BY_HANDLE, OPEN_BY_RING, OPEN_PROGRAMS };

struct request {
	__u32 program;
	int dirfd;
	__u32 flags;
	const char *name;	/* NULL where the call has none */
	int name_in_kernel;	/* else it is in user memory */
};

static __always_inline long read_name(void *to, __u32 size, struct request *request, long offset)
{
	return request->name_in_kernel ? bpf_probe_read_kernel(to, size, request->name + offset) : bpf_probe_read_user(to, size, request->name + offset);
}

/* Returns its size with the NUL, at most MAX_NAME, or -errno. */
static __always_inline long copy_name(char *to, struct request *request)
{
	return request->name_in_kernel ? bpf_probe_read_kernel_str(to, MAX_NAME, request->name) : bpf_probe_read_user_str(to, MAX_NAME, request->name);
}

#endif
