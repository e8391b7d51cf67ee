/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of packets for user space: which bytes of a packet, between whom, and the sending process where it is certain. */
#ifndef CRYPTOFLEET_WIRE_RECORDS_BPF_H
#define CRYPTOFLEET_WIRE_RECORDS_BPF_H

#include "wire/packet.bpf.h"

#define MAX_COPIED 16384	/* bytes of one handshake in one direction */

/* include/linux/sched.h: kernel threads, among them workers that send a socket's queue for others */
#define PF_KTHREAD 0x00200000
/* include/linux/preempt.h, SOFTIRQ_OFFSET */
#define SERVING_SOFTIRQ 0x100
/* THREAD_SIZE of both architectures with pages of 4 KiB. Where it is larger, the sender of a datagram stays unknown. */
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

/* What a record says of a packet besides its headers. */
struct capture {
	__u32 direction;
	__u32 flags;		/* enum wire_flag */
	__u32 hello;		/* 1 + offset of an outgoing hello that is whole in the packet, to be added to sent_hellos; 0: none */
	__u16 listening;	/* the socket is a listening one, shared by all its connections */
	__u16 protocol;
};

/*
 * The arguments of send_record(), packed into as many words as it may have: before 5.13 the verifier allows a global function no pointers but the
 * context.
 */
union record_args {
	struct {
		__u32 offset;		/* in the packet, of the first byte to copy */
		__u32 sequence;
		__u32 payload_size;	/* bytes of payload from offset on */
		__u16 size;		/* bytes to copy */
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
 * Whether the running task sends the packet, in a system call on its socket.
 *
 * TCP: tcp_sendmsg() and every other call that sends holds the socket by lock_sock(), which sets sk_lock.owned. What softirq sends (the ACK
 * clock in tcp_v4_do_rcv(), tcp_tsq_handler(), tcp_write_timer(), tcp_delack_timer()) it sends only where sock_owned_by_user() is false;
 * otherwise release_sock() of the owner sends it. So owned means that the running task is in a call on this very socket.
 * UDP has no queue: udp_sendmsg() sends before it returns. A softirq that sends runs on another stack (do_softirq_own_stack()), or
 * preempt_count says so where that is part of the task.
 */
static __always_inline int is_sent_by(struct task_struct *task, struct sock *sock, __u8 protocol)
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
	bpf_probe_read_kernel(&address, sizeof(address), &here);	/* the verifier then sees a number and not a pointer */
	return address - (__u64)BPF_CORE_READ(task, stack) < STACK_SIZE;
}

/* fill_subject() with the helpers that this program type has on every kernel (5.10: the task, but not its ids). */
static __always_inline void fill_sender(struct subject *subject, struct task_struct *task)
{
	fill_image(&subject->image, task);
	subject->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	subject->uid = BPF_CORE_READ(task, cred, uid.val);
	subject->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	subject->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	BPF_CORE_READ_INTO(&subject->comm, task, comm);
}

static __always_inline void fill_addresses(struct wire_event *event, struct __sk_buff *skb, const union record_args *args)
{
	void *source = args->direction ? event->local : event->remote;
	void *target = args->direction ? event->remote : event->local;

	if (args->family == 4) {
		bpf_skb_load_bytes(skb, 12, source, 4);
		bpf_skb_load_bytes(skb, 16, target, 4);
	} else {
		bpf_skb_load_bytes(skb, 8, source, 16);
		bpf_skb_load_bytes(skb, 24, target, 16);
	}
	event->local_port = args->direction ? args->source : args->target;
	event->remote_port = args->direction ? args->target : args->source;
}

/*
 * Room in the ring in one of four sizes, because the verifier wants a constant. Not a per-CPU scratch: a program in a system
 * call is interrupted by one in softirq on the same CPU.
 */
static __always_inline struct wire_event *reserve_record(__u64 size, __u32 *room)
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
 * Send one record. Returns nonzero where it is lost; that is counted. A global function: the verifier checks it once, and not on each path
 * to it. The event is filled before reserve_record(), so that the code behind its four sizes is short.
 */
__noinline int send_record(struct __sk_buff *skb, __u64 word0, __u64 word1, __u64 word2)
{
	const union record_args args = {.words = {word0, word1, word2}};
	struct sock *sock = BPF_CORE_READ((struct sk_buff *)skb, sk);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct wire_event filled = {}, *event;
	__u64 size = clamped(args.size, MAX_WIRE_DATA);
	int lost = 1;

	if (!size)
		return lost;
	if (args.direction && is_sent_by(task, sock, args.protocol))
		fill_sender(&filled.subject, task);
	filled.cookie = args.listening ? 0 : bpf_get_socket_cookie(skb);
	filled.cgroup = bpf_skb_cgroup_id(skb);
	filled.network_namespace = BPF_CORE_READ(sock, __sk_common.skc_net.net, ns.inum);
	filled.sequence = args.sequence;
	filled.payload_size = args.payload_size;
	filled.data_size = size;
	filled.family = args.family;
	filled.protocol = args.protocol;
	filled.direction = args.direction;
	filled.flags = args.flags;
	fill_addresses(&filled, skb, &args);
	fill_header(&filled.header, EVENT_WIRE, 0);
	event = reserve_record(size, &filled.header.size);
	if (!event) {
		count(COUNT_RING_FULL);
		return lost;
	}
	*event = filled;
	if (bpf_skb_load_bytes(skb, args.offset, event + 1, size)) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return lost;
	}
	bpf_ringbuf_submit(event, wake_flags(&events));
	return 0;
}

/* Send the first `size` bytes of the payload, in records of at most MAX_WIRE_DATA. Returns nonzero where some are lost. */
static __always_inline int send_payload(struct __sk_buff *skb, const struct packet *packet, const struct capture *capture, __u32 size)
{
	union record_args args = {
		.offset = packet->payload, .sequence = packet->sequence, .payload_size = packet->size,
		.direction = capture->direction, .flags = capture->flags, .source = packet->source, .target = packet->target,
		.family = packet->family, .protocol = capture->protocol, .listening = capture->listening,
	};
	int lost = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; size && i < MAX_COPIED / MAX_WIRE_DATA; i++) {
		args.size = size > MAX_WIRE_DATA ? MAX_WIRE_DATA : size;
		lost |= send_record(skb, args.words[0], args.words[1], args.words[2]);
		args.offset += args.size;
		args.sequence += args.size;
		args.payload_size -= args.size;
		args.flags &= ~WIRE_START;
		size -= args.size;
	}
	return lost;
}

#endif
