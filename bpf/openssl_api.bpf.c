// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes `openssl_api` and `library_api`: which process asked which library for which operation with which algorithm, counted here.
 *
 * Uprobes at function entry or a few instructions on (_x86_prologue.py), nothing at return. Each function of each library file has a row in `functions` (which argument names the
 * algorithm, and how), given by user space from plugins/module_utils/_openssl_functions.py
 * and _library_functions.py.
 *
 * Counted once: a public function that calls another public one inside the library must not count twice.
 *  - A nested call returns into the library's own text: the return address tells, and the count is kept apart (`internal`).
 *  - A tail call leaves the outer caller's return address at the same stack slot: where the call before was of a function that
 *    is known to end in a jump to this one, by the same thread, at the same slot, with the same return address, it turned into
 *    this one. Foreign function interfaces call everything from one place, so slot and address alone would not tell.
 */
#define FUNCTION_ROWS 128	/* of one library */
#define FUNCTIONS 800		/* of all libraries that user space knows */
#define LIBRARIES 48
#ifdef ATTACH_COOKIES
#define HAVE_TASK_BTF	/* whatever has the link that these cookies come by has that too */
#endif
#include "common.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* How the algorithm is found. "object" is the argument `argument`; struct layouts as of OpenSSL 1.1.0 to 3.5. */
enum shape {
	SHAPE_NONE = 0,		/* the function is the algorithm; user space knows it */
	SHAPE_NID,		/* the argument is the NID */
	SHAPE_CIPHER,		/* EVP_CIPHER *: nid at 0, key_len at 8. NULL: first member of the EVP_CIPHER_CTX in argument 0 */
	SHAPE_DIGEST,		/* EVP_MD *: nid at 0. NULL: first member of the EVP_MD_CTX in argument 0 */
	SHAPE_TEXT,		/* characters at `offset` of the object: const char * */
	SHAPE_FIRST_FIELD_TEXT,	/* the object's first member points to a structure with a const char * at `offset` */
	SHAPE_FIRST_FIELD,	/* the object's first member points to a structure with the number at `offset` */
	SHAPE_FIELD_TEXT,	/* const char * at `offset` of the object */
	SHAPE_FIELD,		/* the number at `offset` of the object */
	SHAPE_CIPHER_3,		/* the same of 3.x, whose fetched ciphers may have no number: type_name at 104 */
	SHAPE_DIGEST_3,		/* likewise: type_name at 96 */
};

enum direction {
	DIRECTION_OF_FUNCTION = 0,
	DIRECTION_ENCRYPT = 1,
	DIRECTION_DECRYPT = 2,
	DIRECTION_UNCHANGED = 3,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct operation_key);
	__type(value, struct operation);
} operations SEC(".maps");

/* Library by library. A row is written before its function is attached. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIBRARIES * FUNCTION_ROWS);
	__type(key, __u32);
	__type(value, struct function);
} functions SEC(".maps");

struct last_call {
	__u64 slot;
	__u64 return_address;
	__u32 row;
	__u32 library;
};

/* By thread id. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct last_call);
} last_calls SEC(".maps");

/*
 * Calls of each function, whoever made them: the probe's hits, and what the budget goes by. One value for all functions, so that user
 * space needs one system call to look at them.
 */
struct calls {
	__u64 all;
	__u64 internal;		/* from inside the library itself */
};

struct all_calls {
	struct calls functions[FUNCTIONS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct all_calls);
} function_calls SEC(".maps");

/* No function of a library, but of the tracer: it calls that to measure what a hit costs, so all is done as for others, and told nowhere. */
#define MEASURED_ROW (FUNCTION_ROWS - 1)
#define MEASURED_FUNCTION 0xffff

#if defined(__TARGET_ARCH_x86)
#define STACK(ctx) ((ctx)->sp)
#define ADDRESS(ctx) ((ctx)->ip)
#define RETURN_ADDRESS(ctx, slot) pointer_at(slot)
#define ARGUMENTS(ctx) { (ctx)->di, (ctx)->si, (ctx)->dx, (ctx)->cx, (ctx)->r8, (ctx)->r9 }
#else
#define STACK(ctx) ((ctx)->sp)
#define ADDRESS(ctx) ((ctx)->pc)
#define RETURN_ADDRESS(ctx, slot) ((ctx)->regs[30])
#define ARGUMENTS(ctx) { (ctx)->regs[0], (ctx)->regs[1], (ctx)->regs[2], (ctx)->regs[3], (ctx)->regs[4], (ctx)->regs[5] }
#endif

