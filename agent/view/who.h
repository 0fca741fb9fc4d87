/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * who.h: names that people know, from the path of a cgroup: a systemd unit, a container, a pod.
 *
 * The path is all that is read: no runtime is asked, so it works on any host and costs nothing. Forms: those
 * of systemd, docker, podman, containerd with nerdctl and CRI, cri-o, LXC, and of the kubelet with both of
 * its cgroup drivers.
 */
#ifndef SOCKHOP_VIEW_WHO_H
#define SOCKHOP_VIEW_WHO_H

#include <stddef.h>

/* What a cgroup belongs to: the last of these that its path names. */
enum who_kind {
	WHO_CGROUP, /* none of the others */
	WHO_UNIT,
	WHO_CONTAINER,
	WHO_POD,
};

/* Texts are "" where the path does not say. */
struct who {
	enum who_kind kind;
	char unit[128];	    /* a unit of this host: "redis.service"; with `user` one of that user's manager */
	char user[12];	    /* uid of the user manager that the unit belongs to */
	char container[72]; /* 64 hexadecimal digits, or the name that LXC has for it; the innermost */
	char runtime[16];   /* "docker", "podman", "containerd", "cri-o", "lxc" */
	char pod[40];	    /* UID of a Kubernetes pod */
	char pod_name[128]; /* "NAMESPACE/NAME"; who_parse() leaves it empty, see who_pod_name() */
	char path[256];	    /* the path, cut if it is longer */
};

/* Take a path below the cgroup2 mount apart: "/system.slice/redis.service". Never fails. */
void who_parse(const char *path, struct who *out);

/*
 * "NAMESPACE/NAME" of the pod with this UID, from the kubelet's folder of logs (/var/log/pods), whose entries
 * are NAMESPACE_NAME_UID. "" where there is none.
 */
void who_pod_name(const char *dir, const char *uid, char *buf, size_t size);

/*
 * One word for a table or a label, the same for all cgroups of one unit, container or pod: "redis.service",
 * "user@1000/app.service", "docker:0123456789ab", "pod:NAMESPACE/NAME" or "pod:UID"; else the path.
 */
#define WHO_LABEL 160
void who_label(const struct who *who, char buf[WHO_LABEL]);

/* "cgroup", "unit", "container", "pod" */
const char *who_kind_name(enum who_kind kind);

#endif
