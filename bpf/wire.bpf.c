// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes `tls_handshake` and `ssh_kex`: the plain-text beginnings of TLS, SSH, QUIC and DTLS connections of the whole host,
 * whatever library or language made them, in every network namespace. Two programs of the root cgroup v2 see each packet of a socket,
 * before it is segmented and after it is put together. They let every packet pass.
 *
 * Nothing is parsed here but lengths: of TLS, the program goes from record header to record header and copies what is not
 * encrypted; user space reads it. After the first data segments of a direction a packet costs one helper call.
 */
#include "packet.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define DATA_SEGMENTS 32	/* of each direction: where a handshake may begin */
#define LAST_SEGMENT 96		/* and where one that has begun is given up */
#define MAX_FLIGHT 16384	/* bytes of plain text that are copied between two beginnings */
#define MAX_SSH 8192
#define MAX_BLIND 4096		/* bytes copied after a gap in the sequence */
#define STEPS 8			/* records of one packet */

/* include/net/tcp_states.h */
#define LISTENING 10
/* include/linux/sched.h: kernel threads, among them workers that push a socket's queue for others */
#define PF_KTHREAD 0x00200000
/* include/linux/preempt.h, SOFTIRQ_OFFSET */
#define SERVING_SOFTIRQ 0x100
/* THREAD_SIZE of both architectures with pages of 4 KiB. Where it is larger, the sender of a datagram is not known. */
#define STACK_SIZE 16384

/* RFC 8446 5.1 and 4 */
enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_HELLO = 2, RECORD_HEADER = 5 };
/* Enough of a beginning to tell what it is: a record's header and one byte; a change_cipher_spec whole; "SSH-". */
#define BEGINNING 6

enum phase {
	IDLE,		/* a handshake may begin */
	BEGINS,		/* its first bytes are expected */
	RECORDS,	/* in a record, or before the header of the next */
	LAST,		/* the remaining bytes end it */
	UNORDERED,	/* bytes were missing: the remaining ones are copied as they come */
	DONE,
};

/* One direction of a TCP connection. */
struct flow {
	__u32 next;		/* sequence number behind the last byte that was followed */
	__u32 remaining;	/* bytes of the record that are still to come; or of what is copied without looking */
	__u32 copied;		/* bytes of this handshake */
	/* Of the packet at hand. They are here so that the verifier forgets what it knows of them, and the ways through a loop join. */
	__u32 payload;
	__u32 size;
	__u32 position;
	__u8 phase;
	__u8 began;		/* next is valid */
	__u8 have;		/* bytes in header */
	__u8 header[2 * BEGINNING];
	__u8 pad;
};

struct connection {
	struct flow flows[2];
	__u32 hello;		/* a hello was seen */
	__u32 ssh;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

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
 * Room in the ring in one of three sizes, because the verifier wants a constant. Not a per-CPU scratch: a program in a system
 * call is interrupted by one in softirq on the same CPU.
 */
static __always_inline struct wire_event *reserve(__u64 size, __u32 *room)
{
	*room = sizeof(struct wire_event) + 640;
	if (size <= 640)
		return bpf_ringbuf_reserve(&events, sizeof(struct wire_event) + 640, 0);
	*room = sizeof(struct wire_event) + 2048;
	if (size <= 2048)
		return bpf_ringbuf_reserve(&events, sizeof(struct wire_event) + 2048, 0);
	*room = sizeof(struct wire_event) + MAX_WIRE_DATA;
	return bpf_ringbuf_reserve(&events, sizeof(struct wire_event) + MAX_WIRE_DATA, 0);
}

static __always_inline void send_piece(struct __sk_buff *skb, const struct packet *packet, const struct piece *piece)
{
	struct sock *sock = BPF_CORE_READ((struct sk_buff *)skb, sk);
	struct wire_event *event;
	struct task_struct *task;
	__u64 size = clamped(piece->size, MAX_WIRE_DATA);
	__u32 room;

	if (!size)
		return;
	event = reserve(size, &room);
	if (!event) {
		count(COUNT_RING_FULL);
		return;
	}
	if (bpf_skb_load_bytes(skb, packet->payload + piece->skip, event + 1, size)) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return;
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
}

/* Send the first size bytes of the payload, in pieces. */
static __noinline void send_payload(struct __sk_buff *skb, const struct packet *packet, struct piece *piece, __u32 size)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MAX_FLIGHT / MAX_WIRE_DATA; i++) {
		piece->skip = i * MAX_WIRE_DATA;
		if (piece->skip >= size)
			break;
		piece->size = size - piece->skip;
		if (piece->size > MAX_WIRE_DATA)
			piece->size = MAX_WIRE_DATA;
		send_piece(skb, packet, piece);
		piece->flags &= ~WIRE_START;
	}
}

