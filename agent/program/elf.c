// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <gelf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "elf.h"
#include "elf_code.h"
#include "agent/lib/util.h"

/*
 * Budgets, several times what large programs have: libLLVM-14 is 110 MB with 31 sections, 9 segments and 13
 * MB of dynamic symbols, names and relocations. A search of 1 GiB takes 4 s.
 */
#define FILE_MAX     (1ull << 30) /* bytes */
#define SECTIONS_MAX 4096
#define SEGMENTS_MAX 1024
#define TABLES_MAX   (64ull << 20) /* bytes of all sections that are read into memory, which libelf keeps */

struct scan {
	struct elfcode code;
	Elf *elf;
	__u64 tables; /* bytes of sections that were read so far */
	bool interp, pie;
	bool go, go_build_info;
	bool defines_splice, defines_start;
	struct veto *out;
};

/* The first reason stays, unless it is weaker. */
static void veto(struct veto *out, __u32 why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void veto(struct veto *out, __u32 why, const char *fmt, ...)
{
	va_list ap;

	/* a guard answers for these two, whatever else there is */
	if (!out->rest && why != HOP_WHY_SPLICE && why != HOP_WHY_GO)
		out->rest = why;
	if (out->why != HOP_WHY_NONE && out->why != HOP_WHY_OOB)
		return;
	out->why = why;
	va_start(ap, fmt);
	vsnprintf(out->what, sizeof(out->what), fmt, ap);
	va_end(ap);
}

/* The name of a dynamic symbol without "@VERSION"; some linkers leave it in the name. */
static bool named(const char *symbol, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(symbol, name, n) && (!symbol[n] || symbol[n] == '@');
}

static bool is_splice(const char *symbol)
{
	return named(symbol, "splice") || named(symbol, "tee") || named(symbol, "vmsplice");
}

static void take_import(struct scan *s, const char *symbol)
{
	if (is_splice(symbol))
		veto(s->out, HOP_WHY_SPLICE, "imports %.*s", (int)strcspn(symbol, "@"), symbol);
	else if (named(symbol, "sockatmark"))
		veto(s->out, HOP_WHY_OOB, "imports sockatmark: it uses urgent data");
	else if (named(symbol, "ioctl"))
		s->out->uses_ioctl = true;
}

static void take_definition(struct scan *s, const char *symbol)
{
	if (named(symbol, "splice"))
		s->defines_splice = true;
	else if (named(symbol, "__libc_start_main") || named(symbol, "__libc_init"))
		s->defines_start = true;
}

/* A section in memory, or what is wrong with it is the veto, and NULL. An empty one has size 0. */
static Elf_Data *read_section(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	static Elf_Data empty;
	Elf_Data *data;

	if (sh->sh_flags & SHF_COMPRESSED) {
		veto(s->out, HOP_WHY_UNKNOWN, "has compressed tables");
		return NULL;
	}
	if (!sh->sh_size || sh->sh_type == SHT_NOBITS)
		return &empty;
	if (sh->sh_size > TABLES_MAX - s->tables) {
		veto(s->out, HOP_WHY_UNKNOWN, "has more than %llu MB of tables", TABLES_MAX >> 20);
		return NULL;
	}
	s->tables += sh->sh_size;
	data = elf_getdata(scn, NULL);
	if (!data || !data->d_buf) {
		veto(s->out, HOP_WHY_UNKNOWN, "has a section that cannot be read");
		return NULL;
	}
	return data;
}

/* The section of strings with this index, in memory: it ends with a NUL. NULL as read_section(). */
static Elf_Data *read_strings(struct scan *s, size_t index)
{
	Elf_Scn *scn = elf_getscn(s->elf, index);
	Elf_Data *data;
	GElf_Shdr sh;

	if (!scn || !gelf_getshdr(scn, &sh) || sh.sh_type != SHT_STRTAB) {
		veto(s->out, HOP_WHY_UNKNOWN, "has names in a section that is not there");
		return NULL;
	}
	data = read_section(s, scn, &sh);
	if (data && data->d_size && ((char *)data->d_buf)[data->d_size - 1]) {
		veto(s->out, HOP_WHY_UNKNOWN, "has names without an end");
		return NULL;
	}
	return data;
}

static const char *string_at(const Elf_Data *strings, size_t offset)
{
	return offset < strings->d_size ? (const char *)strings->d_buf + offset : "";
}

static int take_symbols(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = read_section(s, scn, sh);
	Elf_Data *names = data ? read_strings(s, sh->sh_link) : NULL;
	GElf_Sym sym;

	if (!names)
		return -1;
	for (int i = 0; gelf_getsym(data, i, &sym); i++) {
		const char *name = string_at(names, sym.st_name);

		if (!*name)
			continue;
		if (sym.st_shndx == SHN_UNDEF)
			take_import(s, name);
		else
			take_definition(s, name);
	}
	return 0;
}

/* Where libc's syscall() is called through: its slots in the global offset table. */
static int take_relocations(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Scn *symscn = elf_getscn(s->elf, sh->sh_link);
	Elf_Data *data, *syms, *names;
	GElf_Shdr symsh;
	GElf_Rela rela;

	if (!symscn || !gelf_getshdr(symscn, &symsh) || symsh.sh_type != SHT_DYNSYM)
		return 0;
	data = read_section(s, scn, sh);
	syms = data ? read_section(s, symscn, &symsh) : NULL;
	names = syms ? read_strings(s, symsh.sh_link) : NULL;
	if (!names)
		return -1;
	for (int i = 0; gelf_getrela(data, i, &rela); i++) {
		GElf_Sym sym;

		if (!GELF_R_SYM(rela.r_info) || !gelf_getsym(syms, GELF_R_SYM(rela.r_info), &sym) ||
		    !named(string_at(names, sym.st_name), "syscall"))
			continue;
		if (s->code.slots == ARRAY_SIZE(s->code.slot)) {
			veto(s->out, HOP_WHY_UNKNOWN, "has too many ways to call syscall(2)");
			return -1;
		}
		s->code.slot[s->code.slots++] = rela.r_offset;
	}
	return 0;
}

/* Position-independent executables and libraries are both ET_DYN; DF_1_PIE tells a static one apart. */
static int take_dynamic(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = read_section(s, scn, sh);
	GElf_Dyn dyn;

	if (!data)
		return -1;
	for (int i = 0; gelf_getdyn(data, i, &dyn); i++)
		if (dyn.d_tag == DT_FLAGS_1 && dyn.d_un.d_val & DF_1_PIE)
			s->pie = true;
	return 0;
}

static int take_section(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	switch (sh->sh_type) {
	case SHT_DYNSYM:
		return take_symbols(s, scn, sh);
	case SHT_RELA:
		return take_relocations(s, scn, sh);
	case SHT_DYNAMIC:
		return take_dynamic(s, scn, sh);
	}
	return 0;
}

/* 0, or -1: it is vetoed for what its sections are. */
static int take_sections(struct scan *s)
{
	Elf_Scn *scn = NULL;
	Elf_Data *strings;
	size_t names, count;
	GElf_Shdr sh;

	if (elf_getshdrstrndx(s->elf, &names) || elf_getshdrnum(s->elf, &count) || count < 2) {
		veto(s->out, HOP_WHY_UNKNOWN, "has no section headers");
		return -1;
	}
	strings = read_strings(s, names);
	if (!strings)
		return -1;
	while ((scn = elf_nextscn(s->elf, scn))) {
		const char *name;

		if (!gelf_getshdr(scn, &sh)) {
			veto(s->out, HOP_WHY_UNKNOWN, "has no section headers");
			return -1;
		}
		name = string_at(strings, sh.sh_name);
		/* cmd/link writes both; strip(1) and -ldflags=-s leave them, since programs read them */
		if (!strcmp(name, ".note.go.buildid") || !strcmp(name, ".go.buildinfo")) {
			veto(s->out, HOP_WHY_GO, "is a Go program");
			s->go = true;
			s->go_build_info |= name[1] == 'g';
		}
		if (take_section(s, scn, &sh))
			return -1;
	}
	/* before 1.13; 1.11 takes a refused splice for an error (golang/go issues 27355 and 27513) */
	if (s->go && !s->go_build_info && !s->out->rest)
		s->out->rest = HOP_WHY_GO;
	return 0;
}

/* Sorted by where they are in the file, as linkers write them: no qsort(), which asks the system for its
 * memory. */
static void add_load(struct elfcode *c, const GElf_Phdr *ph)
{
	size_t i = c->loads++;

	for (; i > 0 && c->load[i - 1].p_offset > ph->p_offset; i--)
		c->load[i] = c->load[i - 1];
	c->load[i] = *ph;
}

static int take_segments(struct scan *s)
{
	struct elfcode *c = &s->code;
	GElf_Phdr ph;
	size_t n = 0;

	elf_getphdrnum(s->elf, &n);
	c->load = calloc(n + 1, sizeof(*c->load));
	if (!c->load)
		return -ENOMEM;
	for (size_t i = 0; i < n && gelf_getphdr(s->elf, i, &ph); i++) {
		if (ph.p_type == PT_INTERP)
			s->interp = true;
		if (ph.p_type == PT_LOAD && ph.p_filesz)
			add_load(c, &ph);
	}
	return 0;
}

static void take_code(struct scan *s, const GElf_Ehdr *eh)
{
	bool is_static = !s->interp && (eh->e_type == ET_EXEC || s->pie);
	bool known = eh->e_machine == EM_X86_64 && eh->e_ident[EI_CLASS] == ELFCLASS64;
	struct elfcode_found found = {};
	int r;

	if (is_static)
		s->out->uses_ioctl = true;
	/* elsewhere (aarch64: svc with x8 = 75..77) imports are what we know; a static file has none */
	if (!known && is_static)
		veto(s->out, HOP_WHY_UNKNOWN,
		     "is a static executable of an architecture that is not examined");
	r = elfcode_search(&s->code, known, &found);
	s->out->names_fionread = found.fionread || !known;
	if (r == -E2BIG)
		veto(s->out, HOP_WHY_UNKNOWN, "has too many calls to follow");
	else if (r)
		veto(s->out, HOP_WHY_UNKNOWN, "cannot be read: %s", strerror(-r));
	if (found.number)
		veto(s->out, HOP_WHY_SPLICE, "%s a raw %s system call",
		     is_static ? "is a static executable with" : "has", elfcode_name(found.number));
	/* the guard knows the system calls of one architecture */
	if (!known && !s->out->rest)
		s->out->rest = s->out->why;
}

static void classify(struct scan *s)
{
	GElf_Ehdr eh;
	int r;

	if (elf_kind(s->elf) != ELF_K_ELF || !gelf_getehdr(s->elf, &eh)) {
		veto(s->out, HOP_WHY_UNKNOWN, "is not an ELF file");
		return;
	}
	s->out->elf = true;
	if (take_sections(s))
		return;
	/*
	 * The C library has the wrappers; that it has them does not say which programs call them. A library
	 * that merely has a function of that name is none.
	 */
	s->out->libc = s->defines_splice && s->defines_start;
	if (s->out->libc)
		return;
	r = take_segments(s);
	if (r)
		veto(s->out, HOP_WHY_UNKNOWN, "cannot be read: %s", strerror(-r));
	else
		take_code(s, &eh);
}

/* The three numbers of a file header that memory goes by. */
struct counts {
	unsigned int segments, sections;
	bool sections_elsewhere; /* too many to fit the header: section 0 has their number */
};

static struct counts read_counts(const unsigned char *eh)
{
	bool wide = eh[EI_CLASS] == ELFCLASS64, big = eh[EI_DATA] == ELFDATA2MSB;
	const unsigned char *ph = eh + (wide ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum));
	const unsigned char *sh = eh + (wide ? offsetof(Elf64_Ehdr, e_shnum) : offsetof(Elf32_Ehdr, e_shnum));
	const unsigned char *off =
		eh + (wide ? offsetof(Elf64_Ehdr, e_shoff) : offsetof(Elf32_Ehdr, e_shoff));
	struct counts c = {
		.segments = big ? ph[0] << 8 | ph[1] : ph[1] << 8 | ph[0],
		.sections = sh[0] | sh[1] << 8,
	};

	if (big)
		c.sections = sh[0] << 8 | sh[1];
	c.sections_elsewhere = !c.sections && memcmp(off, (char[8]){}, wide ? 8 : 4);
	return c;
}

