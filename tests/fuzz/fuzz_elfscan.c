// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_elfscan.c: libFuzzer over elfscan(), the only code of ours that reads what tenants write into files.
 * `make fuzz` builds it with clang's AddressSanitizer and UndefinedBehaviorSanitizer.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/program/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct veto v;

	if (fd < 0)
		fd = memfd_create("elf", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	memset(&v, 0xff, sizeof(v));
	elfscan(fd, &v);
	/* what callers rely on: a reason exactly where there is a veto, as a string */
	if (!memchr(v.what, '\0', sizeof(v.what)) || !v.what[0] != (v.why == HOP_WHY_NONE))
		abort();
	/* only what is understood as an ELF file may pass */
	if (v.why == HOP_WHY_NONE && !v.elf)
		abort();
	return 0;
}
