/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every probe needs: the shared ring, counters, settings, and the fields that identify the running process. */
#ifndef CRYPTOFLEET_COMMON_BPF_H
#define CRYPTOFLEET_COMMON_BPF_H

#include "kernel.h"
#include "events.h"

/* User space creates one ring and gives it to every object in place of this map; its size is set there. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_IDS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

const volatile struct settings settings = {};

static __always_inline void count(__u32 id)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &id);

	if (value)
		*value += 1;
}

static __always_inline __u64 wake_flags(void *ring)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > settings.wake_at_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void fill_image(struct image *image, struct task_struct *task)
{
	image->pid = BPF_CORE_READ(task, tgid);
	image->exec_id = (__u32)BPF_CORE_READ(task, self_exec_id);
	image->start = BPF_CORE_READ(task, group_leader, start_boottime);
}

/* The running task's image. Where a program may follow typed pointers itself (5.11), that saves four helper calls. */
static __always_inline void fill_current_image(struct image *image)
{
#ifdef HAVE_TASK_BTF
	struct task_struct *task = bpf_get_current_task_btf();

	image->pid = task->tgid;
	image->exec_id = (__u32)task->self_exec_id;
	image->start = task->group_leader->start_boottime;
#else
	fill_image(image, (struct task_struct *)bpf_get_current_task());
#endif
}

static __always_inline void fill_header(struct event_header *header, __u16 type, __u32 size)
{
	header->abi = EVENT_ABI;
	header->type = type;
	header->size = size;
	header->time = bpf_ktime_get_boot_ns();
}

/* Only for the running task: the helpers for uid, cgroup and comm know no other. */
static __always_inline void fill_subject(struct subject *subject, struct task_struct *task)
{
	fill_image(&subject->image, task);
	subject->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	subject->uid = (__u32)bpf_get_current_uid_gid();
	subject->cgroup = bpf_get_current_cgroup_id();
	subject->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	subject->pad = 0;
	bpf_get_current_comm(subject->comm, sizeof(subject->comm));
}

#endif
