/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records that are whole in their packet. Most hellos are, and nothing has to be kept of their connections: making room for that is what would
 * cost most.
 */
#ifndef CRYPTOFLEET_STATELESS_BPF_H
#define CRYPTOFLEET_STATELESS_BPF_H

#include "flows.bpf.h"
#include "sent_hellos.bpf.h"
#include "send.bpf.h"

#define APPLICATION_DATA 23	/* RFC 8446 5.1 */
#define HELLO_BEGINNING 11	/* the headers of record and message, and the version */
#define CHANGE 6		/* a change_cipher_spec whole */
#define BEHIND_CHANGE (CHANGE + BEGINNING)
#define ALERT_RECORD 7

/* may_begin() of a packet; of a hello that is there so far, its own first bytes as well: lengths below 64 KiB, and version 3.x. */
static __always_inline int packet_may_begin(struct __sk_buff *skb, const struct packet *packet, __u8 *bytes, const struct connection *connection)
{
	__u64 size = BEHIND_CHANGE;

	__builtin_memset(bytes, 0, BEHIND_CHANGE);
	if (packet->size >= BEHIND_CHANGE) {
		if (bpf_skb_load_bytes(skb, packet->payload, bytes, BEHIND_CHANGE))
			return 0;
	} else {
		size = clamped(packet->size, BEHIND_CHANGE);
		if (!size || bpf_skb_load_bytes(skb, packet->payload, bytes, size))
			return 0;
	}
	if (size >= HELLO_BEGINNING && bytes[0] == HANDSHAKE && (bytes[6] || bytes[9] != 3))
		return 0;
	if (size >= BEHIND_CHANGE && bytes[0] == CHANGE_CIPHER_SPEC && !is_hello(bytes + CHANGE, BEGINNING) && !is_alert(bytes + CHANGE, BEGINNING))
		return 0;	/* what is encrypted follows */
	return may_begin(bytes, size < BEGINNING ? size : BEGINNING, connection);
}

/*
 * A ClientHello that is all of its packet, a ServerHello behind which nothing clear follows, or a clear alert. Returns how many bytes of the
 * packet to send; 0: it is none of them, and has to be followed.
 */
static __always_inline __u32 whole_record(struct __sk_buff *skb, const struct packet *packet, const __u8 *bytes, struct piece *piece)
{
	__u32 size = big_endian16(bytes + 3), end = RECORD_HEADER + size;
	__u8 next = 0;

	if (is_alert(bytes, BEGINNING))
		return packet->size == ALERT_RECORD ? ALERT_RECORD : 0;
	if (!is_hello(bytes, BEGINNING) || packet->size < BEHIND_CHANGE || 4 + big_endian16(bytes + 7) != size || end < KNOWN_HELLO ||
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
	if (!piece->direction && is_known(skb, packet, 0)) {
		piece->flags |= WIRE_KNOWN;
		return KNOWN_HELLO;
	}
	if (piece->direction)
		piece->hello = 1;
	return end;
}

/* Where no state can be kept: the first record, as far as it is here. */
static __always_inline __u32 first_record(struct __sk_buff *skb, const struct packet *packet, struct piece *piece)
{
	__u8 bytes[BEGINNING];
	__u32 size = packet->size, rest;

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
		if (rest && piece->listening && !(piece->flags & WIRE_KNOWN))
			note_rest(skb, packet, packet->sequence + size, rest);
	} else if (is_ssh(bytes, BEGINNING)) {
		count(COUNT_SSH);
	} else {
		return 0;
	}
	return size > MAX_FLIGHT ? MAX_FLIGHT : size;
}

#endif
