// SPDX-License-Identifier: GPL-2.0-only
/*
 * elf_code.c: system call numbers in x86-64 code.
 *
 * Compilers load the number shortly before the call, as a 32-bit immediate:
 *
 *   b8 N / 48 c7 c0 N    mov $N,%eax  ... 0f 05         syscall, itself
 *   bf N / 48 c7 c7 N    mov $N,%edi  ... call syscall  libc's syscall(2), N is its first argument
 *
 * This is no disassembly: bytes that happen to look so are taken for it, which errs to the safe side.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_code.h"
#include "agent/lib/util.h"

/* arch/x86/entry/syscalls/syscall_64.tbl; spelled out, since the host may be another architecture */
enum { X86_64_SPLICE = 275, X86_64_TEE = 276, X86_64_VMSPLICE = 278 };

#define CHUNK	    (1u << 20)
#define OVERLAP	    128u /* of two chunks: more than any pattern with what follows it */
#define NEAR_INSN   32	 /* bytes between the number and `syscall` */
#define NEAR_CALL   64	 /* ... and the call, before which come up to five more arguments */
#define WRAPPER_MAX 96	 /* length of a syscall(2) function, at most */
#define PROBES_MAX  4096 /* calls that are followed: a library of 100 MB has some dozens of them */

/* One search: what is looked through, and how many calls it may still follow. */
struct search {
	const struct elfcode *e;
	unsigned char *buf;
	unsigned int probes;
	struct elfcode_found *found;
};

const char *elfcode_name(unsigned int number)
{
	switch (number) {
	case X86_64_SPLICE:
		return "splice";
	case X86_64_TEE:
		return "tee";
	default:
		return "vmsplice";
	}
}

static size_t read_at(int fd, void *buf, size_t size, off_t off)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)buf + done, size - done, off + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

/* What the file has for an address; returns the number of bytes. */
static size_t read_address(const struct elfcode *e, __u64 addr, void *buf, size_t size)
{
	for (const GElf_Phdr *ph = e->load; ph < e->load + e->loads; ph++)
		if (addr >= ph->p_vaddr && addr - ph->p_vaddr < ph->p_filesz)
			return read_at(e->fd, buf, size, ph->p_offset + (addr - ph->p_vaddr));
	return 0;
}

static __u64 relative(__u64 next, const unsigned char *imm)
{
	__s32 rel;

	memcpy(&rel, imm, sizeof(rel));
	return next + rel;
}

static bool is_slot(const struct elfcode *e, __u64 addr)
{
	for (size_t i = 0; i < e->slots; i++)
		if (e->slot[i] == addr)
			return true;
	return false;
}

/*
 * Is there syscall(2) at this address: its entry in the PLT (jmp *slot), or, in a static file, the function?
 */
static bool is_wrapper(struct search *s, __u64 addr)
{
	const struct elfcode *e = s->e;
	static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa}, number_to_rax[] = {0x48, 0x89, 0xf8};
	unsigned char code[WRAPPER_MAX], *mov;
	size_t n, at = 0;

	if (!s->probes)
		return false;
	s->probes--;
	n = read_address(e, addr, code, sizeof(code));
	if (n >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64)))
		at = sizeof(endbr64);
	if (n > at && code[at] == 0xf2) /* bnd */
		at++;
	if (n >= at + 6 && code[at] == 0xff && code[at + 1] == 0x25)
		return is_slot(e, relative(addr + at + 6, code + at + 2));
	mov = memmem(code, n, number_to_rax, sizeof(number_to_rax));
	return mov && memmem(mov, code + n - mov, "\x0f\x05", 2);
}

/* Is one of the calls in code[0..n) one of syscall(2)? addr is the address of code[0]. */
static bool calls_wrapper(struct search *s, const unsigned char *code, size_t n, __u64 addr)
{
	for (size_t i = 0; i + 6 <= n; i++) {
		if (code[i] == 0xff && code[i + 1] == 0x15 &&
		    is_slot(s->e, relative(addr + i + 6, code + i + 2)))
			return true;
		if ((code[i] == 0xe8 || code[i] == 0xe9) &&
		    is_wrapper(s, relative(addr + i + 5, code + i + 1)))
			return true;
	}
	return false;
}

