/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is reported of an open: of the file where it succeeded, of the name where it failed. */
#ifndef CRYPTOFLEET_OPEN_RESULTS_BPF_H
#define CRYPTOFLEET_OPEN_RESULTS_BPF_H

#include "file_open/open_records.bpf.h"

#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFCHR 0020000
#define O_ACCMODE 03
#define SHORTEST_HINTED_NAME 6	/* four bytes, one before them and the NUL */
#define EFAULT 14
/* MKDEV(1, 8) and MKDEV(1, 9), Documentation/admin-guide/devices.txt */
#define DEV_RANDOM 0x100008
#define DEV_URANDOM 0x100009

/* Names that hint at cryptography, by their last four bytes. User space fills it before any program is attached. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u8);
} name_hints SEC(".maps");

/* enum inode_class of files whose content user space has read. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct inode_key);
	__type(value, __u8);
} classes SEC(".maps");

static __always_inline int has_hint(__u32 last4)
{
	return bpf_map_lookup_elem(&name_hints, &last4) != 0;
}

static __always_inline struct file *file_of(struct task_struct *task, unsigned int fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0;

	if (fd < BPF_CORE_READ(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

/* Whether it is a regular file, though not of a file system that shows the kernel's own state, or a random device. */
static __always_inline int is_inspected(struct inode *inode, __u16 mode, __u32 rdev)
{
	if ((mode & S_IFMT) == S_IFCHR) {
		if (rdev != DEV_RANDOM && rdev != DEV_URANDOM)
			return 0;
	} else if ((mode & S_IFMT) != S_IFREG) {
		return 0;
	}
	switch (BPF_CORE_READ(inode, i_sb, s_magic)) {	/* include/uapi/linux/magic.h */
	case 0x9fa0:		/* proc */
	case 0x62656572:	/* sysfs */
	case 0x27e0eb:		/* cgroup */
	case 0x63677270:	/* cgroup2 */
	case 0x74726163:	/* tracefs */
	case 0x64626720:	/* debugfs */
		return 0;
	}
	return 1;
}

static __always_inline void report_success(struct task_struct *task, struct request *request, unsigned int fd)
{
	struct file *file = file_of(task, fd);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct inode_key inode_key = {};
	struct open_record *record;
	struct dentry *dentry;
	__u32 last4 = 0, length, rdev;
	__u64 path_size;
	__u16 mode;
	__u8 *class;
	int writes, known;

	mode = BPF_CORE_READ(inode, i_mode);
	rdev = BPF_CORE_READ(inode, i_rdev);
	if (!is_inspected(inode, mode, rdev))
		return;
	count(COUNT_HITS);
	inode_key.inode = BPF_CORE_READ(inode, i_ino);
	inode_key.device = BPF_CORE_READ(inode, i_sb, s_dev);
	inode_key.generation = BPF_CORE_READ(inode, i_generation);
	writes = (request->flags & O_ACCMODE) != 0;
	class = bpf_map_lookup_elem(&classes, &inode_key);
	if (class && *class == INODE_OTHER && !writes)
		return;

	record = bpf_map_lookup_elem(&scratch, &request->program);
	if (!record)
		return;
	fill_image(&record->event.key.image, task);
	record->event.key.inode = inode_key.inode;
	record->event.key.device = inode_key.device;
	record->event.key.open_flags = request->flags;
	record->event.key.error = 0;
	record->event.key.variant = inode_key.generation;
	if (counted_before(&record->event.key))
		return;

	dentry = BPF_CORE_READ(file, f_path.dentry);
	length = BPF_CORE_READ(dentry, d_name.len);
	if (length >= 4)
		bpf_probe_read_kernel(&last4, sizeof(last4), BPF_CORE_READ(dentry, d_name.name) + length - 4);
	known = (class && *class == INODE_CRYPTO) || (mode & S_IFMT) == S_IFCHR || has_hint(last4);
	if (writes && class)
		bpf_map_delete_elem(&classes, &inode_key);	/* its content is about to change */

	record->event.size = BPF_CORE_READ(inode, i_size);
	record->event.rdev = rdev;
	record->event.mode = mode;
	record->event.flags = walk_path(&record->walk, request->program, dentry, BPF_CORE_READ(file, f_path.mnt));
	path_size = record->walk.used;
	asm volatile("" : "+r"(path_size));
	if (path_size > WALK_ROOM)
		return;
	send_record(record, task, path_size, 0, known);
}

