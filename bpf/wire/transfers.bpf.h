/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which system calls move bytes of a socket, and where in user memory these are, from the registers at their return. */
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

/* include/linux/socket.h: what was read is not gone from the socket, or is not of its stream (MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE) */
#define NOT_OF_THE_STREAM (0x1 | 0x2 | 0x20 | 0x2000)

struct transfer {
	__u64 bytes;	/* in user memory; NULL where there are parts */
	__u64 parts;	/* struct iovec in user memory */
	__u64 part_count;
};

/* struct iovec and the part of struct user_msghdr that is read, include/uapi/linux/uio.h, include/linux/socket.h */
struct part {
	__u64 base;
	__u64 size;
};

struct message {
	__u64 name;
	__u64 name_size;
	__u64 parts;
	__u64 part_count;
};

/* The first test on every system call of the host. */
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

/* Nonzero: no bytes of the stream. */
static __always_inline int read_transfer(struct transfer *transfer, struct pt_regs *regs)
{
	long number = REGS_SYSCALL(regs);
	struct message message = {};
	__u64 flags = 0;

	transfer->bytes = 0;
	transfer->parts = 0;
	transfer->part_count = 0;
	if (number == NR_READV || number == NR_WRITEV) {
		transfer->parts = ARGUMENT2(regs);
		transfer->part_count = ARGUMENT3(regs);
	} else if (number == NR_SENDMSG || number == NR_RECVMSG) {
		flags = ARGUMENT3(regs);
		if (bpf_probe_read_user(&message, sizeof(message), (const void *)ARGUMENT2(regs))) {
			count(COUNT_USER_FAULT);
			return 1;
		}
		transfer->parts = message.parts;
		transfer->part_count = message.part_count;
	} else {
		transfer->bytes = ARGUMENT2(regs);
		if (number == NR_SENDTO || number == NR_RECVFROM)
			flags = ARGUMENT4(regs);
	}
	return (flags & NOT_OF_THE_STREAM) != 0;
}

#endif
