/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of a TCP connection that is followed from packet to packet, kept with its socket. */
#ifndef CRYPTOFLEET_TCP_FLOWS_BPF_H
#define CRYPTOFLEET_TCP_FLOWS_BPF_H

#include "wire/packet.bpf.h"
#include "wire/record_headers.bpf.h"

enum phase {
	IDLE,		/* a handshake may start */
	STARTING,	/* its first bytes are expected */
	RECORDS,	/* in a record, or before the header of the next */
	LAST,		/* the remaining bytes end it */
	AFTER_GAP,	/* bytes were missing: the remaining ones are copied as they come */
	DONE,
};

/* One direction of a TCP connection. */
struct flow {
	__u32 next;		/* sequence number behind the last byte that was followed */
	__u32 remaining;	/* bytes of the record that are still to come; or of what is copied without reading headers */
	__u32 copied;		/* bytes of this handshake */
	/*
	 * Of the current packet. They are in this map value and not on the stack so that the verifier drops their bounds, and states merge in the
	 * loop over the records.
	 */
	__u32 payload;
	__u32 size;
	__u32 position;
	__u32 hello_at;
	__u32 hello_size;	/* of the hello's record that starts there; 0: none */
	__u8 phase;
	__u8 started;		/* next is valid */
	__u8 have;		/* bytes in header */
	__u8 known;		/* this handshake was copied at its sender */
	__u8 header[16];	/* of the record that starts; room for 7 + START_SIZE, so that masking `have` is bound enough */
};

struct connection {
	struct flow flows[2];	/* by direction */
	__u32 ssh;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

static __always_inline struct connection *find_connection(struct bpf_sock *sock)
{
	return bpf_sk_storage_get(&connections, sock, 0, 0);
}

static __always_inline struct connection *add_connection(struct bpf_sock *sock)
{
	struct connection *connection = bpf_sk_storage_get(&connections, sock, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection)
		count(COUNT_SOCKET_STORAGE_FULL);
	return connection;
}

/* may_start() in a connection: once one side has sent an SSH banner, the other side's first bytes are SSH, whatever they are. */
static __always_inline int may_start_in(const struct connection *connection, const __u8 *bytes, __u32 size)
{
	return may_start(bytes, size) || (settings.library & LOOK_SSH && connection && connection->ssh);
}

#endif