/* imm points to a number within code[0..n) at addr: is it loaded for a system call? */
static bool is_call(struct search *s, const unsigned char *code, size_t n, __u64 addr, size_t imm)
{
	size_t next = imm + 4, rest = n - next;
	unsigned char op = imm ? code[imm - 1] : 0;
	bool wide = imm >= 3 && code[imm - 3] == 0x48 && code[imm - 2] == 0xc7;

	if (op == 0xb8 || (wide && op == 0xc0))
		return memmem(code + next, rest < NEAR_INSN ? rest : NEAR_INSN, "\x0f\x05", 2);
	if (op == 0xbf || (wide && op == 0xc7))
		return calls_wrapper(s, code + next, rest < NEAR_CALL ? rest : NEAR_CALL, addr + next);
	return false;
}

static unsigned int find_call(struct search *s, const unsigned char *code, size_t n, __u64 addr)
{
	static const unsigned char high[] = {0x01, 0x00, 0x00}; /* of 0x100..0x1ff, little endian */
	const unsigned char *p = code, *end = code + n;

	for (; (p = memmem(p, end - p, high, sizeof(high))); p++) {
		unsigned int number = p > code ? 0x100 + p[-1] : 0;

		if (number != X86_64_SPLICE && number != X86_64_TEE && number != X86_64_VMSPLICE)
			continue;
		if (is_call(s, code, n, addr, p - 1 - code))
			return number;
	}
	return 0;
}

/* FIONREAD in data, or in code as the immediate of a mov to a register: other bytes are chance. */
static bool find_fionread(const unsigned char *buf, size_t n, bool code)
{
	static const unsigned char number[] = {0x1b, 0x54, 0x00, 0x00}; /* asm-generic/ioctls.h */
	const unsigned char *p = buf;

	for (; (p = memmem(p, buf + n - p, number, sizeof(number))); p++) {
		bool mov = p > buf && (p[-1] & 0xf8) == 0xb8;
		bool wide_mov = p > buf + 1 && p[-2] == 0xc7 && (p[-1] & 0xf8) == 0xc0;

		if (!code || mov || wide_mov)
			return true;
	}
	return false;
}

/* Search file offsets [from, to) of one segment. */
static int search_range(struct search *s, const GElf_Phdr *ph, bool code, __u64 from, __u64 to)
{
	for (; from < to; from += CHUNK) {
		__u64 left = to - from;
		size_t want = left < CHUNK + OVERLAP ? left : CHUNK + OVERLAP;
		size_t n = read_at(s->e->fd, s->buf, want, from);

		if (n < want)
			return -EIO;
		if (!s->found->fionread)
			s->found->fionread = find_fionread(s->buf, n, code);
		if (code && !s->found->number)
			s->found->number = find_call(s, s->buf, n, ph->p_vaddr + (from - ph->p_offset));
		if (!s->probes)
			return -E2BIG;
	}
	return 0;
}

/* The union of the segments that are executable, or of those that are not. They are sorted. */
static int search_union(struct search *s, bool executable, bool code)
{
	const struct elfcode *e = s->e;
	__u64 done = 0; /* all before that was searched, or belongs to no segment */

	for (const GElf_Phdr *ph = e->load; ph < e->load + e->loads; ph++) {
		__u64 from = ph->p_offset, to;
		int r;

		if (!(ph->p_flags & PF_X) == executable)
			continue;
		if (ph->p_offset > e->size || ph->p_filesz > e->size - ph->p_offset)
			return -EIO;
		to = ph->p_offset + ph->p_filesz;
		/* a little again of what another segment has: instructions may lie across its end */
		if (from < done)
			from = done - from > OVERLAP ? done - OVERLAP : from;
		if (to <= done)
			continue;
		r = search_range(s, ph, code && executable, from, to);
		if (r)
			return r;
		done = to;
	}
	return 0;
}

int elfcode_search(const struct elfcode *e, bool code, struct elfcode_found *found)
{
	_cleanup_free_ unsigned char *buf = malloc(CHUNK + OVERLAP);
	struct search s = {.e = e, .buf = buf, .probes = PROBES_MAX, .found = found};
	int r;

	if (!buf)
		return -ENOMEM;
	r = search_union(&s, true, code);
	return r ? r : search_union(&s, false, code);
}
