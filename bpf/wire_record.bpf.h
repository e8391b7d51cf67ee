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

/* What one record says besides the packet. */
struct piece {
	__u32 skip;	/* bytes of the payload before it */
	__u32 size;
	__u32 direction;
	__u32 flags;
	__u32 hello;	/* 1 + where a hello begins that is whole in it, of which to remember that it was sent; 0: none */
	__u16 listening;
	__u16 protocol;
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
static __always_inline int sent_by(struct task_struct *task, struct sock *sock, __u8 protocol, volatile __u64 *scratch)
{
	__u8 here;

	if (BPF_CORE_READ(task, flags) & PF_KTHREAD || !BPF_CORE_READ(task, mm))
		return 0;
	if (protocol == TCP)
		return BPF_CORE_READ(sock, sk_lock.owned) == 1;
#if defined(__TARGET_ARCH_arm64)
	if (BPF_CORE_READ(task, thread_info.preempt.count) & SERVING_SOFTIRQ)
		return 0;
#endif
	*scratch = (__u64)&here;	/* by way of memory, the verifier sees a number and not a pointer */
	return *scratch - (__u64)BPF_CORE_READ(task, stack) < STACK_SIZE;
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

static __always_inline void fill_addresses(struct wire_event *event, struct __sk_buff *skb, const struct packet *packet, __u32 outgoing)
{
	void *source = outgoing ? event->local : event->remote;
	void *target = outgoing ? event->remote : event->local;

	__builtin_memset(event->local, 0, sizeof(event->local));
	__builtin_memset(event->remote, 0, sizeof(event->remote));
	if (packet->family == 4) {
		bpf_skb_load_bytes(skb, 12, source, 4);
		bpf_skb_load_bytes(skb, 16, target, 4);
	} else {
		bpf_skb_load_bytes(skb, 8, source, 16);
		bpf_skb_load_bytes(skb, 24, target, 16);
	}
	event->local_port = outgoing ? packet->source : packet->target;
	event->remote_port = outgoing ? packet->target : packet->source;
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

/* Nonzero: it is lost, and counted. */
static __always_inline int send_piece(struct __sk_buff *skb, const struct packet *packet, const struct piece *piece)
{
	struct sock *sock = BPF_CORE_READ((struct sk_buff *)skb, sk);
	struct wire_event *event;
	struct task_struct *task;
	__u64 size = clamped(piece->size, MAX_WIRE_DATA);
	__u32 room;

	if (!size)
		return 1;
	event = reserve(size, &room);
	if (!event) {
		count(COUNT_RING_FULL);
		return 1;
	}
	if (bpf_skb_load_bytes(skb, packet->payload + piece->skip, event + 1, size)) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return 1;
	}
	fill_header(&event->header, EVENT_WIRE, room);
	__builtin_memset(&event->subject, 0, sizeof(event->subject));
	task = (struct task_struct *)bpf_get_current_task();
	if (piece->direction && sent_by(task, sock, piece->protocol, &event->cookie))
		fill_sender(&event->subject, task);
	event->cookie = piece->listening ? 0 : bpf_get_socket_cookie(skb);
	event->cgroup = bpf_skb_cgroup_id(skb);
	event->network_namespace = BPF_CORE_READ(sock, __sk_common.skc_net.net, ns.inum);
	event->sequence = packet->sequence + piece->skip;
	event->payload_size = packet->size - piece->skip;
	event->data_size = size;
	event->family = packet->family;
	event->protocol = piece->protocol;
	event->direction = piece->direction;
	event->flags = piece->flags;
	event->pad = 0;
	fill_addresses(event, skb, packet, piece->direction);
	bpf_ringbuf_submit(event, wake_flags(&events));
	return 0;
}

/* Send the first size bytes of the payload, in pieces. Nonzero: some are lost. */
static __noinline int send_payload(struct __sk_buff *skb, const struct packet *packet, struct piece *piece, __u32 size)
{
	int lost = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MAX_FLIGHT / MAX_WIRE_DATA; i++) {
		piece->skip = i * MAX_WIRE_DATA;
		if (piece->skip >= size)
			break;
		piece->size = size - piece->skip;
		if (piece->size > MAX_WIRE_DATA)
			piece->size = MAX_WIRE_DATA;
		lost |= send_piece(skb, packet, piece);
		piece->flags &= ~WIRE_START;
	}
	return lost;
}

#endif
