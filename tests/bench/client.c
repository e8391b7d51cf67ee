/* SPDX-FileCopyrightText: cryptofleet.audit contributors */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS clients that are not probed, as if they were on other hosts: OpenSSL is linked in and its symbols are stripped.
 * Each connects, is served one answer, and connects anew without resuming, until the parent is ended.
 *
 *   client PORT PROCESSES
 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void one(SSL_CTX *context, const struct sockaddr_in *server)
{
	char answer[4096];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl = SSL_new(context);

	if (fd < 0 || !ssl)
		die("client");
	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		die("connect");
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, sizeof(request) - 1) <= 0)
		die("TLS");
	while (SSL_read(ssl, answer, sizeof(answer)) > 0)
		;
	SSL_free(ssl);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (argc != 3 || !context)
		return fprintf(stderr, "client: see the beginning of client.c\n"), 2;
	server.sin_port = htons(atoi(argv[1]));
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	for (int left = atoi(argv[2]); left; left--) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			one(context, &server);
	}
	pause();
	return 0;
}
