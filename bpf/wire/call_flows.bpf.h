/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of one direction of a TCP connection from call to call, and the bytes of the call at hand. */
#ifndef CRYPTOFLEET_CALL_FLOWS_BPF_H
#define CRYPTOFLEET_CALL_FLOWS_BPF_H

#include "starts.bpf.h"
#include "sockets.bpf.h"

#define MAX_FLIGHT 16384	/* bytes of plain text that are copied between two beginnings */
#define PIECES (MAX_FLIGHT / MAX_WIRE_DATA)
/* A hello's beginning up to its version: more of it than BEGINNING, because a program may read encrypted records header by header. */
#define HELLO_BEGINNING 11

enum call_phase {
	IDLE,		/* a handshake may begin with the next call */
	BEGINS,		/* its first bytes are expected, or some of them are in header */
	RECORDS,	/* in a record, or before the header of the next */
	LAST,		/* the remaining bytes end it */
	DONE,
};

struct call_flow_key {
	__u64 socket;		/* its number in sockfs */
	__u64 outgoing;
};

struct call_flow {
	__u32 next;		/* sequence number behind the last byte that was followed; not of IDLE */
	__u32 remaining;	/* bytes of the record that are still to come; or of what is copied without looking */
	__u32 copied;		/* bytes of this handshake */
	__u8 phase;
	__u8 have;		/* bytes in header: they are sent when it is clear what they begin */
	__u8 hello;		/* one was seen */
	__u8 ssh;
	__u8 header[32];	/* room for 15 + HELLO_BEGINNING, so that a mask is bound enough */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct call_flow_key);
	__type(value, struct call_flow);
} call_flows SEC(".maps");

/* One part of a call's bytes, contiguous in user memory. It is in a map, so that the verifier forgets what it knows and the ways through a loop join. */
struct call {
	struct call_flow_key key;
	struct call_flow flow;
	struct sock___tcp *sock;
	__u64 base;		/* in user memory */
	__u32 sequence;		/* of base */
	__u32 size;
	__u32 position;		/* how far it was looked at */
	__u32 from;		/* what of it is to be copied */
	__u32 to;
	__u32 starts;		/* what is sent next begins a record */
	struct wire_event event;
	char data[MAX_WIRE_DATA];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline struct call *this_call(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&calls, &zero);
}

/* Send size bytes that are in call->data. */
static __noinline int send_data(struct call *call, __u32 sequence, __u64 size)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct wire_event *event = &call->event;
	struct sock___tcp *sock = call->sock;	/* of its own, so that reading through it relocates nothing in struct call */

	if (size > MAX_WIRE_DATA)
		return 1;
	fill_header(&event->header, EVENT_WIRE, sizeof(*event) + size);
	__builtin_memset(&event->subject, 0, sizeof(event->subject));
	if (call->key.outgoing)
		fill_subject(&event->subject, task);
	event->cookie = call->key.socket;
	event->cgroup = bpf_get_current_cgroup_id();
	event->network_namespace = BPF_CORE_READ(sock, __sk_common.skc_net.net, ns.inum);
	event->sequence = sequence;
	event->payload_size = size;
	event->data_size = size;
	event->protocol = TCP;
	event->direction = call->key.outgoing;
	event->flags = call->starts ? WIRE_START : 0;
	event->pad = 0;
	fill_ends(event, sock);
	call->starts = 0;
	if (bpf_ringbuf_output(&events, event, sizeof(*event) + size, wake_flags(&events))) {
		count(COUNT_RING_FULL);
		return 1;
	}
	return 0;
}

/* Send a beginning of which earlier parts had the first bytes. */
static __always_inline void send_held(struct call *call, __u32 have)
{
	__builtin_memcpy(call->data, call->flow.header, 16);
	send_data(call, call->sequence + call->position - have, have);
	call->flow.copied += have;
}

/* Send what is to be copied of this part. */
static __noinline int send_range(struct call *call)
{
	__u64 size;
	__u32 from;

	if (call->flow.copied + call->to - call->from > MAX_FLIGHT) {
		call->to = call->from + MAX_FLIGHT - call->flow.copied;
		call->flow.phase = IDLE;
		count(COUNT_CAPPED);
	}
	call->flow.copied += call->to - call->from;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < PIECES; i++) {
		from = call->from;
		size = call->to - from;
		if (!size)
			break;
		if (size > MAX_WIRE_DATA)
			size = MAX_WIRE_DATA;
		if (bpf_probe_read_user(call->data, size, (const void *)(call->base + from))) {
			count(COUNT_USER_FAULT);
			break;
		}
		send_data(call, call->sequence + from, size);
		call->from = from + size;
	}
	return 0;
}

#endif
