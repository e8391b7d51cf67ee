/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests for what the first bytes of a stream can be: a TLS record of a handshake, or an SSH banner. */
#ifndef CRYPTOFLEET_RECORD_HEADERS_BPF_H
#define CRYPTOFLEET_RECORD_HEADERS_BPF_H

#include "shared/common.bpf.h"

/* RFC 8446 5.1 and 4 */
enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, APPLICATION_DATA = 23 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
#define RECORD_HEADER 5
/* Enough to classify the start of a stream: a record's header and one byte; a whole change_cipher_spec; "SSH-". */
#define START_SIZE 6
/* A hello up to its version: the headers of record and message, and two bytes. */
#define HELLO_START_SIZE 11

/* Bytes behind the header of a record. */
static __always_inline __u32 record_length(const __u8 *header)
{
	return header[3] << 8 | header[4];
}

/* Whether `size` bytes can be the start of a record of this type: version 3.0 to 3.4. */
static __always_inline int is_record(const __u8 *bytes, __u32 size, __u8 type)
{
	return bytes[0] == type && (size < 2 || bytes[1] == 3) && (size < 3 || bytes[2] <= 4);
}

static __always_inline int is_hello(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, HANDSHAKE) && (size < 6 || bytes[5] == CLIENT_HELLO || bytes[5] == SERVER_HELLO);
}

/* Sent before a second ClientHello (RFC 8446 D.4). */
static __always_inline int is_change_cipher_spec(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, CHANGE_CIPHER_SPEC) && (size < 4 || !bytes[3]) && (size < 5 || bytes[4] == 1) && (size < 6 || bytes[5] == 1);
}

static __always_inline int is_alert(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, ALERT) && (size < 4 || !bytes[3]) && (size < 5 || bytes[4] == 2) && (size < 6 || bytes[5] == 1 || bytes[5] == 2);
}

static __always_inline int is_ssh_banner(const __u8 *bytes, __u32 size)
{
	return bytes[0] == 'S' && (size < 2 || bytes[1] == 'S') && (size < 3 || bytes[2] == 'H') && (size < 4 || bytes[3] == '-');
}

/* Whether `size` bytes can be the start of something that is looked for. */
static __always_inline int may_start(const __u8 *bytes, __u32 size)
{
	if (settings.library & LOOK_TLS && (is_hello(bytes, size) || is_change_cipher_spec(bytes, size) || is_alert(bytes, size)))
		return 1;
	return settings.library & LOOK_SSH && is_ssh_banner(bytes, size);
}

#endif
