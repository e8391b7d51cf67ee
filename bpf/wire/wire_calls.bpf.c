// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes `tls_handshake` and `ssh_kex` where no program may be attached to the root cgroup: the same starts of TCP connections,
 * not from packets but from the memory of the program that sent or received them, at the return of its system call. There it is
 * known how many bytes the kernel took or gave, the sequence number behind them is in the socket, and the sender is the running task.
 *
 * The program follows record headers, as wire.bpf.c does. Bytes are copied once it is clear that they belong to a handshake: where a program
 * reads a header and then the record, or an SSH banner letter by letter, what it read first is kept until then.
 */
#include "wire/follow_calls.bpf.h"
#include "wire/sockets.bpf.h"
#include "wire/transfers.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define LAST_START 65536	/* bytes of each direction in which a handshake may start */
#define LAST_BYTE 131072	/* where one that has started is abandoned */

/* How many bytes of this direction there were before the call, or fewer. */
static __always_inline __u64 bytes_before(struct tcp_sock *tcp, __u64 outgoing, __u32 copied)
{
	if (outgoing)
		return BPF_CORE_READ(tcp, bytes_sent);
	return BPF_CORE_READ(tcp, bytes_received) - (__u32)(BPF_CORE_READ(tcp, rcv_nxt) - copied);
}

/* Load what is known of the direction. Where nothing is, or bytes are missing, a handshake may start with this call's first byte. */
static __always_inline void begin_call(struct call *call, const struct call_flow_key *key, const struct call_flow *known, struct sock___tcp *sock,
				       __u32 sequence)
{
	if (known)
		__builtin_memcpy(&call->flow, known, sizeof(call->flow));
	else
		__builtin_memset(&call->flow, 0, sizeof(call->flow));
	call->key = *key;
	call->sock = sock;
	call->sequence = sequence;
	call->starts = 0;
	if (call->flow.phase == IDLE || call->flow.next != sequence) {
		call->flow.phase = STARTING;
		call->flow.remaining = 0;
		call->flow.have = 0;
		call->flow.copied = 0;
		call->starts = 1;
	}
}

/* A system call has moved `size` bytes. */
static __always_inline void inspect_call(struct pt_regs *regs, __u64 size)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct call_flow_key key = {.outgoing = is_outgoing(REGS_SYSCALL(regs))};
	struct call_flow *known;
	struct transfer transfer;
	struct sock___tcp *sock;
	struct tcp_sock *tcp;
	struct call *call;
	__u32 behind;
	__u64 before;
	__u8 phase, hello;

	sock = tcp_socket_of(task, (__u32)ARGUMENT1(regs), &key.socket);
	if (!sock)
		return;
	tcp = (struct tcp_sock *)sock;
	behind = key.outgoing ? BPF_CORE_READ(tcp, write_seq) : BPF_CORE_READ(tcp, copied_seq);
	before = bytes_before(tcp, key.outgoing, behind);
	if (before > LAST_BYTE + size)
		return;
	known = bpf_map_lookup_elem(&call_flows, &key);
	phase = known ? known->phase : IDLE;
	if (phase == DONE || (phase == IDLE && before > LAST_START + size))
		return;
	call = current_call();
	if (!call || BY_32BIT(task) || read_transfer(&transfer, regs))
		return;
	begin_call(call, &key, known, sock, behind - size);
	hello = call->flow.hello;
	follow_transfer(call, &transfer, size);
	call->flow.next = behind;
	if (phase == IDLE && call->flow.phase == IDLE && hello == call->flow.hello)
		return;		/* as before: nothing to keep */
	if (bpf_map_update_elem(&call_flows, &key, &call->flow, BPF_ANY))
		count(COUNT_SOCKET_STORAGE_FULL);
}

SEC("tp_btf/sys_exit")
int call_return(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	long result = (long)ctx[1];

	if (moves_bytes(REGS_SYSCALL(regs)) && result > 0)
		inspect_call(regs, result);
	return 0;
}