#define HASHED_WORDS 64
#define FNV_PRIME 1099511628211ULL

/*
 * Distinguishes failed names in the counter key: FNV-1a in words of eight bytes over the first 512 and the last eight, the length
 * and the directory the name starts from. copy: the name in a map value, of which only `size` bytes are read.
 */
static __always_inline __u32 hash_name(const char *copy, struct request *request, __u64 size, __u64 base)
{
	__u64 hash = (14695981039346656037ULL ^ size) * FNV_PRIME;
	__u64 tail = 0;
	__u32 head = 0;

	hash = (hash ^ base) * FNV_PRIME;
	for (__u64 i = 0; i < HASHED_WORDS; i++) {
		if ((i + 1) * 8 > size)
			break;
		hash = (hash ^ *(__u64 *)(copy + i * 8)) * FNV_PRIME;
	}
	if (size >= 9) {
		read_name(&tail, sizeof(tail), request, size - 9);
	} else {
		read_name(&head, sizeof(head), request, 0);
		read_name(&tail, 4, request, size - 5);
	}
	hash = (hash ^ tail) * FNV_PRIME;
	hash = (hash ^ head) * FNV_PRIME;
	return (__u32)(hash ^ hash >> 32);
}

/* The directory that the name starts from: the root, the working directory or that of a descriptor. */
static __always_inline void find_base(struct task_struct *task, struct request *request, struct dentry **dentry, struct vfsmount **vfsmount)
{
	struct file *directory;
	char first = 0;

	read_name(&first, sizeof(first), request, 0);
	if (first == '/') {
		*dentry = BPF_CORE_READ(task, fs, root.dentry);
		*vfsmount = BPF_CORE_READ(task, fs, root.mnt);
	} else if (request->dirfd == AT_FDCWD) {
		*dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		*vfsmount = BPF_CORE_READ(task, fs, pwd.mnt);
	} else {
		directory = file_of(task, request->dirfd);
		*dentry = BPF_CORE_READ(directory, f_path.dentry);
		*vfsmount = BPF_CORE_READ(directory, f_path.mnt);
	}
}

/* A failed open has no content to be read: it is reported where its name hints at cryptography. */
static __always_inline void report_failure(struct task_struct *task, struct request *request, long error)
{
	struct open_record *record;
	struct vfsmount *vfsmount;
	struct dentry *dentry;
	__u64 path_size;
	__u32 last4 = 0;
	long size;

	if (!request->name || error == -EFAULT)
		return;		/* there is no name to read */
	record = bpf_map_lookup_elem(&scratch, &request->program);
	if (!record)
		return;
	size = copy_name(record->data + WALK_ROOM, request);
	if (size < 0)
		count(COUNT_USER_FAULT);
	if (size < SHORTEST_HINTED_NAME)
		return;
	if (read_name(&last4, sizeof(last4), request, size - 5) || !has_hint(last4))
		return;
	count(COUNT_HITS);
	fill_image(&record->event.key.image, task);
	record->event.key.inode = 0;
	record->event.key.device = 0;
	record->event.key.open_flags = request->flags;
	record->event.key.error = (__s32)error;
	find_base(task, request, &dentry, &vfsmount);
	record->event.key.variant = hash_name(record->data + WALK_ROOM, request, size, (__u64)dentry);
	if (counted_before(&record->event.key))
		return;
	record->event.flags = walk_path(&record->walk, request->program, dentry, vfsmount);
	record->event.size = 0;
	record->event.rdev = 0;
	record->event.mode = 0;
	path_size = record->walk.used;
	asm volatile("" : "+r"(path_size));
	if (path_size > WALK_ROOM)
		return;
	/* Copied again, behind the path of the directory it starts from, where the record has it. */
	size = copy_name(record->data + path_size, request);
	if (size < 0 || size > MAX_NAME)
		return;
	send_record(record, task, path_size, size, 1);
}

/* Not inlined: the verifier checks it once for each program that may be loaded. */
static __noinline int report_open(struct request *request, long result)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (result >= 0)
		report_success(task, request, (unsigned int)result);
	else
		report_failure(task, request, result);
	return 0;
}

#endif
