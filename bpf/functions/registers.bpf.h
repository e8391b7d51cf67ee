/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a call's arguments, stack and return address are, by the calling convention of each architecture. */
#ifndef CRYPTOFLEET_REGISTERS_BPF_H
#define CRYPTOFLEET_REGISTERS_BPF_H

#include "functions/algorithm.bpf.h"

#if defined(__TARGET_ARCH_x86)
#define STACK(ctx) ((ctx)->sp)
#define ADDRESS(ctx) ((ctx)->ip)
#define RETURN_ADDRESS(ctx, reading, slot) pointer_at(reading, slot)
#define FRAME(ctx) 0
#define ARGUMENTS(ctx) { { (ctx)->di, (ctx)->si, (ctx)->dx, (ctx)->cx, (ctx)->r8, (ctx)->r9 } }
#else
#define STACK(ctx) ((ctx)->sp)
#define ADDRESS(ctx) ((ctx)->pc)
#define RETURN_ADDRESS(ctx, reading, slot) ((ctx)->regs[30])
#define FRAME(ctx) ((ctx)->regs[29])
#define ARGUMENTS(ctx) { { (ctx)->regs[0], (ctx)->regs[1], (ctx)->regs[2], (ctx)->regs[3], (ctx)->regs[4], (ctx)->regs[5] } }
#endif

/* Whether a call has not returned yet: its return address is still on the stack. */
#if defined(__TARGET_ARCH_x86)
static __always_inline int has_not_returned(struct reading *reading, __u64 slot, __u64 return_address, __u64 frame __attribute__((unused)))
{
	return pointer_at(reading, slot) == return_address;
}
#else
#define MOST_FRAMES 12
#define ADDRESS_BITS ((1UL << 48) - 1)	/* above them a signed return address has its code (pointer authentication) */

/* Where, is for the compiler to choose: in one of the frame records that x29 leads to (AAPCS64, 6.4.6), which compilers keep by default. */
static __always_inline int has_not_returned(struct reading *reading, __u64 slot, __u64 return_address, __u64 frame)
{
	for (int i = 0; i < MOST_FRAMES && frame && frame < slot; i++) {
		if (!((pointer_at(reading, frame + 8) ^ return_address) & ADDRESS_BITS))
			return 1;
		frame = pointer_at(reading, frame);
	}
	return 0;
}
#endif

#endif
