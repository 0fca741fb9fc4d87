// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/program/examiner.h"

#define NOBODY 65534

static char dir[] = "/tmp/sockhop-veto-XXXXXX";
static char path_a[128], path_b[128];

static const char *at(char *buf, const char *name)
{
	snprintf(buf, sizeof(path_a), "%s/%s", dir, name);
	return buf;
}

static bool sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool sh(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd) == 0;
}

/* skip() says nothing by itself */
#define SKIP(...)                                       \
	do {                                            \
		print_message("skipped: " __VA_ARGS__); \
		print_message("\n");                    \
		skip();                                 \
	} while (0)

/* Compile source into dir/name; skips the test where that cannot be. */
static const char *build(char *buf, const char *name, const char *flags, const char *source)
{
	char c[128];
	FILE *f;

	snprintf(c, sizeof(c), "%s/source.c", dir);
	f = fopen(c, "w");
	assert_non_null(f);
	fputs(source, f);
	fclose(f);
	if (!sh("cc -D_GNU_SOURCE %s -o %s/%s %s 2>%s/log", flags, dir, name, c, dir))
		SKIP("cc %s does not work here", flags);
	return at(buf, name);
}

static struct veto file(const char *path)
{
	struct veto v;

	memset(&v, 0xff, sizeof(v));
	assert_int_equal(veto_file(path, &v), 0);
	return v;
}

static void assert_file(const char *path, __u32 why, const char *what)
{
	struct veto v = file(path);

	if (v.why != why || !strstr(v.what, what))
		fail_msg("%s: %u '%s' instead of %u '%s'", path, v.why, v.what, why, what);
	assert_int_equal(!v.what[0], v.why == HOP_WHY_NONE);
}

#define PLAIN	"#include <unistd.h>\nint main(void){return write(1,\"\",0);}\n"
#define CALL(f) "#include <fcntl.h>\nint main(int c,char **v){(void)v;return " f "(c,0,1,0,99,0);}\n"
#define TEE	"#include <fcntl.h>\nint main(int c,char **v){(void)v;return tee(c,1,99,0);}\n"
#define VMSPLICE                                     \
	"#include <fcntl.h>\n#include <sys/uio.h>\n" \
	"int main(int c,char **v){struct iovec i={v,1};return vmsplice(c,&i,1,0);}\n"
#define BY_NUMBER(n)                                      \
	"#include <unistd.h>\n#include <sys/syscall.h>\n" \
	"int main(int c,char **v){return syscall(" n ",c,v,1,v,99,0);}\n"
#define BY_ASM(n)                                                               \
	"int main(void){long r;__asm__ volatile(\"syscall\":\"=a\"(r):\"a\"(" n \
	"),\"D\"(0L),\"S\"(0L),\"d\"(1L)"                                       \
	":\"rcx\",\"r11\",\"memory\");return r;}\n"

#define NUMBER_ELSEWHERE                                                                    \
	"#include <unistd.h>\n__attribute__((noinline)) int f(int a,long b){return a+b;}\n" \
	"int main(int c,char **v){(void)v;return f(275,syscall(c))+f(276,c)+278;}\n"

static void imports_are_found(void **state)
{
	(void)state;
	assert_file(build(path_a, "plain", "", PLAIN), HOP_WHY_NONE, "");
	assert_file(build(path_a, "splice", "", CALL("splice")), HOP_WHY_SPLICE, "imports splice");
	assert_file(build(path_a, "tee", "", TEE), HOP_WHY_SPLICE, "imports tee");
	assert_file(build(path_a, "vmsplice", "-O2", VMSPLICE), HOP_WHY_SPLICE, "imports vmsplice");
	assert_file(build(path_a, "nopie", "-no-pie -s", CALL("splice")), HOP_WHY_SPLICE, "imports splice");
	assert_file(
		build(path_a, "oob", "", "#include <sys/socket.h>\nint main(void){return sockatmark(0);}\n"),
		HOP_WHY_OOB, "sockatmark");
	assert_file(build(path_a, "lib.so", "-shared -fPIC", CALL("splice")), HOP_WHY_SPLICE,
		    "imports splice");
}

