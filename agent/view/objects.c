// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "objects.h"
#include "json.h"
#include "output.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"

/* null for what this libbpf has no name for */
static json_object *word(const char *s)
{
	return s ? json_object_new_string(s) : NULL;
}

static void add_tag(json_object *o, const __u8 tag[BPF_TAG_SIZE])
{
	char text[2 * BPF_TAG_SIZE + 1];

	for (int i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", tag[i]);
	add(o, "tag", json_object_new_string(text));
}

static void add_program(json_object *list, int fd, const char *pin)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);
	json_object *o;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return;
	o = json_object_new_object();
	add(o, "id", number(info.id));
	add(o, "pin", word(pin));
	add(o, "type", word(libbpf_bpf_prog_type_str(info.type)));
	add(o, "name", output_string(info.name, sizeof(info.name)));
	add_tag(o, info.tag);
	add(o, "verified_insns", number(info.verified_insns));
	add(o, "bytes_jited", number(info.jited_prog_len));
	add(o, "maps", number(info.nr_map_ids));
	add(o, "run_cnt", number(info.run_cnt));
	add(o, "run_time_ns", number(info.run_time_ns));
	add(o, "recursion_misses", number(info.recursion_misses));
	json_object_array_add(list, o);
}

static void add_program_of(json_object *list, __u32 id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0)
		add_program(list, fd, NULL);
}

static void add_link(json_object *links, json_object *programs, int fd, const char *pin)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);
	json_object *o;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return;
	o = json_object_new_object();
	add(o, "id", number(info.id));
	add(o, "pin", word(pin));
	add(o, "type", word(libbpf_bpf_link_type_str(info.type)));
	add(o, "program", number(info.prog_id));
	if (info.type == BPF_LINK_TYPE_CGROUP) {
		add(o, "cgroup", number(info.cgroup.cgroup_id));
		add(o, "attach_type", word(libbpf_bpf_attach_type_str(info.cgroup.attach_type)));
	} else {
		add_program_of(programs, info.prog_id);
	}
	json_object_array_add(links, o);
}

static void add_map(json_object *list, int fd, const char *pin)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);
	json_object *o;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return;
	o = json_object_new_object();
	add(o, "id", number(info.id));
	add(o, "pin", word(pin));
	add(o, "type", word(libbpf_bpf_map_type_str(info.type)));
	add(o, "name", output_string(info.name, sizeof(info.name)));
	add(o, "key_size", number(info.key_size));
	add(o, "value_size", number(info.value_size));
	add(o, "max_entries", number(info.max_entries));
	add(o, "flags", number(info.map_flags));
	json_object_array_add(list, o);
}

/* The programs of the sockhash have neither pin nor link. */
static void add_sockhash(json_object *programs, const struct instance *in)
{
	static const enum bpf_attach_type types[] = {BPF_SK_MSG_VERDICT, BPF_SK_SKB_STREAM_VERDICT};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		__u32 flags = 0, id[4], n = ARRAY_SIZE(id);

		if (bpf_prog_query(in->map[MAP_MEMBERS], types[i], 0, &flags, id, &n))
			continue;
		for (__u32 j = 0; j < n && j < ARRAY_SIZE(id); j++)
			add_program_of(programs, id[j]);
	}
}

/* What a pin is its file says: "anon_inode:bpf-prog", "anon_inode:bpf-map", "anon_inode:bpf_link" */
static bool is_a(int fd, const char *kind)
{
	char path[32], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, kind);
}

static void add_pin(json_object *o, const struct instance *in, const char *name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, read_only, .file_flags = BPF_F_RDONLY);
	char path[INSTANCE_PIN_MAX];
	_cleanup_close_ int fd = -1;

	instance_pin(in, name, path);
	fd = bpf_obj_get_opts(path, &read_only);
	if (fd < 0) /* links and programs know no reading alone, nor do ring buffers */
		fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (is_a(fd, "bpf-prog"))
		add_program(json_object_object_get(o, "programs"), fd, name);
	else if (is_a(fd, "bpf-map"))
		add_map(json_object_object_get(o, "maps"), fd, name);
	else
		add_link(json_object_object_get(o, "links"), json_object_object_get(o, "programs"), fd, name);
}

json_object *objects_json(const struct instance *in)
{
	json_object *o = json_object_new_object();
	struct dirent **list = NULL;
	int n;

	if (!o)
		return NULL;
	add(o, "programs", json_object_new_array());
	add(o, "links", json_object_new_array());
	add(o, "maps", json_object_new_array());
	n = scandirat(in->lock_fd, ".", &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (list[i]->d_type == DT_REG)
			add_pin(o, in, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	add_sockhash(json_object_object_get(o, "programs"), in);
	return o;
}
