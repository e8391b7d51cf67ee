/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What passes between the probes and user space: event records, counter maps and settings. plugins/module_utils/_kernel/events.py mirrors this
 * file; tests/unit compares both. Self-contained but for the __uNN types. Every padding is written out; fields are append-only,
 * and a changed layout raises EVENT_ABI: user space refuses records of another ABI.
 */
#ifndef CRYPTOFLEET_EVENTS_H
#define CRYPTOFLEET_EVENTS_H

#define EVENT_ABI 1

enum event_type {
	EVENT_EXEC = 1,
	EVENT_FORK = 2,
	EVENT_EXIT = 3,
	EVENT_FILE_OPEN = 4,
	EVENT_OPERATION = 5,
	EVENT_WIRE = 6,
};

struct event_header {
	__u16 abi;
	__u16 type;
	__u32 size;	/* of the whole record, bytes */
	__u64 time;	/* CLOCK_BOOTTIME, ns */
};

/* One program image of one process: a reused pid differs in start, an execve in exec_id. */
struct image {
	__u32 pid;	/* thread group id, initial pid namespace */
	__u32 exec_id;	/* low half of task->self_exec_id */
	__u64 start;	/* task->start_boottime of the leader, ns */
};

/* Who did it: enough to name a process that is gone before user space reads the record. */
struct subject {
	struct image image;
	__u32 parent_pid;
	__u32 uid;
	__u64 cgroup;	/* cgroup v2 id */
	__u32 mount_namespace;
	__u32 pad;
	char comm[16];
};

/*
 * A path is sent as its components from the leaf to the root of the mount namespace, each ended by a NUL, as the dentry walk finds
 * them. PATH_COMPLETE: the walk reached the root.
 */
enum path_flag {
	PATH_COMPLETE = 1,
	ARGUMENTS_TRUNCATED = 2,
	OPEN_NOT_COUNTED = 4,	/* the counter map was full: this record counts as one open */
};

#define MAX_ARGUMENTS 4096
#define MAX_WALK 4096
#define MAX_NAME 4096	/* PATH_MAX */

struct exec_event {
	struct event_header header;
	struct subject subject;
	__u64 exe_inode;
	__u32 exe_device;
	__u16 path_size;
	__u16 arguments_size;
	__u32 flags;
	__u32 pad;
	/* path_size bytes of the executable's path, then arguments_size bytes of NUL-separated arguments */
};

struct fork_event {
	struct event_header header;
	struct subject subject;		/* the child */
	struct image parent;
};

struct exit_event {
	struct event_header header;
	struct subject subject;
	__s32 exit_code;		/* as of wait(2): status << 8 | signal */
	__u32 pad;
};

/* One counter for each (image, file, open flags, result). */
struct open_key {
	struct image image;
	__u64 inode;
	__u32 device;
	__u32 open_flags;
	__s32 error;			/* 0, or -errno */
	__u32 variant;			/* inode generation, as inode numbers are reused; of a failed open, a hash of its name */
};

struct counter {
	__u64 count;
	__u64 first;			/* CLOCK_BOOTTIME, ns */
	__u64 last;
};

struct open_event {
	struct event_header header;
	struct subject subject;
	struct open_key key;
	__u64 size;			/* of the file, bytes */
	__u32 rdev;
	__u16 mode;			/* inode mode */
	__u16 path_size;		/* of the opened file; of the base directory where the open failed */
	__u16 name_size;		/* of the name as given, where the open failed */
	__u16 flags;
	__u32 pad;
	/* path_size bytes of path, then name_size bytes of name */
};

struct inode_key {
	__u64 inode;
	__u32 device;
	__u32 generation;
};

enum inode_class {
	INODE_OTHER = 1,
	INODE_CRYPTO = 2,
};

/* Neither is a byte of UTF-8. NAME_UNREAD alone is a name or number that could not be read. */
#define NAME_CUT ((char)0xff)
#define NAME_UNREAD ((char)0xfe)

/* One counter for each (image, library, function, algorithm, direction). */
struct operation_key {
	struct image image;
	__u16 library;			/* index of the attached file, set by user space */
	__u16 function;			/* index into the function tables of user space, all libraries' in one */
	__u8 operation;			/* enum direction */
	__u8 internal;			/* called from inside the library itself */
	__u16 key_bits;			/* where an argument gives it: then each size is counted by itself */
	__u32 nid;			/* the library's number of the algorithm, 0 where it has a name only */
	__u32 digest_nid;
	char name[24];			/* algorithm by name, NUL padded; empty where there is a nid; the last byte is NAME_CUT where it was longer */
};

