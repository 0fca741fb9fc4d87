// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile files, and what reads them: the budgets of program/elf.c, the sandbox, processes that are given up.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/program/filecache.h"
#include "agent/program/sandbox.h"
#include "agent/program/scanner.h"
#include "agent/lib/util.h"
#include "agent/program/examiner.h"

#define MB   (1ull << 20)
#define BODY 4096ull /* where the file's content begins */

static char dir[] = "/tmp/sockhop-scanner-XXXXXX";
static char path[128];

/* A file of a hostile tenant: headers as wished, over a body of `size` bytes. */
struct hostile {
	Elf64_Ehdr eh;
	Elf64_Shdr sh[4]; /* null, .dynstr, and what the rest are copies of; last .shstrtab */
	unsigned int copies;
	Elf64_Phdr ph;
	unsigned int segments;
	const char *body; /* repeated */
	size_t body_size;
	unsigned long long size;
};

static struct hostile plain(void)
{
	return (struct hostile){
		.eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		       .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_shentsize = sizeof(Elf64_Shdr)},
		.sh = {{},
		       {.sh_type = SHT_STRTAB, .sh_offset = BODY - 16, .sh_size = 16},
		       {.sh_type = SHT_PROGBITS, .sh_offset = BODY, .sh_size = 64},
		       {.sh_type = SHT_STRTAB, .sh_offset = BODY - 16, .sh_size = 16}},
		.copies = 1,
		.ph = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = BODY, .p_filesz = 64},
		.segments = 1,
		.size = BODY + 64,
	};
}

static void put(int fd, const void *data, size_t size, off_t at)
{
	assert_int_equal(pwrite(fd, data, size, at), size);
}

/* Headers behind the body: there is room for any number. */
static int make(struct hostile *h)
{
	unsigned long long at = h->size;
	int fd;

	snprintf(path, sizeof(path), "%s/hostile", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, h->size), 0);
	for (off_t o = BODY; h->body && o + h->body_size <= h->size; o += h->body_size)
		put(fd, h->body, h->body_size, o);
	h->eh.e_phoff = at;
	h->eh.e_phnum = h->eh.e_phnum ?: h->segments;
	for (unsigned int i = 0; i < h->segments; i++, at += sizeof(h->ph))
		put(fd, &h->ph, sizeof(h->ph), at);
	h->eh.e_shoff = at;
	for (unsigned int i = 0; i < h->copies + 3; i++, at += sizeof(h->sh[0]))
		put(fd, &h->sh[i < 2 ? i : i < h->copies + 2 ? 2 : 3], sizeof(h->sh[0]), at);
	h->eh.e_shnum = h->eh.e_shnum ?: h->copies + 3;
	h->eh.e_shstrndx = h->copies + 2;
	put(fd, &h->eh, sizeof(h->eh), 0);
	return fd;
}

/*
 * Examine it where the agent does, in little memory and time. The verdict comes back through shared memory.
 */
static struct veto scan(int fd)
{
	struct veto *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				   -1, 0),
		    v;
	struct rlimit memory = {256 * MB, 256 * MB}, cpu = {5, 5};
	int status;
	pid_t pid;

	assert_ptr_not_equal(shared, MAP_FAILED);
	pid = fork();
	if (!pid) {
#ifndef __SANITIZE_ADDRESS__
		setrlimit(RLIMIT_AS, &memory);
#endif
		setrlimit(RLIMIT_CPU, &cpu);
		if (sandbox_enter())
			_exit(2);
		elfscan(fd, shared);
		_exit(0);
	}
	(void)memory;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	v = *shared;
	munmap(shared, sizeof(*shared));
	close(fd);
	return v;
}

static void assert_scan(struct hostile *h, __u32 why, const char *what)
{
	struct veto v = scan(make(h));

	if (v.why != why || !strstr(v.what, what))
		fail_msg("%u '%s' instead of %u '%s'", v.why, v.what, why, what);
}

static void the_plain_file_passes(void **state)
{
	struct hostile h = plain();

	(void)state;
	assert_scan(&h, HOP_WHY_NONE, "");
}

