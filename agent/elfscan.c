// SPDX-License-Identifier: GPL-2.0-only
#include <gelf.h>
#include <stdarg.h>
#include <string.h>

#include "elfcode.h"
#include "elfscan.h"
#include "util.h"

struct scan {
	struct elfcode code;
	bool interp, pie;
	bool defines_splice, defines_start;
	struct veto *out;
};

/* The first reason stays, unless it is weaker. */
static void veto(struct veto *out, __u32 why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void veto(struct veto *out, __u32 why, const char *fmt, ...)
{
	va_list ap;

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

static void take_symbols(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data && sh->sh_entsize ? data->d_size / sh->sh_entsize : 0;

	for (size_t i = 0; i < n; i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, i, &sym))
			break;
		name = elf_strptr(s->code.elf, sh->sh_link, sym.st_name);
		if (!name || !*name)
			continue;
		if (sym.st_shndx == SHN_UNDEF)
			take_import(s, name);
		else
			take_definition(s, name);
	}
}

/* Where libc's syscall() is called through: its slots in the global offset table. */
static void take_relocations(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Scn *symscn = elf_getscn(s->code.elf, sh->sh_link);
	Elf_Data *data = elf_getdata(scn, NULL), *syms;
	size_t n = data && sh->sh_entsize ? data->d_size / sh->sh_entsize : 0;
	GElf_Shdr symsh;

	if (!symscn || !gelf_getshdr(symscn, &symsh) || symsh.sh_type != SHT_DYNSYM)
		return;
	syms = elf_getdata(symscn, NULL);
	for (size_t i = 0; i < n; i++) {
		const char *name;
		GElf_Rela rela;
		GElf_Sym sym;

		if (!gelf_getrela(data, i, &rela) || !GELF_R_SYM(rela.r_info) ||
		    !gelf_getsym(syms, GELF_R_SYM(rela.r_info), &sym))
			continue;
		name = elf_strptr(s->code.elf, symsh.sh_link, sym.st_name);
		if (name && named(name, "syscall") && s->code.slots < ARRAY_SIZE(s->code.slot))
			s->code.slot[s->code.slots++] = rela.r_offset;
	}
}

/* Position-independent executables and libraries are both ET_DYN; DF_1_PIE tells a static one apart. */
static void take_dynamic(struct scan *s, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data && sh->sh_entsize ? data->d_size / sh->sh_entsize : 0;
	GElf_Dyn dyn;

	for (size_t i = 0; i < n && gelf_getdyn(data, i, &dyn); i++)
		if (dyn.d_tag == DT_FLAGS_1 && dyn.d_un.d_val & DF_1_PIE)
			s->pie = true;
}

static int take_sections(struct scan *s)
{
	Elf_Scn *scn = NULL;
	size_t names, count;

	if (elf_getshdrstrndx(s->code.elf, &names) || elf_getshdrnum(s->code.elf, &count) || count < 2)
		return -1;
	while ((scn = elf_nextscn(s->code.elf, scn))) {
		GElf_Shdr sh;
		const char *name;

		if (!gelf_getshdr(scn, &sh))
			return -1;
		name = elf_strptr(s->code.elf, names, sh.sh_name);
		/* cmd/link writes both; strip(1) and -ldflags=-s leave them, since programs read them */
		if (name && (!strcmp(name, ".note.go.buildid") || !strcmp(name, ".go.buildinfo")))
			veto(s->out, HOP_WHY_GO, "is a Go program");
		if (sh.sh_type == SHT_DYNSYM)
			take_symbols(s, scn, &sh);
		else if (sh.sh_type == SHT_RELA)
			take_relocations(s, scn, &sh);
		else if (sh.sh_type == SHT_DYNAMIC)
			take_dynamic(s, scn, &sh);
	}
	return 0;
}

static void take_segments(struct scan *s)
{
	GElf_Phdr ph;
	size_t n = 0;

	elf_getphdrnum(s->code.elf, &n);
	for (size_t i = 0; i < n && gelf_getphdr(s->code.elf, i, &ph); i++)
		if (ph.p_type == PT_INTERP)
			s->interp = true;
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
	if (r)
		veto(s->out, HOP_WHY_UNKNOWN, "cannot be read: %s", strerror(-r));
	if (found.number)
		veto(s->out, HOP_WHY_SPLICE, "%s a raw %s system call",
		     is_static ? "is a static executable with" : "has", elfcode_name(found.number));
}

static void classify(struct scan *s)
{
	GElf_Ehdr eh;

	if (elf_kind(s->code.elf) != ELF_K_ELF || !gelf_getehdr(s->code.elf, &eh)) {
		veto(s->out, HOP_WHY_UNKNOWN, "is not an ELF file");
		return;
	}
	s->out->elf = true;
	if (take_sections(s)) {
		veto(s->out, HOP_WHY_UNKNOWN, "has no section headers");
		return;
	}
	/*
	 * The C library has the wrappers; that it has them says nothing of who calls them. A library that
	 * merely has a function of that name is none.
	 */
	s->out->libc = s->defines_splice && s->defines_start;
	if (s->out->libc)
		return;
	take_segments(s);
	take_code(s, &eh);
}

void elfscan(int fd, struct veto *out)
{
	struct scan s = {.code = {.fd = fd}, .out = out};

	memset(out, 0, sizeof(*out));
	elf_version(EV_CURRENT);
	/* not by mmap: a file that shrinks meanwhile would be our SIGBUS */
	s.code.elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!s.code.elf) {
		veto(out, HOP_WHY_UNKNOWN, "is not an ELF file");
		return;
	}
	classify(&s);
	elf_end(s.code.elf);
}
