/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following one direction of a TCP connection from record header to record header, over as many packets as its handshake takes. */
#ifndef CRYPTOFLEET_FOLLOW_RECORDS_BPF_H
#define CRYPTOFLEET_FOLLOW_RECORDS_BPF_H

#include "wire/sent_hellos.bpf.h"
#include "wire/tcp_flows.bpf.h"
#include "wire/wire_records.bpf.h"

#define MAX_SSH 8192
#define MAX_AFTER_GAP 4096	/* bytes copied after a gap in the sequence */
#define MAX_STEPS 18		/* of one packet, each a record's header or the rest of one: nine records */

/* Returns 1, as a step does that is the last of its packet: the flow ends at this position of it. */
static __always_inline int stop_at(struct flow *flow, __u32 position)
{
	flow->phase = IDLE;
	flow->position = position;
	return 1;
}

/*
 * Load more bytes into flow->header. Returns nonzero where that fails. Not inlined, so that nothing is spilled to the stack: verifiers before 5.16
 * forget the bounds of what is.
 */
static __noinline int load_header(struct __sk_buff *skb, struct flow *flow, __u32 offset, __u64 size)
{
	__u64 have = flow->have & 7;

	size = clamped(size, START_SIZE);
	return size ? bpf_skb_load_bytes(skb, offset, flow->header + have, size) : -1;
}

/* Inside a record: skip the rest of it, or as much as the packet has. */
static __always_inline int skip_record(const struct connection *connection, struct flow *flow)
{
	__u64 position = flow->position, size = flow->size, take = flow->remaining;

	if (take > size - position)
		take = size - position;
	flow->remaining -= take;
	flow->position = position + take;
	if (flow->phase == RECORDS || flow->remaining)
		return 0;
	flow->phase = connection->ssh ? DONE : IDLE;
	return 1;
}

/* START_SIZE bytes are in flow->header, the last `taken` of them from this packet. */
static __always_inline int classify_start(struct connection *connection, struct flow *flow, __u32 position, __u32 taken)
{
	const __u8 *header = flow->header;

	if (settings.library & LOOK_SSH && (connection->ssh || is_ssh_banner(header, START_SIZE))) {
		connection->ssh = 1;
		count(COUNT_SSH_STARTS);
		flow->phase = LAST;
		flow->remaining = MAX_SSH - START_SIZE;
	} else if (is_hello(header, START_SIZE)) {
		flow->known = 0;
		count(COUNT_HITS);
		flow->phase = RECORDS;
		flow->remaining = record_length(header);
		flow->remaining -= flow->remaining > 0;
		if (taken == START_SIZE) {
			flow->hello_at = position;
			flow->hello_size = START_SIZE + flow->remaining;
		}
	} else if (is_alert(header, START_SIZE)) {
		flow->phase = LAST;
		flow->remaining = 1;
	} else if (!is_change_cipher_spec(header, START_SIZE)) {
		return stop_at(flow, 0);
	}
	flow->position = position + taken;
	return 0;
}

/* The header of another record is in flow->header, the last `taken` bytes of it from this packet. */
static __always_inline int classify_record(struct flow *flow, __u32 position, __u32 taken)
{
	if (is_record(flow->header, RECORD_HEADER, HANDSHAKE)) {
		flow->remaining = record_length(flow->header);
	} else if (is_alert(flow->header, RECORD_HEADER)) {
		flow->phase = LAST;
		flow->remaining = 2;
		flow->known = 0;	/* an alert is copied at both ends */
		flow->hello_size = 0;
	} else if (!position && taken == RECORD_HEADER && is_change_cipher_spec(flow->header, RECORD_HEADER)) {
		flow->phase = STARTING;	/* a second ClientHello may follow: read it as a start */
		return 0;
	} else {
		return stop_at(flow, position);
	}
	flow->position = position + taken;
	return 0;
}

static __always_inline int read_header(struct __sk_buff *skb, struct connection *connection, struct flow *flow)
{
	__u64 position = flow->position, have = flow->have, take;
	__u32 starting = flow->phase == STARTING, wanted = starting ? START_SIZE : RECORD_HEADER;

	take = wanted - have;
	if (take > flow->size - position)
		take = flow->size - position;
	if (load_header(skb, flow, flow->payload + position, take))
		return stop_at(flow, position);
	have += take;
	if (have < wanted) {	/* the rest comes in the next packet */
		if (starting && !may_start_in(connection, flow->header, have))
			return stop_at(flow, 0);
		flow->have = have;
		flow->position = position + take;
		return 1;
	}
	flow->have = 0;
	return starting ? classify_start(connection, flow, position, take) : classify_record(flow, position, take);
}

