/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of system calls for user space: the bytes of the current call that belong to a handshake. */
#ifndef CRYPTOFLEET_CALL_RECORDS_BPF_H
#define CRYPTOFLEET_CALL_RECORDS_BPF_H

#include "wire/call_flows.bpf.h"

#define MAX_COPIED 16384	/* bytes of one handshake in one direction */
#define MAX_PIECES (MAX_COPIED / MAX_WIRE_DATA)

/* Send `size` bytes that are in call->data. Returns nonzero where they are lost. */
static __noinline int send_data(struct call *call, __u32 sequence, __u64 size)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct wire_event *event = &call->event;
	struct sock___tcp *sock = call->sock;	/* a variable of its own, so that reading through it relocates nothing in struct call */

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
	fill_addresses(event, sock);
	call->starts = 0;
	if (bpf_ringbuf_output(&events, event, sizeof(*event) + size, wake_flags(&events))) {
		count(COUNT_RING_FULL);
		return 1;
	}
	return 0;
}

/* Send the first bytes of a handshake that came with earlier calls or buffers, `have` bytes of flow->header. */
static __always_inline void send_header(struct call *call, __u32 have)
{
	__builtin_memcpy(call->data, call->flow.header, 16);
	send_data(call, call->sequence + call->position - have, have);
	call->flow.copied += have;
}

/* Send the bytes of the current buffer from call->from to call->to. */
static __noinline int send_selected(struct call *call)
{
	__u64 size;
	__u32 from;

	if (call->flow.copied + call->to - call->from > MAX_COPIED) {
		call->to = call->from + MAX_COPIED - call->flow.copied;
		call->flow.phase = IDLE;
		count(COUNT_TRUNCATED_HANDSHAKES);
	}
	call->flow.copied += call->to - call->from;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MAX_PIECES; i++) {
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
