/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hellos in UDP: QUIC Initial packets and DTLS records. They are whole in a datagram, or user space joins them: nothing is kept here. */
#ifndef CRYPTOFLEET_DATAGRAMS_BPF_H
#define CRYPTOFLEET_DATAGRAMS_BPF_H

#include "beginnings.bpf.h"
#include "wire_record.bpf.h"

/* QUIC Initial packets: RFC 9000 17.2.2, RFC 9369 3.2. */
#define QUIC_LONG_HEADER 0xf0
#define QUIC_1 1
#define QUIC_2 0x6b3343cf
/* DTLS records, RFC 6347 4.1, RFC 9147 4: version and epoch, which is 0 where nothing is encrypted; then the type of the message */
#define DTLS_1_0 0xfeff0000
#define DTLS_1_2 0xfefd0000
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
		if (packet->version != DTLS_1_0 && packet->version != DTLS_1_2)
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

#endif
