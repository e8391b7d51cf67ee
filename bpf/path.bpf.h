/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The path of a dentry, as components from the leaf to the root of its mount namespace. */
#ifndef CRYPTOFLEET_PATH_BPF_H
#define CRYPTOFLEET_PATH_BPF_H

#include "kernel.h"
#include "events.h"

#define MAX_COMPONENTS 48
#define MAX_COMPONENT 255	/* NAME_MAX */

/* The walk may end up to one component past MAX_WALK: the room for it keeps every write inside for the verifier. */
#define WALK_ROOM (MAX_WALK + MAX_COMPONENT + 1)

/*
 * Copies names only, with no look at their bytes. bpf_d_path() would do it in one call, but is allowed in few program
 * types (kernel/trace/bpf_trace.c, btf_allowlist_d_path).
 *
 * `used`, the bytes written so far, lives in a map value: what the verifier reads back from there has no known range, so the
 * state at the loop's head is the same in every iteration and the two ways through the body join again instead of doubling.
 */
static __always_inline __u32 walk_path(struct dentry *dentry, struct vfsmount *vfsmount, volatile __u64 *used, char *buffer)
{
	*used = 0;
	for (int i = 0; i < MAX_COMPONENTS; i++) {
		struct dentry *root = BPF_CORE_READ(vfsmount, mnt_root);
		struct dentry *parent;
		__u64 length, size;

		if (dentry == root) {
			struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (!above || above == mount)
				return PATH_COMPLETE;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			vfsmount = (void *)above + bpf_core_field_offset(struct mount, mnt);
			continue;
		}
		parent = BPF_CORE_READ(dentry, d_parent);
		if (!parent || parent == dentry)
			return 0;	/* a detached tree: memfd, a lazily unmounted file system */
		length = BPF_CORE_READ(dentry, d_name.len);
		/* clang likes to clamp a copy of the register; the barriers make the verifier see the one that is used */
		asm volatile("" : "+r"(length));
		if (length > MAX_COMPONENT)
			length = MAX_COMPONENT;
		asm volatile("" : "+r"(length));
		size = *used;
		if (size >= MAX_WALK)
			return 0;
		if (bpf_probe_read_kernel(buffer + size, length, BPF_CORE_READ(dentry, d_name.name)))
			return 0;
		size += length;
		asm volatile("" : "+r"(size));
		if (size >= WALK_ROOM)
			return 0;
		buffer[size] = 0;
		*used = size + 1;
		dentry = parent;
	}
	return 0;
}

#endif