/*
 * All six are loaded before one is chosen: clang would otherwise compute the member's address and load once, and the verifier
 * takes only constant offsets into the context.
 */
static __always_inline __u64 argument_of(struct pt_regs *ctx, __u8 index)
{
	__u64 argument[] = ARGUMENTS(ctx);

	asm volatile("" : "+r"(argument[0]), "+r"(argument[1]), "+r"(argument[2]));
	asm volatile("" : "+r"(argument[3]), "+r"(argument[4]), "+r"(argument[5]));
	switch (index) {
	case 0: return argument[0];
	case 1: return argument[1];
	case 2: return argument[2];
	case 3: return argument[3];
	case 4: return argument[4];
	default: return argument[5];
	}
}

static __always_inline __u64 pointer_at(__u64 address)
{
	__u64 value = 0;

	if (address && bpf_probe_read_user(&value, sizeof(value), (void *)address))
		count(COUNT_USER_FAULT);
	return value;
}

static __always_inline __s32 number_at(__u64 address)
{
	__s32 value = 0;

	if (address && bpf_probe_read_user(&value, sizeof(value), (void *)address))
		count(COUNT_USER_FAULT);
	return value;
}

static __always_inline void name_at(__u64 address, struct operation_key *key)
{
	const int last = sizeof(key->name) - 1;
	char next = 0;
	long size;

	if (!address)
		return;
	size = bpf_probe_read_user_str(key->name, sizeof(key->name), (void *)address);
	if (size < 0)
		count(COUNT_USER_FAULT);
	else if (size > last && !bpf_probe_read_user(&next, sizeof(next), (void *)(address + last)) && next)
		key->name[last] = NAME_CUT;
}

/* Fills in the key. Returns the cipher, whose key size is worth reading at first sight, or 0. */
static __always_inline __u64 find_algorithm(struct pt_regs *ctx, const struct function *function, struct operation_key *key)
{
	__u64 object = argument_of(ctx, function->argument);
	__u64 cipher = 0;

	switch (function->shape) {
	case SHAPE_NID:
		key->nid = (__u32)object;
		break;
	case SHAPE_CIPHER:
	case SHAPE_CIPHER_3:
		cipher = object ? object : pointer_at(argument_of(ctx, 0));
		key->nid = number_at(cipher);
		if (!key->nid && cipher && function->shape == SHAPE_CIPHER_3)
			name_at(pointer_at(cipher + 104), key);
		break;
	case SHAPE_DIGEST:
	case SHAPE_DIGEST_3:
		object = object ? object : pointer_at(argument_of(ctx, 0));
		key->nid = number_at(object);
		if (!key->nid && object && function->shape == SHAPE_DIGEST_3)
			name_at(pointer_at(object + 96), key);
		break;
	case SHAPE_TEXT:
		name_at(object ? object + function->offset : 0, key);
		break;
	case SHAPE_FIRST_FIELD_TEXT:
	case SHAPE_FIRST_FIELD:
		object = pointer_at(object);
		/* fallthrough */
	case SHAPE_FIELD_TEXT:
	case SHAPE_FIELD:
		if (!object)
			break;
		object += function->offset;
		if (function->shape == SHAPE_FIELD || function->shape == SHAPE_FIRST_FIELD)
			key->nid = number_at(object);
		else
			name_at(pointer_at(object), key);
		break;
	}
	if (function->digest_shape == SHAPE_DIGEST)
		key->digest_nid = number_at(argument_of(ctx, function->digest_argument));
	else if (function->digest_shape == SHAPE_NID)
		key->digest_nid = (__u32)argument_of(ctx, function->digest_argument);
	else if (function->digest_shape == SHAPE_TEXT)
		name_at(argument_of(ctx, function->digest_argument), key);
	if (function->bits_argument)
		key->key_bits = (__u16)argument_of(ctx, function->bits_argument);
	if (function->direction_argument) {
		__s32 direction = (__s32)argument_of(ctx, function->direction_argument);

		key->operation = direction < 0 ? DIRECTION_UNCHANGED : direction ? DIRECTION_ENCRYPT : DIRECTION_DECRYPT;
	}
	return cipher;
}

