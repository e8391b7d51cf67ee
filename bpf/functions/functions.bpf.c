// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes `openssl_api` and `library_api`: which process asked which library for which operation with which algorithm, counted here.
 *
 * Uprobes at function entry or a few instructions on (_functions/x86_prologue.py), nothing at return. Each uprobe has a number, by which
 * `functions` has what is known of its function: which argument names the algorithm, and how. User space takes that from the files of
 * plugins/module_utils/_functions, one a library.
 *
 * Counted once: a public function that calls another public one inside the library must not count twice.
 *  - A nested call returns into the library's own text: it is known by its return address, and its count is kept apart (`internal`).
 *  - A tail call is the caller's, and not counted: see is_tail_call().
 */
#define UPROBES 6144		/* of all files */
#define FUNCTIONS 1024		/* of all libraries that user space knows */
#define UNREAD_CALLS 256
#define DEEPEST_STACK 65536	/* bytes that one call of a library takes of the stack */
#define LONGEST_CALL 1000000000	/* ns until a call reaches the next public function inside the library, as the first that reads its configuration */
#ifdef ATTACH_COOKIES
#define HAVE_TASK_BTF	/* whatever has the link that these cookies come by has that too */
#endif
#include "shared/common.bpf.h"
#include "functions/algorithm.bpf.h"
#include "functions/registers.bpf.h"
#include "functions/tail_calls.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct operation_key);
	__type(value, struct operation);
} operations SEC(".maps");

/* By the number of the uprobe. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UPROBES);
	__type(key, __u32);
	__type(value, struct function);
} functions SEC(".maps");

/*
 * By thread id: a call whose algorithm could not be read, because the page was not there at that moment: a constant that was never
 * touched yet, a page on its way to another place. The library reads it next, and mostly comes by another public function then.
 */
