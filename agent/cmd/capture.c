// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "capture.h"
#include "agent/lib/util.h"

/* In the child: become the command. It ends with us, who wait for it. */
static void become(char *const argv[], int out, int err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
		execv("/proc/self/exe", argv);
	_exit(127);
}

static int wait_for(pid_t pid, unsigned int seconds)
{
	_cleanup_close_ int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	int status;

	if (fd >= 0 && poll(&ended, 1, seconds * 1000) <= 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* All that is in the file. */
static int contents(int fd, char **text, size_t *size)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return -errno;
	*text = malloc(st.st_size + 1);
	if (!*text)
		return -ENOMEM;
	n = pread(fd, *text, st.st_size, 0);
	*size = n > 0 ? n : 0;
	(*text)[*size] = '\0';
	return n < 0 ? -errno : 0;
}

int capture(char *const argv[], unsigned int seconds, struct captured *to)
{
	_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	pid_t pid;
	int r;

	*to = (struct captured){.status = -1};
	if (out < 0 || err < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		become(argv, out, err);
	to->status = wait_for(pid, seconds);
	r = contents(out, &to->out, &to->out_size);
	return r ?: contents(err, &to->err, &to->err_size);
}