/* A record of this type, as far as its size bytes tell: version 3.0 to 3.4. */
static __always_inline int is_record(const __u8 *bytes, __u32 size, __u8 type)
{
	return bytes[0] == type && (size < 2 || bytes[1] == 3) && (size < 3 || bytes[2] <= 4);
}

static __always_inline int is_hello(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, HANDSHAKE) && (size < 6 || bytes[5] == CLIENT_HELLO || bytes[5] == SERVER_HELLO);
}

/* Sent before a second ClientHello (RFC 8446 D.4). */
static __always_inline int is_change(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, CHANGE_CIPHER_SPEC) && (size < 4 || !bytes[3]) && (size < 5 || bytes[4] == 1) && (size < 6 || bytes[5] == 1);
}

static __always_inline int is_alert(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, ALERT) && (size < 4 || !bytes[3]) && (size < 5 || bytes[4] == 2);
}

static __always_inline int is_ssh(const __u8 *bytes, __u32 size)
{
	return bytes[0] == 'S' && (size < 2 || bytes[1] == 'S') && (size < 3 || bytes[2] == 'H') && (size < 4 || bytes[3] == '-');
}

/* Whether bytes may begin something that is looked for. */
static __always_inline int may_begin(const __u8 *bytes, __u32 size, const struct connection *connection)
{
	if (settings.library & LOOK_TLS) {
		if (is_hello(bytes, size) || is_change(bytes, size))
			return 1;
		if (is_alert(bytes, size) && connection && connection->hello)
			return 1;
	}
	return settings.library & LOOK_SSH && (is_ssh(bytes, size) || (connection && connection->ssh));
}

/* The same of a packet; of a hello that is there so far, its own first bytes as well: lengths below 64 KiB, and version 3.x. */
static __always_inline int packet_may_begin(struct __sk_buff *skb, const struct packet *packet, const struct connection *connection)
{
	__u8 bytes[11] = {};
	__u64 size;

	if (packet->size >= sizeof(bytes)) {
		if (bpf_skb_load_bytes(skb, packet->payload, bytes, sizeof(bytes)))
			return 0;
		if (bytes[0] == HANDSHAKE && (bytes[6] || bytes[9] != 3))
			return 0;
		return may_begin(bytes, BEGINNING, connection);
	}
	size = clamped(packet->size, sizeof(bytes));
	if (!size || bpf_skb_load_bytes(skb, packet->payload, bytes, size))
		return 0;
	return may_begin(bytes, size, connection);
}

static __always_inline int end(struct flow *flow, __u32 position)
{
	flow->phase = IDLE;
	flow->position = position;
	return 1;
}

/* What the bytes in flow->header begin. Nonzero: nothing. */
static __always_inline int judge_beginning(struct flow *flow, struct connection *connection)
{
	const __u8 *header = flow->header;

	if (settings.library & LOOK_SSH && (connection->ssh || is_ssh(header, BEGINNING))) {
		connection->ssh = 1;
		count(COUNT_SSH);
		flow->phase = LAST;
		flow->remaining = MAX_SSH - BEGINNING;
	} else if (is_hello(header, BEGINNING)) {
		connection->hello = 1;
		count(COUNT_HITS);
		flow->phase = RECORDS;
		flow->remaining = big_endian16(header + 3);
		flow->remaining -= flow->remaining > 0;
	} else if (is_alert(header, BEGINNING)) {
		flow->phase = LAST;
		flow->remaining = 1;
	} else if (!is_change(header, BEGINNING)) {
		return 1;
	}
	return 0;
}

