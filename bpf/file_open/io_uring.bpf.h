/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens through io_uring, which return through no system call. Part of file_open.bpf.c, behind what it has for all opens.
 *
 * From Linux 6.0 on one kernel function does them all, and its request holds what was asked for and what came of it: where programs
 * can be at functions, these opens are seen like any other. It runs in the process itself or in a thread of it that the kernel made, with
 * the same files. Elsewhere they are only counted, at the tracepoint that every request passes. User space chooses.
 */
#ifndef CRYPTOFLEET_IO_URING_BPF_H
#define CRYPTOFLEET_IO_URING_BPF_H

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

/* Names of opens that are under way, where they hint at cryptography: when one has failed, its name is freed already. */
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

/* int io_openat2(struct io_kiocb *req, unsigned int issue_flags), io_uring/openclose.c: IORING_OP_OPENAT comes here too */
SEC("fentry/io_openat2")
int ring_open(__u64 *ctx)
{
	struct io_kiocb *asked = (struct io_kiocb *)ctx[0];
	const char *name = ring_open_name((struct io_open *)&asked->cmd);
	__u32 zero = 0, last4 = 0;
	__u64 key = ctx[0];
	struct ring_name *copy = bpf_map_lookup_elem(&ring_scratch, &zero);
	long size;

	if (!copy)
		return 0;
	size = bpf_probe_read_kernel_str(copy->name, sizeof(copy->name), name);
	if (size < SHORTEST_HINTED_NAME || bpf_probe_read_kernel(&last4, sizeof(last4), name + size - 5) || !hinted(last4))
		return 0;
	if (bpf_map_update_elem(&ring_names, &key, copy, BPF_ANY))
		count(COUNT_IO_URING_OPENS);
	return 0;
}

SEC("fexit/io_openat2")
int ring_return(__u64 *ctx)
{
	struct io_kiocb *asked = (struct io_kiocb *)ctx[0];
	struct io_open *open = (struct io_open *)&asked->cmd;
	__u64 key = ctx[0];
	struct request request;
	int result;

	if ((int)ctx[2] == 0 && !by_tracer()) {		/* else it is done again, by another thread */
		result = BPF_CORE_READ(asked, cqe.res);
		if (result >= 0 && BPF_CORE_READ(open, file_slot)) {
			count(COUNT_IO_URING_OPENS);		/* the file went to the ring's own table */
		} else {
			request.place = AT_RING;
			request.dirfd = BPF_CORE_READ(open, dfd);
			request.flags = (__u32)BPF_CORE_READ(open, how.flags) & ~O_LARGEFILE;
			request.name = bpf_map_lookup_elem(&ring_names, &key);
			request.name_in_kernel = 1;
			returned(&request, result);
		}
	}
	bpf_map_delete_elem(&ring_names, &key);
	return 0;
}

static __always_inline int not_seen(__u8 opcode)
{
	if ((opcode == IORING_OP_OPENAT || opcode == IORING_OP_OPENAT2) && !by_tracer())
		count(COUNT_IO_URING_OPENS);
	return 0;
}

/* (struct io_kiocb *req), 6.5 */
SEC("raw_tp/io_uring_submit_req")
int ring_request(__u64 *ctx)
{
	return not_seen(BPF_CORE_READ((struct io_kiocb *)ctx[0], opcode));
}

/*
 * Before 6.5. Its arguments moved: (ctx, opcode, user_data, ...), 5.14 (ctx, req, opcode, user_data, ...), 5.18 (ctx, req, user_data,
 * opcode, ...), 6.0 (req, ...). What the tracepoint writes down tells which, also of kernels with a later io_uring than their own.
 */
SEC("raw_tp/io_uring_submit_sqe")
int ring_entry(__u64 *ctx)
{
	struct trace_event_raw_io_uring_submit_sqe *written = 0;
	__u32 opcode_at, user_data_at;

	if (bpf_core_field_exists(((struct io_kiocb *)0)->cmd))
		return not_seen(BPF_CORE_READ((struct io_kiocb *)ctx[0], opcode));
	if (!bpf_core_field_exists(written->req))
		return not_seen((__u8)ctx[1]);
	opcode_at = __builtin_preserve_field_info(written->opcode, BPF_FIELD_BYTE_OFFSET);
	user_data_at = __builtin_preserve_field_info(written->user_data, BPF_FIELD_BYTE_OFFSET);
	asm volatile("" : "+r"(opcode_at), "+r"(user_data_at));	/* not before the checks: where there is no such member, reading its place is an error */
	if (opcode_at < user_data_at)
		return not_seen((__u8)ctx[2]);
	return not_seen((__u8)ctx[3]);
}

#endif