struct operation {
	struct counter counter;
	__u32 key_bits;			/* of the cipher, where its object has it */
	__u32 pad;
};

struct operation_event {
	struct event_header header;
	struct subject subject;
	struct operation_key key;
	__u32 key_bits;
	__u32 pad;
};

/* How one public function of a library names its algorithm: a row that user space fills in. */
struct function {
	__s64 text_low;		/* the library's code relative to the probed address: [low, high) */
	__s64 text_high;
	__u16 id;
	__u8 shape;
	__u8 argument;
	__u8 digest_shape;	/* a second algorithm, of a signature */
	__u8 digest_argument;
	__u8 direction_argument;	/* 0: none; else the argument that is 1 for encrypt, 0 for decrypt, -1 for unchanged */
	__u8 bits_argument;	/* 0: none; else the argument that is a key size in bits */
	__u16 stack;		/* bytes the stack pointer is below its value at the function's entry, where the probe sits */
	__u16 offset;		/* of what is read in the object, by its shape */
	__u16 calls;		/* where its calls are counted */
	__u16 pad;
	__u64 wrappers[2];	/* bit map of the rows whose function may end in a jump to this one */
};

enum wire_look {
	LOOK_TLS = 1,
	LOOK_SSH = 2,
};

enum wire_flag {
	WIRE_KNOWN = 1,		/* a hello that was sent from this host and copied there: only its headers and random are here */
	WIRE_GAP = 2,		/* bytes before this one are missing: they were lost on their way, or come later */
	WIRE_START = 4,		/* the first byte starts a record, or an SSH stream: nothing before it continues here */
};

#define MAX_WIRE_DATA 4096

/*
 * Unencrypted bytes of a handshake from one packet. The record may be longer than data_size: what is behind is undefined.
 * subject.image.pid is 0 where the sender is not certain. cookie is 0 where the connection has no socket of its own yet.
 */
struct wire_event {
	struct event_header header;
	struct subject subject;
	__u64 cookie;			/* of the socket */
	__u64 cgroup;			/* of the socket, cgroup v2 id */
	__u32 network_namespace;
	__u32 sequence;			/* TCP sequence number of the first byte */
	__u32 payload_size;		/* bytes of payload from the first byte on, copied or not */
	__u16 data_size;
	__u8 family;			/* 4 or 6 */
	__u8 protocol;			/* 6 or 17 */
	__u8 direction;			/* 0 in, 1 out */
	__u8 flags;			/* enum wire_flag */
	__u16 local_port;		/* host byte order, as the next */
	__u16 remote_port;
	__u16 pad;
	char local[16];			/* IPv4: the first 4 */
	char remote[16];
	/* data_size bytes */
};

/* The read-only data of every object, whole: user space writes it before load. */
struct settings {
	__u64 wake_at_bytes;	/* wake the reader early once a ring holds this much; otherwise it reads every tick */
	__u32 tracer_pid;	/* the tracer's own opens and calls are not observations */
	__u32 library;		/* index of the attached file; of the wire programs what to look for, bits of enum wire_look */
};

/* Per-CPU counters of each probe. */
enum counter_id {
	COUNT_HITS,		/* the probe ran on something it looks for */
	COUNT_RING_FULL,	/* events lost: the ring buffer was full */
	COUNT_MAP_FULL,		/* counters lost: the counter map was full */
	COUNT_USER_FAULT,	/* user memory could not be read */
	COUNT_UNCLASSIFIED_OPENS,	/* opens of files of unknown content not reported: their own ring was full */
	COUNT_NESTED_CALLS,	/* calls that were part of another counted call */
	COUNT_SSH_STARTS,	/* starts of SSH connections, each direction one */
	COUNT_SOCKET_STORAGE_FULL,	/* a socket's state could not be kept: only its first packet was copied */
	COUNT_UNPARSED_PACKETS,	/* packets with extension headers that the program can't skip */
	COUNT_TRUNCATED_HANDSHAKES,	/* handshakes longer than what is copied of one */
	COUNT_IO_URING_OPENS,	/* opens through io_uring whose files are not reported */
	COUNTER_IDS,
};

#endif
