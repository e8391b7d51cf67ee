/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that open a file: which they are and what they were asked for, from the registers at their return. */
#ifndef CRYPTOFLEET_OPEN_SYSCALLS_BPF_H
#define CRYPTOFLEET_OPEN_SYSCALLS_BPF_H

#include "file_open/request.bpf.h"

/* Numbers: arch/x86/entry/syscalls/syscall_{64,32}.tbl, include/uapi/asm-generic/unistd.h. */
#if defined(__TARGET_ARCH_x86)
/* TS_COMPAT, arch/x86/include/asm/thread_info.h: the call came by the 32-bit entry */
#define IS_32BIT(task) (BPF_CORE_READ(task, thread_info.status) & 2)
#define ARG1(regs) ((regs)->di)
#define ARG2(regs) ((regs)->si)
#define ARG3(regs) ((regs)->dx)
/* SYSCALL_DEFINE's name, arch/x86/include/asm/syscall_wrapper.h and, below, arch/arm64/include/asm/syscall_wrapper.h */
#define OPEN_BY_HANDLE_AT "__x64_sys_open_by_handle_at"
/* include/uapi/asm-generic/fcntl.h and, below, arch/arm64/include/uapi/asm/fcntl.h */
#define O_LARGEFILE 00100000
enum { NR_OPEN = 2, NR_CREAT = 85, NR_OPENAT = 257, NR_OPEN_BY_HANDLE_AT = 304, NR_OPENAT2 = 437, NR32_OPENAT = 295 };
#else
/* TIF_32BIT, arch/arm64/include/asm/thread_info.h */
#define IS_32BIT(task) (BPF_CORE_READ(task, thread_info.flags) & (1UL << 22))
#define ARG1(regs) ((regs)->orig_x0)
#define ARG2(regs) ((regs)->regs[1])
#define ARG3(regs) ((regs)->regs[2])
#define OPEN_BY_HANDLE_AT "__arm64_sys_open_by_handle_at"
#define O_LARGEFILE 00400000
enum { NR_OPENAT = 56, NR_OPEN_BY_HANDLE_AT = 265, NR_OPENAT2 = 437 };
#endif

/* The first test on every system call of the host: everything else runs only where it is true. */
static __always_inline int is_open(long number)
{
	switch (number) {
	case NR_OPENAT:
	case NR_OPENAT2:
	case NR_OPEN_BY_HANDLE_AT:
#if defined(__TARGET_ARCH_x86)
	case NR_OPEN:
	case NR_CREAT:
	case NR32_OPENAT:
#endif
		return 1;
	}
	return 0;
}

#define O_CREAT_WRONLY_TRUNC (00000100 | 00000001 | 00001000)

/* struct open_how, include/uapi/linux/openat2.h: flags come first */
static __always_inline __u32 open_how_flags(const void *how)
{
	__u64 flags = 0;

	if (bpf_probe_read_user(&flags, sizeof(flags), how))
		count(COUNT_USER_FAULT);
	return (__u32)flags;
}

/* Returns 0, or -1 where the system call is no open. */
static __always_inline int decode_request(struct pt_regs *regs, struct task_struct *task, struct request *request)
{
	long number = REGS_SYSCALL(regs);

	request->dirfd = AT_FDCWD;
	request->name = 0;
	request->name_in_kernel = 0;
	switch (number) {
	case NR_OPENAT:
		request->dirfd = (int)ARG1(regs);
		request->name = (const char *)ARG2(regs);
		request->flags = (__u32)ARG3(regs);
		break;
	case NR_OPENAT2:
		request->dirfd = (int)ARG1(regs);
		request->name = (const char *)ARG2(regs);
		request->flags = open_how_flags((const void *)ARG3(regs));
		break;
	case NR_OPEN_BY_HANDLE_AT:
		request->flags = (__u32)ARG3(regs);
		break;
#if defined(__TARGET_ARCH_x86)
	case NR_OPEN:
		request->name = (const char *)ARG1(regs);
		request->flags = (__u32)ARG2(regs);
		break;
	case NR_CREAT:
		request->name = (const char *)ARG1(regs);
		request->flags = O_CREAT_WRONLY_TRUNC;
		break;
	case NR32_OPENAT:
		break;
#endif
	default:
		return -1;
	}
	/* 32-bit programs have other numbers. On x86 their openat is decoded, which is what their C library calls. */
	if (IS_32BIT(task)) {
#if defined(__TARGET_ARCH_x86)
		if (number != NR32_OPENAT)
			return -1;
		request->dirfd = (int)regs->bx;
		request->name = (const char *)(regs->cx & 0xffffffff);
		request->flags = (__u32)regs->dx;
		return 0;
#else
		return -1;
#endif
	}
#if defined(__TARGET_ARCH_x86)
	if (number == NR32_OPENAT)
		return -1;	/* preadv */
#endif
	return 0;
}

#endif
