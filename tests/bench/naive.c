// SPDX-License-Identifier: GPL-2.0-only
/*
 * naive OBJECT CGROUP: attaches naive.bpf.c to a cgroup, says "attached", and takes it down again when it is
 * ended (or killed: everything hangs on its descriptors).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static int fail(const char *what, const char *on)
{
	fprintf(stderr, "naive: %s %s: %s\n", what, on, strerror(errno));
	return 1;
}

static int prog_fd(struct bpf_object *o, const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(o, name);

	return p ? bpf_program__fd(p) : -1;
}

int main(int argc, char **argv)
{
	struct bpf_object *o;
	int cg;

	if (argc != 3)
		return fprintf(stderr, "usage: naive OBJECT CGROUP\n"), 1;
	o = bpf_object__open_file(argv[1], NULL);
	if (!o || bpf_object__load(o))
		return fail("load", argv[1]);
	cg = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (cg < 0)
		return fail("open", argv[2]);
	if (bpf_prog_attach(prog_fd(o, "naive_msg"), bpf_object__find_map_fd_by_name(o, "socks"),
			    BPF_SK_MSG_VERDICT, 0))
		return fail("attach sk_msg to", "its map");
	if (bpf_link_create(prog_fd(o, "naive_sockops"), cg, BPF_CGROUP_SOCK_OPS, NULL) < 0)
		return fail("attach to", argv[2]);
	puts("attached");
	fflush(stdout);
	pause();
	return 0;
}
