/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that move bytes of a socket: which they are and where in user memory the bytes are, from the registers at their return. */
#ifndef CRYPTOFLEET_TRANSFERS_BPF_H
#define CRYPTOFLEET_TRANSFERS_BPF_H

#include "shared/common.bpf.h"

/* Numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. */
#if defined(__TARGET_ARCH_x86)
/* TS_COMPAT, arch/x86/include/asm/thread_info.h: the call came by the 32-bit entry, where its number means another one */
#define BY_32BIT(task) (BPF_CORE_READ(task, thread_info.status) & 2)
#define ARGUMENT1(regs) ((regs)->di)
#define ARGUMENT2(regs) ((regs)->si)
#define ARGUMENT3(regs) ((regs)->dx)
#define ARGUMENT4(regs) ((regs)->r10)
enum { NR_READ = 0, NR_WRITE = 1, NR_READV = 19, NR_WRITEV = 20, NR_SENDTO = 44, NR_RECVFROM = 45, NR_SENDMSG = 46, NR_RECVMSG = 47 };
#else
/* TIF_32BIT, arch/arm64/include/asm/thread_info.h */
#define BY_32BIT(task) (BPF_CORE_READ(task, thread_info.flags) & (1UL << 22))
#define ARGUMENT1(regs) ((regs)->orig_x0)
#define ARGUMENT2(regs) ((regs)->regs[1])
#define ARGUMENT3(regs) ((regs)->regs[2])
#define ARGUMENT4(regs) ((regs)->regs[3])
enum { NR_READ = 63, NR_WRITE = 64, NR_READV = 65, NR_WRITEV = 66, NR_SENDTO = 206, NR_RECVFROM = 207, NR_SENDMSG = 211, NR_RECVMSG = 212 };
#endif

/* include/linux/socket.h: MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE: what was read stays in the socket, or is not of its stream */
#define NOT_OF_THE_STREAM (0x1 | 0x2 | 0x20 | 0x2000)

/* Where the bytes of a call are, in user memory: in one buffer, or in the buffers of an array of struct iovec. */
struct transfer {
	__u64 buffer;	/* NULL where there is an array */
	__u64 iov;
	__u64 iov_count;
};

/* include/uapi/linux/uio.h, and the head of struct user_msghdr, include/linux/socket.h */
struct iovec {
	__u64 base;
	__u64 size;
};

struct user_msghdr {
	__u64 name;
	__u64 name_size;
	__u64 iov;
	__u64 iov_count;
};

/* The first test on every system call of the host: everything else runs only where it is true. */
static __always_inline int moves_bytes(long number)
{
#if defined(__TARGET_ARCH_x86)
	if ((unsigned long)number > NR_RECVMSG)
		return 0;
#endif
	switch (number) {
	case NR_READ:
	case NR_WRITE:
	case NR_READV:
	case NR_WRITEV:
	case NR_SENDTO:
	case NR_RECVFROM:
	case NR_SENDMSG:
	case NR_RECVMSG:
		return 1;
	}
	return 0;
}

static __always_inline int is_outgoing(long number)
{
	return number == NR_WRITE || number == NR_WRITEV || number == NR_SENDTO || number == NR_SENDMSG;
}

/* Returns nonzero where the call moved no bytes of the stream. */
static __always_inline int read_transfer(struct transfer *transfer, struct pt_regs *regs)
{
	long number = REGS_SYSCALL(regs);
	struct user_msghdr message = {};
	__u64 flags = 0;

	transfer->buffer = 0;
	transfer->iov = 0;
	transfer->iov_count = 0;
	if (number == NR_READV || number == NR_WRITEV) {
		transfer->iov = ARGUMENT2(regs);
		transfer->iov_count = ARGUMENT3(regs);
	} else if (number == NR_SENDMSG || number == NR_RECVMSG) {
		flags = ARGUMENT3(regs);
		if (bpf_probe_read_user(&message, sizeof(message), (const void *)ARGUMENT2(regs))) {
			count(COUNT_USER_FAULT);
			return 1;
		}
		transfer->iov = message.iov;
		transfer->iov_count = message.iov_count;
	} else {
		transfer->buffer = ARGUMENT2(regs);
		if (number == NR_SENDTO || number == NR_RECVFROM)
			flags = ARGUMENT4(regs);
	}
	return (flags & NOT_OF_THE_STREAM) != 0;
}

#endif
