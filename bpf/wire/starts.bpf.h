/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the first bytes of a packet may be: a TLS record of a handshake, or an SSH banner. */
#ifndef CRYPTOFLEET_BEGINNINGS_BPF_H
#define CRYPTOFLEET_BEGINNINGS_BPF_H

#include "shared/common.bpf.h"

/* RFC 8446 5.1 and 4 */
enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_HELLO = 2, RECORD_HEADER = 5 };
/* Enough of a beginning to tell what it is: a record's header and one byte; a change_cipher_spec whole; "SSH-". */
#define BEGINNING 6

/* A record of this type, as far as its size bytes tell: version 3.0 to 3.4. */
static __always_inline int is_record(const __u8 *bytes, __u32 size, __u8 type)
{
	return bytes[0] == type && (size < 2 || bytes[1] == 3) && (size < 3 || bytes[2] <= 4);
}

static __always_inline int is_hello(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, HANDSHAKE) && (size < 6 || bytes[5] == CLIENT_HELLO || bytes[5] == SERVER_HELLO);
}

/* Sent before a second ClientHello (RFC 8446 D.4). */
static __always_inline int is_change(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, CHANGE_CIPHER_SPEC) && (size < 4 || !bytes[3]) && (size < 5 || bytes[4] == 1) && (size < 6 || bytes[5] == 1);
}

static __always_inline int is_alert(const __u8 *bytes, __u32 size)
{
	return is_record(bytes, size, ALERT) && (size < 4 || !bytes[3]) && (size < 5 || bytes[4] == 2) && (size < 6 || bytes[5] == 1 || bytes[5] == 2);
}

static __always_inline int is_ssh(const __u8 *bytes, __u32 size)
{
	return bytes[0] == 'S' && (size < 2 || bytes[1] == 'S') && (size < 3 || bytes[2] == 'H') && (size < 4 || bytes[3] == '-');
}

#endif
