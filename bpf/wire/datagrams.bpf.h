/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hellos in UDP: QUIC Initial packets and DTLS records. They are whole in a datagram, or user space joins them: nothing is kept here. */
#ifndef CRYPTOFLEET_DATAGRAMS_BPF_H
#define CRYPTOFLEET_DATAGRAMS_BPF_H

#include "starts.bpf.h"
#include "send.bpf.h"

/* QUIC Initial packets: RFC 9000 17.2.2, RFC 9369 3.2. */
#define QUIC_LONG_HEADER 0xf0
#define QUIC_1 1
#define QUIC_2 0x6b3343cf
/* DTLS records, RFC 6347 4.1, RFC 9147 4: version and epoch, which is 0 where nothing is encrypted; then the type of the message */
#define DTLS_1_0 0xfeff0000
#define DTLS_1_2 0xfefd0000
#define DTLS_TYPE 13

/* Up to DTLS 1.2, where its messages need several datagrams: certificate, server_key_exchange, server_hello_done (RFC 5246 7.4). */
static __always_inline int is_rest_of_flight(__u8 type)
{
	return type == 11 || type == 12 || type == 14;
}

/* Returns how many bytes of the packet to send. */
static __always_inline __u32 look_at_udp(struct __sk_buff *skb, const struct packet *packet, struct piece *piece)
{
	__u8 type;
	int hello = 1;

	if ((packet->first & QUIC_LONG_HEADER) == 0xc0) {
		if (packet->version != QUIC_1)
			return 0;
	} else if ((packet->first & QUIC_LONG_HEADER) == 0xd0) {
		if (packet->version != QUIC_2)
			return 0;
	} else if (packet->first == HANDSHAKE) {
		if (packet->version != DTLS_1_0 && packet->version != DTLS_1_2)
			return 0;
		if (bpf_skb_load_bytes(skb, packet->payload + DTLS_TYPE, &type, sizeof(type)))
			return 0;
		if (type != CLIENT_HELLO && type != SERVER_HELLO && !is_rest_of_flight(type))
			return 0;
		hello = !is_rest_of_flight(type);
	} else {
		return 0;
	}
	if (hello)
		count(COUNT_HITS);
	piece->flags = WIRE_START;
	piece->protocol = UDP;
	return packet->size > MAX_WIRE_DATA ? MAX_WIRE_DATA : packet->size;
}

#endif