struct unread_call {
	__u64 slot;
	__u64 return_address;
	__u64 time;
	__u32 uprobe;
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
 * Calls of each function, from any process: the probe's hits, and what the budget goes by. One value for all functions, so that user
 * space needs one system call to read them.
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

/* No function of a library, but of the tracer: it calls that to measure what a hit costs. All is done as for others, but no event is sent. */
#define MEASURED_UPROBE (UPROBES - 1)
#define MEASURED_FUNCTION 0xffff

static __always_inline int is_unread(const struct operation_key *key)
{
	return key->name[0] == NAME_UNREAD && !key->name[1];
}

static __always_inline void add_one(struct operation *operation, __u64 now)
{
	__sync_fetch_and_add(&operation->counter.count, 1);
	operation->counter.last = now;
}

/*
 * Neither this nor the next two are inlined: together they need more stack than a program may have (512 bytes), and no two of them
 * run at once but retry_unread_call() and this.
 */
static __attribute__((noinline)) int count_operation(struct operation_key *key, __u64 cipher)
{
	struct operation *seen = bpf_map_lookup_elem(&operations, key);
	struct operation_event *event;
	struct reading bits = {};
	struct operation first = {};
	__u64 now = bpf_ktime_get_boot_ns();

	if (seen) {
		add_one(seen, now);
		return 0;
	}
	first.counter.count = 1;
	first.counter.first = first.counter.last = now;
	if (cipher)
		first.key_bits = number_at(&bits, cipher + 8) * 8;	/* key_len, in bytes */
	if (bpf_map_update_elem(&operations, key, &first, BPF_NOEXIST)) {
		seen = bpf_map_lookup_elem(&operations, key);
		if (seen)
			add_one(seen, now);	/* another CPU was first */
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

/* For retry_unread_call(). */
static __attribute__((noinline)) int keep_unread_call(const struct reading *reading, const struct operation_key *key, __u32 uprobe, __u64 slot)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();
	struct unread_call call = { .slot = slot, .return_address = reading->return_address, .uprobe = uprobe };

	call.time = bpf_ktime_get_boot_ns();
	call.arguments = *reading->arguments;
	call.key = *key;
	bpf_map_update_elem(&unread_calls, &thread, &call, BPF_ANY);
	any_unread = 1;
	return 0;
}

/*
 * A call from inside the library at `slot`: read what its outer call did not show, if it is that call that is still running.
 * Not static, so that the verifier checks it once and not for each state of its caller.
 */
__attribute__((noinline)) int retry_unread_call(__u64 slot, __u64 frame)
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
	if (call->slot - slot - 1 >= DEEPEST_STACK || bpf_ktime_get_boot_ns() - call->time > LONGEST_CALL
	    || !has_not_returned(&reading, call->slot, call->return_address, frame))
		goto done;
	function = bpf_map_lookup_elem(&functions, &call->uprobe);
	if (!function)
		goto done;
	key = call->key;
	key.name[0] = 0;
	reading.arguments = &call->arguments;
	cipher = find_algorithm(&reading, function, &key);
	if (reading.failed)
		return 0;	/* the next may be later */
	unread = bpf_map_lookup_elem(&operations, &call->key);
	if (unread)
		__sync_fetch_and_add(&unread->counter.count, -1);
	count_operation(&key, cipher);
done:
	bpf_map_delete_elem(&unread_calls, &thread);
	return 0;
}

static __attribute__((noinline)) int on_call(struct pt_regs *ctx, __u64 number)
{
	__u32 zero = 0, uprobe = number;
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
	function = bpf_map_lookup_elem(&functions, &uprobe);
	if (!all || !function)
		return 0;
	counted = function->calls;
	if (counted >= FUNCTIONS)
		return 0;
	calls = &all->functions[counted];
	calls->all += 1;
	count(COUNT_HITS);
	if (bpf_get_current_pid_tgid() >> 32 == settings.tracer_pid && uprobe != MEASURED_UPROBE)
		return 0;
	slot = STACK(ctx) + function->stack;
	reading.return_address = RETURN_ADDRESS(ctx, &reading, slot);
	distance = reading.return_address - ADDRESS(ctx);
	key.internal = distance >= function->text_low && distance < function->text_high;
	if (key.internal) {
		calls->internal += 1;
		if (any_unread)
			retry_unread_call(slot, FRAME(ctx));
	} else if (is_tail_call(function, slot, reading.return_address)) {
		count(COUNT_NESTED_CALLS);
		return 0;
	}
	fill_current_image(&key.image);
	key.library = function->library;
	key.function = function->id;
	cipher = find_algorithm(&reading, function, &key);
	if (reading.failed) {
		key.nid = key.digest_nid = 0;
		__builtin_memset(key.name, 0, sizeof(key.name));
		key.name[0] = NAME_UNREAD;
		cipher = 0;
	}
	count_operation(&key, cipher);
	if (reading.failed)
		keep_unread_call(&reading, &key, uprobe, slot);
	return 0;
}

#ifdef ATTACH_COOKIES
/* 5.15 and later: a link's cookie is the number of the uprobe. From 6.6 on one link is for many functions (BPF_TRACE_UPROBE_MULTI). */
SEC("uprobe/any")	/* libbpf before 0.8 knows the type by "uprobe/" alone */
int any_function(struct pt_regs *ctx)
{
	return on_call(ctx, bpf_get_attach_cookie(ctx));
}
#else
/*
 * Older: each uprobe has a program of its own. All that does is to say its number to the one that does the work, so that the verifier follows
 * that one once and not a hundred times. An object is for ROW_PROGRAMS uprobes of a file, and a file with more has more objects. These
 * kernels run both programs without being interrupted by another task (uprobe_perf_func() of 5.14).
 */
#define ROW_PROGRAMS 128

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

	if (!row)
		return 0;
	return on_call(ctx, *row < ROW_PROGRAMS ? settings.library + *row : MEASURED_UPROBE);
}

static __always_inline int call_any_row(struct pt_regs *ctx, __u32 number)
{
	__u32 zero = 0, *row = bpf_map_lookup_elem(&row_called, &zero);

	if (row) {
		*row = number;
		bpf_tail_call(ctx, &program_of_rows, 0);
	}
	return 0;
}

#define ROW(n) SEC("uprobe/row") int row_##n(struct pt_regs *ctx) { return call_any_row(ctx, n); }
#define ROWS(t) ROW(t##0) ROW(t##1) ROW(t##2) ROW(t##3) ROW(t##4) ROW(t##5) ROW(t##6) ROW(t##7) ROW(t##8) ROW(t##9)
ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8) ROW(9)
ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11)
ROW(120) ROW(121) ROW(122) ROW(123) ROW(124) ROW(125) ROW(126) ROW(127)

SEC("uprobe/row")
int measured_row(struct pt_regs *ctx)
{
	return call_any_row(ctx, ROW_PROGRAMS);
}
#endif
