/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first packet of a handshake, by itself: most hellos are whole in it, and need no state, which would cost the most. */
#ifndef CRYPTOFLEET_SINGLE_PACKET_BPF_H
#define CRYPTOFLEET_SINGLE_PACKET_BPF_H

#include "wire/pending_tails.bpf.h"
#include "wire/sent_hellos.bpf.h"
#include "wire/tcp_flows.bpf.h"
#include "wire/wire_records.bpf.h"

#define CHANGE_CIPHER_SPEC_RECORD 6	/* size of the whole record, as the next */
#define ALERT_RECORD 7
#define PACKET_START_SIZE (CHANGE_CIPHER_SPEC_RECORD + START_SIZE)

/* Load the first bytes of the payload, PACKET_START_SIZE or fewer. Returns how many, or 0. */
static __always_inline __u64 load_start(struct __sk_buff *skb, const struct packet *packet, __u8 *bytes)
{
	__u64 size = PACKET_START_SIZE;

	__builtin_memset(bytes, 0, PACKET_START_SIZE);
	if (packet->size >= PACKET_START_SIZE)
		return bpf_skb_load_bytes(skb, packet->payload, bytes, PACKET_START_SIZE) ? 0 : size;
	size = clamped(packet->size, PACKET_START_SIZE);
	if (!size || bpf_skb_load_bytes(skb, packet->payload, bytes, size))
		return 0;
	return size;
}

/* may_start_in() of a packet. It also tests as much of a hello's own first bytes as is here: a length below 64 KiB, and version 3.x. */
static __always_inline int packet_may_start(struct __sk_buff *skb, const struct packet *packet, __u8 *bytes, const struct connection *connection)
{
	__u64 size = load_start(skb, packet, bytes);

	if (!size)
		return 0;
	if (size >= HELLO_START_SIZE && bytes[0] == HANDSHAKE && (bytes[6] || bytes[9] != 3))
		return 0;
	if (size >= PACKET_START_SIZE && bytes[0] == CHANGE_CIPHER_SPEC && !is_hello(bytes + CHANGE_CIPHER_SPEC_RECORD, START_SIZE) &&
	    !is_alert(bytes + CHANGE_CIPHER_SPEC_RECORD, START_SIZE))
		return 0;	/* encrypted records follow */
	return may_start_in(connection, bytes, size < START_SIZE ? size : START_SIZE);
}

/*
 * Where the packet is a ClientHello and nothing else, a ServerHello followed by encrypted records only, or an unencrypted alert: how many of its
 * bytes to send. 0: it is none of them, and has to be followed.
 */
static __always_inline __u32 whole_record_size(struct __sk_buff *skb, const struct packet *packet, const __u8 *bytes, struct capture *capture)
{
	__u32 size = record_length(bytes), end = RECORD_HEADER + size;
	__u8 next = 0;

	if (is_alert(bytes, START_SIZE))
		return packet->size == ALERT_RECORD ? ALERT_RECORD : 0;
	if (!is_hello(bytes, START_SIZE) || packet->size < PACKET_START_SIZE || 4 + big_endian16(bytes + 7) != size || end < KNOWN_HELLO_SIZE ||
	    end > packet->size || end > MAX_WIRE_DATA)
		return 0;
	if (end < packet->size) {
		if (bpf_skb_load_bytes(skb, packet->payload + end, &next, sizeof(next)))
			return 0;
		if (next != CHANGE_CIPHER_SPEC && next != APPLICATION_DATA)
			return 0;
	} else if (bytes[5] != CLIENT_HELLO) {
		return 0;	/* a certificate may follow, or not */
	}
	count(COUNT_HITS);
	if (!capture->direction && is_sent_hello(skb, packet, 0)) {
		capture->flags |= WIRE_KNOWN;
		return KNOWN_HELLO_SIZE;
	}
	if (capture->direction)
		capture->hello = 1;
	return end;
}

/* Where no state can be kept: how many bytes of the packet to send, its first record as far as it is here. The rest becomes a pending tail. */
static __always_inline __u32 first_record_size(struct __sk_buff *skb, const struct packet *packet, struct capture *capture)
{
	__u8 bytes[START_SIZE];
	__u32 size = packet->size, rest;

	if (bpf_skb_load_bytes(skb, packet->payload, bytes, sizeof(bytes)))
		return 0;
	if (is_hello(bytes, START_SIZE)) {
		rest = RECORD_HEADER + record_length(bytes);
		count(COUNT_HITS);
		if (!capture->direction && is_sent_hello(skb, packet, 0)) {
			capture->flags |= WIRE_KNOWN;
			rest = KNOWN_HELLO_SIZE;
		}
		if (size > rest)
			size = rest;
		rest -= size;
		if (rest && capture->listening && !(capture->flags & WIRE_KNOWN))
			add_pending_tail(skb, packet, packet->sequence + size, rest);
	} else if (is_ssh_banner(bytes, START_SIZE)) {
		count(COUNT_SSH_STARTS);
	} else {
		return 0;
	}
	return size > MAX_COPIED ? MAX_COPIED : size;
}

#endif