static void sections_over_the_same_bytes(void **state)
{
	static const Elf64_Word types[] = {SHT_DYNSYM, SHT_DYNAMIC};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct hostile h = plain();

		h.size = BODY + 32 * MB;
		h.sh[2] = (Elf64_Shdr){.sh_type = types[i],
				       .sh_offset = BODY,
				       .sh_size = 30 * MB,
				       .sh_link = 1,
				       .sh_entsize = 1};
		h.copies = 4000;
		assert_scan(&h, HOP_WHY_UNKNOWN, "MB of tables");
		h = plain();
		h.copies = 16384;
		assert_scan(&h, HOP_WHY_UNKNOWN, "sections");
	}
}

static void segments_over_the_same_bytes(void **state)
{
	struct hostile h = plain();

	(void)state;
	h.size = BODY + 64 * MB;
	h.ph.p_filesz = 64 * MB;
	h.segments = 1000; /* 64 GB in all */
	assert_scan(&h, HOP_WHY_NONE, "");
	h.segments = 65534;
	h.eh.e_phnum = 0;
	assert_scan(&h, HOP_WHY_UNKNOWN, "segments");
	h.eh.e_phnum = PN_XNUM;
	assert_scan(&h, HOP_WHY_UNKNOWN, "segments");
}

static void sizes_beyond_the_file(void **state)
{
	struct hostile h = plain();

	(void)state;
	h.ph.p_filesz = ~0ull;
	assert_scan(&h, HOP_WHY_UNKNOWN, "cannot be read");
	h.ph.p_offset = ~0ull;
	assert_scan(&h, HOP_WHY_UNKNOWN, "cannot be read");
	h = plain();
	h.sh[2].sh_type = SHT_DYNSYM;
	h.sh[2].sh_link = 1;
	h.sh[2].sh_size = 32 * MB;
	assert_scan(&h, HOP_WHY_UNKNOWN, "section that cannot be read");
	h.sh[2].sh_size = ~0ull;
	assert_scan(&h, HOP_WHY_UNKNOWN, "MB of tables");
}

static void sparse_file_of_a_terabyte(void **state)
{
	struct hostile h = plain();
	int fd = make(&h);

	(void)state;
	if (ftruncate(fd, 1ll << 40)) {
		print_message("skipped: no sparse files here\n");
		close(fd);
		skip();
	}
	assert_string_equal(scan(fd).what, "is larger than 1024 MB");
}

static void names_without_an_end(void **state)
{
	struct hostile h = plain();

	(void)state;
	h.body = "x";
	h.body_size = 1;
	h.size = BODY + 4096;
	h.sh[1].sh_offset = BODY;
	h.sh[1].sh_size = 4096;
	h.sh[2].sh_type = SHT_DYNSYM;
	h.sh[2].sh_link = 1;
	h.sh[2].sh_size = sizeof(Elf64_Sym);
	assert_scan(&h, HOP_WHY_UNKNOWN, "names without an end");
	h.sh[1].sh_type = SHT_NULL;
	assert_scan(&h, HOP_WHY_UNKNOWN, "names in a section that is not there");
}

static void compressed_tables(void **state)
{
	struct hostile h = plain();

	(void)state;
	h.sh[2].sh_type = SHT_DYNSYM;
	h.sh[2].sh_flags = SHF_COMPRESSED;
	assert_scan(&h, HOP_WHY_UNKNOWN, "compressed");
}

static void endless_calls(void **state)
{
	static const char code[] = "\xbf\x13\x01\x00\x00\xe8\x10\x00\x00\x00\xe8\x10\x00\x00\x00\x90";
	struct hostile h = plain();

	(void)state;
	h.body = code;
	h.body_size = sizeof(code) - 1;
	h.size = BODY + MB;
	h.ph.p_filesz = MB;
	h.ph.p_vaddr = BODY;
	assert_scan(&h, HOP_WHY_UNKNOWN, "too many calls");
}

/* ---- the processes ---- */

#define SLOW_PROGRAM "/bin/sleep"

