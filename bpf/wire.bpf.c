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
#include "places.bpf.h"
#include "wire_record.bpf.h"

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

/* may_begin() of a packet; of a hello that is there so far, its own first bytes as well: lengths below 64 KiB, and version 3.x. */
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
		connection->hello = 1;
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

/* Where no state can be kept: the first record, as far as it is here. */
static __always_inline __u32 first_record(struct __sk_buff *skb, const struct packet *packet, struct piece *piece)
{
	__u8 bytes[BEGINNING];
	__u32 size = packet->size, rest;
	struct place key;

	if (bpf_skb_load_bytes(skb, packet->payload, bytes, sizeof(bytes)))
		return 0;
	if (is_hello(bytes, BEGINNING)) {
		rest = RECORD_HEADER + big_endian16(bytes + 3);
		count(COUNT_HITS);
		if (!piece->direction && is_known(skb, packet, 0)) {
			piece->flags |= WIRE_KNOWN;
			rest = KNOWN_HELLO;
		}
		if (size > rest)
			size = rest;
		rest -= size;
		if (rest && piece->listening && !(piece->flags & WIRE_KNOWN)) {
			fill_place(&key, skb, packet, packet->sequence + size);
			bpf_map_update_elem(&rests, &key, &rest, BPF_ANY);
		}
	} else if (is_ssh(bytes, BEGINNING)) {
		count(COUNT_SSH);
	} else {
		return 0;
	}
	return size > MAX_FLIGHT ? MAX_FLIGHT : size;
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

/* Returns how many bytes of the packet to send. */
static __always_inline __u32 look_at_tcp(struct __sk_buff *skb, struct bpf_sock *sock, struct packet *packet, struct piece *piece, __u32 segments)
{
	struct connection *connection = bpf_sk_storage_get(&connections, sock, 0, 0);
	__u32 direction = piece->direction, rest = 0;
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
	if (segments > DATA_SEGMENTS)
		return 0;
	if (!packet_may_begin(skb, packet, connection)) {
		if (!connection && !direction && segments > 0 && segments <= FIRST_SEGMENTS)
			rest = take_rest(skb, packet);
		if (!rest)
			return 0;
	} else {
		piece->flags = WIRE_START;
	}
	/*
	 * Data that completes the TCP handshake (TCP_DEFER_ACCEPT, SYN cookies, a lost ACK) comes while there is no socket but the
	 * listening one, which is shared by all connections.
	 */
	piece->listening = sock->state == LISTENING;
	if (!connection && !piece->listening) {
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
	__u32 segments = 0, size;

	if (!sock)
		return;
	tcp = bpf_tcp_sock(sock);
	if (tcp) {
		/* Outgoing ones are counted before they come here, incoming ones after. */
		segments = direction ? tcp->data_segs_out - skb->gso_segs : tcp->data_segs_in;
		if (segments > LAST_SEGMENT) {
			if (segments <= LAST_SEGMENT + MOST_TOGETHER)
				give_up(sock, direction);
			return;
		}
	}
	if (find_payload(skb, &packet))
		return;
	if (packet.protocol == UDP) {
		size = settings.library & LOOK_TLS ? look_at_udp(skb, &packet, &piece) : 0;
	} else {
		sock = bpf_sk_fullsock(sock);
		size = sock ? look_at_tcp(skb, sock, &packet, &piece, segments) : 0;
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