/*
 * Follow the rest of a record, or the header of the next one. Returns nonzero where the packet has no more to follow. A global function: the
 * verifier checks it once, and not for each step on each path to it. It looks the connection up again, because before 5.13 a global function
 * can't be given a pointer to it.
 */
__noinline int follow_step(struct __sk_buff *skb, __u32 direction)
{
	struct bpf_sock *sock = skb->sk ? bpf_sk_fullsock(skb->sk) : 0;
	struct connection *connection = sock ? find_connection(sock) : 0;
	struct flow *flow;

	if (!connection)
		return 1;
	flow = &connection->flows[direction != 0];
	if (flow->position >= flow->size)
		return 1;
	return flow->remaining ? skip_record(connection, flow) : read_header(skb, connection, flow);
}

/* Copies both onto themselves: the verifier drops the bounds that it knows of them on each path, so that the paths merge here. */
static __always_inline void reset_verifier_bounds(struct packet *packet, struct capture *capture)
{
	bpf_probe_read_kernel(packet, sizeof(*packet), packet);
	bpf_probe_read_kernel(capture, sizeof(*capture), capture);
}

/* Move the packet's start, whether by bytes that were followed before or by those ahead of a hello. */
static __always_inline void skip_bytes(struct packet *packet, __u32 size)
{
	packet->payload += size;
	packet->sequence += size;
	packet->size -= size;
}

/*
 * Move the packet's start to where the flow continues. Returns nonzero where all of it was followed before. Sets WIRE_GAP where bytes are missing in
 * between.
 */
static __always_inline int align_to_flow(struct packet *packet, struct flow *flow, __u32 *flags)
{
	__u32 followed = flow->next - packet->sequence;

	if ((__s32)followed > 0) {
		if (followed >= packet->size)
			return 1;
		skip_bytes(packet, followed);
	} else if (followed && flow->phase != AFTER_GAP) {
		flow->phase = AFTER_GAP;
		flow->remaining = MAX_AFTER_GAP;
	}
	if (flow->phase == AFTER_GAP)
		*flags |= WIRE_GAP;
	return 0;
}

/* Take the packet's steps. Sets flow->position behind the last byte that belongs to the handshake. */
static __always_inline void follow_packet(struct __sk_buff *skb, const struct packet *packet, struct flow *flow, __u32 direction)
{
	__u32 steps = 0;

	flow->payload = packet->payload;
	flow->size = packet->size;
	flow->position = 0;
	flow->hello_size = 0;
#pragma clang loop unroll(disable)
	for (; steps < MAX_STEPS; steps++)
		if (follow_step(skb, direction))
			break;
	if (steps == MAX_STEPS && flow->position < packet->size) {
		flow->phase = IDLE;
		count(COUNT_TRUNCATED_HANDSHAKES);
	}
	if (flow->phase != AFTER_GAP)
		flow->next = packet->sequence + flow->position;
}

/* Returns how many of `size` bytes may still be copied of this handshake. */
static __always_inline __u32 charge_copied(struct flow *flow, __u32 size)
{
	if (flow->copied + size > MAX_COPIED) {
		size = MAX_COPIED - flow->copied;
		flow->phase = IDLE;
		count(COUNT_TRUNCATED_HANDSHAKES);
	}
	flow->copied += size;
	return size;
}

/* Returns how many bytes of the packet to send. */
static __always_inline __u32 follow_records(struct __sk_buff *skb, struct packet *packet, struct connection *connection, struct capture *capture)
{
	struct flow *flow = &connection->flows[capture->direction != 0];
	__u32 size;

	if (align_to_flow(packet, flow, &capture->flags))
		return 0;
	reset_verifier_bounds(packet, capture);
	follow_packet(skb, packet, flow, capture->direction);
	if (flow->hello_size && !capture->direction && is_sent_hello(skb, packet, flow->hello_at)) {
		flow->known = 1;
		skip_bytes(packet, flow->hello_at);
		capture->flags |= WIRE_KNOWN;
		return packet->size > KNOWN_HELLO_SIZE ? KNOWN_HELLO_SIZE : packet->size;
	}
	if (flow->known)
		return 0;
	size = charge_copied(flow, flow->position);
	if (flow->hello_size && capture->direction && flow->hello_at + flow->hello_size <= size)
		capture->hello = flow->hello_at + 1;
	return size;
}

#endif
