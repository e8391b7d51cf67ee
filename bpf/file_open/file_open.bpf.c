// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probe `file_open`: which process opened which file, with flags, result and the path the kernel itself resolved.
 *
 * A program on the return of the kernel function behind all open system calls. Where the kernel can't have that (arm64 before 6.4, function tracing not
 * built in), one on the return of every system call, which leaves at once where it is not an open, and costs each of them some 70 ns. Opens through io_uring
 * are in io_uring.bpf.h. At the return the opened struct file is known, so relative names, dirfd, symlinks, chroots and containers need no work: its dentry is
 * walked to the root. No map carries state from entry to return, and the file name's page is resident, because the kernel has just read it.
 *
 * What a file is, is told by its content, in user space. It writes its verdict on each inode back into `classes`; opens of
 * files known to be something else end here. Opens of a name that hints at cryptography, or of a file known to be, go to the
 * shared ring; the first open of any other unknown file goes to a ring of its own, so that a storm there costs nothing here.
 */
#include "shared/common.bpf.h"
#include "open_syscalls.bpf.h"
#include "shared/path.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFCHR 0020000
#define O_ACCMODE 03
#define PF_IO_WORKER 0x10	/* include/linux/sched.h, 5.12: a thread of io_uring, which has a name of its own */
#define SHORTEST_HINTED_NAME 6	/* four bytes, one before them and the NUL */
#define EFAULT 14
/* MKDEV(1, 8) and MKDEV(1, 9), Documentation/admin-guide/devices.txt */
#define DEV_RANDOM 0x100008
#define DEV_URANDOM 0x100009

/* Names that hint at cryptography, by their last four bytes: filled by user space before load is complete. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u8);
} name_hints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct inode_key);
	__type(value, __u8);
} classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct open_key);
	__type(value, struct counter);
} opens SEC(".maps");

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
 * One for each program that may be loaded with others: where the kernel is preempted anywhere, one may be interrupted by another on the same
 * processor. It never runs one of them twice there (prog->active).
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, struct open_record);
} scratch SEC(".maps");

__noinline int walk_on(__u32 number)
{
	struct open_record *record = bpf_map_lookup_elem(&scratch, &number);

	return record ? walk_step(&record->walk, record->data) : 0;
}

static __always_inline struct file *file_of(struct task_struct *task, unsigned int fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0;

	if (fd < BPF_CORE_READ(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

static __always_inline int hinted(__u32 last4)
{
	return bpf_map_lookup_elem(&name_hints, &last4) != 0;
}

/* 1: this (image, file, flags, result) was seen before, and is counted now. 0: first sight. */
static __always_inline int counted_before(struct open_key *key)
{
	struct counter *seen = bpf_map_lookup_elem(&opens, key);

	if (!seen)
		return 0;
	__sync_fetch_and_add(&seen->count, 1);
	seen->last = bpf_ktime_get_boot_ns();
	return 1;
}

/* After the record of a first sight was sent. Another CPU may have been first: then this one counts beside it. */
static __always_inline int begin_count(struct open_key *key)
{
	struct counter one;

	one.count = 1;
	one.first = one.last = bpf_ktime_get_boot_ns();
	if (!bpf_map_update_elem(&opens, key, &one, BPF_NOEXIST))
		return 0;
	return counted_before(key) ? 0 : -1;
}

static __always_inline void report(struct open_record *record, struct task_struct *task, __u64 path_size, __u64 name_size, int known)
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
	/* The count begins first: user space looks it up when it has read the record. */
	if (begin_count(&record->event.key)) {
		count(COUNT_MAP_FULL);
		record->event.flags |= OPEN_NOT_COUNTED;
	}
	if (known)
		failed = bpf_ringbuf_output(&events, &record->event, size, wake_flags(&events));
	else
		failed = bpf_ringbuf_output(&unknown_events, &record->event, size, wake_flags(&unknown_events));
	if (failed) {
		count(known ? COUNT_RING_FULL : COUNT_UNCLASSIFIED);
		bpf_map_delete_elem(&opens, &record->event.key);	/* the next open of it is a first sight again */
	}
}

static __always_inline void opened(struct task_struct *task, struct request *request, unsigned int fd)
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
	if ((mode & S_IFMT) == S_IFCHR) {
		if (rdev != DEV_RANDOM && rdev != DEV_URANDOM)
			return;
	} else if ((mode & S_IFMT) != S_IFREG) {
		return;
	}
	switch (BPF_CORE_READ(inode, i_sb, s_magic)) {	/* include/uapi/linux/magic.h */
	case 0x9fa0:		/* proc */
	case 0x62656572:	/* sysfs */
	case 0x27e0eb:		/* cgroup */
	case 0x63677270:	/* cgroup2 */
	case 0x74726163:	/* tracefs */
	case 0x64626720:	/* debugfs */
		return;
	}
	count(COUNT_HITS);
	inode_key.inode = BPF_CORE_READ(inode, i_ino);
	inode_key.device = BPF_CORE_READ(inode, i_sb, s_dev);
	inode_key.generation = BPF_CORE_READ(inode, i_generation);
	writes = (request->flags & O_ACCMODE) != 0;
	class = bpf_map_lookup_elem(&classes, &inode_key);
	if (class && *class == INODE_OTHER && !writes)
		return;

	record = bpf_map_lookup_elem(&scratch, &request->place);
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
	known = (class && *class == INODE_CRYPTO) || (mode & S_IFMT) == S_IFCHR || hinted(last4);
	if (writes && class)
		bpf_map_delete_elem(&classes, &inode_key);	/* its content is about to change */

	record->event.size = BPF_CORE_READ(inode, i_size);
	record->event.rdev = rdev;
	record->event.mode = mode;
	record->event.flags = walk_path(&record->walk, request->place, dentry, BPF_CORE_READ(file, f_path.mnt));
	path_size = record->walk.used;
	asm volatile("" : "+r"(path_size));
	if (path_size > WALK_ROOM)
		return;
	report(record, task, path_size, 0, known);
}

