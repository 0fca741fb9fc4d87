// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <bpf/bpf.h>

#include "spawn.h"
#include "agent/instance/instance.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"

/* Of the initial pid namespace: PROC_PID_INIT_INO (include/linux/proc_ns.h; the kernel's ABI since 3.8). */
#define INITIAL_PIDNS 0xeffffffcu

bool agent_names_processes(void)
{
	char self[16] = "";
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == INITIAL_PIDNS &&
	       readlink("/proc/self", self, sizeof(self) - 1) > 0 && atoi(self) == getpid();
}

int agent_lock(struct instance *in)
{
	_cleanup_close_ int fd =
		openat(in->lock_fd, "agent", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* instance_agent_alive() tries the lock, for an instant: do not mistake that for an agent */
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == 10)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		poll(NULL, 0, 2);
	}
	in->config->agent_pid = getpid();
	return steal_fd(&fd);
}

/* How agent_spawn() tells its daemon where to report that it is ready. */
#define READY_ENV "SOCKHOP_AGENT_READY_FD"

int agent_ready_fd(void)
{
	const char *env = getenv(READY_ENV);
	int fd = env ? atoi(env) : -1;

	unsetenv(READY_ENV);
	if (fd >= 0)
		log_to_syslog();
	return fd;
}

void agent_report_ready(int fd, int err)
{
	int null;

	if (fd < 0)
		return;
	if (write(fd, &err, sizeof(err)) != sizeof(err))
		msg_warn("cannot report that the agent is ready");
	close(fd);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i <= 2 && null >= 0; i++)
		dup2(null, i);
	if (null > 2)
		close(null);
}

/*
 * Where sessions are scheduled as groups (autogroup, sched(7)) a nice value counts only within one, and the
 * daemon has one to itself. Without this it waited for a CPU for 2.5 s of 2.6 while four busy programs of
 * another session ran on two (Linux 6.18), and no connection joined; with it, 0.06 s. Not there, or not
 * allowed: then it waits.
 */
static void session_nice(void)
{
	_cleanup_close_ int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		dprintf(fd, "%d", AGENT_NICE);
}

/* The daemon is a new image of ourselves, so that it shows as what it is. */
static void exec_daemon(const char *instance, int ready)
{
	char fd[16];

	/* no descriptor of the caller may stay open in the daemon: its pipes would never end */
	if (ready != 3 && dup2(ready, 3) < 0)
		_exit(1);
	syscall(SYS_close_range, 4u, ~0u, 0u);
	fcntl(3, F_SETFD, 0);
	snprintf(fd, sizeof(fd), "%d", 3);
	setenv(READY_ENV, fd, 1);
	setsid();
	session_nice();
	if (!chdir("/"))
		execl("/proc/self/exe", "sockhop", "agent", "--instance", instance, NULL);
	_exit(1);
}

int agent_spawn(const char *instance)
{
	int p[2], err = -EIO;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		err = -errno;
	} else if (pid == 0) {
		/* twice, so that it is not the caller's child and leaves it no zombie */
		if (fork() == 0)
			exec_daemon(instance, p[1]);
		_exit(0);
	}
	close(p[1]);
	if (pid > 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (read(p[0], &err, sizeof(err)) != sizeof(err))
			err = -EIO;
	}
	close(p[0]);
	return err;
}

int agent_fork(int (*fn)(const char *instance), const char *instance)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid < 0)
		return -errno;
	if (!pid) {
		/* twice, so that it is not the agent's child */
		if (fork())
			_exit(0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		closelog(); /* it is opened again for the first message */
		syscall(SYS_close_range, 3u, ~0u, 0u);
		_exit(fn(instance));
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int agent_stop(const struct instance *in, unsigned int timeout)
{
	enum { LOOK_MS = 2 };

	if (!instance_agent_alive(in, NULL))
		return 0;
	instance_poke(in); /* it looks, and finds the instance draining */
	for (unsigned int ms = 0; instance_agent_alive(in, NULL); ms += LOOK_MS) {
		if (ms >= timeout)
			return -ETIMEDOUT;
		progress_tick();
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

/*
 * How far it has been written and read: the first words of the two pages that come before the data of a ring
 * buffer (kernel/bpf/ringbuf.c, struct bpf_ringbuf), which libbpf reads as well.
 */
struct positions {
	const unsigned long *read, *written;
	size_t page;
};

static int positions_map(struct positions *p, int ring)
{
	void *read, *written;

	p->page = sysconf(_SC_PAGESIZE);
	read = mmap(NULL, p->page, PROT_READ, MAP_SHARED, ring, 0);
	if (read == MAP_FAILED)
		return -errno;
	written = mmap(NULL, p->page, PROT_READ, MAP_SHARED, ring, p->page);
	if (written == MAP_FAILED) {
		int err = -errno;

		munmap(read, p->page);
		return err;
	}
	p->read = read;
	p->written = written;
	return 0;
}

static int wait_read(const struct positions *p, unsigned int timeout_ms)
{
	unsigned long until = __atomic_load_n(p->written, __ATOMIC_ACQUIRE);
	enum { LOOK_MS = 10 };

	for (unsigned int ms = 0; (long)(until - __atomic_load_n(p->read, __ATOMIC_ACQUIRE)) > 0;
	     ms += LOOK_MS) {
		if (ms >= timeout_ms)
			return -ETIMEDOUT;
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

int agent_answers(const struct instance *in, unsigned int timeout_ms)
{
	_cleanup_close_ int ring = -1;
	char pin[INSTANCE_PIN_MAX];
	struct positions p = {};
	int err;

	if (!instance_agent_alive(in, NULL))
		return -ESRCH;
	/* a descriptor that may only read cannot be mapped */
	instance_pin(in, instance_map_name(MAP_EVENTS), pin);
	ring = bpf_obj_get(pin);
	if (ring < 0)
		return -errno;
	err = positions_map(&p, ring);
	if (err)
		return err;
	err = wait_read(&p, timeout_ms);
	munmap((void *)p.read, p.page);
	munmap((void *)p.written, p.page);
	return err;
}