/* Is it worth giving to libelf, whose memory goes by what the file says? */
static bool within_budgets(struct scan *s)
{
	unsigned char eh[sizeof(Elf64_Ehdr)];
	struct counts c;
	struct stat st;

	if (fstat(s->code.fd, &st) || pread(s->code.fd, eh, sizeof(eh), 0) != sizeof(eh) ||
	    memcmp(eh, ELFMAG, SELFMAG)) {
		veto(s->out, HOP_WHY_UNKNOWN, "is not an ELF file");
		return false;
	}
	s->out->elf = true;
	s->code.size = st.st_size;
	c = read_counts(eh);
	if (s->code.size > FILE_MAX)
		veto(s->out, HOP_WHY_UNKNOWN, "is larger than %llu MB", FILE_MAX >> 20);
	else if (c.segments > SEGMENTS_MAX) /* PN_XNUM, too */
		veto(s->out, HOP_WHY_UNKNOWN, "has more than %d segments", SEGMENTS_MAX);
	else if (c.sections > SECTIONS_MAX || c.sections_elsewhere)
		veto(s->out, HOP_WHY_UNKNOWN, "has more than %d sections", SECTIONS_MAX);
	else
		return true;
	return false;
}

void elfscan(int fd, struct veto *out)
{
	struct scan s = {.code = {.fd = fd}, .out = out};

	memset(out, 0, sizeof(*out));
	if (!within_budgets(&s))
		return;
	elf_version(EV_CURRENT);
	/* not by mmap: a file that shrinks meanwhile would be our SIGBUS */
	s.elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!s.elf) {
		veto(out, HOP_WHY_UNKNOWN, "is not an ELF file");
		return;
	}
	classify(&s);
	elf_end(s.elf);
	free(s.code.load);
}
