/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP sockets as the kernel has them: from a descriptor of the running task to its socket, and the addresses of both ends. */
#ifndef CRYPTOFLEET_SOCKETS_BPF_H
#define CRYPTOFLEET_SOCKETS_BPF_H

#include "shared/common.bpf.h"
#include <bpf/bpf_endian.h>

/* Members of kernel types that only this object reads. libbpf ignores the three underscores and what follows. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file___socket {
	void *private_data;
};

struct in6_addr {
	__u8 bytes[16];
};

struct sock_common___tcp {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock___tcp {
	struct sock_common___tcp __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
};

struct tcp_sock {
	__u64 bytes_received;
	__u64 bytes_sent;
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 write_seq;
};

struct socket {
	struct sock___tcp *sk;
};

#pragma clang attribute pop

#define S_IFMT 0170000
#define S_IFSOCK 0140000
/* include/linux/socket.h, include/linux/net.h, include/uapi/linux/in.h */
enum { INET = 2, INET6 = 10, STREAM = 1, TCP = 6 };

/*
 * The TCP socket behind a descriptor of the task, or NULL. Sets its inode number in sockfs, which is unique among the sockets that exist.
 * Only for a descriptor that a system call has just used: it is not compared with the size of the table.
 */
static __always_inline struct sock___tcp *tcp_socket_of(struct task_struct *task, unsigned int fd, __u64 *number)
{
	struct file *file = 0;
	struct inode *inode;
	struct sock___tcp *sock;
	struct socket *socket;
	__u16 family;

	if (bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(task, files, fdt, fd) + fd))
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ((struct file___socket *)file, private_data);
	sock = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sock, __sk_common.skc_family);
	if (family != INET && family != INET6)
		return 0;
	if (BPF_CORE_READ(sock, sk_type) != STREAM || BPF_CORE_READ(sock, sk_protocol) != TCP)
		return 0;
	*number = BPF_CORE_READ(inode, i_ino);
	return sock;
}

static __always_inline void fill_addresses(struct wire_event *event, struct sock___tcp *sock)
{
	__u64 *remote = (__u64 *)event->remote;
	__u32 *words = (__u32 *)event->remote;
	__u32 mapped = bpf_htonl(0xffff);

	event->local_port = BPF_CORE_READ(sock, __sk_common.skc_num);
	event->remote_port = bpf_ntohs(BPF_CORE_READ(sock, __sk_common.skc_dport));
	__builtin_memset(event->local, 0, sizeof(event->local));
	__builtin_memset(event->remote, 0, sizeof(event->remote));
	event->family = 6;
	if (BPF_CORE_READ(sock, __sk_common.skc_family) == INET6 && bpf_core_field_exists(sock->__sk_common.skc_v6_daddr)) {
		BPF_CORE_READ_INTO(&event->local, sock, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&event->remote, sock, __sk_common.skc_v6_daddr);
		if (remote[0] || words[2] != mapped)
			return;
	}
	/* RFC 4291 2.5.5.2: an IPv4 connection of an IPv6 socket */
	event->family = 4;
	__builtin_memset(event->local, 0, sizeof(event->local));
	__builtin_memset(event->remote, 0, sizeof(event->remote));
	*(__u32 *)event->local = BPF_CORE_READ(sock, __sk_common.skc_rcv_saddr);
	*words = BPF_CORE_READ(sock, __sk_common.skc_daddr);
}

#endif
