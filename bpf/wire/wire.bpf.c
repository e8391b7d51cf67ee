// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes `tls_handshake` and `ssh_kex`: the unencrypted starts of TLS, SSH, QUIC and DTLS connections of the whole host,
 * whatever library or language made them, in every network namespace. Two programs of the root cgroup v2 see each packet of a socket,
 * before it is segmented and after it is put together. They let every packet pass.
 *
 * Only lengths are parsed here: of TLS, the program goes from record header to record header and copies what is not
 * encrypted; user space parses it. After the first data segments of a direction a packet costs one helper call.
 */
#include "wire/follow_records.bpf.h"
#include "wire/packet.bpf.h"
#include "wire/single_packet.bpf.h"
#include "wire/udp.bpf.h"
#include "wire/wire_records.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define LAST_START 32		/* data segments of each direction in which a handshake may start */
#define LAST_SEGMENT 96		/* where one that has started is abandoned */
#define MAX_UNSEGMENTED 64	/* segments of one packet that is not segmented yet: 64 KiB of them */
#define LAST_TAIL 4		/* data segments in which the tail of a hello may come: the listening socket's own segments count, so it is not 1 */

/* include/net/tcp_states.h */
#define LISTENING 10

/* What the socket knows of this direction. */
struct segments {
	__u32 count;		/* those with data so far */
	__u32 next;		/* sequence number of the next new byte: snd_nxt advances after this program, and so does rcv_nxt */
	__u32 may_repeat;	/* bytes before `next` were here before. Not where nothing was retransmitted yet: a filter in user space may delay a packet */
};

/* Data segments are counted before this program where they go out, and after it where they come in. */
static __always_inline struct segments segments_of(struct __sk_buff *skb, struct bpf_tcp_sock *tcp, __u32 direction)
{
	struct segments segments = {
		.count = direction ? tcp->data_segs_out - skb->gso_segs : tcp->data_segs_in,
		.next = direction ? tcp->snd_nxt : tcp->rcv_nxt,
		.may_repeat = !direction || tcp->total_retrans,
	};

	return segments;
}

/* End a handshake that is not complete after so many segments; it counts as truncated. */
static __always_inline void abandon_handshake(struct bpf_sock *sock, __u32 direction)
{
	struct connection *connection;
	struct flow *flow;

	sock = bpf_sk_fullsock(sock);
	if (!sock)
		return;
	connection = find_connection(sock);
	if (!connection)
		return;
	flow = &connection->flows[direction != 0];
	if (flow->phase == RECORDS && flow->remaining)
		count(COUNT_TRUNCATED_HANDSHAKES);
	flow->phase = DONE;
}

/*
 * Whether a packet continues the first bytes that a flow holds: PostgreSQL's server answers one "S" where it accepts TLS, and TLS follows, not the
 * rest of "SSH-".
 */
static __always_inline int continues(struct __sk_buff *skb, const struct packet *packet, const struct connection *connection, struct flow *flow)
{
	__u64 have = flow->have, take = START_SIZE - have;

	if (!have || packet->sequence != flow->next)
		return 1;
	if (take > packet->size)
		take = packet->size;
	if (load_header(skb, flow, packet->payload, take))
		return 0;
	return may_start_in(connection, flow->header, have + take);
}

static __always_inline int is_retransmission(const struct packet *packet, const struct flow *flow, const struct segments *segments, __u32 listening)
{
	if (flow)
		return flow->started && (__s32)(packet->sequence - flow->next) < 0;
	return !listening && segments->may_repeat && (__s32)(packet->sequence - segments->next) < 0;
}

static __always_inline void begin_flow(struct flow *flow, const struct packet *packet, __u32 tail)
{
	flow->phase = tail ? RECORDS : STARTING;
	flow->started = 1;
	flow->next = packet->sequence;
	flow->remaining = tail;
	flow->have = 0;
	flow->copied = 0;
	flow->known = 0;
}

/* A packet in which a handshake may start, or the tail of a hello come. Returns how many bytes of it to send. */
static __always_inline __u32 select_start(struct __sk_buff *skb, struct bpf_sock *sock, struct connection *connection, struct packet *packet,
					  struct capture *capture, const struct segments *segments)
{
	__u8 bytes[PACKET_START_SIZE];
	__u32 tail = 0, size;

	if (packet_may_start(skb, packet, bytes, connection)) {
		capture->flags = WIRE_START;
	} else {
		if (!connection && !capture->direction && segments->count > 0 && segments->count <= LAST_TAIL)
			tail = take_pending_tail(skb, packet);
		if (!tail)
			return 0;
	}
	if (!connection && !capture->listening) {
		size = tail ? 0 : whole_record_size(skb, packet, bytes, capture);
		if (size)
			return size;
		connection = add_connection(sock);
	}
	if (!connection)
		return first_record_size(skb, packet, capture);
	begin_flow(&connection->flows[capture->direction != 0], packet, tail);
	return follow_records(skb, packet, connection, capture);
}

/* Returns how many bytes of the packet to send. */
static __always_inline __u32 select_tcp(struct __sk_buff *skb, struct bpf_sock *sock, struct packet *packet, struct capture *capture,
					const struct segments *segments)
{
	struct connection *connection = find_connection(sock);
	struct flow *flow = connection ? &connection->flows[capture->direction != 0] : 0;

	if (flow) {
		if (flow->phase == DONE)
			return 0;
		if (flow->phase == STARTING && !continues(skb, packet, connection, flow))
			flow->phase = IDLE;
		if (flow->phase != IDLE)
			return follow_records(skb, packet, connection, capture);
	}
	/*
	 * Data that completes the TCP handshake (TCP_DEFER_ACCEPT, SYN cookies, a lost ACK) comes while there is no socket but the
	 * listening one, which is shared by all connections.
	 */
	capture->listening = sock->state == LISTENING;
	if (segments->count > LAST_START || is_retransmission(packet, flow, segments, capture->listening))
		return 0;
	return select_start(skb, sock, connection, packet, capture, segments);
}

static __always_inline void inspect_packet(struct __sk_buff *skb, __u32 direction)
{
	struct capture capture = {.direction = direction, .protocol = TCP};
	struct segments segments = {};
	struct bpf_sock *sock = skb->sk;
	struct bpf_tcp_sock *tcp;
	struct packet packet;
	__u32 size;

	if (!sock)
		return;
	tcp = bpf_tcp_sock(sock);
	if (tcp) {
		segments = segments_of(skb, tcp, direction);
		if (segments.count > LAST_SEGMENT) {
			if (segments.count <= LAST_SEGMENT + MAX_UNSEGMENTED)
				abandon_handshake(sock, direction);
			return;
		}
	}
	if (find_payload(skb, &packet))
		return;
	if (packet.protocol == UDP) {
		size = settings.library & LOOK_TLS ? select_udp(skb, &packet, &capture) : 0;
	} else {
		sock = bpf_sk_fullsock(sock);
		size = sock ? select_tcp(skb, sock, &packet, &capture, &segments) : 0;
	}
	if (!size)
		return;
	reset_verifier_bounds(&packet, &capture);
	if (!send_payload(skb, &packet, &capture, size) && capture.hello)
		add_sent_hello(skb, &packet, capture.hello - 1);
}

SEC("cgroup_skb/egress")
int wire_egress(struct __sk_buff *skb)
{
	inspect_packet(skb, 1);
	return 1;
}

SEC("cgroup_skb/ingress")
int wire_ingress(struct __sk_buff *skb)
{
	inspect_packet(skb, 0);
	return 1;
}