/* The rest of a record, or the header of the next one. Nonzero: the packet has no more to follow. */
static __noinline int step(struct __sk_buff *skb, struct flow *flow, struct connection *connection)
{
	__u64 position = flow->position, size = flow->size, take = flow->remaining, have = flow->have;
	__u32 phase = flow->phase, wanted = phase == BEGINS ? BEGINNING : RECORD_HEADER;

	if (position >= size)
		return 1;
	if (take) {
		if (take > size - position)
			take = size - position;
		flow->remaining -= take;
		flow->position = position + take;
		if (phase == RECORDS || flow->remaining)
			return 0;
		flow->phase = connection->ssh ? DONE : IDLE;
		return 1;
	}
	take = wanted - have;
	if (take > size - position)
		take = size - position;
	take = clamped(take, BEGINNING);
	asm volatile("" : "+r"(have));
	if (!take || have >= BEGINNING)
		return end(flow, position);
	if (bpf_skb_load_bytes(skb, flow->payload + position, flow->header + have, take))
		return end(flow, position);
	have += take;
	if (have < wanted) {	/* the rest comes in the next packet */
		if (phase == BEGINS && !may_begin(flow->header, have, connection))
			return end(flow, 0);
		flow->have = have;
		flow->position = position + take;
		return 1;
	}
	flow->have = 0;
	if (phase == BEGINS) {
		if (judge_beginning(flow, connection))
			return end(flow, 0);
	} else if (is_record(flow->header, RECORD_HEADER, HANDSHAKE)) {
		flow->remaining = big_endian16(flow->header + 3);
	} else if (is_alert(flow->header, RECORD_HEADER)) {
		flow->phase = LAST;
		flow->remaining = 2;
	} else if (!position && take == RECORD_HEADER && is_change(flow->header, RECORD_HEADER)) {
		flow->phase = BEGINS;	/* a second ClientHello may follow: look again */
		return 0;
	} else {
		return end(flow, position);
	}
	flow->position = position + take;
	return 0;
}

/* Bring the packet to where the flow goes on. Nonzero: all of it was followed before. flags gets WIRE_GAP where bytes are missing. */
static __always_inline int align(struct packet *packet, struct flow *flow, __u32 *flags)
{
	__u32 old = flow->next - packet->sequence;	/* bytes that were followed before */

	if ((__s32)old > 0) {
		if (old >= packet->size)
			return 1;
		packet->payload += old;
		packet->sequence += old;
		packet->size -= old;
	} else if (old && flow->phase != UNORDERED) {
		flow->phase = UNORDERED;
		flow->remaining = MAX_BLIND;
	}
	if (flow->phase == UNORDERED)
		*flags |= WIRE_GAP;
	return 0;
}

static __always_inline void follow(struct __sk_buff *skb, struct packet *packet, struct connection *connection, struct piece *piece)
{
	struct flow *flow = &connection->flows[piece->direction != 0];
	__u32 size;

	if (align(packet, flow, &piece->flags))
		return;
	flow->payload = packet->payload;
	flow->size = packet->size;
	flow->position = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < STEPS; i++)
		if (step(skb, flow, connection))
			break;
	size = flow->position;
	if (flow->phase != UNORDERED)
		flow->next = packet->sequence + size;
	if (flow->copied + size > MAX_FLIGHT) {
		size = MAX_FLIGHT - flow->copied;
		flow->phase = IDLE;
		count(COUNT_CAPPED);
	}
	flow->copied += size;
	send_payload(skb, packet, piece, size);
}

/* Where no state can be kept: the first record, as far as it is here. */
static __always_inline void send_first_record(struct __sk_buff *skb, const struct packet *packet, struct piece *piece)
{
	__u8 bytes[BEGINNING];
	__u32 size = packet->size;

	if (bpf_skb_load_bytes(skb, packet->payload, bytes, sizeof(bytes)))
		return;
	if (is_hello(bytes, BEGINNING)) {
		count(COUNT_HITS);
		if (size > RECORD_HEADER + (__u32)big_endian16(bytes + 3))
			size = RECORD_HEADER + big_endian16(bytes + 3);
	} else if (is_ssh(bytes, BEGINNING)) {
		count(COUNT_SSH);
	} else {
		return;
	}
	send_payload(skb, packet, piece, size);
}