static pid_t start(const char *program)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, program, "100", NULL);
		_exit(1);
	}
	/* until it is that program */
	for (int i = 0; i < 1000; i++) {
		char exe[128] = "", link[32];

		snprintf(link, sizeof(link), "/proc/%d/exe", pid);
		if (readlink(link, exe, sizeof(exe) - 1) > 0 && strcmp(exe, "/proc/self/exe") &&
		    !strstr(exe, "test_scanner"))
			break;
		poll(NULL, 0, 1);
	}
	poll(NULL, 0, 50); /* its libraries are mapped after exec; which of them are is of no matter here */
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A copy of a program: a file that nobody has examined yet. */
static const char *copy(const char *name)
{
	char cmd[300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(cmd, sizeof(cmd), "cp " SLOW_PROGRAM " %s", path);
	assert_int_equal(system(cmd), 0);
	return path;
}

static int ask(struct veto_cache *cache, pid_t pid, struct veto_result *out)
{
	int r = -EAGAIN;

	for (int i = 0; i < 1000 && r == -EAGAIN; i++) {
		veto_cache_look(cache);
		r = veto_process(cache, pid, out);
		if (r == -EAGAIN)
			poll(NULL, 0, 20);
	}
	return r;
}

/* The child of this process with that name, not the one in `but`. */
static pid_t child_named(const char *name, pid_t but)
{
	char cmd[128];
	pid_t pid = 0, p;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "grep -lx '%s' /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3", name);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fscanf(f, "%d", &p) == 1) {
		char stat[64];
		int parent = 0;
		FILE *s;

		snprintf(stat, sizeof(stat), "/proc/%d/stat", p);
		s = fopen(stat, "r");
		if (s && fscanf(s, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent == getpid() && p != but)
			pid = p;
		if (s)
			fclose(s);
	}
	pclose(f);
	return pid;
}

static unsigned long long status_field(pid_t pid, const char *field)
{
	char name[64], line[256];
	unsigned long long v = ~0ull;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/status", pid);
	f = fopen(name, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			v = strtoull(line + strlen(field) + 1, NULL, 16);
	fclose(f);
	return v;
}

static void scanner_has_no_privileges(void **state)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
	struct veto_result r;
	pid_t pid = start(SLOW_PROGRAM), scanner, examiner;

	assert_int_equal(ask(*state, pid, &r), 0);
	assert_int_equal(r.why, HOP_WHY_NONE);
	scanner = child_named("sockhop-scanner", 0);
	examiner = child_named("sockhop-examine", 0);
	assert_true(scanner && examiner);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		assert_int_equal(status_field(scanner, sets[i]), 0);
	assert_int_equal(status_field(scanner, "NoNewPrivs"), 1);
	assert_int_equal(status_field(scanner, "Seccomp"), 2);
	if (!geteuid()) {
		assert_int_equal(status_field(scanner, "CapBnd"), 0);
		/* CAP_DAC_READ_SEARCH 2, CAP_SYS_PTRACE 19, CAP_CHECKPOINT_RESTORE 40 at most */
		assert_int_equal(status_field(examiner, "CapEff") & ~(1ull << 2 | 1ull << 19 | 1ull << 40),
				 0);
	}
	assert_int_equal(status_field(examiner, "NoNewPrivs"), 1);
	end(pid);
}

/* The signal that ends a process which does that in the sandbox; 0: it went well. */
static int in_sandbox(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (sandbox_enter())
			_exit(2);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void nothing(void)
{
}
static void use_memory(void)
{
	volatile char *p = malloc(10 * MB);

	p[0] = 1;
	free((void *)p);
}
static void open_file(void)
{
	open("/etc/passwd", O_RDONLY);
}
static void start_program(void)
{
	execl("/bin/true", "true", NULL);
}
static void make_process(void)
{
	if (!fork())
		_exit(0);
}
static void send_signal(void)
{
	kill(1, 0);
}
static void map_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void map_file(void)
{
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0);
}

static void forbidden_calls_kill(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(nothing), 0);
	assert_int_equal(in_sandbox(use_memory), 0);
	assert_int_equal(in_sandbox(open_file), SIGSYS);
	assert_int_equal(in_sandbox(start_program), SIGSYS);
	assert_int_equal(in_sandbox(make_process), SIGSYS);
	assert_int_equal(in_sandbox(send_signal), SIGSYS);
	assert_int_equal(in_sandbox(map_code), SIGSYS);
	assert_int_equal(in_sandbox(map_file), SIGSYS);
}

