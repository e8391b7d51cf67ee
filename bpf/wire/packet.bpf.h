/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPv4, IPv6, TCP and UDP headers of a packet: its ports and where its payload is. */
#ifndef CRYPTOFLEET_PACKET_BPF_H
#define CRYPTOFLEET_PACKET_BPF_H

#include "shared/common.bpf.h"

/* From include/uapi/linux/bpf.h, only what is read here: these layouts are ABI, and the verifier rewrites each access. */
struct bpf_sock {
	__u32 unused[18];
	__u32 state;
};

struct bpf_tcp_sock {
	__u32 unused[4];
	__u32 rcv_nxt;
	__u32 snd_nxt;
	__u32 unused2[7];
	__u32 total_retrans;
	__u32 segs_in;
	__u32 data_segs_in;
	__u32 segs_out;
	__u32 data_segs_out;
};

struct __sk_buff {
	__u32 len;
	__u32 unused[40];
	__u32 gso_segs;
	union {
		struct bpf_sock *sk;
		__u64 : 64;
	};
};

_Static_assert(__builtin_offsetof(struct bpf_sock, state) == 72, "struct bpf_sock");
_Static_assert(__builtin_offsetof(struct bpf_tcp_sock, rcv_nxt) == 16, "struct bpf_tcp_sock");
_Static_assert(__builtin_offsetof(struct bpf_tcp_sock, snd_nxt) == 20, "struct bpf_tcp_sock");
_Static_assert(__builtin_offsetof(struct bpf_tcp_sock, total_retrans) == 52, "struct bpf_tcp_sock");
_Static_assert(__builtin_offsetof(struct bpf_tcp_sock, data_segs_in) == 60, "struct bpf_tcp_sock");
_Static_assert(__builtin_offsetof(struct bpf_tcp_sock, data_segs_out) == 68, "struct bpf_tcp_sock");
_Static_assert(__builtin_offsetof(struct __sk_buff, gso_segs) == 164, "struct __sk_buff");
_Static_assert(__builtin_offsetof(struct __sk_buff, sk) == 168, "struct __sk_buff");

/* IANA protocol numbers */
enum { HOP_BY_HOP = 0, TCP = 6, UDP = 17, ROUTING = 43, DESTINATION = 60 };

#define MAX_EXTENSION_HEADERS 4	/* of IPv6, that are skipped */
#define TCP_SYN 2

struct packet {
	__u32 payload;	/* offset of the first byte that is not handled yet */
	__u32 size;	/* bytes from there to the end of the packet */
	__u32 sequence;	/* TCP sequence number of that byte; UDP: 0 */
	__u16 source;	/* ports, host byte order */
	__u16 target;
	__u8 family;
	__u8 protocol;
	__u8 first;	/* UDP: the first byte of the payload */
	__u32 version;	/* and the next four */
};

static __always_inline __u16 big_endian16(const __u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static __always_inline __u32 big_endian32(const __u8 *bytes)
{
	return (__u32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Skip the IPv6 extension headers of RFC 8200 4.3, 4.4 and 4.6. Returns the offset of what follows, and sets its protocol. */
static __always_inline __u32 skip_extension_headers(struct __sk_buff *skb, __u8 *protocol)
{
	__u8 option[2] = {*protocol, 0};
	__u32 offset = 40;

	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		if (option[0] != HOP_BY_HOP && option[0] != ROUTING && option[0] != DESTINATION)
			break;
		if (bpf_skb_load_bytes(skb, offset, option, sizeof(option)))
			break;
		offset += (option[1] + 1) * 8;
	}
	*protocol = option[0];
	return offset;
}

/*
 * Returns 0 for a TCP or UDP packet that has a payload. The kernel has validated the headers already; the context begins with the IP header.
 */
static __always_inline int find_payload(struct __sk_buff *skb, struct packet *packet)
{
	__u8 head[20], next[14];
	__u32 offset;

	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)))
		return -1;
	if (head[0] >> 4 == 4) {
		packet->family = 4;
		packet->protocol = head[9];
		offset = (head[0] & 15) * 4;
	} else {
		packet->family = 6;
		packet->protocol = head[6];
		offset = skip_extension_headers(skb, &packet->protocol);
	}
	if (packet->protocol != TCP && packet->protocol != UDP) {
		if (packet->protocol == HOP_BY_HOP || packet->protocol == ROUTING || packet->protocol == DESTINATION)
			count(COUNT_UNPARSED_PACKETS);
		return -1;
	}
	/* UDP: the header and the first six bytes of the payload; a shorter one holds nothing that is looked for. */
	if (bpf_skb_load_bytes(skb, offset, next, sizeof(next)))
		return -1;
	packet->source = big_endian16(next);
	packet->target = big_endian16(next + 2);
	if (packet->protocol == TCP) {
		packet->payload = offset + (next[12] >> 4) * 4;
		packet->sequence = big_endian32(next + 4) + ((next[13] & TCP_SYN) != 0);
	} else {
		packet->payload = offset + 8;
		packet->sequence = 0;
		packet->first = next[8];
		packet->version = big_endian32(next + 9);
	}
	packet->size = skb->len - packet->payload;
	return skb->len > packet->payload ? 0 : -1;
}

#endif