static void splice_outweighs_urgent_data(void **state)
{
	(void)state;
	assert_file(build(path_a, "both", "",
			  "#include <sys/socket.h>\n#include <fcntl.h>\n"
			  "int main(void){return sockatmark(0)+splice(0,0,1,0,9,0);}\n"),
		    HOP_WHY_SPLICE, "imports splice");
}

static void similar_names_do_not_count(void **state)
{
	(void)state;
	build(path_b, "libother.so", "-shared -fPIC",
	      "int splicer(void){return 1;}\nint tee_off(void){return 2;}\n");
	assert_file(build(path_a, "names", "-L/tmp -Wl,--unresolved-symbols=ignore-all",
			  "int splicer(void);int tee_off(void);int xsplice(void);\n"
			  "int main(void){return splicer()+tee_off()+xsplice();}\n"),
		    HOP_WHY_NONE, "");
	/* a function of one's own that happens to have the name, exported */
	assert_file(build(path_a, "own.so", "-shared -fPIC", "int splice(void){return 3;}\n"), HOP_WHY_NONE,
		    "");
	assert_false(file(path_a).libc);
	/* it does not hide what else the file does */
	assert_file(build(path_a, "own2.so", "-shared -fPIC",
			  "int splice(void){return 3;}\nlong tee(int,int,long,int);\nlong f(void){return "
			  "tee(1,2,3,4);}\n"),
		    HOP_WHY_SPLICE, "imports tee");
}

static void static_programs_are_searched(void **state)
{
	(void)state;
#ifndef __x86_64__
	assert_file(build(path_a, "s0", "-static", PLAIN), HOP_WHY_UNKNOWN, "architecture");
	return;
#endif
	assert_file(build(path_a, "s0", "-static", PLAIN), HOP_WHY_NONE, "");
	assert_true(file(path_a).uses_ioctl);
	assert_file(build(path_a, "s1", "-static", CALL("splice")), HOP_WHY_SPLICE,
		    "is a static executable with a raw splice system call");
	assert_file(build(path_a, "s2", "-static -s -O2", CALL("splice")), HOP_WHY_SPLICE, "raw splice");
	assert_file(build(path_a, "s3", "-static-pie -fPIE", CALL("splice")), HOP_WHY_SPLICE,
		    "static executable");
	assert_file(build(path_a, "s4", "-static-pie -fPIE", PLAIN), HOP_WHY_NONE, "");
	assert_file(build(path_a, "s5", "-static", TEE), HOP_WHY_SPLICE, "raw tee");
	assert_file(build(path_a, "s6", "-static", VMSPLICE), HOP_WHY_SPLICE, "raw vmsplice");
}

static void raw_system_calls_are_found(void **state)
{
	static const char *const flags[] = {"-O0",
					    "-O2",
					    "-static -O0",
					    "-static -O2 -s",
					    "-static-pie -O2 -fPIE",
					    "-O2 -fno-plt",
					    "-O2 -no-pie",
					    "-O2 -fcf-protection=none"};

	(void)state;
#ifndef __x86_64__
	SKIP("the machine code of this architecture is not searched");
#endif
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		assert_file(build(path_a, "n1", flags[i], BY_NUMBER("SYS_splice")), HOP_WHY_SPLICE,
			    "raw splice");
		assert_file(build(path_a, "n2", flags[i], BY_NUMBER("SYS_tee")), HOP_WHY_SPLICE, "raw tee");
		assert_file(build(path_a, "n3", flags[i], BY_NUMBER("SYS_vmsplice")), HOP_WHY_SPLICE,
			    "vmsplice");
		assert_file(build(path_a, "n4", flags[i], BY_NUMBER("SYS_sync_file_range")), HOP_WHY_NONE,
			    "");
		assert_file(build(path_a, "n5", flags[i], BY_ASM("275L")), HOP_WHY_SPLICE, "raw splice");
		assert_file(build(path_a, "n6", flags[i], BY_ASM("274L")), HOP_WHY_NONE, "");
	}
	/* the number as such, or as an argument of another function, is no system call */
	assert_file(build(path_a, "n7", "-O2", NUMBER_ELSEWHERE), HOP_WHY_NONE, "");
	assert_file(build(path_a, "n8", "-O2 -static", NUMBER_ELSEWHERE), HOP_WHY_NONE, "");
}

