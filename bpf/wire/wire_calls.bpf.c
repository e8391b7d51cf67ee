// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes `tls_handshake` and `ssh_kex` where no program may be attached to the root cgroup: the same beginnings of TCP connections,
 * not from packets but from the memory of the program that sent or received them, at the return of its system call. There it is
 * known how many bytes the kernel took or gave, the sequence number behind them is in the socket, and the sender is the running task.
 *
 * The program follows record headers, as wire.bpf.c does. Bytes are copied once it is clear that they belong to a handshake: a program that
 * reads a header and then the record, or an SSH banner letter by letter, has what it read first kept until then.
 */
#include "call_flows.bpf.h"
#include "transfers.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define FIRST_BYTES 65536	/* of each direction: where a handshake may begin */
#define LAST_BYTE 131072	/* and where one that has begun is given up */
#define MAX_SSH 8192
#define STEPS 24		/* each a record's header or the rest of one */
#define PARTS 8			/* of a call's bytes that are looked at */

static __always_inline __u32 record_size(const __u8 *header)
{
	return header[3] << 8 | header[4];
}

/* Whether bytes may begin something that is looked for. */
static __always_inline int may_begin(const __u8 *bytes, __u32 size)
{
	if (settings.library & LOOK_TLS && (is_hello(bytes, size) || is_change(bytes, size) || is_alert(bytes, size)))
		return 1;
	return settings.library & LOOK_SSH && is_ssh(bytes, size);
}

/* What is complete in flow->header is part of a handshake. */
static __always_inline int accept(struct call *call)
{
	__u32 have = call->flow.have;

	if (have > call->position) {
		send_held(call, have);
		call->from = call->position;
	}
	call->to = call->position;
	call->flow.have = 0;
	return 0;
}

/* No handshake begins with what is in flow->header. If some of it came earlier, one may begin with this part: PostgreSQL's server says "S" before TLS. */
static __always_inline int reject(struct call *call)
{
	struct call_flow *flow = &call->flow;
	__u32 earlier = flow->have > call->position;

	flow->have = 0;
	if (!earlier) {
		flow->phase = IDLE;
		return 1;
	}
	flow->phase = BEGINS;
	call->position = call->from = call->to = 0;
	call->starts = 1;
	return 0;
}

/* Alerts are clear after a hello of either side. */
static __always_inline int heard_hello(const struct call *call)
{
	struct call_flow_key other = {.socket = call->key.socket, .outgoing = !call->key.outgoing};
	struct call_flow *flow;

	if (call->flow.hello)
		return 1;
	flow = bpf_map_lookup_elem(&call_flows, &other);
	return flow && flow->hello;
}

/* BEGINNING bytes, or of a hello HELLO_BEGINNING, are in flow->header. */
static __always_inline int judge_beginning(struct call *call)
{
	struct call_flow *flow = &call->flow;
	const __u8 *header = flow->header;
	__u32 size = record_size(header);

	if (is_ssh(header, BEGINNING)) {
		count(COUNT_SSH);
		flow->ssh = 1;
		flow->phase = LAST;
		flow->remaining = MAX_SSH - BEGINNING;
	} else if (is_hello(header, BEGINNING)) {
		if (header[6] || header[9] != 3 || size <= HELLO_BEGINNING - RECORD_HEADER)	/* lengths below 64 KiB, and version 3.x */
			return reject(call);
		count(COUNT_HITS);
		flow->hello = 1;
		flow->phase = RECORDS;
		flow->remaining = size - (HELLO_BEGINNING - RECORD_HEADER);
	} else if (is_alert(header, BEGINNING)) {
		if (!heard_hello(call))
			return reject(call);
		flow->phase = LAST;
		flow->remaining = 1;
	}
	return accept(call);	/* after a change_cipher_spec another hello may begin */
}

/* A record's header is in flow->header. */
static __always_inline int judge_record(struct call *call)
{
	struct call_flow *flow = &call->flow;

	if (is_record(flow->header, RECORD_HEADER, HANDSHAKE)) {
		flow->remaining = record_size(flow->header);
	} else if (is_alert(flow->header, RECORD_HEADER)) {
		flow->phase = LAST;
		flow->remaining = 2;
	} else if (is_change(flow->header, RECORD_HEADER)) {
		flow->phase = BEGINS;	/* what follows is encrypted, but for a second ClientHello */
		return 0;
	} else {
		flow->phase = IDLE;
		flow->have = 0;
		return 1;
	}
	return accept(call);
}

