/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of io_uring in kernel memory: what an open asks for, its name, and the opcode of any request. */
#ifndef CRYPTOFLEET_IO_URING_BPF_H
#define CRYPTOFLEET_IO_URING_BPF_H

#include "file_open/open_results.bpf.h"

/* include/uapi/linux/io_uring.h */
enum { IORING_OP_OPENAT = 18, IORING_OP_OPENAT2 = 28 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct io_cmd_data {
	struct file *file;
};

struct io_cqe {
	__s32 res;
};

struct io_kiocb {
	struct io_cmd_data cmd;	/* 6.0: before, each operation has a member of its own, and the result is elsewhere */
	__u8 opcode;
	struct io_cqe cqe;
};

struct open_how {
	__u64 flags;
};

struct filename {
	const char *name;
};

struct io_open {
	int dfd;
	__u32 file_slot;
	struct filename *filename;
	struct open_how how;
};

struct delayed_filename {
	struct filename *__incomplete_filename;
};

struct io_open___delayed {	/* 7.0 */
	struct delayed_filename filename;
};

struct trace_event_raw_io_uring_submit_sqe {
	void *req;
	__u8 opcode;
	__u64 user_data;
};

#pragma clang attribute pop

struct ring_name {
	char name[MAX_NAME];
};

/* Names of opens that are in progress, where they hint at cryptography: when one has failed, the kernel has freed its name already. By request. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, __u64);
	__type(value, struct ring_name);
} ring_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_name);
} ring_scratch SEC(".maps");

static __always_inline const char *ring_open_name(struct io_open *open)
{
	struct io_open___delayed *delayed = (void *)open;

	if (bpf_core_field_exists(delayed->filename.__incomplete_filename))
		return BPF_CORE_READ(delayed, filename.__incomplete_filename, name);
	return BPF_CORE_READ(open, filename, name);
}

/* Keep the name of an open until its result is known. Returns nonzero where that is not possible. */
static __always_inline int keep_ring_name(struct io_kiocb *asked)
{
	const char *name = ring_open_name((struct io_open *)&asked->cmd);
	__u32 zero = 0, last4 = 0;
	__u64 key = (__u64)asked;
	struct ring_name *copy = bpf_map_lookup_elem(&ring_scratch, &zero);
	long size;

	if (!copy)
		return 0;
	size = bpf_probe_read_kernel_str(copy->name, sizeof(copy->name), name);
	if (size < SHORTEST_HINTED_NAME || bpf_probe_read_kernel(&last4, sizeof(last4), name + size - 5) || !has_hint(last4))
		return 0;
	return bpf_map_update_elem(&ring_names, &key, copy, BPF_ANY) != 0;
}

static __always_inline int is_ring_open(__u8 opcode)
{
	return opcode == IORING_OP_OPENAT || opcode == IORING_OP_OPENAT2;
}

static __always_inline __u8 opcode_of(__u64 request)
{
	return BPF_CORE_READ((struct io_kiocb *)request, opcode);
}

/*
 * The opcode in the arguments of the tracepoint io_uring_submit_sqe, before 6.5. They moved: (ctx, opcode, user_data, ...),
 * 5.14 (ctx, req, opcode, user_data, ...), 5.18 (ctx, req, user_data, opcode, ...), 6.0 (req, ...). The tracepoint's own record has the same
 * order, and shows which it is, also of kernels with a later io_uring than their own.
 */
static __always_inline __u8 submitted_opcode(__u64 *arguments)
{
	struct trace_event_raw_io_uring_submit_sqe *written = 0;
	__u32 opcode_at, user_data_at;

	if (bpf_core_field_exists(((struct io_kiocb *)0)->cmd))
		return opcode_of(arguments[0]);
	if (!bpf_core_field_exists(written->req))
		return (__u8)arguments[1];
	opcode_at = __builtin_preserve_field_info(written->opcode, BPF_FIELD_BYTE_OFFSET);
	user_data_at = __builtin_preserve_field_info(written->user_data, BPF_FIELD_BYTE_OFFSET);
	asm volatile("" : "+r"(opcode_at), "+r"(user_data_at));	/* not before the checks: where there is no such member, reading its place is an error */
	if (opcode_at < user_data_at)
		return (__u8)arguments[2];
	return (__u8)arguments[3];
}

#endif
