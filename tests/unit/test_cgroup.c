// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgroup/ against the real cgroup2 file system. Each test has a folder of its own, "sockhop-unit-PID", in
 * which a group of cgroups can be made; it is removed again whether the test passes or not. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <cmocka.h>

#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

static char mount_point[PATH_MAX];
static char self_before[PATH_MAX];
static char base[PATH_MAX];

static const char *in_base(const char *name)
{
	static char buf[4][PATH_MAX + 64];
	static unsigned int next;
	char *p = buf[next++ % 4];

	snprintf(p, sizeof(buf[0]), "%s/%s", base, name);
	return p;
}

static void make(const char *name)
{
	assert_int_equal(mkdir(in_base(name), 0755), 0);
}

/* A process that sits in the cgroup until it is killed or we end; ready when this returns. */
static pid_t sitter(const char *path)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!cgroup_enter(path, 0) && write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_true(pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Runs fn in a child process and returns what it returned (0..255): a child may assert nothing itself. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (!pid)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int setup(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "sockhop-unit-%d", getpid());
	return cgroup_create(mount_point, name, base, sizeof(base));
}

static int kill_pid(pid_t pid, void *arg)
{
	(void)arg;
	if (pid != getpid())
		kill(pid, SIGKILL);
	return 0;
}

/* The first cgroup without children: removing goes from the leaves up. */
static int note_leaf(const char *path, void *arg)
{
	struct stat st;

	if (stat(path, &st) || st.st_nlink > 2)
		return 0;
	strcpy(arg, path);
	return 1;
}

