// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probe `process`: exec, fork and exit, so that a process which lived for a millisecond still has a name, a parent, a command
 * line and an exit code. BTF tracepoints (5.5+) need neither tracefs nor kprobes nor a trampoline.
 */
#include "shared/common.bpf.h"
#include "shared/path.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct exec_record {
	struct walk walk;
	struct exec_event event;
	char data[WALK_ROOM + MAX_ARGUMENTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_record);
} scratch SEC(".maps");

__noinline int walk_step_of(__u32 number)
{
	struct exec_record *record = bpf_map_lookup_elem(&scratch, &number);

	return record ? walk_step(&record->walk, record->data) : 0;
}

static __always_inline void send(void *record, __u64 size)
{
	if (bpf_ringbuf_output(&events, record, size, wake_flags(&events)))
		count(COUNT_RING_FULL);
}

SEC("tp_btf/sched_process_exec")
int process_exec(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct exec_record *record;
	struct mm_struct *mm;
	struct file *exe;
	__u64 arguments, size;
	__u32 zero = 0;

	count(COUNT_HITS);
	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record)
		return 0;
	fill_subject(&record->event.subject, task);
	mm = BPF_CORE_READ(task, mm);
	exe = BPF_CORE_READ(mm, exe_file);
	record->event.exe_inode = BPF_CORE_READ(exe, f_inode, i_ino);
	record->event.exe_device = BPF_CORE_READ(exe, f_inode, i_sb, s_dev);
	record->event.pad = 0;

	record->event.flags = walk_path(&record->walk, 0, BPF_CORE_READ(exe, f_path.dentry), BPF_CORE_READ(exe, f_path.mnt));
	size = record->walk.used;
	asm volatile("" : "+r"(size));
	if (size > WALK_ROOM)
		return 0;
	record->event.path_size = size;

	arguments = BPF_CORE_READ(mm, arg_end) - BPF_CORE_READ(mm, arg_start);
	asm volatile("" : "+r"(arguments));
	if (arguments > MAX_ARGUMENTS) {
		arguments = MAX_ARGUMENTS;
		record->event.flags |= ARGUMENTS_TRUNCATED;
	}
	asm volatile("" : "+r"(arguments));
	/* The kernel has just written these pages, so they are resident. */
	if (bpf_probe_read_user(record->data + size, arguments, (void *)BPF_CORE_READ(mm, arg_start))) {
		count(COUNT_USER_FAULT);
		record->event.flags |= ARGUMENTS_TRUNCATED;
		arguments = 0;
	}
	record->event.arguments_size = arguments;

	size += sizeof(record->event) + arguments;
	asm volatile("" : "+r"(size));
	if (size > sizeof(record->event) + sizeof(record->data))
		return 0;
	fill_header(&record->event.header, EVENT_EXEC, size);
	send(&record->event, size);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int process_fork(__u64 *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx[0];
	struct task_struct *child = (struct task_struct *)ctx[1];
	struct fork_event event = {};

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0;	/* a thread */
	count(COUNT_HITS);
	/* uid, cgroup and comm of the forking task are the child's until it changes them */
	fill_subject(&event.subject, parent);
	event.parent = event.subject.image;
	fill_image(&event.subject.image, child);
	event.subject.parent_pid = BPF_CORE_READ(child, real_parent, tgid);
	event.subject.mount_namespace = BPF_CORE_READ(child, nsproxy, mnt_ns, ns.inum);
	fill_header(&event.header, EVENT_FORK, sizeof(event));
	send(&event, sizeof(event));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int process_exit(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct exit_event event = {};
	int code;

	/*
	 * do_exit() counts signal->live down before this tracepoint, so 0 is the last thread, whichever it is. The leader may
	 * have exited before it. Two last threads on two CPUs may both see 0: user space takes the first.
	 */
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	count(COUNT_HITS);
	fill_subject(&event.subject, task);
	code = BPF_CORE_READ(task, signal, group_exit_code);
	event.exit_code = code ? code : BPF_CORE_READ(task, group_leader, exit_code);
	fill_header(&event.header, EVENT_EXIT, sizeof(event));
	send(&event, sizeof(event));
	return 0;
}
