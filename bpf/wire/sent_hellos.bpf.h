/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is remembered of hellos by where in their connection they are. */
#ifndef CRYPTOFLEET_PLACES_BPF_H
#define CRYPTOFLEET_PLACES_BPF_H

#include "packet.bpf.h"

/* A byte of a connection, the same at both of its ends. */
struct place {
	__u64 source;		/* low half of the address */
	__u32 ports;
	__u32 sequence;
};

/* A hello of which the rest comes to a socket that was not there when it began, by the place of the rest: see look_at_tcp(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct place);
	__type(value, __u32);
} rests SEC(".maps");

/* How many of them were noted and not taken: there are none on nearly all hosts at nearly all times, and this costs less than looking. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} rests_noted SEC(".maps");

static __always_inline void fill_place(struct place *place, struct __sk_buff *skb, const struct packet *packet, __u32 sequence)
{
	place->source = 0;
	if (packet->family == 4)
		bpf_skb_load_bytes(skb, 12, &place->source, 4);
	else
		bpf_skb_load_bytes(skb, 16, &place->source, 8);
	place->ports = (__u32)packet->source << 16 | packet->target;
	place->sequence = sequence;
}

static __always_inline void note_rest(struct __sk_buff *skb, const struct packet *packet, __u32 sequence, __u32 rest)
{
	struct place key;
	__u32 zero = 0;
	__u64 *noted = bpf_map_lookup_elem(&rests_noted, &zero);

	fill_place(&key, skb, packet, sequence);
	if (noted && !bpf_map_update_elem(&rests, &key, &rest, BPF_NOEXIST))
		__sync_fetch_and_add(noted, 1);
}

/* The rest of a hello that began at the listening socket: how many bytes it has, or 0. */
static __always_inline __u32 take_rest(struct __sk_buff *skb, const struct packet *packet)
{
	struct place key;
	__u32 *found, rest, zero = 0;
	__u64 *noted = bpf_map_lookup_elem(&rests_noted, &zero);

	if (!noted || !*noted)
		return 0;
	fill_place(&key, skb, packet, packet->sequence);
	found = bpf_map_lookup_elem(&rests, &key);
	if (!found)
		return 0;
	rest = *found;
	if (!bpf_map_delete_elem(&rests, &key))
		__sync_fetch_and_add(noted, -1);
	return rest;
}

struct hello_key {
	struct place place;	/* so that nobody makes another hello look known by using its random again */
	__u64 random;		/* its first eight bytes */
};

/*
 * Hellos that were sent from this host, copied whole, their records in the ring. Where one comes in at its other end, saying which it is will do.
 * Each has one place where it may be: a later one takes it, and the earlier is copied at both ends. That costs less than a hash map whose
 * oldest element has to be found.
 */
#define SENT_BITS 12
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << SENT_BITS);
	__type(key, __u32);
	__type(value, struct hello_key);
} sent_hellos SEC(".maps");

#define RANDOM_AT 11		/* RFC 8446 4.1.2, with the headers of record and message before it */
#define KNOWN_HELLO (RANDOM_AT + 32)

static __always_inline int fill_hello_key(struct hello_key *key, struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	fill_place(&key->place, skb, packet, packet->sequence + hello_at);
	return bpf_skb_load_bytes(skb, packet->payload + hello_at + RANDOM_AT, &key->random, sizeof(key->random));
}

/* The element of sent_hellos where a hello may be. Multiplying by 2^64 / golden ratio puts every bit into the upper ones (Knuth 6.4). */
static __always_inline struct hello_key *sent_hello(const struct hello_key *key)
{
	__u64 mixed = (key->place.source ^ (__u64)key->place.ports << 32 ^ key->place.sequence ^ key->random) * 0x9e3779b97f4a7c15;
	__u32 slot = mixed >> (64 - SENT_BITS);

	return bpf_map_lookup_elem(&sent_hellos, &slot);
}

static __always_inline int is_known(struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	struct hello_key key, *sent;

	if (fill_hello_key(&key, skb, packet, hello_at))
		return 0;
	sent = sent_hello(&key);
	return sent && sent->random == key.random && sent->place.source == key.place.source && sent->place.ports == key.place.ports &&
	       sent->place.sequence == key.place.sequence;
}

static __always_inline void remember_sent(struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	struct hello_key key, *sent;

	if (fill_hello_key(&key, skb, packet, hello_at))
		return;
	sent = sent_hello(&key);
	if (sent)
		*sent = key;
}

#endif