/* A program whose only system call of that number lies behind `skip` bytes of padding. */
static const char *build_padded(int skip)
{
	char source[512];

	snprintf(source, sizeof(source),
		 "__asm__(\".text\\nbig: .skip %d,0xcc\\nmovl $275,%%eax\\nxorq %%rdi,%%rdi\\nxorq "
		 "%%rsi,%%rsi\\n"
		 "syscall\\nret\\n.skip 4096,0xcc\");int main(void){return 0;}\n",
		 skip);
	/* one segment for headers and code: offsets in the segment are those in the file */
	return build(path_a, "border", "-Wl,-z,noseparate-code -Wl,--build-id=none -O1", source);
}

static long offset_of(const char *path, const void *bytes, size_t n)
{
	static char buf[3 << 20];
	FILE *f = fopen(path, "r");
	size_t size;
	char *p;

	assert_non_null(f);
	size = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	p = memmem(buf, size, bytes, n);
	assert_non_null(p);
	return p - buf;
}

static void chunk_borders_hide_nothing(void **state)
{
	static const unsigned char mov[] = {0xb8, 0x13, 0x01, 0x00, 0x00};
	long start;

	(void)state;
#ifndef __x86_64__
	SKIP("the machine code of this architecture is not searched");
#endif
	start = offset_of(build_padded(0), mov, sizeof(mov));
	/* the search reads 1 MiB at a time: the instructions are moved over the border byte by byte */
	for (int i = -14; i <= 2; i++) {
		build_padded((1 << 20) - start + i);
		assert_int_equal(offset_of(path_a, mov, sizeof(mov)), (1 << 20) + i);
		assert_file(path_a, HOP_WHY_SPLICE, "raw splice");
	}
}

#define IOCTL_CODE(request) \
	"#include <sys/ioctl.h>\nint main(void){int n[4];return ioctl(0," request ",n);}\n"
#define IOCTL_TABLE(request)                                                            \
	"#include <sys/ioctl.h>\nvolatile const unsigned long table[]={" request "};\n" \
	"int main(int c,char **v){int n[4];(void)v;return ioctl(0,table[c-1],n);}\n"

static void ioctl_is_a_flag_only(void **state)
{
	static const char *const flags[] = {"-O0", "-O2", "-static -O2"};
	struct veto v;

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		v = file(build(path_a, "f1", flags[i], IOCTL_CODE("FIONREAD")));
		assert_int_equal(v.why, HOP_WHY_NONE);
		assert_true(v.uses_ioctl && v.names_fionread);
		v = file(build(path_a, "f2", flags[i], IOCTL_TABLE("FIONREAD")));
		assert_true(v.uses_ioctl && v.names_fionread);
		v = file(build(path_a, "f3", flags[i], IOCTL_CODE("TIOCGWINSZ")));
		assert_true(v.uses_ioctl && !v.names_fionread);
	}
	v = file(build(path_a, "plain", "", PLAIN));
	assert_false(v.uses_ioctl);
}

static void go_programs_are_recognised(void **state)
{
	static const char *const sections[] = {".note.go.buildid", ".go.buildinfo"};

	(void)state;
	build(path_a, "plain", "", PLAIN);
	for (size_t i = 0; i < 2; i++) {
		at(path_b, "go");
		if (!sh("echo x > %s/id && objcopy --add-section %s=%s/id %s %s", dir, sections[i], dir,
			path_a, path_b))
			SKIP("no objcopy");
		assert_file(path_b, HOP_WHY_GO, "is a Go program");
		assert_true(sh("strip %s", path_b));
		assert_file(path_b, HOP_WHY_GO, "is a Go program");
		/* Go 1.11 and 1.12 have no build information, and do not go on when a splice is refused */
		assert_int_equal(file(path_b).rest, i ? HOP_WHY_NONE : HOP_WHY_GO);
	}
}

