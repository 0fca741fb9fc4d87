/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * addr.h: addresses of the relay: "HOST:PORT", "[::1]:80", "unix:PATH"; PROXY protocol headers.
 */
#ifndef SOCKHOP_RELAY_ADDR_H
#define SOCKHOP_RELAY_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct relay_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

struct relay_target {
	char *name; /* as given */
	struct relay_addr *addr;
	size_t n_addr;
};

/*
 * Split "HOST:PORT", "[HOST]:PORT", ":PORT" or "PORT" at its last colon; host is "" when there is none. An
 * IPv6 address wants its brackets. 0, or -EINVAL with *why set to a text.
 */
int relay_addr_split(const char *text, char *host, size_t host_size, char *port, size_t port_size,
		     const char **why);
/*
 * An address to listen on; without a host all addresses (IPv6 and IPv4). 0, or -errno with *why set.
 */
int relay_addr_listen(const char *text, struct relay_addr *out, const char **why);
/* A numeric or named address without a port, to connect from. 0, or -errno with *why set. */
int relay_addr_source(const char *text, struct relay_addr *out, const char **why);
/* Resolve a target by getaddrinfo(3), or a Unix path. *out is to be freed by relay_target_free(). */
int relay_target_resolve(const char *text, struct relay_target *out, const char **why);
void relay_target_free(struct relay_target *t);

/* "127.0.0.1:80", "[::1]:80" or "unix:PATH"; a v4-mapped address is shown as IPv4. */
void relay_addr_format(const struct relay_addr *a, char *buf, size_t size);

#define PROXY_V2_MAX 52
/*
 * A PROXY protocol v2 header (haproxy.org/download/1.8/doc/proxy-protocol.txt, section 2.2) that says who
 * connected (src) to where (dst). Returns its length, at most PROXY_V2_MAX. Addresses of two families, which
 * it cannot express, give a header of type LOCAL/UNSPEC.
 */
size_t relay_proxy_v2(const struct relay_addr *src, const struct relay_addr *dst, uint8_t buf[PROXY_V2_MAX]);

#endif