static __always_inline void look_at_tcp(struct __sk_buff *skb, struct bpf_sock *sock, struct packet *packet, __u32 direction, __u32 segments)
{
	struct connection *connection = bpf_sk_storage_get(&connections, sock, 0, 0);
	struct piece piece = {.direction = direction, .protocol = TCP};
	struct flow *flow;

	if (connection) {
		flow = &connection->flows[direction != 0];
		if (flow->phase == DONE)
			return;
		if (flow->phase != IDLE) {
			follow(skb, packet, connection, &piece);
			return;
		}
		if (flow->began && (__s32)(packet->sequence - flow->next) < 0)
			return;		/* sent again */
	}
	if (segments > DATA_SEGMENTS || !packet_may_begin(skb, packet, connection))
		return;
	piece.flags = WIRE_START;
	/*
	 * Data that completes the TCP handshake (TCP_DEFER_ACCEPT, SYN cookies, a lost ACK) comes while there is no socket but the
	 * listening one, which is shared by all connections.
	 */
	piece.listening = sock->state == LISTENING;
	if (!connection && !piece.listening) {
		connection = bpf_sk_storage_get(&connections, sock, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!connection)
			count(COUNT_STORAGE_FULL);
	}
	if (!connection) {
		send_first_record(skb, packet, &piece);
		return;
	}
	flow = &connection->flows[direction != 0];
	flow->phase = BEGINS;
	flow->began = 1;
	flow->next = packet->sequence;
	flow->remaining = 0;
	flow->have = 0;
	flow->copied = 0;
	follow(skb, packet, connection, &piece);
}

/* QUIC Initial packets: RFC 9000 17.2.2, RFC 9369 3.2. */
#define QUIC_LONG_HEADER 0xf0
#define QUIC_1 1
#define QUIC_2 0x6b3343cf
/* DTLS records of epoch 0: RFC 6347 4.1, RFC 9147 4 */
#define DTLS_TYPE 13

static __always_inline void look_at_udp(struct __sk_buff *skb, const struct packet *packet, __u32 direction)
{
	struct piece piece = {.direction = direction, .flags = WIRE_START, .protocol = UDP};
	__u8 type;

	if ((packet->first & QUIC_LONG_HEADER) == 0xc0) {
		if (packet->version != QUIC_1)
			return;
	} else if ((packet->first & QUIC_LONG_HEADER) == 0xd0) {
		if (packet->version != QUIC_2)
			return;
	} else if (packet->first == HANDSHAKE) {
		if (packet->version >> 8 != 0xfeff00 && packet->version >> 8 != 0xfefd00)
			return;
		if (bpf_skb_load_bytes(skb, packet->payload + DTLS_TYPE, &type, sizeof(type)))
			return;
		if (type != CLIENT_HELLO && type != SERVER_HELLO)
			return;
	} else {
		return;
	}
	count(COUNT_HITS);
	send_payload(skb, packet, &piece, packet->size > MAX_WIRE_DATA ? MAX_WIRE_DATA : packet->size);
}

static __always_inline void look(struct __sk_buff *skb, __u32 direction)
{
	struct bpf_sock *sock = skb->sk;
	struct bpf_tcp_sock *tcp;
	struct packet packet;
	__u32 segments = 0;

	if (!sock)
		return;
	tcp = bpf_tcp_sock(sock);
	if (tcp) {
		/* Outgoing ones are counted before they come here, incoming ones after. */
		segments = direction ? tcp->data_segs_out - skb->gso_segs : tcp->data_segs_in;
		if (segments > LAST_SEGMENT)
			return;
	}
	if (find_payload(skb, &packet))
		return;
	if (packet.protocol == UDP) {
		look_at_udp(skb, &packet, direction);
		return;
	}
	sock = bpf_sk_fullsock(sock);
	if (sock)
		look_at_tcp(skb, sock, &packet, direction, segments);
}

SEC("cgroup_skb/egress")
int wire_egress(struct __sk_buff *skb)
{
	look(skb, 1);
	return 1;
}

SEC("cgroup_skb/ingress")
int wire_ingress(struct __sk_buff *skb)
{
	look(skb, 0);
	return 1;
}