/* What the splice guard answers for, and what it does not. */
static void what_a_guard_is_enough_for(void **state)
{
	struct veto_result r = {.why = HOP_WHY_SPLICE, .exe = "/usr/sbin/haproxy"};

	(void)state;
	assert_int_equal(file(build(path_a, "splice", "", CALL("splice"))).rest, HOP_WHY_NONE);
	assert_int_equal(file(build(path_a, "static", "-static", CALL("splice"))).rest, HOP_WHY_NONE);
	assert_int_equal(file(build(path_a, "both", "",
				    "#include <sys/socket.h>\n#include <fcntl.h>\n"
				    "int main(void){return sockatmark(0)+splice(0,0,1,0,9,0);}\n"))
				 .rest,
			 HOP_WHY_OOB);
	assert_true(veto_can_be_guarded(&r));
	strcpy(r.exe, "/lib/systemd/systemd-socket-proxyd");
	assert_false(veto_can_be_guarded(&r));
	strcpy(r.exe, "/opt/systemd-socket-proxyd-new");
	assert_true(veto_can_be_guarded(&r));
	r.rest = HOP_WHY_UNKNOWN;
	assert_false(veto_can_be_guarded(&r));
	r = (struct veto_result){.why = HOP_WHY_OOB};
	assert_false(veto_can_be_guarded(&r));
	r.why = HOP_WHY_NONE;
	assert_false(veto_can_be_guarded(&r));
}

/* The guard knows the system calls of 64 bits. */
static void no_guard_for_32_bits(void **state)
{
	(void)state;
	assert_int_equal(file(build(path_a, "m32", "-m32 -nostdlib -shared -fPIC",
				    "int splice(int,void*,int,void*,int,int);\n"
				    "int f(void){return splice(0,0,1,0,9,0);}\n"))
				 .rest,
			 HOP_WHY_SPLICE);
}

static void real_go_program(void **state)
{
	static const char *const paths[] = {"/usr/sbin/gosu", "/usr/bin/docker", "/usr/bin/containerd",
					    "/usr/bin/kubectl"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (file(paths[i]).elf) {
			assert_file(paths[i], HOP_WHY_GO, "is a Go program");
			return;
		}
	}
	SKIP("no Go program is installed");
}

static void other_files_are_unknown(void **state)
{
	(void)state;
	assert_file("/etc/passwd", HOP_WHY_UNKNOWN, "is not an ELF file");
	assert_file("/nowhere/program", HOP_WHY_UNKNOWN, "cannot be read: No such file");
	assert_file("/tmp", HOP_WHY_UNKNOWN, "is not a regular file");
	assert_file("/dev/null", HOP_WHY_UNKNOWN, "is not a regular file");
	assert_true(sh(": > %s", at(path_a, "empty")));
	assert_file(path_a, HOP_WHY_UNKNOWN, "is not an ELF file");
}

static void damaged_files_are_unknown(void **state)
{
	(void)state;
	build(path_a, "splice", "", CALL("splice"));
	at(path_b, "cut");
	for (int n = 1; n < 15000; n += 97) {
		__u32 why;

		if (!sh("head -c %d %s > %s", n, path_a, path_b))
			fail();
		why = file(path_b).why;
		if (why != HOP_WHY_UNKNOWN && why != HOP_WHY_SPLICE)
			fail_msg("the first %d bytes pass as %u", n, why);
	}
}

/* The executable and its libraries as the loader would take them. */
static __u32 with_libraries(const char *path, char *reason, size_t size)
{
	char cmd[256], line[512], lib[256];
	struct veto v = file(path);
	FILE *f;

	snprintf(cmd, sizeof(cmd), "LD_TRACE_LOADED_OBJECTS=1 %s", path);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (!v.why && fgets(line, sizeof(line), f)) {
		struct veto l;

		if (sscanf(line, " %*s => %255s", lib) != 1 || lib[0] != '/')
			continue;
		l = file(lib);
		if (!l.libc)
			v = l;
	}
	while (fgets(line, sizeof(line), f))
		;
	pclose(f);
	snprintf(reason, size, "%s", v.what);
	return v.why;
}

