/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hellos that were copied where this host sent them: where one comes in at its other end on the same host, an identifier of it is enough. */
#ifndef CRYPTOFLEET_SENT_HELLOS_BPF_H
#define CRYPTOFLEET_SENT_HELLOS_BPF_H

#include "wire/stream_position.bpf.h"

struct hello_key {
	struct stream_position position;	/* without it a peer could make another hello look known, by using its random again */
	__u64 random;				/* its first eight bytes */
};

/*
 * Hellos that were copied whole, and whose records are in the ring. Each has one slot: a later hello overwrites it, and the earlier one is copied
 * at both ends. That costs less than a hash map, which has to find its oldest element.
 */
#define SENT_BITS 12
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << SENT_BITS);
	__type(key, __u32);
	__type(value, struct hello_key);
} sent_hellos SEC(".maps");

#define RANDOM_OFFSET 11		/* RFC 8446 4.1.2, with the headers of record and message before it */
#define KNOWN_HELLO_SIZE (RANDOM_OFFSET + 32)	/* what identifies a hello: its headers and random */

static __always_inline int fill_hello_key(struct hello_key *key, struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	fill_position(&key->position, skb, packet, packet->sequence + hello_at);
	return bpf_skb_load_bytes(skb, packet->payload + hello_at + RANDOM_OFFSET, &key->random, sizeof(key->random));
}

/* The slot of a hello. Multiplying by 2^64 / golden ratio puts every bit into the upper ones (Knuth 6.4). */
static __always_inline struct hello_key *sent_hello_slot(const struct hello_key *key)
{
	__u64 mixed = (key->position.source ^ (__u64)key->position.ports << 32 ^ key->position.sequence ^ key->random) * 0x9e3779b97f4a7c15;
	__u32 slot = mixed >> (64 - SENT_BITS);

	return bpf_map_lookup_elem(&sent_hellos, &slot);
}

static __always_inline int is_sent_hello(struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	struct hello_key key, *sent;

	if (fill_hello_key(&key, skb, packet, hello_at))
		return 0;
	sent = sent_hello_slot(&key);
	return sent && sent->random == key.random && sent->position.source == key.position.source && sent->position.ports == key.position.ports &&
	       sent->position.sequence == key.position.sequence;
}

static __always_inline void add_sent_hello(struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	struct hello_key key, *sent;

	if (fill_hello_key(&key, skb, packet, hello_at))
		return;
	sent = sent_hello_slot(&key);
	if (sent)
		*sent = key;
}

#endif
