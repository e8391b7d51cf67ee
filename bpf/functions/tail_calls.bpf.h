/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions that end in a jump to another public function of their library: one call that passes two probed entries. */
#ifndef CRYPTOFLEET_TAIL_CALLS_BPF_H
#define CRYPTOFLEET_TAIL_CALLS_BPF_H

#include "shared/kernel.h"
#include "shared/events.h"

struct last_call {
	__u64 slot;		/* where on the stack its return address is */
	__u64 return_address;
	__u32 tail_caller;	/* of its struct function, as the next */
	__u32 library;
};

/* By thread id. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct last_call);
} last_calls SEC(".maps");

/*
 * Whether this is no call of its own, but the last one's jump. A tail call leaves the caller's return address in the same stack slot: the
 * last call of the thread was in the same slot, with the same return address, of a function that is known to end in a jump to this one.
 * Foreign function interfaces call everything from one place, so slot and address alone would not do.
 */
static __always_inline int is_tail_call(const struct function *function, __u64 slot, __u64 return_address)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();
	struct last_call *last = bpf_map_lookup_elem(&last_calls, &thread);
	struct last_call now = {
		.slot = slot, .return_address = return_address, .tail_caller = function->tail_caller, .library = function->library
	};
	int is_jump = 0;

	if (last) {
		if (last->slot == slot && last->return_address == return_address && last->library == now.library)
			is_jump = (last->tail_caller < 64 ? function->tail_callers_low : function->tail_callers_high) >> (last->tail_caller & 63) & 1;
		*last = now;
	} else {
		bpf_map_update_elem(&last_calls, &thread, &now, BPF_ANY);
	}
	return is_jump;
}

#endif