static void well_known_programs(void **state)
{
	static const struct {
		const char *path;
		__u32 why;
	} programs[] = {
		{"/usr/bin/redis-server", HOP_WHY_NONE},
		{"/usr/sbin/nginx", HOP_WHY_NONE},
		{"/usr/bin/memcached", HOP_WHY_NONE},
		{"/usr/bin/curl", HOP_WHY_NONE},
		{"/usr/bin/wrk", HOP_WHY_NONE},
		{"/usr/bin/redis-benchmark", HOP_WHY_NONE},
		{"/usr/sbin/haproxy", HOP_WHY_SPLICE},
		{"/usr/bin/python3.11", HOP_WHY_SPLICE},
		{"/usr/lib/postgresql/15/bin/postgres", HOP_WHY_NONE},
		{"/usr/lib/postgresql/15/bin/psql", HOP_WHY_NONE},
		{"/usr/lib/postgresql/15/bin/pgbench", HOP_WHY_NONE},
	};
	unsigned int seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char reason[128];
		__u32 why;

		if (access(programs[i].path, X_OK)) {
			print_message("not installed: %s\n", programs[i].path);
			continue;
		}
		seen++;
		why = with_libraries(programs[i].path, reason, sizeof(reason));
		if (why != programs[i].why)
			fail_msg("%s: %u '%s'", programs[i].path, why, reason);
	}
	if (!seen)
		SKIP("none is installed");
}

/* A program that says when it is ready, and that does one more thing for each line that it is sent. */
struct live {
	pid_t pid;
	FILE *in, *out;
};

static struct live start(const char *path, const char *arg)
{
	posix_spawn_file_actions_t fa;
	struct live l = {};
	int in[2], out[2];

	assert_int_equal(pipe(in) | pipe(out), 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in[0], 0);
	posix_spawn_file_actions_adddup2(&fa, out[1], 1);
	for (int i = 0; i < 2; i++) {
		posix_spawn_file_actions_addclose(&fa, in[i]);
		posix_spawn_file_actions_addclose(&fa, out[i]);
	}
	assert_int_equal(
		posix_spawn(&l.pid, path, &fa, NULL, (char *[]){(char *)path, (char *)arg, NULL}, environ),
		0);
	posix_spawn_file_actions_destroy(&fa);
	close(in[0]);
	close(out[1]);
	l.in = fdopen(in[1], "w");
	l.out = fdopen(out[0], "r");
	assert_int_equal(fgetc(l.out), 'x');
	return l;
}

static void step(struct live *l)
{
	fputc('\n', l->in);
	fflush(l->in);
	assert_int_equal(fgetc(l->out), 'x');
}

static void stop(struct live *l)
{
	fclose(l->in); /* it ends at end of file */
	fclose(l->out);
	assert_int_equal(waitpid(l->pid, NULL, 0), l->pid);
}

#define LIVE                                                                                              \
	"#include <stdio.h>\n#include <dlfcn.h>\n#include <sys/prctl.h>\n#include <signal.h>\n"           \
	"int main(int c,char **v){prctl(PR_SET_PDEATHSIG,SIGKILL);putchar('x');fflush(stdout);getchar();" \
	"if(c>1&&!dlopen(v[1],RTLD_NOW))return 1;putchar('x');fflush(stdout);getchar();return 0;}\n"

/* veto_process() to its end, where it takes longer than its caller cares to wait. */
static int ask(struct veto_cache *cache, pid_t pid, struct veto_result *out)
{
	int r = -EAGAIN;

	for (int i = 0; i < 2000 && r == -EAGAIN; i++) {
		veto_cache_look(cache);
		memset(out, 0xff, sizeof(*out));
		r = veto_process(cache, pid, out);
		if (r == -EAGAIN)
			poll(NULL, 0, 10);
	}
	return r;
}

static struct veto_result process(struct veto_cache *cache, pid_t pid)
{
	struct veto_result r;

	assert_int_equal(ask(cache, pid, &r), 0);
	return r;
}

