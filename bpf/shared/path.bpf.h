/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk from a dentry to the root of its mount namespace, which gives the components of its path. */
#ifndef CRYPTOFLEET_PATH_BPF_H
#define CRYPTOFLEET_PATH_BPF_H

#include "kernel.h"
#include "events.h"

#define MAX_COMPONENTS 48
#define MAX_COMPONENT 255	/* NAME_MAX */

/* The walk may end up to one component past MAX_WALK: the room for it keeps every write inside for the verifier. */
#define WALK_ROOM (MAX_WALK + MAX_COMPONENT + 1)

/* The state of a walk. In a map value, as is the path that it has written. */
struct walk {
	__u64 used;	/* bytes written so far */
	struct dentry *dentry;
	struct vfsmount *vfsmount;
};

#define WALK_UNFINISHED (-1)

/*
 * Called by walk_path(), defined by each object: walk_step() on its own map value of that number. A global function, so that the verifier checks
 * one step once, and not each step of each walk; and without pointers, because before 5.13 a global function can't be given a map value.
 */
int walk_step_of(__u32 number);

/*
 * Copies one name, or leaves one mount for the one it is mounted on. Returns WALK_UNFINISHED, or at the end 0 or PATH_COMPLETE. The bytes of names
 * are not inspected. bpf_d_path() would do it in one call, but is allowed in few program types (kernel/trace/bpf_trace.c,
 * btf_allowlist_d_path).
 */
static __always_inline int walk_step(struct walk *walk, char *buffer)
{
	struct dentry *dentry = walk->dentry, *parent;
	struct vfsmount *vfsmount = walk->vfsmount;
	const void *name;
	__u64 length, size;

	if (dentry == BPF_CORE_READ(vfsmount, mnt_root)) {
		struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (!above || above == mount)
			return PATH_COMPLETE;
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->vfsmount = (void *)above + bpf_core_field_offset(struct mount, mnt);
		return WALK_UNFINISHED;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	if (!parent || parent == dentry)
		return 0;	/* a detached tree: memfd, a lazily unmounted file system */
	walk->dentry = parent;
	name = BPF_CORE_READ(dentry, d_name.name);
	length = BPF_CORE_READ(dentry, d_name.len);
	/* clang likes to clamp a copy of the register; the barriers make the verifier see the one that is used */
	asm volatile("" : "+r"(length));
	if (length > MAX_COMPONENT)
		length = MAX_COMPONENT;
	asm volatile("" : "+r"(length));
	/* Read last, so that it needs no place on the stack: verifiers before 5.16 forget the bounds of what is there. */
	size = walk->used;
	if (size >= MAX_WALK)
		return 0;
	if (bpf_probe_read_kernel(buffer + size, length, name))
		return 0;
	size += length;
	asm volatile("" : "+r"(size));
	if (size >= WALK_ROOM)
		return 0;
	buffer[size] = 0;
	walk->used = size + 1;
	return WALK_UNFINISHED;
}

/* walk: in the map value that walk_step_of() finds by this number. Returns 0 or PATH_COMPLETE. */
static __always_inline __u32 walk_path(struct walk *walk, __u32 number, struct dentry *dentry, struct vfsmount *vfsmount)
{
	walk->used = 0;
	walk->dentry = dentry;
	walk->vfsmount = vfsmount;
	for (int i = 0; i < MAX_COMPONENTS; i++) {
		int end = walk_step_of(number);

		if (end != WALK_UNFINISHED)
			return end;
	}
	return 0;
}

#endif