/* The rest of a record, or bytes of a header. Nonzero: this part has no more to follow. */
static __always_inline int step_in(struct call *call)
{
	struct call_flow *flow = &call->flow;
	__u64 position = call->position, size = call->size, take = flow->remaining, have = flow->have & 15;
	__u32 wanted = flow->phase == RECORDS ? RECORD_HEADER : have < BEGINNING ? BEGINNING : HELLO_BEGINNING;

	if (position >= size)
		return 1;
	if (take) {
		if (take > size - position)
			take = size - position;
		flow->remaining -= take;
		call->position = call->to = position + take;
		if (flow->phase == RECORDS || flow->remaining)
			return 0;
		flow->phase = flow->ssh ? DONE : IDLE;
		return 1;
	}
	take = wanted - have;
	if (take > size - position)
		take = size - position;
	asm volatile("" : "+r"(take));
	if (take > HELLO_BEGINNING)
		return 1;
	if (bpf_probe_read_user(flow->header + have, take, (const void *)(call->base + position))) {
		count(COUNT_USER_FAULT);
		flow->phase = IDLE;
		return 1;
	}
	have += take;
	flow->have = have;
	call->position = position + take;
	if (flow->phase == BEGINS && !may_begin(flow->header, have))
		return reject(call);
	if (have < wanted)
		return 0;
	if (flow->phase == RECORDS)
		return judge_record(call);
	if (have < HELLO_BEGINNING && flow->header[0] == HANDSHAKE)
		return 0;
	return judge_beginning(call);
}

/* This function and the next are not static: the verifier checks each once by itself, not at each place and in each round of a loop that calls it. */
__noinline int step(void)
{
	struct call *call = this_call();

	return call ? step_in(call) : 1;
}

/* Nonzero: the flow has ended. */
__noinline int follow_part(void)
{
	struct call *call = this_call();
	__u32 steps = 0;

	if (!call)
		return 1;
	call->position = call->from = call->to = 0;
#pragma clang loop unroll(disable)
	for (; steps < STEPS; steps++)
		if (step())
			break;
	if (steps == STEPS && call->position < call->size) {
		call->flow.phase = IDLE;
		count(COUNT_CAPPED);
	}
	if (call->to > call->from)
		send_range(call);
	return call->flow.phase == IDLE || call->flow.phase == DONE;
}

/* All parts of a transfer of so many bytes, or the first of them. */
static __always_inline void follow(struct call *call, const struct transfer *transfer, __u64 left)
{
	struct part part = {.base = transfer->bytes, .size = left};

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < PARTS; i++) {
		if (!left)
			return;
		if (transfer->parts) {
			if (i >= transfer->part_count)
				return;
			if (bpf_probe_read_user(&part, sizeof(part), (const void *)(transfer->parts + i * sizeof(part)))) {
				count(COUNT_USER_FAULT);
				break;
			}
		}
		if (!part.size)
			continue;
		call->base = part.base;
		call->size = part.size > left ? left : part.size;
		left -= call->size;
		if (follow_part())
			return;
		call->sequence += call->size;
	}
	if (left && call->flow.phase != IDLE) {
		call->flow.phase = IDLE;
		count(COUNT_CAPPED);
	}
}

/* How many bytes of this direction there were before the call, or fewer. */
static __always_inline __u64 bytes_before(struct tcp_sock *tcp, __u64 outgoing, __u32 copied)
{
	if (outgoing)
		return BPF_CORE_READ(tcp, bytes_sent);
	return BPF_CORE_READ(tcp, bytes_received) - (__u32)(BPF_CORE_READ(tcp, rcv_nxt) - copied);
}

/* A system call has moved so many bytes. */
static __always_inline void look(struct pt_regs *regs, __u64 size)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct call_flow_key key = {.outgoing = is_outgoing(REGS_SYSCALL(regs))};
	struct call_flow *known;
	struct transfer transfer;
	struct sock___tcp *sock;
	struct tcp_sock *tcp;
	struct call *call;
	__u32 behind;
	__u64 before;
	__u8 phase, hello;

	sock = tcp_socket_of(task, (__u32)ARGUMENT1(regs), &key.socket);
	if (!sock)
		return;
	tcp = (struct tcp_sock *)sock;
	behind = key.outgoing ? BPF_CORE_READ(tcp, write_seq) : BPF_CORE_READ(tcp, copied_seq);
	before = bytes_before(tcp, key.outgoing, behind);
	if (before > LAST_BYTE + size)
		return;
	known = bpf_map_lookup_elem(&call_flows, &key);
	phase = known ? known->phase : IDLE;
	if (phase == DONE || (phase == IDLE && before > FIRST_BYTES + size))
		return;
	call = this_call();
	if (!call || BY_32BIT(task) || read_transfer(&transfer, regs))
		return;
	if (known)
		__builtin_memcpy(&call->flow, known, sizeof(call->flow));
	else
		__builtin_memset(&call->flow, 0, sizeof(call->flow));
	hello = call->flow.hello;
	call->key = key;
	call->sock = sock;
	call->sequence = behind - size;
	call->starts = 0;
	if (phase == IDLE || call->flow.next != call->sequence) {
		call->flow.phase = BEGINS;
		call->flow.remaining = 0;
		call->flow.have = 0;
		call->flow.copied = 0;
		call->starts = 1;
	}
	follow(call, &transfer, size);
	call->flow.next = behind;
	if (phase == IDLE && call->flow.phase == IDLE && hello == call->flow.hello)
		return;
	if (bpf_map_update_elem(&call_flows, &key, &call->flow, BPF_ANY))
		count(COUNT_STORAGE_FULL);
}

SEC("tp_btf/sys_exit")
int call_return(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	long result = (long)ctx[1];

	if (moves_bytes(REGS_SYSCALL(regs)) && result > 0)
		look(regs, result);
	return 0;
}
