/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which algorithm a call is about, by its arguments and the objects they point to. */
#ifndef CRYPTOFLEET_ALGORITHM_BPF_H
#define CRYPTOFLEET_ALGORITHM_BPF_H

#include "shared/kernel.h"
#include "shared/events.h"

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

/* Of a call, the integer registers that pass them. */
struct arguments {
	__u64 values[6];
};

/* Of one call. */
struct reading {
	const struct arguments *arguments;
	__u64 return_address;
	__u32 failed;		/* something of the caller's memory could not be read */
};

static __always_inline __u64 argument_of(const struct arguments *arguments, __u8 index)
{
	return arguments->values[index < 5 ? index : 5];
}

static __always_inline __u64 pointer_at(struct reading *reading, __u64 address)
{
	__u64 value = 0;

	if (address && bpf_probe_read_user(&value, sizeof(value), (void *)address))
		reading->failed = 1;
	return value;
}

static __always_inline __s32 number_at(struct reading *reading, __u64 address)
{
	__s32 value = 0;

	if (address && bpf_probe_read_user(&value, sizeof(value), (void *)address))
		reading->failed = 1;
	return value;
}

static __always_inline void name_at(struct reading *reading, __u64 address, struct operation_key *key)
{
	const int last = sizeof(key->name) - 1;
	char next = 0;
	long size;

	if (!address)
		return;
	size = bpf_probe_read_user_str(key->name, sizeof(key->name), (void *)address);
	if (size < 0)
		reading->failed = 1;
	else if (size > last && !bpf_probe_read_user(&next, sizeof(next), (void *)(address + last)) && next)
		key->name[last] = NAME_CUT;
}

/* Fills in the key. Returns the cipher, whose key size is worth reading at first sight, or 0. */
static __always_inline __u64 find_algorithm(struct reading *reading, const struct function *function, struct operation_key *key)
{
	__u64 object = argument_of(reading->arguments, function->argument);
	__u64 cipher = 0;

	switch (function->shape) {
	case SHAPE_NID:
		key->nid = (__u32)object;
		break;
	case SHAPE_CIPHER:
	case SHAPE_CIPHER_3:
		cipher = object ? object : pointer_at(reading, argument_of(reading->arguments, 0));
		key->nid = number_at(reading, cipher);
		if (!key->nid && cipher && function->shape == SHAPE_CIPHER_3)
			name_at(reading, pointer_at(reading, cipher + 104), key);
		break;
	case SHAPE_DIGEST:
	case SHAPE_DIGEST_3:
		object = object ? object : pointer_at(reading, argument_of(reading->arguments, 0));
		key->nid = number_at(reading, object);
		if (!key->nid && object && function->shape == SHAPE_DIGEST_3)
			name_at(reading, pointer_at(reading, object + 96), key);
		break;
	case SHAPE_TEXT:
		name_at(reading, object ? object + function->offset : 0, key);
		break;
	case SHAPE_FIRST_FIELD_TEXT:
	case SHAPE_FIRST_FIELD:
		object = pointer_at(reading, object);
		/* fallthrough */
	case SHAPE_FIELD_TEXT:
	case SHAPE_FIELD:
		if (!object)
			break;
		object += function->offset;
		if (function->shape == SHAPE_FIELD || function->shape == SHAPE_FIRST_FIELD)
			key->nid = number_at(reading, object);
		else
			name_at(reading, pointer_at(reading, object), key);
		break;
	}
	if (function->digest_shape == SHAPE_DIGEST)
		key->digest_nid = number_at(reading, argument_of(reading->arguments, function->digest_argument));
	else if (function->digest_shape == SHAPE_NID)
		key->digest_nid = (__u32)argument_of(reading->arguments, function->digest_argument);
	else if (function->digest_shape == SHAPE_TEXT)
		name_at(reading, argument_of(reading->arguments, function->digest_argument), key);
	if (function->bits_argument)
		key->key_bits = (__u16)argument_of(reading->arguments, function->bits_argument);
	if (function->direction_argument) {
		__s32 direction = (__s32)argument_of(reading->arguments, function->direction_argument);

		key->operation = direction < 0 ? DIRECTION_UNCHANGED : direction ? DIRECTION_ENCRYPT : DIRECTION_DECRYPT;
	}
	return cipher;
}

#endif
