// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <json-c/json.h>

#include "runtime.h"
#include "agent/lib/util.h"
#include "agent/view/who.h"

/* Larger files are no list of containers. */
#define FILE_MAX (64 << 20)
/* Of containerd; usual are "default", "moby" and "k8s.io". */
#define NAMESPACES_MAX 64

static json_object *read_json(const char *root, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(full, sizeof(full), "%s%s", root, path) >= sizeof(full))
		return NULL;
	if (stat(full, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return NULL;
	return json_object_from_file(full);
}

static void docker_name(const char *root, const char *id, char *buf, size_t size)
{
	json_object *o, *name;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/var/lib/docker/containers/%s/config.v2.json", id);
	o = read_json(root, path);
	if (o && json_object_object_get_ex(o, "Name", &name) && json_object_is_type(name, json_type_string)) {
		const char *text = json_object_get_string(name);

		snprintf(buf, size, "%s", text + (*text == '/'));
	}
	json_object_put(o);
}

/* A string among the annotations of an OCI bundle (OCI runtime specification, "Configuration"). */
static bool annotation(json_object *o, const char *key, char *buf, size_t size)
{
	json_object *all, *value;

	if (!o || !json_object_object_get_ex(o, "annotations", &all) ||
	    !json_object_is_type(all, json_type_object) || !json_object_object_get_ex(all, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return false;
	snprintf(buf, size, "%s", json_object_get_string(value));
	return *buf;
}

/*
 * containerd keeps the bundle of each container that runs, in a folder for each of its namespaces. nerdctl
 * copies its labels to the annotations there, the CRI plugin writes its own.
 */
static void containerd_name(const char *root, const char *id, char *buf, size_t size)
{
	static const char tasks[] = "/run/containerd/io.containerd.runtime.v2.task";
	char path[PATH_MAX];
	bool found = false;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s%s", root, tasks);
	d = opendir(path);
	for (int i = 0; d && !found && i < NAMESPACES_MAX && (e = readdir(d)); i++) {
		json_object *o;

		if (*e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s/config.json", tasks, e->d_name, id);
		o = read_json(root, path);
		found = annotation(o, "nerdctl/name", buf, size) ||
			annotation(o, "io.kubernetes.cri.container-name", buf, size);
		json_object_put(o);
	}
	if (d)
		closedir(d);
}

/* The first of the names of a container with this id. */
static bool storage_name(json_object *o, const char *id, char *buf, size_t size)
{
	json_object *is, *names, *name;

	if (!json_object_object_get_ex(o, "id", &is) || !json_object_is_type(is, json_type_string) ||
	    strcmp(json_object_get_string(is), id) || !json_object_object_get_ex(o, "names", &names) ||
	    !json_object_is_type(names, json_type_array))
		return false;
	name = json_object_array_get_idx(names, 0);
	if (!name || !json_object_is_type(name, json_type_string))
		return false;
	snprintf(buf, size, "%s", json_object_get_string(name));
	return true;
}

/* podman and cri-o keep theirs with containers/storage, a list for each driver. */
static void storage_names(const char *root, const char *id, char *buf, size_t size)
{
	static const char *const lists[] = {"/var/lib/containers/storage/overlay-containers/containers.json",
					    "/var/lib/containers/storage/vfs-containers/containers.json"};
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(lists) && !found; i++) {
		json_object *o = read_json(root, lists[i]);
		size_t n = o && json_object_is_type(o, json_type_array) ? json_object_array_length(o) : 0;

		for (size_t j = 0; j < n && !found; j++)
			found = storage_name(json_object_array_get_idx(o, j), id, buf, size);
		json_object_put(o);
	}
}

void runtime_container(const struct who *who, char *buf, size_t size, void *root)
{
	const char *top = root ?: "";

	*buf = '\0';
	if (!strcmp(who->runtime, "lxc"))
		snprintf(buf, size, "%s", who->container);
	else if (!strcmp(who->runtime, "docker"))
		docker_name(top, who->container, buf, size);
	else if (!strcmp(who->runtime, "podman") || !strcmp(who->runtime, "cri-o"))
		storage_names(top, who->container, buf, size);
	else /* one whose path does not say the runtime may be its, with driver cgroupfs */
		containerd_name(top, who->container, buf, size);
}

void runtime_pod(const char *uid, char *buf, size_t size, void *root)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s/var/log/pods", (const char *)root ?: "");
	who_pod_name(folder, uid, buf, size);
}

const struct selector_names runtime_names = {.container = runtime_container, .pod = runtime_pod};
