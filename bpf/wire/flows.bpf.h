/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of a TCP connection from packet to packet, with its socket. */
#ifndef CRYPTOFLEET_FLOWS_BPF_H
#define CRYPTOFLEET_FLOWS_BPF_H

#include "starts.bpf.h"

enum phase {
	IDLE,		/* a handshake may begin */
	BEGINS,		/* its first bytes are expected */
	RECORDS,	/* in a record, or before the header of the next */
	LAST,		/* the remaining bytes end it */
	UNORDERED,	/* bytes were missing: the remaining ones are copied as they come */
	DONE,
};

/* One direction of a TCP connection. */
struct flow {
	__u32 next;		/* sequence number behind the last byte that was followed */
	__u32 remaining;	/* bytes of the record that are still to come; or of what is copied without looking */
	__u32 copied;		/* bytes of this handshake */
	/* Of the packet at hand. They are here so that the verifier forgets what it knows of them, and the ways through a loop join. */
	__u32 payload;
	__u32 size;
	__u32 position;
	__u32 hello_at;
	__u32 hello_size;	/* of the record that begins there; 0: none */
	__u8 phase;
	__u8 began;		/* next is valid */
	__u8 have;		/* bytes in header */
	__u8 known;		/* this handshake was copied at its sender */
	__u8 header[16];	/* of the record that begins; room for 7 + BEGINNING, so that a mask is bound enough */
};

struct connection {
	struct flow flows[2];
	__u32 ssh;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

/* Whether bytes may begin something that is looked for. */
static __always_inline int may_begin(const __u8 *bytes, __u32 size, const struct connection *connection)
{
	if (settings.library & LOOK_TLS) {
		if (is_hello(bytes, size) || is_change(bytes, size) || is_alert(bytes, size))
			return 1;
	}
	return settings.library & LOOK_SSH && (is_ssh(bytes, size) || (connection && connection->ssh));
}

static __always_inline int end(struct flow *flow, __u32 position)
{
	flow->phase = IDLE;
	flow->position = position;
	return 1;
}

#endif
