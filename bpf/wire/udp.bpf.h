/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes in UDP: QUIC Initial packets and DTLS records. Nothing is kept of a connection: user space joins what is in several datagrams. */
#ifndef CRYPTOFLEET_UDP_BPF_H
#define CRYPTOFLEET_UDP_BPF_H

#include "wire/record_headers.bpf.h"
#include "wire/wire_records.bpf.h"

/* QUIC Initial packets: RFC 9000 17.2.2, RFC 9369 3.2. */
#define QUIC_LONG_HEADER 0xf0
#define QUIC_1 1
#define QUIC_2 0x6b3343cf
/* DTLS records, RFC 6347 4.1, RFC 9147 4: version and epoch, which is 0 where nothing is encrypted; and the offset of the message type */
#define DTLS_1_0 0xfeff0000
#define DTLS_1_2 0xfefd0000
#define DTLS_TYPE_OFFSET 13

/* certificate, server_key_exchange, server_hello_done (RFC 5246 7.4): up to DTLS 1.2, where a server's flight needs several datagrams. */
static __always_inline int continues_flight(__u8 type)
{
	return type == 11 || type == 12 || type == 14;
}

/* Returns how many bytes of the datagram to send. */
static __always_inline __u32 select_udp(struct __sk_buff *skb, const struct packet *packet, struct capture *capture)
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
		if (bpf_skb_load_bytes(skb, packet->payload + DTLS_TYPE_OFFSET, &type, sizeof(type)))
			return 0;
		if (type != CLIENT_HELLO && type != SERVER_HELLO && !continues_flight(type))
			return 0;
		hello = !continues_flight(type);
	} else {
		return 0;
	}
	if (hello)
		count(COUNT_HITS);
	capture->flags = WIRE_START;
	capture->protocol = UDP;
	return packet->size > MAX_WIRE_DATA ? MAX_WIRE_DATA : packet->size;
}

#endif
