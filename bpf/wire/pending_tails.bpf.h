/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tails of ClientHellos whose first segment came in at the listening socket: the tail arrives at the connection's own socket, which did not exist
 * when the hello started, so no state of a socket can lead from one to the other.
 */
#ifndef CRYPTOFLEET_PENDING_TAILS_BPF_H
#define CRYPTOFLEET_PENDING_TAILS_BPF_H

#include "wire/stream_position.bpf.h"

/* Where a tail starts -> how many bytes it has. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct stream_position);
	__type(value, __u32);
} pending_tails SEC(".maps");

/* How many were added and not taken: 0 on nearly all hosts at nearly all times, and reading it costs less than a lookup in the hash. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} pending_tail_count SEC(".maps");

static __always_inline void add_pending_tail(struct __sk_buff *skb, const struct packet *packet, __u32 sequence, __u32 tail)
{
	struct stream_position key;
	__u32 zero = 0;
	__u64 *pending = bpf_map_lookup_elem(&pending_tail_count, &zero);

	fill_position(&key, skb, packet, sequence);
	if (pending && !bpf_map_update_elem(&pending_tails, &key, &tail, BPF_NOEXIST))
		__sync_fetch_and_add(pending, 1);
}

/* How many bytes of a hello are still to come from this packet on, or 0. */
static __always_inline __u32 take_pending_tail(struct __sk_buff *skb, const struct packet *packet)
{
	struct stream_position key;
	__u32 *found, tail, zero = 0;
	__u64 *pending = bpf_map_lookup_elem(&pending_tail_count, &zero);

	if (!pending || !*pending)
		return 0;
	fill_position(&key, skb, packet, packet->sequence);
	found = bpf_map_lookup_elem(&pending_tails, &key);
	if (!found)
		return 0;
	tail = *found;
	if (!bpf_map_delete_elem(&pending_tails, &key))
		__sync_fetch_and_add(pending, -1);
	return tail;
}

#endif
