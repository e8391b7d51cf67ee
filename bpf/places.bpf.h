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

/* The rest of a hello that began at the listening socket: how many bytes it has, or 0. */
static __always_inline __u32 take_rest(struct __sk_buff *skb, const struct packet *packet)
{
	struct place key;
	__u32 *found, rest;

	fill_place(&key, skb, packet, packet->sequence);
	found = bpf_map_lookup_elem(&rests, &key);
	if (!found)
		return 0;
	rest = *found;
	bpf_map_delete_elem(&rests, &key);
	return rest;
}

struct hello_key {
	struct place place;	/* so that nobody makes another hello look known by using its random again */
	__u64 random;		/* its first eight bytes */
};

/* Hellos that were sent from this host, copied whole, their records in the ring. Where one comes in at its other end, saying which it is will do. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct hello_key);
	__type(value, __u8);
} sent_hellos SEC(".maps");

#define RANDOM_AT 11		/* RFC 8446 4.1.2, with the headers of record and message before it */
#define KNOWN_HELLO (RANDOM_AT + 32)

static __always_inline int fill_hello_key(struct hello_key *key, struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	fill_place(&key->place, skb, packet, packet->sequence + hello_at);
	return bpf_skb_load_bytes(skb, packet->payload + hello_at + RANDOM_AT, &key->random, sizeof(key->random));
}

static __always_inline int is_known(struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	struct hello_key key;

	return !fill_hello_key(&key, skb, packet, hello_at) && bpf_map_lookup_elem(&sent_hellos, &key);
}

static __always_inline void remember_sent(struct __sk_buff *skb, const struct packet *packet, __u32 hello_at)
{
	struct hello_key key;
	__u8 one = 1;

	if (!fill_hello_key(&key, skb, packet, hello_at))
		bpf_map_update_elem(&sent_hellos, &key, &one, BPF_ANY);
}

#endif