static void library_loaded_later(void **state)
{
	struct veto_cache *cache = *state;
	struct veto_result r;
	char expect[256];
	struct live l;

	build(path_b, "lib.so", "-shared -fPIC", CALL("splice"));
	build(path_a, "live", "", LIVE);
	l = start(path_a, path_b);
	r = process(cache, l.pid);
	assert_int_equal(r.why, HOP_WHY_NONE);
	assert_string_equal(r.comm, "live");
	assert_string_equal(r.exe, path_a);
	assert_string_equal(r.reason, "");
	step(&l);
	r = process(cache, l.pid);
	assert_int_equal(r.why, HOP_WHY_SPLICE);
	snprintf(expect, sizeof(expect), "%s imports splice", path_b);
	assert_string_equal(r.reason, expect);
	stop(&l);
}

static void deleted_files_are_read_all_the_same(void **state)
{
	struct veto_cache *cache = *state;
	struct veto_result r;
	struct live l;

	if (geteuid())
		SKIP("map_files needs root");
	build(path_b, "lib2.so", "-shared -fPIC", TEE);
	build(path_a, "live2", "", LIVE);
	l = start(path_a, path_b);
	step(&l);
	unlink(path_a);
	unlink(path_b);
	r = process(cache, l.pid);
	assert_int_equal(r.why, HOP_WHY_SPLICE);
	assert_non_null(strstr(r.reason, "lib2.so (deleted) imports tee"));
	assert_non_null(strstr(r.exe, "live2 (deleted)"));
	stop(&l);
}

static void ended_processes_are_gone(void **state)
{
	struct veto_cache *cache = *state;
	struct veto_result r;
	siginfo_t info;
	struct live l;

	l = start(build(path_a, "live", "", LIVE), NULL);
	kill(l.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, l.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(cache, l.pid, &r), -ESRCH); /* a zombie */
	stop(&l);
	assert_int_equal(ask(cache, l.pid, &r), -ESRCH);
	assert_int_equal(ask(cache, 0x7fffffff, &r), -ESRCH);
}

