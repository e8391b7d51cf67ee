/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key of a byte in a TCP connection, the same at both ends of it. */
#ifndef CRYPTOFLEET_STREAM_POSITION_BPF_H
#define CRYPTOFLEET_STREAM_POSITION_BPF_H

#include "wire/packet.bpf.h"

struct stream_position {
	__u64 source;		/* low half of the sender's address */
	__u32 ports;
	__u32 sequence;
};

static __always_inline void fill_position(struct stream_position *position, struct __sk_buff *skb, const struct packet *packet, __u32 sequence)
{
	position->source = 0;
	if (packet->family == 4)
		bpf_skb_load_bytes(skb, 12, &position->source, 4);
	else
		bpf_skb_load_bytes(skb, 16, &position->source, 8);
	position->ports = (__u32)packet->source << 16 | packet->target;
	position->sequence = sequence;
}

#endif