static __always_inline long read_name(void *to, __u32 size, struct request *request, long offset)
{
	return request->name_in_kernel ? bpf_probe_read_kernel(to, size, request->name + offset) : bpf_probe_read_user(to, size, request->name + offset);
}

/* Its size with the NUL, at most MAX_NAME, or -errno. */
static __always_inline long copy_name(char *to, struct request *request)
{
	return request->name_in_kernel ? bpf_probe_read_kernel_str(to, MAX_NAME, request->name) : bpf_probe_read_user_str(to, MAX_NAME, request->name);
}

#define HASHED_WORDS 64
#define FNV_PRIME 1099511628211ULL

/*
 * Tells failed names apart in the counter key: FNV-1a in words of eight bytes over the first 512 and the last eight, the length
 * and the directory the name starts from. copy is the name in a map value; what is behind its end there is not looked at.
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

/* A failed open is worth telling where its name hints at cryptography: it has no content that could. */
static __always_inline void refused(struct task_struct *task, struct request *request, long error)
{
	struct open_record *record;
	struct vfsmount *vfsmount;
	struct dentry *dentry;
	__u64 path_size;
	__u32 last4 = 0;
	char first = 0;
	long size;

	if (!request->name || error == -EFAULT)
		return;		/* there is no name to read */
	record = bpf_map_lookup_elem(&scratch, &request->place);
	if (!record)
		return;
	size = copy_name(record->data + WALK_ROOM, request);
	if (size < 0)
		count(COUNT_USER_FAULT);
	if (size < SHORTEST_HINTED_NAME)
		return;
	if (read_name(&last4, sizeof(last4), request, size - 5) || !hinted(last4))
		return;
	count(COUNT_HITS);
	fill_image(&record->event.key.image, task);
	record->event.key.inode = 0;
	record->event.key.device = 0;
	record->event.key.open_flags = request->flags;
	record->event.key.error = (__s32)error;
	read_name(&first, sizeof(first), request, 0);
	if (first == '/') {
		dentry = BPF_CORE_READ(task, fs, root.dentry);
		vfsmount = BPF_CORE_READ(task, fs, root.mnt);
	} else if (request->dirfd == AT_FDCWD) {
		dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		vfsmount = BPF_CORE_READ(task, fs, pwd.mnt);
	} else {
		struct file *directory = file_of(task, request->dirfd);

		dentry = BPF_CORE_READ(directory, f_path.dentry);
		vfsmount = BPF_CORE_READ(directory, f_path.mnt);
	}
	record->event.key.variant = hash_name(record->data + WALK_ROOM, request, size, (__u64)dentry);
	if (counted_before(&record->event.key))
		return;
	record->event.flags = walk_path(&record->walk, request->place, dentry, vfsmount);
	record->event.size = 0;
	record->event.rdev = 0;
	record->event.mode = 0;
	path_size = record->walk.used;
	asm volatile("" : "+r"(path_size));
	if (path_size > WALK_ROOM)
		return;
	/* Again, behind the base's path, where it belongs. */
	size = copy_name(record->data + path_size, request);
	if (size < 0 || size > MAX_NAME)
		return;
	report(record, task, path_size, size, 1);
}

static __always_inline int by_tracer(void)
{
	return bpf_get_current_pid_tgid() >> 32 == settings.tracer_pid;
}

/* Not inlined: the verifier checks it once for each program that may be loaded. */
static __attribute__((noinline)) int returned(struct request *request, long result)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (result >= 0)
		opened(task, request, (unsigned int)result);
	else
		refused(task, request, result);
	return 0;
}

SEC("tp_btf/sys_exit")
int any_return(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct request request = { .place = AT_OPEN };

	if (!is_open(REGS_SYSCALL(regs)) || by_tracer())
		return 0;
	if (decode(regs, (struct task_struct *)bpf_get_current_task(), &request))
		return 0;
	return returned(&request, (long)ctx[1]);
}

/* do_sys_openat2(int dfd, const char __user *filename, struct open_how *how), 5.6 and later: all opens by name, those of 32-bit programs too. */
SEC("fexit/do_sys_openat2")
int open_return(__u64 *ctx)
{
	struct request request;
	__u64 flags = 0;

	if (by_tracer())
		return 0;
	bpf_probe_read_kernel(&flags, sizeof(flags), (void *)ctx[2]);
	request.place = AT_OPEN;
	request.dirfd = (int)ctx[0];
	request.name = (const char *)ctx[1];
	request.name_in_kernel = 0;
	request.flags = (__u32)flags & ~O_LARGEFILE;	/* the kernel sets it for 64-bit programs */
	return returned(&request, (int)ctx[3]);
}

SEC("fexit/" OPEN_BY_HANDLE_AT)
int handle_return(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct request request;

	if (by_tracer())
		return 0;
	request.place = AT_HANDLE;
	request.dirfd = AT_FDCWD;
	request.name = 0;
	request.name_in_kernel = 0;
	request.flags = (__u32)ARG3(regs);
	return returned(&request, (long)ctx[1]);
}

#include "io_uring.bpf.h"
