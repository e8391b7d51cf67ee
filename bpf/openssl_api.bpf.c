// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes `openssl_api` and `library_api`: which process asked which library for which operation with which algorithm, counted here.
 *
 * Uprobes at function entry or a few instructions on (_functions/x86_prologue.py), nothing at return. Each function of each library file has a row in `functions` (which argument names the
 * algorithm, and how), given by user space from plugins/module_utils/_functions/openssl.py
 * and _functions/library_functions.py.
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
#define UNREAD_CALLS 256
#define DEEPEST_STACK 65536	/* bytes that one call of a library takes of the stack */
#define LONGEST_CALL 1000000000	/* ns until a call reaches the next public function inside the library, as the first that reads its configuration */
#ifdef ATTACH_COOKIES
#define HAVE_TASK_BTF	/* whatever has the link that these cookies come by has that too */
#endif
#include "shared/common.bpf.h"
#include "algorithm.bpf.h"

char LICENSE[] SEC("license") = "GPL";

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
 * By thread id: a call whose algorithm could not be read, because the page was not there at that moment: a constant that nobody has
 * touched yet, a page on its way to another place. The library reads it next, and mostly comes by another public function then.
 */
struct unread_call {
	__u64 slot;
	__u64 return_address;
	__u64 time;
	__u32 row;
	__u32 pad;
	struct arguments arguments;
	struct operation_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, UNREAD_CALLS);
	__type(key, __u32);
	__type(value, struct unread_call);
} unread_calls SEC(".maps");

/* Whether there ever was one: what is so rare must cost the others nothing. */
static volatile __u32 any_unread;

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
#define RETURN_ADDRESS(ctx, reading, slot) pointer_at(reading, slot)
#define FRAME(ctx) 0
#define ARGUMENTS(ctx) { { (ctx)->di, (ctx)->si, (ctx)->dx, (ctx)->cx, (ctx)->r8, (ctx)->r9 } }
#else
#define STACK(ctx) ((ctx)->sp)
#define ADDRESS(ctx) ((ctx)->pc)
#define RETURN_ADDRESS(ctx, reading, slot) ((ctx)->regs[30])
#define FRAME(ctx) ((ctx)->regs[29])
#define ARGUMENTS(ctx) { { (ctx)->regs[0], (ctx)->regs[1], (ctx)->regs[2], (ctx)->regs[3], (ctx)->regs[4], (ctx)->regs[5] } }
#endif

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

static __always_inline int is_unread(const struct operation_key *key)
{
	return key->name[0] == NAME_UNREAD && !key->name[1];
}

static __always_inline void add(struct operation *seen, __u64 now)
{
	__sync_fetch_and_add(&seen->counter.count, 1);
	seen->counter.last = now;
}

/*
 * Neither this nor the next two are inlined: together they need more stack than a program may have (512 bytes), and no two of them
 * run at once but read_again() and this.
 */
static __attribute__((noinline)) int tally(struct operation_key *key, __u64 cipher)
{
	struct operation *seen = bpf_map_lookup_elem(&operations, key);
	struct operation_event *event;
	struct reading bits = {};
	struct operation first = {};
	__u64 now = bpf_ktime_get_boot_ns();

	if (seen) {
		add(seen, now);
		return 0;
	}
	first.counter.count = 1;
	first.counter.first = first.counter.last = now;
	if (cipher)
		first.key_bits = number_at(&bits, cipher + 8) * 8;	/* key_len, in bytes */
	if (bpf_map_update_elem(&operations, key, &first, BPF_NOEXIST)) {
		seen = bpf_map_lookup_elem(&operations, key);
		if (seen)
			add(seen, now);	/* another CPU was first */
		else
			count(COUNT_MAP_FULL);
		return 0;
	}
	if (key->function == MEASURED_FUNCTION || is_unread(key))
		return 0;		/* what is unread now may be read in a moment; what stays so is in the counts */
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count(COUNT_RING_FULL);
		return 0;
	}
	fill_subject(&event->subject, (struct task_struct *)bpf_get_current_task());
	event->key = *key;
	event->key_bits = first.key_bits;
	event->pad = 0;
	fill_header(&event->header, EVENT_OPERATION, sizeof(*event));
	bpf_ringbuf_submit(event, wake_flags(&events));
	return 0;
}

/* So that read_again() can. */
static __attribute__((noinline)) int remember_unread(const struct reading *reading, const struct operation_key *key, __u32 row, __u64 slot)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();
	struct unread_call call = { .slot = slot, .return_address = reading->return_address, .row = row };

	call.time = bpf_ktime_get_boot_ns();
	call.arguments = *reading->arguments;
	call.key = *key;
	bpf_map_update_elem(&unread_calls, &thread, &call, BPF_ANY);
	any_unread = 1;
	return 0;
}

/* Whether a call has not returned yet: it has its return address on the stack. */
#if defined(__TARGET_ARCH_x86)
static __always_inline int still_runs(struct reading *reading, const struct unread_call *call, __u64 frame __attribute__((unused)))
{
	return pointer_at(reading, call->slot) == call->return_address;
}
#else
#define MOST_FRAMES 12
#define ADDRESS_BITS ((1UL << 48) - 1)	/* above them a signed return address has its code (pointer authentication) */

