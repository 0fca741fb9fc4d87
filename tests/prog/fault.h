/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fault.h: a page that blocks who touches it, by userfaultfd(2). A call that receives into it, or sends from
 * it, holds its socket's lock meanwhile. On failure the functions end the program as those of sock.h do.
 */
#ifndef SOCKHOP_TESTS_FAULT_H
#define SOCKHOP_TESTS_FAULT_H

#include "sock.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096

/* A page whose first touch blocks until it is filled; *uffd is the descriptor to fill it by. */
static inline void *faulting_page(int *uffd)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (*uffd < 0 || ioctl(*uffd, UFFDIO_API, &api))
		die("userfaultfd");
	reg.range.start = (unsigned long)page;
	reg.range.len = PAGE;
	if (ioctl(*uffd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
	return page;
}

static inline void fill_page(int uffd, void *page)
{
	static char data[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy cp = {.dst = (unsigned long)page, .src = (unsigned long)data, .len = PAGE};

	memset(data, 'p', sizeof(data));
	if (ioctl(uffd, UFFDIO_COPY, &cp))
		die("UFFDIO_COPY");
}

#endif
