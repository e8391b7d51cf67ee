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
#include "datagrams.bpf.h"
#include "flows.bpf.h"
#include "single_packet.bpf.h"
#include "send.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define DATA_SEGMENTS 32	/* of each direction: where a handshake may begin */
#define LAST_SEGMENT 96		/* and where one that has begun is given up */
#define MOST_TOGETHER 64	/* segments of one packet that is not segmented yet: 64 KiB of them */
#define FIRST_SEGMENTS 4	/* that may go on with what the listening socket got: its own segments are counted, so it is not 0 */
#define MAX_SSH 8192
#define MAX_BLIND 4096		/* bytes copied after a gap in the sequence */
#define STEPS 18			/* each a record's header or the rest of one: nine records of one packet */

/* include/net/tcp_states.h */
#define LISTENING 10

/* More bytes into flow->header. A function of its own, so that nothing is spilled: verifiers before 5.16 forget the bounds of what is. */
static __noinline int load_header(struct __sk_buff *skb, struct flow *flow, __u32 offset, __u64 size)
{
	__u64 have = flow->have & 7;

	size = clamped(size, BEGINNING);
	return size ? bpf_skb_load_bytes(skb, offset, flow->header + have, size) : -1;
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
		flow->known = 0;
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

/*
 * The rest of a record, or the header of the next one. Nonzero: the packet has no more to follow. Not static: the verifier checks it once,
 * and not for each step of each way that leads here. It finds the connection again, because before 5.13 it can't be handed over.
 */
__noinline int step(struct __sk_buff *skb, __u32 direction)
{
	struct bpf_sock *sock = skb->sk ? bpf_sk_fullsock(skb->sk) : 0;
	struct connection *connection = sock ? bpf_sk_storage_get(&connections, sock, 0, 0) : 0;
	__u64 position, size, take, have;
	struct flow *flow;
	__u32 phase, wanted;

	if (!connection)
		return 1;
	flow = &connection->flows[direction != 0];
	position = flow->position;
	size = flow->size;
	take = flow->remaining;
	have = flow->have;
	phase = flow->phase;
	wanted = phase == BEGINS ? BEGINNING : RECORD_HEADER;
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
	if (load_header(skb, flow, flow->payload + position, take))
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
		if (flow->phase == RECORDS && take == BEGINNING) {
			flow->hello_at = position;
			flow->hello_size = BEGINNING + flow->remaining;
		}
	} else if (is_record(flow->header, RECORD_HEADER, HANDSHAKE)) {
		flow->remaining = big_endian16(flow->header + 3);
	} else if (is_alert(flow->header, RECORD_HEADER)) {
		flow->phase = LAST;
		flow->remaining = 2;
		flow->known = 0;	/* it is told at both ends */
		flow->hello_size = 0;
	} else if (!position && take == RECORD_HEADER && is_change(flow->header, RECORD_HEADER)) {
		flow->phase = BEGINS;	/* a second ClientHello may follow: look again */
		return 0;
	} else {
		return end(flow, position);
	}
	flow->position = position + take;
	return 0;
}

