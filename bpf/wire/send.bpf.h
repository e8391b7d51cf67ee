/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Send bytes of a packet to user space, with who sent them where that is sure. */
#ifndef CRYPTOFLEET_WIRE_RECORD_BPF_H
#define CRYPTOFLEET_WIRE_RECORD_BPF_H

#include "packet.bpf.h"

#define MAX_FLIGHT 16384	/* bytes of plain text that are copied between two beginnings */

/* include/linux/sched.h: kernel threads, among them workers that push a socket's queue for others */
#define PF_KTHREAD 0x00200000
/* include/linux/preempt.h, SOFTIRQ_OFFSET */
#define SERVING_SOFTIRQ 0x100
/* THREAD_SIZE of both architectures with pages of 4 KiB. Where it is larger, the sender of a datagram is not known. */
#define STACK_SIZE 16384

/*
 * A length from 1 to most, or 0. Verifiers before 6.2 learn nothing of a lower bound from a comparison with 0, so it is built up
 * from one that begins there; the barriers keep clang from turning it back.
 */
static __always_inline __u64 clamped(__u64 length, __u64 most)
{
	__u64 less = length - 1;

	asm volatile("" : "+r"(less));
	if (less >= most)
		return 0;
	less += 1;
	asm volatile("" : "+r"(less));
	return less;
}

/* What is to be told of a packet besides its headers. */
struct piece {
	__u32 direction;
	__u32 flags;
	__u32 hello;	/* 1 + where a hello begins that is whole in it, of which to remember that it was sent; 0: none */
	__u16 listening;
	__u16 protocol;
};

/*
 * What one record says of its packet, in as many words as fit the arguments of send_record(): verifiers before 5.13 let a function that
 * they check by itself have no pointers but the context.
 */
union told {
	struct {
		__u32 offset;		/* of its bytes in the packet */
		__u32 sequence;
		__u32 payload_size;	/* bytes of payload from the first of them on */
		__u16 size;
		__u8 direction;
		__u8 flags;
		__u16 source;
		__u16 target;
		__u8 family;
		__u8 protocol;
		__u8 listening;
		__u8 pad;
	};
	__u64 words[3];
};

/*
 * Whether the packet is sent by the running task, in a system call on its socket.
 *
 * TCP: tcp_sendmsg() and every other call that sends holds the socket by lock_sock(), which sets sk_lock.owned. What softirq sends (the ACK
 * clock in tcp_v4_do_rcv(), tcp_tsq_handler(), tcp_write_timer(), tcp_delack_timer()) it sends only where sock_owned_by_user() is false, and
 * leaves it else to release_sock() of the owner. So owned says that the running task is in a call on this very socket.
 * UDP has no queue: udp_sendmsg() sends before it returns. What a softirq might send runs on another stack (do_softirq_own_stack()), or says
 * so in preempt_count where that is part of the task.
 */
static __always_inline int sent_by(struct task_struct *task, struct sock *sock, __u8 protocol)
{
	void *here = &here;
	__u64 address = 0;

	if (BPF_CORE_READ(task, flags) & PF_KTHREAD || !BPF_CORE_READ(task, mm))
		return 0;
	if (protocol == TCP)
		return BPF_CORE_READ(sock, sk_lock.owned) == 1;
#if defined(__TARGET_ARCH_arm64)
	if (BPF_CORE_READ(task, thread_info.preempt.count) & SERVING_SOFTIRQ)
		return 0;
#endif
	bpf_probe_read_kernel(&address, sizeof(address), &here);	/* so the verifier sees a number and not a pointer */
	return address - (__u64)BPF_CORE_READ(task, stack) < STACK_SIZE;
}

/* fill_subject() with the helpers this program type has on every kernel (5.10: the task, but not its ids). */
static __always_inline void fill_sender(struct subject *subject, struct task_struct *task)
{
	fill_image(&subject->image, task);
	subject->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	subject->uid = BPF_CORE_READ(task, cred, uid.val);
	subject->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	subject->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	BPF_CORE_READ_INTO(&subject->comm, task, comm);
}

