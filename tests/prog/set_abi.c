// SPDX-License-Identifier: GPL-2.0-only
/*
 * set_abi PIN NUMBER: have an instance say that a version of another ABI made it. PIN is its `config`.
 */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	union bpf_attr attr = {};
	uint32_t *abi;
	int fd;

	if (argc != 3)
		return 2;
	attr.pathname = (uintptr_t)argv[1];
	fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	abi = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (abi == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	*abi = strtoul(argv[2], NULL, 10);
	return 0;
}