static __always_inline int turned_from_tail_call(const struct function *function, __u32 library, __u32 row, __u64 slot, __u64 return_address)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();
	struct last_call *last = bpf_map_lookup_elem(&last_calls, &thread);
	struct last_call now = { .slot = slot, .return_address = return_address, .row = row, .library = library };
	int turned = 0;

	if (last) {
		if (last->slot == slot && last->return_address == return_address && last->library == library && last->row < 128)
			turned = (last->row < 64 ? function->wrappers[0] : function->wrappers[1]) >> (last->row & 63) & 1;
		*last = now;
	} else {
		bpf_map_update_elem(&last_calls, &thread, &now, BPF_ANY);
	}
	return turned;
}

static __always_inline void add(struct operation *seen, __u64 now)
{
	__sync_fetch_and_add(&seen->counter.count, 1);
	seen->counter.last = now;
}

static __always_inline void tally(struct operation_key *key, __u64 cipher)
{
	struct operation *seen = bpf_map_lookup_elem(&operations, key);
	struct operation_event event = {};
	struct operation first = {};
	__u64 now = bpf_ktime_get_boot_ns();

	if (seen) {
		add(seen, now);
		return;
	}
	first.counter.count = 1;
	first.counter.first = first.counter.last = now;
	if (cipher)
		first.key_bits = number_at(cipher + 8) * 8;	/* key_len, in bytes */
	if (bpf_map_update_elem(&operations, key, &first, BPF_NOEXIST)) {
		seen = bpf_map_lookup_elem(&operations, key);
		if (seen)
			add(seen, now);	/* another CPU was first */
		else
			count(COUNT_MAP_FULL);
		return;
	}
	if (key->function == MEASURED_FUNCTION)
		return;
	fill_subject(&event.subject, (struct task_struct *)bpf_get_current_task());
	event.key = *key;
	event.key_bits = first.key_bits;
	fill_header(&event.header, EVENT_OPERATION, sizeof(event));
	if (bpf_ringbuf_output(&events, &event, sizeof(event), wake_flags(&events)))
		count(COUNT_RING_FULL);
}

/* Not inlined: the verifier checks it once for each of the programs below, which are two instructions each. */
static __attribute__((noinline)) int called(struct pt_regs *ctx, __u64 library, __u64 index)
{
	__u32 zero = 0, row = library * FUNCTION_ROWS + index;
	struct function *function;
	struct operation_key key = {};
	__u64 slot, return_address;
	struct all_calls *all;
	struct calls *calls;
	__u64 counted;
	__s64 distance;

	all = bpf_map_lookup_elem(&function_calls, &zero);
	function = bpf_map_lookup_elem(&functions, &row);
	if (index >= FUNCTION_ROWS || !all || !function)
		return 0;
	counted = function->calls;
	if (counted >= FUNCTIONS)
		return 0;
	calls = &all->functions[counted];
	calls->all += 1;
	count(COUNT_HITS);
	if (bpf_get_current_pid_tgid() >> 32 == settings.tracer_pid && index != MEASURED_ROW)
		return 0;
	slot = STACK(ctx) + function->stack;
	return_address = RETURN_ADDRESS(ctx, slot);
	distance = return_address - ADDRESS(ctx);
	key.internal = distance >= function->text_low && distance < function->text_high;
	if (key.internal)
		calls->internal += 1;
	else if (turned_from_tail_call(function, library, index, slot, return_address)) {
		count(COUNT_NESTED);
		return 0;
	}
	fill_current_image(&key.image);
	key.library = library;
	key.function = function->id;
	tally(&key, find_algorithm(ctx, function, &key));
	return 0;
}

#ifdef ATTACH_COOKIES
/* 6.6 and later: uprobe_multi links; whose cookies tell library and row (bpf.h, BPF_TRACE_UPROBE_MULTI). */
SEC("uprobe/any")	/* libbpf before 0.8 knows the type by "uprobe/" alone */
int any_function(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	return called(ctx, cookie >> 8, cookie & 0xff);
}
#else
/* Older: bpf_get_attach_cookie() came with 5.15, so each row has a program of its own, and each library an object. */
#define ROW(n) SEC("uprobe/row") int row_##n(struct pt_regs *ctx) { return called(ctx, settings.library, n); }
#define ROWS(t) ROW(t##0) ROW(t##1) ROW(t##2) ROW(t##3) ROW(t##4) ROW(t##5) ROW(t##6) ROW(t##7) ROW(t##8) ROW(t##9)
ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8) ROW(9)
ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11)
ROW(120) ROW(121) ROW(122) ROW(123) ROW(124) ROW(125) ROW(126) ROW(127)
#endif