static __always_inline void fill_addresses(struct wire_event *event, struct __sk_buff *skb, const union told *told)
{
	void *source = told->direction ? event->local : event->remote;
	void *target = told->direction ? event->remote : event->local;

	if (told->family == 4) {
		bpf_skb_load_bytes(skb, 12, source, 4);
		bpf_skb_load_bytes(skb, 16, target, 4);
	} else {
		bpf_skb_load_bytes(skb, 8, source, 16);
		bpf_skb_load_bytes(skb, 24, target, 16);
	}
	event->local_port = told->direction ? told->source : told->target;
	event->remote_port = told->direction ? told->target : told->source;
}

/*
 * Room in the ring in one of four sizes, because the verifier wants a constant. Not a per-CPU scratch: a program in a system
 * call is interrupted by one in softirq on the same CPU.
 */
static __always_inline struct wire_event *reserve(__u64 size, __u32 *room)
{
	*room = sizeof(struct wire_event) + 64;
	if (size <= 64)
		return bpf_ringbuf_reserve(&events, sizeof(struct wire_event) + 64, 0);
	*room = sizeof(struct wire_event) + 640;
	if (size <= 640)
		return bpf_ringbuf_reserve(&events, sizeof(struct wire_event) + 640, 0);
	*room = sizeof(struct wire_event) + 2048;
	if (size <= 2048)
		return bpf_ringbuf_reserve(&events, sizeof(struct wire_event) + 2048, 0);
	*room = sizeof(struct wire_event) + MAX_WIRE_DATA;
	return bpf_ringbuf_reserve(&events, sizeof(struct wire_event) + MAX_WIRE_DATA, 0);
}

/*
 * Send one record. Nonzero: it is lost, and counted. Not static: the verifier checks it once, and not on each of the ways that lead here.
 * So that it does the same with the sizes of reserve(), all that is told is there before.
 */
__noinline int send_record(struct __sk_buff *skb, __u64 word0, __u64 word1, __u64 word2)
{
	const union told told = {.words = {word0, word1, word2}};
	struct sock *sock = BPF_CORE_READ((struct sk_buff *)skb, sk);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct wire_event filled = {}, *event;
	__u64 size = clamped(told.size, MAX_WIRE_DATA);
	int lost = 1;

	if (!size)
		return lost;
	if (told.direction && sent_by(task, sock, told.protocol))
		fill_sender(&filled.subject, task);
	filled.cookie = told.listening ? 0 : bpf_get_socket_cookie(skb);
	filled.cgroup = bpf_skb_cgroup_id(skb);
	filled.network_namespace = BPF_CORE_READ(sock, __sk_common.skc_net.net, ns.inum);
	filled.sequence = told.sequence;
	filled.payload_size = told.payload_size;
	filled.data_size = size;
	filled.family = told.family;
	filled.protocol = told.protocol;
	filled.direction = told.direction;
	filled.flags = told.flags;
	fill_addresses(&filled, skb, &told);
	fill_header(&filled.header, EVENT_WIRE, 0);
	event = reserve(size, &filled.header.size);
	if (!event) {
		count(COUNT_RING_FULL);
		return lost;
	}
	*event = filled;
	if (bpf_skb_load_bytes(skb, told.offset, event + 1, size)) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return lost;
	}
	bpf_ringbuf_submit(event, wake_flags(&events));
	return 0;
}

/* Send the first size bytes of the payload, in pieces. Nonzero: some are lost. */
static __always_inline int send_payload(struct __sk_buff *skb, const struct packet *packet, const struct piece *piece, __u32 size)
{
	union told told = {
		.offset = packet->payload, .sequence = packet->sequence, .payload_size = packet->size,
		.direction = piece->direction, .flags = piece->flags, .source = packet->source, .target = packet->target,
		.family = packet->family, .protocol = piece->protocol, .listening = piece->listening,
	};
	int lost = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; size && i < MAX_FLIGHT / MAX_WIRE_DATA; i++) {
		told.size = size > MAX_WIRE_DATA ? MAX_WIRE_DATA : size;
		lost |= send_record(skb, told.words[0], told.words[1], told.words[2]);
		told.offset += told.size;
		told.sequence += told.size;
		told.payload_size -= told.size;
		told.flags &= ~WIRE_START;
		size -= told.size;
	}
	return lost;
}

#endif
