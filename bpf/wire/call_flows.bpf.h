/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of one direction of a TCP connection that is followed from system call to system call, and of the call that is handled now. */
#ifndef CRYPTOFLEET_CALL_FLOWS_BPF_H
#define CRYPTOFLEET_CALL_FLOWS_BPF_H

#include "wire/record_headers.bpf.h"
#include "wire/sockets.bpf.h"

enum call_phase {
	IDLE,		/* a handshake may start with the next call */
	STARTING,	/* its first bytes are expected, or some of them are in header */
	RECORDS,	/* in a record, or before the header of the next */
	LAST,		/* the remaining bytes end it */
	DONE,
};

struct call_flow_key {
	__u64 socket;		/* its inode number in sockfs */
	__u64 outgoing;
};

struct call_flow {
	__u32 next;		/* sequence number behind the last byte that was followed; not set while IDLE */
	__u32 remaining;	/* bytes of the record that are still to come; or of what is copied without reading headers */
	__u32 copied;		/* bytes of this handshake */
	__u8 phase;
	__u8 have;		/* bytes in header: they are sent once they are known to start a handshake */
	__u8 hello;		/* one was seen */
	__u8 ssh;
	__u8 header[32];	/* room for 15 + HELLO_START_SIZE, so that masking `have` is bound enough */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct call_flow_key);
	__type(value, struct call_flow);
} call_flows SEC(".maps");

/*
 * One buffer of a call, contiguous in user memory. In a map value, so that the verifier drops the bounds that it knows, and states merge in a loop.
 */
struct call {
	struct call_flow_key key;
	struct call_flow flow;
	struct sock___tcp *sock;
	__u64 base;		/* in user memory */
	__u32 sequence;		/* of base */
	__u32 size;
	__u32 position;		/* of the next byte to follow */
	__u32 from;		/* the bytes to copy */
	__u32 to;
	__u32 starts;		/* what is sent next starts a record */
	struct wire_event event;
	char data[MAX_WIRE_DATA];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline struct call *current_call(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&calls, &zero);
}

#endif