/* Copied onto themselves: the verifier forgets what it knew of them on each way that leads here, and checks what follows once. */
static __always_inline void forget(struct packet *packet, struct piece *piece)
{
	bpf_probe_read_kernel(packet, sizeof(*packet), packet);
	bpf_probe_read_kernel(piece, sizeof(*piece), piece);
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

/* Send only which hello begins skip bytes on: its headers and random. Returns their size. */
static __always_inline __u32 skip_to_known(struct packet *packet, struct piece *piece, __u32 skip)
{
	packet->payload += skip;
	packet->sequence += skip;
	packet->size -= skip;
	piece->flags |= WIRE_KNOWN;
	return packet->size > KNOWN_HELLO ? KNOWN_HELLO : packet->size;
}

/* Returns how many bytes of the packet to send. */
static __always_inline __u32 follow(struct __sk_buff *skb, struct packet *packet, struct connection *connection, struct piece *piece)
{
	struct flow *flow = &connection->flows[piece->direction != 0];
	__u32 size, steps = 0;

	if (align(packet, flow, &piece->flags))
		return 0;
	forget(packet, piece);
	flow->payload = packet->payload;
	flow->size = packet->size;
	flow->position = 0;
	flow->hello_size = 0;
#pragma clang loop unroll(disable)
	for (; steps < STEPS; steps++)
		if (step(skb, piece->direction))
			break;
	if (steps == STEPS && flow->position < packet->size) {
		flow->phase = IDLE;
		count(COUNT_CAPPED);
	}
	size = flow->position;
	if (flow->phase != UNORDERED)
		flow->next = packet->sequence + size;
	if (flow->hello_size && !piece->direction && is_known(skb, packet, flow->hello_at)) {
		flow->known = 1;
		return skip_to_known(packet, piece, flow->hello_at);
	}
	if (flow->known)
		return 0;
	if (flow->copied + size > MAX_FLIGHT) {
		size = MAX_FLIGHT - flow->copied;
		flow->phase = IDLE;
		count(COUNT_CAPPED);
	}
	flow->copied += size;
	if (flow->hello_size && piece->direction && flow->hello_at + flow->hello_size <= size)
		piece->hello = flow->hello_at + 1;
	return size;
}

/* Whether a packet goes on with the first bytes that a flow holds: PostgreSQL's server says yes to TLS with one "S", and then comes TLS, not "SSH-". */
static __always_inline int goes_on(struct __sk_buff *skb, const struct packet *packet, const struct connection *connection, struct flow *flow)
{
	__u64 have = flow->have, take = BEGINNING - have;

	if (!have || packet->sequence != flow->next)
		return 1;
	if (take > packet->size)
		take = packet->size;
	if (load_header(skb, flow, packet->payload, take))
		return 0;
	return may_begin(flow->header, have + take, connection);
}

/* What the socket says of this direction. */
struct segments {
	__u32 count;	/* those with data so far */
	__u32 next;	/* the sequence number that new data begins with: snd_nxt goes on behind this program, and so does rcv_nxt */
	__u32 again;	/* what is before it was here already. Not so of what is sent late, by a filter in user space, and nothing was sent again yet */
};

/* Returns how many bytes of the packet to send. */
static __always_inline __u32 look_at_tcp(struct __sk_buff *skb, struct bpf_sock *sock, struct packet *packet, struct piece *piece,
					 const struct segments *segments)
{
	struct connection *connection = bpf_sk_storage_get(&connections, sock, 0, 0);
	__u32 direction = piece->direction, rest = 0, size;
	__u8 bytes[BEHIND_CHANGE];
	struct flow *flow;

	if (connection) {
		flow = &connection->flows[direction != 0];
		if (flow->phase == DONE)
			return 0;
		if (flow->phase == BEGINS && !goes_on(skb, packet, connection, flow))
			flow->phase = IDLE;
		if (flow->phase != IDLE)
			return follow(skb, packet, connection, piece);
		if (flow->began && (__s32)(packet->sequence - flow->next) < 0)
			return 0;	/* sent again */
	}
	if (segments->count > DATA_SEGMENTS)
		return 0;
	/*
	 * Data that completes the TCP handshake (TCP_DEFER_ACCEPT, SYN cookies, a lost ACK) comes while there is no socket but the
	 * listening one, which is shared by all connections.
	 */
	piece->listening = sock->state == LISTENING;
	if (!connection && !piece->listening && segments->again && (__s32)(packet->sequence - segments->next) < 0)
		return 0;	/* sent again, too */
	if (!packet_may_begin(skb, packet, bytes, connection)) {
		if (!connection && !direction && segments->count > 0 && segments->count <= FIRST_SEGMENTS)
			rest = take_rest(skb, packet);
		if (!rest)
			return 0;
	} else {
		piece->flags = WIRE_START;
	}
	if (!connection && !piece->listening) {
		size = rest ? 0 : whole_record(skb, packet, bytes, piece);
		if (size)
			return size;
		connection = bpf_sk_storage_get(&connections, sock, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!connection)
			count(COUNT_STORAGE_FULL);
	}
	if (!connection)
		return first_record(skb, packet, piece);
	flow = &connection->flows[direction != 0];
	flow->phase = rest ? RECORDS : BEGINS;
	flow->began = 1;
	flow->next = packet->sequence;
	flow->remaining = rest;
	flow->have = 0;
	flow->copied = 0;
	flow->known = 0;
	return follow(skb, packet, connection, piece);
}

/* A hello that is not whole after so many segments: it is told that it was not read. The flow ends here; segments may come several at once. */
static __always_inline void give_up(struct bpf_sock *sock, __u32 direction)
{
	struct connection *connection;
	struct flow *flow;

	sock = bpf_sk_fullsock(sock);
	if (!sock)
		return;
	connection = bpf_sk_storage_get(&connections, sock, 0, 0);
	if (!connection)
		return;
	flow = &connection->flows[direction != 0];
	if (flow->phase == RECORDS && flow->remaining)
		count(COUNT_CAPPED);
	flow->phase = DONE;
}

static __always_inline void look(struct __sk_buff *skb, __u32 direction)
{
	struct bpf_sock *sock = skb->sk;
	struct bpf_tcp_sock *tcp;
	struct packet packet;
	struct piece piece = {.direction = direction, .protocol = TCP};
	struct segments segments = {};
	__u32 size;

	if (!sock)
		return;
	tcp = bpf_tcp_sock(sock);
	if (tcp) {
		/* Outgoing ones are counted before they come here, incoming ones after. */
		segments.count = direction ? tcp->data_segs_out - skb->gso_segs : tcp->data_segs_in;
		if (segments.count > LAST_SEGMENT) {
			if (segments.count <= LAST_SEGMENT + MOST_TOGETHER)
				give_up(sock, direction);
			return;
		}
		segments.next = direction ? tcp->snd_nxt : tcp->rcv_nxt;
		segments.again = !direction || tcp->total_retrans;
	}
	if (find_payload(skb, &packet))
		return;
	if (packet.protocol == UDP) {
		size = settings.library & LOOK_TLS ? look_at_udp(skb, &packet, &piece) : 0;
	} else {
		sock = bpf_sk_fullsock(sock);
		size = sock ? look_at_tcp(skb, sock, &packet, &piece, &segments) : 0;
	}
	if (!size)
		return;
	forget(&packet, &piece);
	if (!send_payload(skb, &packet, &piece, size) && piece.hello)
		remember_sent(skb, &packet, piece.hello - 1);
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
