// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probe `file_open`: which process opened which file, with flags, result and the path the kernel itself resolved.
 *
 * A program on the return of the kernel function behind all open system calls. Where the kernel can't have that (arm64 before 6.4, function tracing
 * not built in), one on the return of every system call, which leaves at once where it is not an open, and costs each of them some 70 ns. At the
 * return the opened struct file is known, so relative names, dirfd, symlinks, chroots and containers need no work: its dentry is walked to the root.
 * No map carries state from entry to return, and the file name's page is resident, because the kernel has just read it.
 *
 * Opens through io_uring return through no system call. From Linux 6.0 on one kernel function does them all, and its request holds what was asked
 * for and the result: where programs can be attached to functions, these opens are reported like any other. The function runs in the process itself
 * or in a thread of it that the kernel made, with the same files. Elsewhere they are only counted, at the tracepoint that every request passes.
 * User space chooses.
 *
 * User space classifies a file by its content, and writes the class of each inode back into `classes`; opens of files known to be something else end
 * here. Opens of a name that hints at cryptography, or of a file known to be cryptographic, go to the shared ring; the first open of any other
 * unknown file goes to a ring of its own, so that a storm there costs nothing here.
 */
#include "shared/common.bpf.h"
#include "file_open/io_uring.bpf.h"
#include "file_open/open_results.bpf.h"
#include "file_open/open_syscalls.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int is_tracer(void)
{
	return bpf_get_current_pid_tgid() >> 32 == settings.tracer_pid;
}

/* do_sys_openat2(int dfd, const char __user *filename, struct open_how *how), 5.6 and later: all opens by name, those of 32-bit programs too. */
SEC("fexit/do_sys_openat2")
int open_return(__u64 *ctx)
{
	struct request request;
	__u64 flags = 0;

	if (is_tracer())
		return 0;
	bpf_probe_read_kernel(&flags, sizeof(flags), (void *)ctx[2]);
	request.program = OPEN_BY_NAME;
	request.dirfd = (int)ctx[0];
	request.name = (const char *)ctx[1];
	request.name_in_kernel = 0;
	request.flags = (__u32)flags & ~O_LARGEFILE;	/* the kernel sets it for 64-bit programs */
	return report_open(&request, (int)ctx[3]);
}

SEC("fexit/" OPEN_BY_HANDLE_AT)
int handle_return(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct request request;

	if (is_tracer())
		return 0;
	request.program = OPEN_BY_HANDLE;
	request.dirfd = AT_FDCWD;
	request.name = 0;
	request.name_in_kernel = 0;
	request.flags = (__u32)ARG3(regs);
	return report_open(&request, (long)ctx[1]);
}

SEC("tp_btf/sys_exit")
int any_return(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct request request = { .program = OPEN_BY_NAME };

	if (!is_open(REGS_SYSCALL(regs)) || is_tracer())
		return 0;
	if (decode_request(regs, (struct task_struct *)bpf_get_current_task(), &request))
		return 0;
	return report_open(&request, (long)ctx[1]);
}

/* int io_openat2(struct io_kiocb *req, unsigned int issue_flags), io_uring/openclose.c: IORING_OP_OPENAT comes here too */
SEC("fentry/io_openat2")
int ring_open(__u64 *ctx)
{
	if (keep_ring_name((struct io_kiocb *)ctx[0]))
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

	if ((int)ctx[2] == 0 && !is_tracer()) {		/* else it is done again, by another thread */
		result = BPF_CORE_READ(asked, cqe.res);
		if (result >= 0 && BPF_CORE_READ(open, file_slot)) {
			count(COUNT_IO_URING_OPENS);		/* the file went to the ring's own table */
		} else {
			request.program = OPEN_BY_RING;
			request.dirfd = BPF_CORE_READ(open, dfd);
			request.flags = (__u32)BPF_CORE_READ(open, how.flags) & ~O_LARGEFILE;
			request.name = bpf_map_lookup_elem(&ring_names, &key);
			request.name_in_kernel = 1;
			report_open(&request, result);
		}
	}
	bpf_map_delete_elem(&ring_names, &key);
	return 0;
}

/* (struct io_kiocb *req), 6.5 */
SEC("raw_tp/io_uring_submit_req")
int ring_request(__u64 *ctx)
{
	if (is_ring_open(opcode_of(ctx[0])) && !is_tracer())
		count(COUNT_IO_URING_OPENS);
	return 0;
}

/* Before 6.5. */
SEC("raw_tp/io_uring_submit_sqe")
int ring_entry(__u64 *ctx)
{
	if (is_ring_open(submitted_opcode(ctx)) && !is_tracer())
		count(COUNT_IO_URING_OPENS);
	return 0;
}