static void a_scanner_that_is_gone_is_replaced(void **state)
{
	struct veto_result r;
	pid_t pid = start(SLOW_PROGRAM), other = start(copy("other")), scanner;
	siginfo_t info;

	assert_int_equal(ask(*state, pid, &r), 0);
	scanner = child_named("sockhop-scanner", 0);
	kill(scanner, SIGKILL);
	assert_int_equal(waitid(P_PID, scanner, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(*state, other, &r), 0);
	assert_int_equal(r.why, HOP_WHY_NONE);
	end(pid);
	end(other);
}

/* What happens to it while it reads a file is put down to the file, once. */
static void a_file_that_crashes_the_scanner_is_unknown(void **state)
{
	struct veto_result r;
	pid_t warm = start(SLOW_PROGRAM), pid, scanner;

	assert_int_equal(ask(*state, warm, &r), 0);
	pid = start(copy("crash"));
	scanner = child_named("sockhop-scanner", 0);
	kill(scanner, SIGSTOP);
	veto_cache_look(*state);
	assert_int_equal(veto_process(*state, pid, &r), -EAGAIN);
	kill(scanner, SIGKILL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(*state, pid, &r), 0);
		assert_int_equal(r.why, HOP_WHY_UNKNOWN);
		assert_non_null(strstr(r.reason, "crash makes its examination crash"));
	}
	assert_int_equal(ask(*state, warm, &r), 0);
	assert_int_equal(r.why, HOP_WHY_NONE);
	end(pid);
	end(warm);
}

/* A stopped scanner is what one looks like that reads from a file system which does not answer. */
static void a_file_that_blocks_holds_nobody_up(void **state)
{
	struct veto_result r;
	pid_t warm = start(SLOW_PROGRAM), pid, scanner;
	unsigned long long t;

	assert_int_equal(ask(*state, warm, &r), 0);
	pid = start(copy("block"));
	scanner = child_named("sockhop-scanner", 0);
	kill(scanner, SIGSTOP);
	veto_cache_look(*state);
	t = now_ns();
	assert_int_equal(veto_process(*state, pid, &r), -EAGAIN);
	assert_true(now_ns() - t < 2000 * 1000000ull);
	t = now_ns();
	assert_int_equal(ask(*state, warm, &r), 0);
	assert_int_equal(r.why, HOP_WHY_NONE);
	assert_true(now_ns() - t < 2000 * 1000000ull);
	/* in the end it is given up, its scanner is gone, and the file is known for that */
	assert_int_equal(ask(*state, pid, &r), 0);
	assert_int_equal(r.why, HOP_WHY_UNKNOWN);
	assert_non_null(strstr(r.reason, "cannot be examined: Connection timed out"));
	assert_string_equal(r.comm, "block");
	end(pid);
	pid = start(path);
	assert_int_equal(ask(*state, pid, &r), 0);
	assert_non_null(strstr(r.reason, "block could not be read in time"));
	assert_true(kill(scanner, 0) && errno == ESRCH);
	end(pid);
	end(warm);
}

static void first_looks_are_paced_by_owner(void **state)
{
	const unsigned long long ms = 1000000;
	struct file_cache *c = file_cache_new();

	(void)state;
	assert_non_null(c);
	assert_true(file_cache_may_scan(c, 1000));
	for (int i = 0; i < 4; i++)
		file_cache_charge(c, 1000, 700 * ms);
	assert_true(file_cache_may_scan(c, 1000)); /* 2.8 s: as much as 56 s are worth */
	file_cache_charge(c, 1000, 700 * ms);
	assert_false(file_cache_may_scan(c, 1000));
	assert_true(file_cache_may_scan(c, 1001));
	/* many users are too many at some time */
	for (uid_t i = 1; i < 20; i++)
		file_cache_charge(c, 1000 + i, 700 * ms);
	assert_false(file_cache_may_scan(c, 1040));
	file_cache_free(c);
}

static int new_cache(void **state)
{
	*state = veto_cache_new();
	return *state ? 0 : -1;
}

static int free_cache(void **state)
{
	veto_cache_free(*state);
	return 0;
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

#define WITH_CACHE(f) cmocka_unit_test_setup_teardown(f, new_cache, free_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plain_file_passes),
		cmocka_unit_test(sections_over_the_same_bytes),
		cmocka_unit_test(segments_over_the_same_bytes),
		cmocka_unit_test(sizes_beyond_the_file),
		cmocka_unit_test(sparse_file_of_a_terabyte),
		cmocka_unit_test(names_without_an_end),
		cmocka_unit_test(compressed_tables),
		cmocka_unit_test(endless_calls),
		cmocka_unit_test(first_looks_are_paced_by_owner),
		cmocka_unit_test(forbidden_calls_kill),
		WITH_CACHE(scanner_has_no_privileges),
		WITH_CACHE(a_scanner_that_is_gone_is_replaced),
		WITH_CACHE(a_file_that_crashes_the_scanner_is_unknown),
		WITH_CACHE(a_file_that_blocks_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