/* Where, is for the compiler to choose: in one of the frame records that x29 leads to (AAPCS64, 6.4.6), which compilers keep by default. */
static __always_inline int still_runs(struct reading *reading, const struct unread_call *call, __u64 frame)
{
	for (int i = 0; i < MOST_FRAMES && frame && frame < call->slot; i++) {
		if (!((pointer_at(reading, frame + 8) ^ call->return_address) & ADDRESS_BITS))
			return 1;
		frame = pointer_at(reading, frame);
	}
	return 0;
}
#endif

/*
 * A call from inside the library at `slot`: read what its outer call did not show, if it is that call that is still running.
 * Not static, so that the verifier checks it once and not for each state of its caller.
 */
__attribute__((noinline)) int read_again(__u64 slot, __u64 frame)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();
	struct unread_call *call = bpf_map_lookup_elem(&unread_calls, &thread);
	struct reading reading = {};
	struct function *function;
	struct operation_key key;
	struct operation *unread;
	__u64 cipher;

	if (!call)
		return 0;
	if (call->slot - slot - 1 >= DEEPEST_STACK || bpf_ktime_get_boot_ns() - call->time > LONGEST_CALL || !still_runs(&reading, call, frame))
		goto over;
	function = bpf_map_lookup_elem(&functions, &call->row);
	if (!function)
		goto over;
	key = call->key;
	key.name[0] = 0;
	reading.arguments = &call->arguments;
	cipher = find_algorithm(&reading, function, &key);
	if (reading.failed)
		return 0;	/* the next may be later */
	unread = bpf_map_lookup_elem(&operations, &call->key);
	if (unread)
		__sync_fetch_and_add(&unread->counter.count, -1);
	tally(&key, cipher);
over:
	bpf_map_delete_elem(&unread_calls, &thread);
	return 0;
}

static __attribute__((noinline)) int called(struct pt_regs *ctx, __u64 library, __u64 index)
{
	__u32 zero = 0, row = library * FUNCTION_ROWS + index;
	struct arguments arguments = ARGUMENTS(ctx);
	struct reading reading = { .arguments = &arguments };
	struct function *function;
	struct operation_key key = {};
	__u64 slot, cipher;
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
	reading.return_address = RETURN_ADDRESS(ctx, &reading, slot);
	distance = reading.return_address - ADDRESS(ctx);
	key.internal = distance >= function->text_low && distance < function->text_high;
	if (key.internal) {
		calls->internal += 1;
		if (any_unread)
			read_again(slot, FRAME(ctx));
	} else if (turned_from_tail_call(function, library, index, slot, reading.return_address)) {
		count(COUNT_NESTED_CALLS);
		return 0;
	}
	fill_current_image(&key.image);
	key.library = library;
	key.function = function->id;
	cipher = find_algorithm(&reading, function, &key);
	if (reading.failed) {
		key.nid = key.digest_nid = 0;
		__builtin_memset(key.name, 0, sizeof(key.name));
		key.name[0] = NAME_UNREAD;
		cipher = 0;
	}
	tally(&key, cipher);
	if (reading.failed)
		remember_unread(&reading, &key, row, slot);
	return 0;
}

#ifdef ATTACH_COOKIES
/* 5.15 and later: links have cookies, which tell library and row. From 6.6 on one link is for many functions (BPF_TRACE_UPROBE_MULTI). */
SEC("uprobe/any")	/* libbpf before 0.8 knows the type by "uprobe/" alone */
int any_function(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	return called(ctx, cookie >> 8, cookie & 0xff);
}
#else
/*
 * Older: each row has a program of its own, and each library an object. All they do is to say which they are to the one that does the work,
 * so that the verifier follows that one once and not a hundred times. These kernels run both without being interrupted by another task
 * (uprobe_perf_func() of 5.14).
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} program_of_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} row_called SEC(".maps");

SEC("uprobe/any")
int any_row(struct pt_regs *ctx)
{
	__u32 zero = 0, *row = bpf_map_lookup_elem(&row_called, &zero);

	return row ? called(ctx, settings.library, *row) : 0;
}

static __always_inline int enter(struct pt_regs *ctx, __u32 number)
{
	__u32 zero = 0, *row = bpf_map_lookup_elem(&row_called, &zero);

	if (row) {
		*row = number;
		bpf_tail_call(ctx, &program_of_rows, 0);
	}
	return 0;
}

#define ROW(n) SEC("uprobe/row") int row_##n(struct pt_regs *ctx) { return enter(ctx, n); }
#define ROWS(t) ROW(t##0) ROW(t##1) ROW(t##2) ROW(t##3) ROW(t##4) ROW(t##5) ROW(t##6) ROW(t##7) ROW(t##8) ROW(t##9)
ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8) ROW(9)
ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11)
ROW(120) ROW(121) ROW(122) ROW(123) ROW(124) ROW(125) ROW(126) ROW(127)
#endif
