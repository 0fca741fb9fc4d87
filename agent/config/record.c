// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>

#include "record.h"
#include "agent/lib/util.h"

#define RUN_FOLDER "/run/sockhop"

static void record_path(const char *instance, char path[128])
{
	snprintf(path, 128, RUN_FOLDER "/%s.conf.json", instance);
}

static int write_new(const char *path, json_object *o)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 || json_object_to_fd(fd, o, JSON_C_TO_STRING_PLAIN) ? -errno : 0;
}

int record_write(const char *instance, const struct config *c)
{
	char path[128], new[160];
	json_object *o;
	int err;

	record_path(instance, path);
	snprintf(new, sizeof(new), "%s.%d", path, getpid());
	if (mkdir(RUN_FOLDER, 0755) && errno != EEXIST)
		return -errno;
	o = json_object_new_object();
	json_object_object_add(o, "file", json_object_new_string(c->file));
	json_object_object_add(o, "text", json_object_new_string(c->text));
	unlink(new);
	err = write_new(new, o);
	json_object_put(o);
	if (!err && rename(new, path))
		err = -errno;
	if (err)
		unlink(new);
	return err;
}

static const char *string_of(json_object *o, const char *key)
{
	json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : NULL;
}

int record_read(const char *instance, const struct config_values *values, struct config *out, struct stat *st)
{
	_cleanup_close_ int fd = -1;
	char path[128], why[512];
	const char *file, *text;
	struct stat own;
	json_object *o;
	int err;

	record_path(instance, path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st ?: &own))
		return -errno;
	o = json_object_from_fd(fd);
	file = o ? string_of(o, "file") : NULL;
	text = o ? string_of(o, "text") : NULL;
	err = file && text ? config_parse_text(file, text, values, out, why, sizeof(why)) : -EINVAL;
	json_object_put(o);
	return err;
}

int record_same(const char *instance, const struct stat *st)
{
	struct stat now = {0};
	char path[128];

	record_path(instance, path);
	if (stat(path, &now))
		now.st_ino = 0;
	return now.st_ino == st->st_ino && now.st_mtim.tv_sec == st->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

void record_remove(const char *instance)
{
	char path[128];

	record_path(instance, path);
	unlink(path);
}
