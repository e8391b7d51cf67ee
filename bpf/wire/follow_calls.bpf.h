/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following one direction of a TCP connection from record header to record header, over as many buffers and calls as its handshake takes. */
#ifndef CRYPTOFLEET_FOLLOW_CALLS_BPF_H
#define CRYPTOFLEET_FOLLOW_CALLS_BPF_H

#include "wire/call_flows.bpf.h"
#include "wire/call_records.bpf.h"
#include "wire/transfers.bpf.h"

#define MAX_SSH 8192
#define MAX_STEPS 24		/* of one buffer, each a record's header or the rest of one */
#define MAX_BUFFERS 8		/* of one call that are followed */

/* What is complete in flow->header belongs to a handshake. */
static __always_inline int accept_header(struct call *call)
{
	__u32 have = call->flow.have;

	if (have > call->position) {
		send_header(call, have);
		call->from = call->position;
	}
	call->to = call->position;
	call->flow.have = 0;
	return 0;
}

/*
 * No handshake starts with what is in flow->header. Where some of it came earlier, one may start with this buffer: PostgreSQL's server sends "S"
 * before TLS.
 */
static __always_inline int reject_header(struct call *call)
{
	struct call_flow *flow = &call->flow;
	__u32 earlier = flow->have > call->position;

	flow->have = 0;
	if (!earlier) {
		flow->phase = IDLE;
		return 1;
	}
	flow->phase = STARTING;
	call->position = call->from = call->to = 0;
	call->starts = 1;
	return 0;
}

/* Alerts are not encrypted after a hello of either side. */
static __always_inline int saw_hello(const struct call *call)
{
	struct call_flow_key other = {.socket = call->key.socket, .outgoing = !call->key.outgoing};
	struct call_flow *flow;

	if (call->flow.hello)
		return 1;
	flow = bpf_map_lookup_elem(&call_flows, &other);
	return flow && flow->hello;
}

/* START_SIZE bytes, or of a hello HELLO_START_SIZE, are in flow->header. */
static __always_inline int classify_start(struct call *call)
{
	struct call_flow *flow = &call->flow;
	const __u8 *header = flow->header;
	__u32 size = record_length(header);

	if (is_ssh_banner(header, START_SIZE)) {
		count(COUNT_SSH_STARTS);
		flow->ssh = 1;
		flow->phase = LAST;
		flow->remaining = MAX_SSH - START_SIZE;
	} else if (is_hello(header, START_SIZE)) {
		if (header[6] || header[9] != 3 || size <= HELLO_START_SIZE - RECORD_HEADER)	/* lengths below 64 KiB, and version 3.x */
			return reject_header(call);
		count(COUNT_HITS);
		flow->hello = 1;
		flow->phase = RECORDS;
		flow->remaining = size - (HELLO_START_SIZE - RECORD_HEADER);
	} else if (is_alert(header, START_SIZE)) {
		if (!saw_hello(call))
			return reject_header(call);
		flow->phase = LAST;
		flow->remaining = 1;
	}
	return accept_header(call);	/* after a change_cipher_spec another hello may start */
}

/* A record's header is in flow->header. */
static __always_inline int classify_record(struct call *call)
{
	struct call_flow *flow = &call->flow;

	if (is_record(flow->header, RECORD_HEADER, HANDSHAKE)) {
		flow->remaining = record_length(flow->header);
	} else if (is_alert(flow->header, RECORD_HEADER)) {
		flow->phase = LAST;
		flow->remaining = 2;
	} else if (is_change_cipher_spec(flow->header, RECORD_HEADER)) {
		flow->phase = STARTING;	/* what follows is encrypted, but for a second ClientHello */
		return 0;
	} else {
		flow->phase = IDLE;
		flow->have = 0;
		return 1;
	}
	return accept_header(call);
}

/* Inside a record: skip the rest of it, or as much as the buffer has. */
static __always_inline int skip_record(struct call *call)
{
	struct call_flow *flow = &call->flow;
	__u64 position = call->position, size = call->size, take = flow->remaining;

	if (take > size - position)
		take = size - position;
	flow->remaining -= take;
	call->position = call->to = position + take;
	if (flow->phase == RECORDS || flow->remaining)
		return 0;
	flow->phase = flow->ssh ? DONE : IDLE;
	return 1;
}

static __always_inline int read_header(struct call *call)
{
	struct call_flow *flow = &call->flow;
	__u64 position = call->position, size = call->size, have = flow->have & 15, take;
	__u32 wanted = flow->phase == RECORDS ? RECORD_HEADER : have < START_SIZE ? START_SIZE : HELLO_START_SIZE;

	take = wanted - have;
	if (take > size - position)
		take = size - position;
	asm volatile("" : "+r"(take));
	if (take > HELLO_START_SIZE)
		return 1;
	if (bpf_probe_read_user(flow->header + have, take, (const void *)(call->base + position))) {
		count(COUNT_USER_FAULT);
		flow->phase = IDLE;
		return 1;
	}
	have += take;
	flow->have = have;
	call->position = position + take;
	if (flow->phase == STARTING && !may_start(flow->header, have))
		return reject_header(call);
	if (have < wanted)
		return 0;
	if (flow->phase == RECORDS)
		return classify_record(call);
	if (have < HELLO_START_SIZE && flow->header[0] == HANDSHAKE)
		return 0;
	return classify_start(call);
}

/*
 * Follow the rest of a record, or bytes of a header. Returns nonzero where this buffer has no more to follow. This function and the next are
 * global: the verifier checks each once, and not at each call and in each round of a loop that calls it.
 */
__noinline int follow_step(void)
{
	struct call *call = current_call();

	if (!call || call->position >= call->size)
		return 1;
	return call->flow.remaining ? skip_record(call) : read_header(call);
}

/* Follow the current buffer. Returns nonzero where the flow has ended. */
__noinline int follow_buffer(void)
{
	struct call *call = current_call();
	__u32 steps = 0;

	if (!call)
		return 1;
	call->position = call->from = call->to = 0;
#pragma clang loop unroll(disable)
	for (; steps < MAX_STEPS; steps++)
		if (follow_step())
			break;
	if (steps == MAX_STEPS && call->position < call->size) {
		call->flow.phase = IDLE;
		count(COUNT_TRUNCATED_HANDSHAKES);
	}
	if (call->to > call->from)
		send_selected(call);
	return call->flow.phase == IDLE || call->flow.phase == DONE;
}

/* Follow the first buffers of a call that moved `left` bytes. */
static __always_inline void follow_transfer(struct call *call, const struct transfer *transfer, __u64 left)
{
	struct iovec buffer = {.base = transfer->buffer, .size = left};

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MAX_BUFFERS; i++) {
		if (!left)
			return;
		if (transfer->iov) {
			if (i >= transfer->iov_count)
				return;
			if (bpf_probe_read_user(&buffer, sizeof(buffer), (const void *)(transfer->iov + i * sizeof(buffer)))) {
				count(COUNT_USER_FAULT);
				break;
			}
		}
		if (!buffer.size)
			continue;
		call->base = buffer.base;
		call->size = buffer.size > left ? left : buffer.size;
		left -= call->size;
		if (follow_buffer())
			return;
		call->sequence += call->size;
	}
	if (left && call->flow.phase != IDLE) {
		call->flow.phase = IDLE;
		count(COUNT_TRUNCATED_HANDSHAKES);
	}
}

#endif
