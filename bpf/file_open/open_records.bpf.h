/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of opens for user space, and the counters of those that were reported before. */
#ifndef CRYPTOFLEET_OPEN_RECORDS_BPF_H
#define CRYPTOFLEET_OPEN_RECORDS_BPF_H

#include "file_open/request.bpf.h"
#include "shared/path.bpf.h"

#define PF_IO_WORKER 0x10	/* include/linux/sched.h, 5.12: a thread of io_uring, which has a name of its own */

/* Filled here at first sight, read and emptied by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct open_key);
	__type(value, struct counter);
} opens SEC(".maps");

/* First opens of files of unknown content. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} unknown_events SEC(".maps");

struct open_record {
	struct walk walk;
	struct open_event event;
	char data[WALK_ROOM + MAX_NAME];
};

/*
 * One for each program that may be loaded with others: on a fully preemptible kernel one may be interrupted by another on the same
 * processor. The kernel never runs the same program twice there (prog->active).
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OPEN_PROGRAMS);
	__type(key, __u32);
	__type(value, struct open_record);
} scratch SEC(".maps");

__noinline int walk_step_of(__u32 number)
{
	struct open_record *record = bpf_map_lookup_elem(&scratch, &number);

	return record ? walk_step(&record->walk, record->data) : 0;
}

/* Returns 1 where this (image, file, flags, result) was seen before, and counts it; 0 at first sight. */
static __always_inline int counted_before(struct open_key *key)
{
	struct counter *seen = bpf_map_lookup_elem(&opens, key);

	if (!seen)
		return 0;
	__sync_fetch_and_add(&seen->count, 1);
	seen->last = bpf_ktime_get_boot_ns();
	return 1;
}

/* At first sight. Another CPU may have been first: then this open is added to its count. Returns -1 where the map is full. */
static __always_inline int begin_count(struct open_key *key)
{
	struct counter one;

	one.count = 1;
	one.first = one.last = bpf_ktime_get_boot_ns();
	if (!bpf_map_update_elem(&opens, key, &one, BPF_NOEXIST))
		return 0;
	return counted_before(key) ? 0 : -1;
}

/* Send the record. known: the file is cryptographic, by content or name; the others have a ring of their own. */
static __always_inline void send_record(struct open_record *record, struct task_struct *task, __u64 path_size, __u64 name_size, int known)
{
	__u64 size = sizeof(record->event) + path_size + name_size;
	long failed;

	fill_subject(&record->event.subject, task);
	if (BPF_CORE_READ(task, flags) & PF_IO_WORKER)
		BPF_CORE_READ_INTO(&record->event.subject.comm, task, group_leader, comm);
	record->event.path_size = path_size;
	record->event.name_size = name_size;
	record->event.pad = 0;
	asm volatile("" : "+r"(size));
	if (size > sizeof(record->event) + sizeof(record->data))
		return;
	fill_header(&record->event.header, EVENT_FILE_OPEN, size);
	/* The count begins first, because user space looks it up when it has read the record. */
	if (begin_count(&record->event.key)) {
		count(COUNT_MAP_FULL);
		record->event.flags |= OPEN_NOT_COUNTED;
	}
	if (known)
		failed = bpf_ringbuf_output(&events, &record->event, size, wake_flags(&events));
	else
		failed = bpf_ringbuf_output(&unknown_events, &record->event, size, wake_flags(&unknown_events));
	if (failed) {
		count(known ? COUNT_RING_FULL : COUNT_UNCLASSIFIED_OPENS);
		bpf_map_delete_elem(&opens, &record->event.key);	/* so that the next open of it is a first sight again */
	}
}

#endif