static int teardown(void **state)
{
	char leaf[PATH_MAX];
	int err = 0;

	(void)state;
	cgroup_enter(self_before, 0);
	cgroup_each_pid(base, kill_pid, NULL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	while (!err && cgroup_walk(base, note_leaf, leaf) == 1)
		err = cgroup_remove(leaf, 5000);
	return err;
}

static int find_mount(void **state)
{
	(void)state;
	if (cgroup_mount(mount_point, sizeof(mount_point)) || cgroup_self(self_before, sizeof(self_before)))
		return -1;
	return 0;
}

/* ---- mountinfo ---- */

static bool not_hidden(const char *point)
{
	return strcmp(point, "/hidden");
}

static int pick(const char *text, struct cgroup_mountpoint *m)
{
	FILE *f = fmemopen((void *)text, strlen(text), "r");
	int err = cgroup_mountinfo_pick(f, not_hidden, m);

	fclose(f);
	return err;
}

#define V1 "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:7 - cgroup cgroup rw,cpu\n"

static void mountinfo_finds_hybrid_and_unified(void **state)
{
	struct cgroup_mountpoint m;

	(void)state;
	assert_int_equal(pick(V1 "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup/unified");
	assert_int_equal(
		pick("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 none rw\n", &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup");
	assert_string_equal(m.root, "/");
}

static void mountinfo_without_cgroup2_is_enoent(void **state)
{
	struct cgroup_mountpoint m = {.point = "untouched"};

	(void)state;
	assert_int_equal(pick(V1 "9 1 0:5 / /cgroup2 rw - tmpfs cgroup2 rw\n", &m), -ENOENT);
	assert_int_equal(pick("- cgroup2 \n9 - cgroup2 x\n\n", &m), -ENOENT);
	assert_string_equal(m.point, "untouched");
}

static void mountinfo_undoes_octal_escapes(void **state)
{
	struct cgroup_mountpoint m;

	(void)state;
	assert_int_equal(pick("9 1 0:5 /a\\134b /my\\040cg\\011x\\9 rw - cgroup2 c rw\n", &m), 0);
	assert_string_equal(m.root, "/a\\b");
	assert_string_equal(m.point, "/my cg\tx\\9");
}

static void mountinfo_prefers_the_whole_tree_and_skips_hidden_mounts(void **state)
{
	struct cgroup_mountpoint m;

	(void)state;
	assert_int_equal(pick("9 1 0:5 /a /bind rw - cgroup2 c rw\n"
			      "8 1 0:5 / /hidden rw - cgroup2 c rw\n"
			      "7 1 0:5 / /whole rw - cgroup2 c rw\n"
			      "6 1 0:5 / /second rw - cgroup2 c rw\n",
			      &m),
			 0);
	assert_string_equal(m.point, "/whole");
	assert_int_equal(pick("9 1 0:5 /a /bind rw - cgroup2 c rw\n", &m), 0);
	assert_string_equal(m.root, "/a");
}

/* ---- resolve ---- */

static void assert_resolves(const char *arg, const char *want)
{
	char path[PATH_MAX];

	assert_int_equal(cgroup_resolve(arg, path, sizeof(path)), 0);
	assert_string_equal(path, want);
}

static void resolve_takes_every_way_to_name_a_cgroup(void **state)
{
	const char *below = base + strlen(mount_point);
	char want[PATH_MAX], arg[PATH_MAX + 64];
	int cwd = open(".", O_PATH | O_DIRECTORY);

	(void)state;
	make("a");
	make("a/b");
	snprintf(want, sizeof(want), "%s", in_base("a/b"));
	assert_resolves(want, want);
	snprintf(arg, sizeof(arg), "%s/a/../a//b/", base);
	assert_resolves(arg, want);
	snprintf(arg, sizeof(arg), "%s/a/b", below);
	assert_resolves(arg, want);
	assert_resolves(arg + 1, want);
	assert_int_equal(chdir(in_base("a")), 0);
	assert_resolves("b", want);
	assert_resolves("./b", want);
	assert_resolves("../a/b", want);
	assert_int_equal(fchdir(cwd), 0);
	close(cwd);
	assert_resolves(mount_point, mount_point);
}

static void resolve_follows_symlinks_to_one_name(void **state)
{
	char dir[] = "/tmp/sockhop-unit-XXXXXX", link[64];

	(void)state;
	make("a");
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink(in_base("a"), link), 0);
	assert_resolves(link, in_base("a"));
	unlink(link);
	rmdir(dir);
}

static void resolve_says_what_is_wrong(void **state)
{
	char path[PATH_MAX] = "untouched";

	(void)state;
	assert_int_equal(cgroup_resolve("/no/such/thing", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup_resolve("no-such-thing", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup_resolve("/tmp", path, sizeof(path)), -EINVAL);
	assert_int_equal(cgroup_resolve(".", path, sizeof(path)), -EINVAL);
	assert_int_equal(cgroup_resolve("", path, sizeof(path)), -EINVAL);
	assert_int_equal(cgroup_resolve("/dev/null", path, sizeof(path)), -ENOTDIR);
	assert_int_equal(cgroup_resolve(in_base("cgroup.procs"), path, sizeof(path)), -ENOTDIR);
	assert_int_equal(cgroup_resolve(base, path, strlen(base)), -ENAMETOOLONG);
	assert_string_equal(path, "untouched");
}

/* ---- ids ---- */

static void id_is_the_inode_number_and_leads_back(void **state)
{
	char path[PATH_MAX];
	struct stat st;
	__u64 id = 0;

	(void)state;
	make("a");
	make("a/deep");
	assert_int_equal(stat(in_base("a/deep"), &st), 0);
	assert_int_equal(cgroup_id(in_base("a/deep"), &id), 0);
	assert_int_equal(id, st.st_ino);
	assert_int_equal(cgroup_path_by_id(id, path, sizeof(path)), 0);
	assert_string_equal(path, in_base("a/deep"));
	assert_int_equal(cgroup_id("/tmp", &id), -EINVAL);
	assert_int_equal(cgroup_id(in_base("none"), &id), -ENOENT);
}

static void id_of_a_removed_cgroup_is_enoent(void **state)
{
	char path[PATH_MAX] = "untouched";
	__u64 id = 0;

	(void)state;
	make("a");
	assert_int_equal(cgroup_id(in_base("a"), &id), 0);
	assert_int_equal(cgroup_remove(in_base("a"), 0), 0);
	assert_int_equal(cgroup_path_by_id(id, path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup_path_by_id(0xdeadbeefcafe, path, sizeof(path)), -ENOENT);
	assert_string_equal(path, "untouched");
}

static char walked[PATH_MAX];
static __u64 wanted;

/* Without root no handle can be opened: the tree is walked. */
static int path_by_id_as_nobody(void)
{
	if (setgid(65534) || setuid(65534) || cgroup_path_by_id(wanted, walked, sizeof(walked)))
		return 1;
	return strcmp(walked, in_base("a/deep")) ? 2 : 0;
}

static void path_by_id_walks_where_handles_are_refused(void **state)
{
	(void)state;
	make("a");
	make("a/deep");
	assert_int_equal(cgroup_id(in_base("a/deep"), &wanted), 0);
	assert_int_equal(in_child(path_by_id_as_nobody), 0);
}

/* ---- self, run ---- */

static int self_in_a(void)
{
	char path[PATH_MAX];

	if (cgroup_enter(in_base("a"), 0) || cgroup_self(path, sizeof(path)))
		return 1;
	return strcmp(path, in_base("a")) ? 2 : 0;
}

static void self_follows_enter(void **state)
{
	(void)state;
	make("a");
	assert_int_equal(in_child(self_in_a), 0);
}

/* A namespace below the mount: /proc/self/cgroup says "0::/", mountinfo says "/../..". */
static int self_in_namespace(void)
{
	char path[PATH_MAX];

	if (cgroup_enter(in_base("a"), 0) || unshare(CLONE_NEWCGROUP))
		return 1;
	if (cgroup_self(path, sizeof(path)))
		return 2;
	return strcmp(path, in_base("a")) ? 3 : 0;
}

static void self_is_found_from_a_cgroup_namespace(void **state)
{
	(void)state;
	make("a");
	assert_int_equal(in_child(self_in_namespace), 0);
}

static int run_parent_is(const char *from, const char *want)
{
	char path[PATH_MAX];

	if (cgroup_enter(from, 0) || cgroup_parent_for_run(path, sizeof(path)))
		return 1;
	return strcmp(path, want) ? 2 : 0;
}

static int run_in_a(void)
{
	return run_parent_is(in_base("a"), in_base("a"));
}

static int run_in_threaded(void)
{
	return run_parent_is(in_base("a/threaded"), base);
}

/* Delegated to a user: the folder and cgroup.procs of "a" belong to nobody, nothing above does. */
static int run_as_delegate(void)
{
	char path[PATH_MAX];

	if (cgroup_enter(in_base("a"), 0) || setgid(65534) || setuid(65534) ||
	    cgroup_parent_for_run(path, sizeof(path)))
		return 1;
	return strcmp(path, in_base("a")) ? 2 : 0;
}

static int run_as_stranger(void)
{
	char path[PATH_MAX];

	if (cgroup_enter(in_base("a"), 0) || setgid(65534) || setuid(65534))
		return 1;
	return cgroup_parent_for_run(path, sizeof(path)) == -EACCES ? 0 : 2;
}

static void run_uses_our_own_cgroup_and_leaves_no_probe(void **state)
{
	struct stat st;

	(void)state;
	make("a");
	assert_int_equal(in_child(run_in_a), 0);
	assert_int_equal(stat(in_base("a"), &st), 0);
	assert_int_equal(st.st_nlink, 2);
}

static void run_uses_a_delegated_cgroup_only(void **state)
{
	(void)state;
	make("a");
	assert_int_equal(in_child(run_as_stranger), 0);
	assert_int_equal(chown(in_base("a"), 65534, 65534), 0);
	assert_int_equal(chown(in_base("a/cgroup.procs"), 65534, 65534), 0);
	assert_int_equal(in_child(run_as_delegate), 0);
}

/* A new child below a threaded cgroup or a thread root can hold nobody ("domain invalid"). */
static void run_climbs_out_of_a_threaded_subtree(void **state)
{
	int fd;

	(void)state;
	make("a");
	make("a/threaded");
	fd = open(in_base("a/threaded/cgroup.type"), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "threaded", 8), 8);
	close(fd);
	assert_int_equal(in_child(run_in_threaded), 0);
}

/* ---- create, enter, remove ---- */

static void create_refuses_bad_names(void **state)
{
	char path[PATH_MAX] = "untouched";

	(void)state;
	assert_int_equal(cgroup_create(base, "", path, sizeof(path)), -EINVAL);
	assert_int_equal(cgroup_create(base, "..", path, sizeof(path)), -EINVAL);
	assert_int_equal(cgroup_create(base, "x/y", path, sizeof(path)), -EINVAL);
	assert_int_equal(cgroup_create(in_base("none"), "x", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup_create(base, "x", path, 5), -ENAMETOOLONG);
	assert_int_equal(access(in_base("x"), F_OK), -1);
	assert_string_equal(path, "untouched");
	assert_int_equal(cgroup_create(base, "x", path, sizeof(path)), 0);
	assert_string_equal(path, in_base("x"));
	assert_int_equal(cgroup_create(base, "x", path, sizeof(path)), -EEXIST);
}

static void enter_says_what_is_wrong(void **state)
{
	pid_t gone = fork();

	(void)state;
	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	make("a");
	assert_int_equal(cgroup_enter(in_base("a"), gone), -ESRCH);
	assert_int_equal(cgroup_enter(in_base("none"), 0), -ENOENT);
}

static void remove_refuses_what_is_in_use(void **state)
{
	unsigned long long before;
	pid_t pid;

	(void)state;
	make("a");
	make("a/b");
	assert_int_equal(cgroup_remove(in_base("a"), 1000), -ENOTEMPTY);
	pid = sitter(in_base("a/b"));
	before = now_ns();
	assert_int_equal(cgroup_remove(in_base("a/b"), 0), -EBUSY);
	assert_true(now_ns() - before < 50000000);
	assert_int_equal(cgroup_remove(in_base("a/b"), 100), -EBUSY);
	assert_true(now_ns() - before >= 100000000);
	end(pid);
	assert_int_equal(cgroup_remove(in_base("none"), 0), -ENOENT);
}

static void remove_waits_for_the_last_process(void **state)
{
	unsigned long long before;
	pid_t pid, killer;

	(void)state;
	make("a");
	pid = sitter(in_base("a"));
	before = now_ns();
	killer = fork();
	if (!killer) {
		poll(NULL, 0, 200);
		kill(pid, SIGKILL);
		_exit(0);
	}
	assert_int_equal(cgroup_remove(in_base("a"), -1), 0);
	assert_true(now_ns() - before >= 200000000);
	assert_true(now_ns() - before < 5000000000);
	assert_int_equal(access(in_base("a"), F_OK), -1);
	waitpid(killer, NULL, 0);
	waitpid(pid, NULL, 0);
}

/* ---- processes ---- */

struct seen {
	pid_t pid[8];
	int count, stop_after;
};

static int note_pid(pid_t pid, void *arg)
{
	struct seen *s = arg;

	if (s->count < 8)
		s->pid[s->count] = pid;
	return ++s->count == s->stop_after ? 42 : 0;
}

static bool has(const struct seen *s, pid_t pid)
{
	for (int i = 0; i < s->count; i++)
		if (s->pid[i] == pid)
			return true;
	return false;
}

static void each_pid_sees_the_whole_subtree(void **state)
{
	struct seen s = {0}, first = {.stop_after = 1};
	pid_t a, b, other;

	(void)state;
	make("a");
	make("a/b");
	make("other");
	a = sitter(in_base("a"));
	b = sitter(in_base("a/b"));
	other = sitter(in_base("other"));
	assert_int_equal(cgroup_each_pid(in_base("a"), note_pid, &s), 0);
	assert_int_equal(s.count, 2);
	assert_true(has(&s, a) && has(&s, b) && !has(&s, other));
	assert_int_equal(cgroup_each_pid(in_base("a"), note_pid, &first), 42);
	assert_int_equal(first.count, 1);
	assert_int_equal(cgroup_each_pid(in_base("none"), note_pid, &s), -ENOENT);
}

static void each_pid_reads_threaded_cgroups(void **state)
{
	struct seen s = {0};
	pid_t pid;
	int fd;

	(void)state;
	make("a");
	make("a/t");
	fd = open(in_base("a/t/cgroup.type"), O_WRONLY);
	assert_int_equal(write(fd, "threaded", 8), 8);
	close(fd);
	pid = sitter(in_base("a/t"));
	assert_int_equal(cgroup_each_pid(in_base("a/t"), note_pid, &s), 0);
	assert_int_equal(s.count, 1);
	assert_true(has(&s, pid));
}

static void below_is_by_whole_names(void **state)
{
	(void)state;
	assert_true(cgroup_is_below("/cg/a", "/cg/a"));
	assert_true(cgroup_is_below("/cg/a/b", "/cg/a"));
	assert_true(cgroup_is_below("/cg/a", "/"));
	assert_true(cgroup_is_below("/cg/a/b", "/cg/a/"));
	assert_false(cgroup_is_below("/cg/ab", "/cg/a"));
	assert_false(cgroup_is_below("/cg", "/cg/a"));
}

/* ---- programs of a cgroup ---- */

/* What the helpers below load and attach. */
static enum bpf_attach_type hook = BPF_CGROUP_SOCK_OPS;

static int load_prog(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = hook);
	int fd = bpf_prog_load(hook == BPF_CGROUP_SOCK_OPS ? BPF_PROG_TYPE_SOCK_OPS
							   : BPF_PROG_TYPE_CGROUP_SOCKOPT,
			       "test_cgroup", "GPL", insns, ARRAY_SIZE(insns), &opts);

	assert_true(fd >= 0);
	return fd;
}

static __u32 prog_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static void attach(int prog, const char *name, unsigned int flags)
{
	int fd = open(in_base(name), O_RDONLY | O_DIRECTORY);

	assert_int_equal(bpf_prog_attach(prog, fd, hook, flags), 0);
	close(fd);
}

/* What cgroup_hook_exclusive() predicts, having checked it against a real attempt. */
static int exclusive(int prog, const char *name, char *where)
{
	int ret = cgroup_hook_exclusive(in_base(name), hook, where, PATH_MAX);
	int fd = open(in_base(name), O_RDONLY | O_DIRECTORY);
	int link = bpf_link_create(prog, fd, hook, NULL);

	assert_int_equal(ret, link >= 0 ? 0 : link == -EPERM ? 1 : -1);
	if (link >= 0)
		close(link);
	close(fd);
	return ret;
}

static void sockops_programs_are_listed(void **state)
{
	int one = load_prog(), two = load_prog();
	__u32 ids[64], count = 64;

	(void)state;
	make("a");
	make("a/b");
	attach(one, "a", BPF_F_ALLOW_MULTI);
	attach(two, "a/b", BPF_F_ALLOW_MULTI);
	assert_int_equal(cgroup_sockops_progs(in_base("a/b"), false, ids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(ids[0], prog_id(two));
	count = 64;
	assert_int_equal(cgroup_sockops_progs(in_base("a/b"), true, ids, &count), 0);
	/* the machine may have programs above ours */
	assert_true(count >= 2);
	assert_true(ids[0] == prog_id(two) && ids[1] == prog_id(one));
	count = 1;
	assert_int_equal(cgroup_sockops_progs(in_base("a/b"), true, ids, &count), -ENOSPC);
	assert_true(count >= 2);
	count = 64;
	assert_int_equal(cgroup_sockops_progs(in_base("none"), false, ids, &count), -ENOENT);
	close(one);
	close(two);
}

static void exclusive_predicts_whether_a_link_attaches(void **state)
{
	int prog = load_prog(), mine = load_prog();
	char where[PATH_MAX] = "untouched";

	(void)state;
	make("multi");
	make("multi/x");
	attach(prog, "multi", BPF_F_ALLOW_MULTI);
	make("none");
	make("none/x");
	make("none/x/y");
	attach(prog, "none", 0);
	make("override");
	make("override/x");
	attach(prog, "override", BPF_F_ALLOW_OVERRIDE);
	assert_int_equal(exclusive(mine, "multi", where), 0);
	assert_int_equal(exclusive(mine, "multi/x", where), 0);
	assert_int_equal(exclusive(mine, "override/x", where), 0);
	assert_string_equal(where, "untouched");
	assert_int_equal(exclusive(mine, "override", where), 1);
	assert_string_equal(where, in_base("override"));
	assert_int_equal(exclusive(mine, "none", where), 1);
	assert_int_equal(exclusive(mine, "none/x/y", where), 1);
	assert_string_equal(where, in_base("none"));
	close(prog);
	close(mine);
}

static void exclusive_predicts_for_setsockopt_too(void **state)
{
	hook = BPF_CGROUP_SETSOCKOPT;
	exclusive_predicts_whether_a_link_attaches(state);
	hook = BPF_CGROUP_SOCK_OPS;
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mountinfo_finds_hybrid_and_unified),
		cmocka_unit_test(mountinfo_without_cgroup2_is_enoent),
		cmocka_unit_test(mountinfo_undoes_octal_escapes),
		cmocka_unit_test(mountinfo_prefers_the_whole_tree_and_skips_hidden_mounts),
		T(resolve_takes_every_way_to_name_a_cgroup),
		T(resolve_follows_symlinks_to_one_name),
		T(resolve_says_what_is_wrong),
		T(id_is_the_inode_number_and_leads_back),
		T(id_of_a_removed_cgroup_is_enoent),
		T(path_by_id_walks_where_handles_are_refused),
		T(self_follows_enter),
		T(self_is_found_from_a_cgroup_namespace),
		T(run_uses_our_own_cgroup_and_leaves_no_probe),
		T(run_uses_a_delegated_cgroup_only),
		T(run_climbs_out_of_a_threaded_subtree),
		T(create_refuses_bad_names),
		T(enter_says_what_is_wrong),
		T(remove_refuses_what_is_in_use),
		T(remove_waits_for_the_last_process),
		T(each_pid_sees_the_whole_subtree),
		T(each_pid_reads_threaded_cgroups),
		cmocka_unit_test(below_is_by_whole_names),
		T(sockops_programs_are_listed),
		T(exclusive_predicts_whether_a_link_attaches),
		T(exclusive_predicts_for_setsockopt_too),
	};

	return cmocka_run_group_tests(tests, find_mount, NULL);
}