/* Run fn in a child; its exit status, 0 if all went well. */
static int in_child(int (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(fn(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int judge_as_nobody(void *arg)
{
	struct veto_cache *cache = veto_cache_new();
	struct veto_result r;

	if (setgid(NOBODY) || setuid(NOBODY))
		return 1;
	if (ask(cache, *(pid_t *)arg, &r) || r.why != HOP_WHY_UNKNOWN)
		return 2;
	return strstr(r.reason, "cannot be examined: Permission denied") ? 0 : 3;
}

static void no_permission_is_unknown(void **state)
{
	struct live l;

	(void)state;
	if (geteuid())
		SKIP("needs root to become another user");
	l = start(build(path_a, "live", "", LIVE), NULL);
	assert_int_equal(in_child(judge_as_nobody, &l.pid), 0);
	stop(&l);
}

/* exec() the program from a file system that only this process sees. */
static int run_hidden(void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "tmpfs", 0, NULL) ||
	    !sh("cp %s /mnt/hidden && cp %s/lib3.so /mnt", (char *)arg, dir))
		_exit(1);
	execl("/mnt/hidden", "hidden", "/mnt/lib3.so", NULL);
	_exit(1);
}

static void other_mount_namespaces(void **state)
{
	struct veto_cache *cache = *state;
	int in[2], out[2];
	struct veto_result r;
	struct live l = {};

	if (geteuid())
		SKIP("needs root for a mount namespace");
	build(path_b, "lib3.so", "-shared -fPIC", VMSPLICE);
	build(path_a, "live", "", LIVE);
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	l.pid = fork();
	if (!l.pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		run_hidden(path_a);
	}
	close(in[0]);
	close(out[1]);
	l.in = fdopen(in[1], "w");
	l.out = fdopen(out[0], "r");
	if (fgetc(l.out) != 'x') {
		stop(&l);
		SKIP("no mount namespace here");
	}
	r = process(cache, l.pid);
	assert_int_equal(r.why, HOP_WHY_NONE);
	assert_string_equal(r.exe, "/mnt/hidden");
	step(&l);
	r = process(cache, l.pid);
	assert_int_equal(r.why, HOP_WHY_SPLICE);
	assert_string_equal(r.reason, "/mnt/lib3.so imports vmsplice");
	stop(&l);
}

static int judge(pid_t pid, __u32 why, const char *reason)
{
	struct veto_cache *cache = veto_cache_new();
	struct veto_result r;
	int bad = ask(cache, pid, &r) || r.why != why || !strstr(r.reason, reason);

	if (bad)
		print_message("%u '%s'\n", r.why, r.reason);
	veto_cache_free(cache);
	return bad;
}

/* The same user may ptrace it, and so read its maps, but not use map_files. */
static int judge_without_capabilities(void *arg)
{
	struct live l;
	int r;

	(void)arg;
	if (setgid(NOBODY) || setuid(NOBODY))
		return 10;
	l = start(path_a, path_b);
	step(&l);
	r = judge(l.pid, HOP_WHY_SPLICE, "/lib.so imports splice");
	/* what lies at the path now is not what is mapped */
	if (!sh("cp %s %s.new && mv %s.new %s", path_b, path_b, path_b, path_b))
		r = 11;
	r = r ?: judge(l.pid, HOP_WHY_UNKNOWN, "/lib.so");
	stop(&l);
	return r;
}

static void libraries_without_map_files(void **state)
{
	(void)state;
	if (geteuid())
		SKIP("needs root to become another user");
	build(path_b, "lib.so", "-shared -fPIC", CALL("splice"));
	build(path_a, "live", "", LIVE);
	assert_true(
		sh("chmod 755 %s && install -d -o %d %s/own && cp %s %s/own", dir, NOBODY, dir, path_b, dir));
	at(path_b, "own/lib.so");
	assert_int_equal(in_child(judge_without_capabilities, NULL), 0);
}

static void changed_files_are_examined_again(void **state)
{
	struct veto_cache *cache = *state;
	struct live l;

	build(path_a, "live3", "", LIVE);
	for (int i = 0; i < 3; i++) {
		l = start(path_a, NULL);
		assert_int_equal(process(cache, l.pid).why, i == 1 ? HOP_WHY_SPLICE : HOP_WHY_NONE);
		stop(&l);
		build(path_a, "live3", i == 0 ? "-Wl,--no-as-needed -Wl,-u,splice" : "", LIVE);
	}
}

/* This program may contain the relay, which splices. */
static void self_is_judged_like_its_file(void **state)
{
	struct veto_result r = process(*state, getpid());
	char expect[PATH_MAX + 128] = "";
	struct veto v = file(r.exe);

	assert_non_null(strstr(r.exe, "test_process"));
	assert_int_equal(r.why, v.why);
	if (v.why)
		snprintf(expect, sizeof(expect), "%s %s", r.exe, v.what);
	assert_string_equal(r.reason, expect);
}

static int make_dir(void **state)
{
	*state = veto_cache_new();
	return mkdtemp(dir) && *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	veto_cache_free(*state);
	return sh("rm -rf %s", dir) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(imports_are_found),
		cmocka_unit_test(splice_outweighs_urgent_data),
		cmocka_unit_test(similar_names_do_not_count),
		cmocka_unit_test(static_programs_are_searched),
		cmocka_unit_test(raw_system_calls_are_found),
		cmocka_unit_test(chunk_borders_hide_nothing),
		cmocka_unit_test(ioctl_is_a_flag_only),
		cmocka_unit_test(go_programs_are_recognised),
		cmocka_unit_test(what_a_guard_is_enough_for),
		cmocka_unit_test(no_guard_for_32_bits),
		cmocka_unit_test(real_go_program),
		cmocka_unit_test(other_files_are_unknown),
		cmocka_unit_test(damaged_files_are_unknown),
		cmocka_unit_test(well_known_programs),
		cmocka_unit_test(library_loaded_later),
		cmocka_unit_test(deleted_files_are_read_all_the_same),
		cmocka_unit_test(ended_processes_are_gone),
		cmocka_unit_test(no_permission_is_unknown),
		cmocka_unit_test(other_mount_namespaces),
		cmocka_unit_test(libraries_without_map_files),
		cmocka_unit_test(changed_files_are_examined_again),
		cmocka_unit_test(self_is_judged_like_its_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
