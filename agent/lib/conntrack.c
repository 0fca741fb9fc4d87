// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "conntrack.h"

#define CT_TYPE(msg) (NFNL_SUBSYS_CTNETLINK << 8 | (msg))
/* An entry with all its extensions takes some 500 bytes. */
#define ANSWER_MAX 8192

struct message {
	struct nlmsghdr nlh;
	struct nfgenmsg nfg;
	char attrs[256]; /* a tuple of IPv6 takes 72 */
};

int conntrack_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	return fd < 0 ? -errno : fd;
}

/* ---- the question ---- */

static struct nlattr *put(struct message *m, int type, const void *data, size_t size)
{
	struct nlattr *a = (void *)((char *)m + NLMSG_ALIGN(m->nlh.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + size;
	if (size)
		memcpy((char *)a + NLA_HDRLEN, data, size);
	m->nlh.nlmsg_len = NLMSG_ALIGN(m->nlh.nlmsg_len) + NLA_ALIGN(a->nla_len);
	return a;
}

static struct nlattr *nest(struct message *m, int type)
{
	return put(m, type | NLA_F_NESTED, NULL, 0);
}

static void nest_end(const struct message *m, struct nlattr *a)
{
	a->nla_len = (const char *)m + m->nlh.nlmsg_len - (const char *)a;
}

static bool is_v4(const struct hop_tuple *t)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)t->local);
}

static void put_tuple(struct message *m, const struct hop_tuple *t)
{
	__be16 src = htons(t->lport), dst = htons(t->rport);
	__u8 tcp = IPPROTO_TCP;
	struct nlattr *tuple = nest(m, CTA_TUPLE_ORIG), *part = nest(m, CTA_TUPLE_IP);

	if (is_v4(t)) {
		put(m, CTA_IP_V4_SRC, t->local + 12, 4);
		put(m, CTA_IP_V4_DST, t->peer + 12, 4);
	} else {
		put(m, CTA_IP_V6_SRC, t->local, 16);
		put(m, CTA_IP_V6_DST, t->peer, 16);
	}
	nest_end(m, part);
	part = nest(m, CTA_TUPLE_PROTO);
	put(m, CTA_PROTO_NUM, &tcp, sizeof(tcp));
	put(m, CTA_PROTO_SRC_PORT, &src, sizeof(src));
	put(m, CTA_PROTO_DST_PORT, &dst, sizeof(dst));
	nest_end(m, part);
	nest_end(m, tuple);
}

/* The entry that has this tuple, in whichever direction (nf_conntrack_find_get()). */
static int ask(int fd, const struct hop_tuple *t)
{
	struct message m = {
		.nlh = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
			.nlmsg_type = CT_TYPE(IPCTNL_MSG_CT_GET),
			.nlmsg_flags = NLM_F_REQUEST},
		.nfg = {.nfgen_family = is_v4(t) ? AF_INET : AF_INET6, .version = NFNETLINK_V0},
	};

	put_tuple(&m, t);
	return send(fd, &m, m.nlh.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* ---- the answer ---- */

/* The attribute of this type among those in `size` bytes, or NULL; *len: its length. */
static const void *find(const void *attrs, size_t size, int type, size_t *len)
{
	size_t step;

	*len = 0;
	while (size >= NLA_HDRLEN) {
		const struct nlattr *a = attrs;

		if (a->nla_len < NLA_HDRLEN || a->nla_len > size)
			return NULL;
		if ((a->nla_type & (__u16)NLA_TYPE_MASK) == type) {
			*len = a->nla_len - NLA_HDRLEN;
			return (const char *)attrs + NLA_HDRLEN;
		}
		step = NLA_ALIGN((size_t)a->nla_len);
		if (step >= size)
			return NULL;
		size -= step;
		attrs = (const char *)attrs + step;
	}
	return NULL;
}

static bool is(const void *attrs, size_t size, int type, const void *want, size_t want_len)
{
	size_t len;
	const void *p = find(attrs, size, type, &len);

	return p && len == want_len && !memcmp(p, want, len);
}

/* Does this direction of the entry lead from t->local to t->peer? */
static bool leads(const void *attrs, size_t size, int direction, const struct hop_tuple *t)
{
	__be16 src = htons(t->lport), dst = htons(t->rport);
	size_t len, ip_len = 0, proto_len = 0;
	const void *tuple = find(attrs, size, direction, &len), *ip, *proto;
	__u8 tcp = IPPROTO_TCP;

	if (!tuple)
		return false;
	ip = find(tuple, len, CTA_TUPLE_IP, &ip_len);
	proto = find(tuple, len, CTA_TUPLE_PROTO, &proto_len);
	if (!ip || !proto || !is(proto, proto_len, CTA_PROTO_NUM, &tcp, sizeof(tcp)) ||
	    !is(proto, proto_len, CTA_PROTO_SRC_PORT, &src, sizeof(src)) ||
	    !is(proto, proto_len, CTA_PROTO_DST_PORT, &dst, sizeof(dst)))
		return false;
	if (is_v4(t))
		return is(ip, ip_len, CTA_IP_V4_SRC, t->local + 12, 4) &&
		       is(ip, ip_len, CTA_IP_V4_DST, t->peer + 12, 4);
	return is(ip, ip_len, CTA_IP_V6_SRC, t->local, 16) && is(ip, ip_len, CTA_IP_V6_DST, t->peer, 16);
}

/* The kernel has answered by the time that send() returns. */
static int read_answer(int fd, const struct hop_tuple *a, const struct hop_tuple *b)
{
	const size_t skip = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	union {
		struct nlmsghdr nlh;
		char bytes[ANSWER_MAX];
	} buf;
	ssize_t n = recv(fd, &buf, sizeof(buf), MSG_DONTWAIT);
	const void *attrs = buf.bytes + skip;

	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(buf.nlh) || buf.nlh.nlmsg_len > (size_t)n)
		return -EPROTO;
	if (buf.nlh.nlmsg_type == NLMSG_ERROR && (size_t)n >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return ((struct nlmsgerr *)NLMSG_DATA(&buf.nlh))->error ?: -EPROTO;
	if (buf.nlh.nlmsg_type != CT_TYPE(IPCTNL_MSG_CT_NEW) || buf.nlh.nlmsg_len < skip)
		return -EPROTO;
	n = buf.nlh.nlmsg_len - skip;
	if (leads(attrs, n, CTA_TUPLE_ORIG, a))
		return leads(attrs, n, CTA_TUPLE_REPLY, b);
	return leads(attrs, n, CTA_TUPLE_REPLY, a) && leads(attrs, n, CTA_TUPLE_ORIG, b);
}

int conntrack_translates(int fd, const struct hop_tuple *a, const struct hop_tuple *b)
{
	int ret = is_v4(a) == is_v4(b) ? ask(fd, a) : -ENOENT;

	if (!ret)
		ret = read_answer(fd, a, b);
	return ret == -ENOENT ? 0 : ret;
}
