// SPDX-License-Identifier: GPL-2.0-only
/* Configuration files: what they may say, where a mistake is, and which cgroups a selector means. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/config/config.h"
#include "agent/config/runtime.h"
#include "agent/lib/util.h"
#include "agent/policy/policy.h"
#include "agent/view/who.h"

#define ID  "3f4e5d6c7b8a90123f4e5d6c7b8a90123f4e5d6c7b8a90123f4e5d6c7b8a9012"
#define UID "0d7c3f0e-51a8-4d0c-9d5c-6f1f8a3e2b11"
#define POD                                         \
	"/kubepods.slice/kubepods-burstable.slice/" \
	"kubepods-burstable-pod0d7c3f0e_51a8_4d0c_9d5c_6f1f8a3e2b11.slice"

/* ---- files ---- */

static char seen[256];

static int set(void *arg, const char *section, const char *key, const char *value, char *why, size_t size)
{
	size_t n = strlen(seen);

	(void)arg;
	snprintf(seen + n, sizeof(seen) - n, "%s.%s=%s;", section, key, value);
	if (strcmp(value, "bad"))
		return 0;
	snprintf(why, size, "%s is bad", key);
	return -EINVAL;
}

static int parse(const char *text, struct config *out, char why[512])
{
	const struct config_values values = {.set = set};

	seen[0] = why[0] = '\0';
	return config_parse_text("f", text, &values, out, why, 512);
}

static void a_file_says_what_is_attached_and_how(void **state)
{
	struct config c = {0};
	char why[512];

	(void)state;
	assert_int_equal(parse("# a comment\n"
			       "[attach]\n"
			       "  unit = redis.service   ; the cache\n"
			       "\tcgroup=/a/b*\n"
			       "\n"
			       "[policy]\n"
			       "rule = never port 22\n"
			       "rule = early all # fast\n"
			       "[instance]\n"
			       "heartbeat = 20s\n"
			       "[attach]\n"
			       "unit = app",
			       &c, why),
			 0);
	assert_int_equal(c.n, 3);
	assert_string_equal(c.selector[0].text, "unit = redis.service");
	assert_int_equal(c.selector[0].line, 3);
	assert_string_equal(c.selector[1].text, "cgroup = /a/b*");
	assert_string_equal(c.selector[2].text, "unit = app");
	assert_int_equal(c.selector[2].line, 12);
	assert_non_null(c.policy);
	assert_int_equal(c.policy->count, 2);
	assert_string_equal(seen, "instance.heartbeat=20s;");
	config_free(&c);
}

static void an_empty_file_says_nothing(void **state)
{
	struct config c = {0};
	char why[512];

	(void)state;
	assert_int_equal(parse("", &c, why), 0);
	assert_int_equal(c.n, 0);
	assert_null(c.policy);
	config_free(&c);
	assert_int_equal(parse("[attach]\n# nothing\n", &c, why), 0);
	config_free(&c);
}

static void a_mistake_has_line_and_column(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"[attach]\n  unti = x\n", "f:2:3: unknown selector 'unti', did you mean 'unit'?"},
		{"[attach]\nunit =\n", "f:2:7: it has no value"},
		{"[attach]\nunit = a/b\n", "f:2:8: what stands before the slash of a unit is user@UID"},
		{"[attach]\nunit = a # b\n", "f:2:8: a comment stands on a line of its own"},
		{"[attach]\ncgroup = a\n",
		 "f:2:10: a cgroup begins with a slash: its path below the cgroup2 mount"},
		{"[attach]\npod = web\n", "f:2:7: a pod is NAMESPACE/NAME, or its UID"},
		{"[attach]\ncontainer = rkt:x\n", "f:2:13: what stands before the colon of a container is "
						  "docker, podman, containerd, cri-o or lxc"},
		{"[attach]\nunit = a\nunit = a\n", "f:3:1: the same stands in line 2"},
		{"[atach]\n", "f:1:1: unknown section 'atach', did you mean 'attach'?"},
		{"unit = a\n", "f:1:1: it stands before the first section, as [attach]"},
		{"[attach]\nunit\n", "f:2:1: it is neither KEY = VALUE nor a [section] nor a comment"},
		{"[attach]\nunit\nfoo = 1\n",
		 "f:2:1: it is neither KEY = VALUE nor a [section] nor a comment"},
		{"[instance]\nheartbeat = bad\n", "f:2:13: heartbeat is bad"},
		{"[instance]\nheartbeat = 1\nheartbeat = 1\n", "f:3:1: 'heartbeat' has been given in line 2"},
		{"[instance]\nhartbeat = 1\n", "f:2:1: unknown key 'hartbeat', did you mean 'heartbeat'?"},
		{"[metrics]\nheartbeat = 1\n", "f:2:1: unknown key 'heartbeat'"},
		{"[policy]\nrule = nevr\n", NULL},
		{"[policy]\nfile = a\n", "f:2:8: an absolute path is wanted"},
		{"[policy]\nrule = never all\nfile = /a\n", "f:3:1: either a file or rules, not both"},
		{"[policy]\nfile = /no/such\n", "f:2:8: cannot read '/no/such': No such file or directory"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config c = {0};
		char why[512];

		assert_int_not_equal(parse(cases[i].text, &c, why), 0);
		assert_null(c.selector);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
		else
			assert_memory_equal(why, "f:2:8: ", 7);
	}
}

static void a_line_that_the_library_would_cut_is_refused(void **state)
{
	struct config c = {0};
	char why[512], text[600];

	(void)state;
	snprintf(text, sizeof(text), "[attach]\nunit = %0500d\n", 1);
	assert_int_equal(parse(text, &c, why), -EINVAL);
	assert_non_null(strstr(why, "too long"));
}

static void what_was_in_force_is_read_without_its_policy_file(void **state)
{
	struct config c = {0};
	char why[512];

	(void)state;
	assert_int_equal(config_parse_text("f", "[policy]\nfile = /no/such\n[instance]\nheartbeat = 5\n",
					   NULL, &c, why, sizeof(why)),
			 0);
	assert_non_null(c.policy);
	config_free(&c);
}

static void a_name_stands_for_a_file_in_etc(void **state)
{
	char path[128], name[64];

	(void)state;
	config_locate("web", path, sizeof(path), name, sizeof(name));
	assert_string_equal(path, "/etc/sockhop/web.conf");
	assert_string_equal(name, "web");
	config_locate("web.conf", path, sizeof(path), name, sizeof(name));
	assert_string_equal(path, "web.conf");
	assert_string_equal(name, "web");
	config_locate("/a/b.conf", path, sizeof(path), name, sizeof(name));
	assert_string_equal(path, "/a/b.conf");
	assert_string_equal(name, "b");
	config_locate("./b", path, sizeof(path), name, sizeof(name));
	assert_string_equal(path, "./b");
	assert_string_equal(name, "b");
}

/* ---- selectors ---- */

static void fake_container(const struct who *who, char *buf, size_t size, void *arg)
{
	(void)arg;
	snprintf(buf, size, "%s", strcmp(who->runtime, "docker") ? "" : "web-1");
}

static void fake_pod(const char *uid, char *buf, size_t size, void *arg)
{
	snprintf(buf, size, "%s", arg && !strcmp(uid, UID) ? (const char *)arg : "");
}

static const struct selector_names fakes = {fake_container, fake_pod, "shop/cart-7d9f"};

static enum selected match(enum selector_kind kind, const char *value, const char *path, size_t *len)
{
	struct selector s;
	char why[256];

	assert_int_equal(selector_parse(kind, value, &s, why, sizeof(why)), 0);
	return selector_match(&s, path, &fakes, len);
}

struct match_case {
	const char *value, *path;
	enum selected is;
};

static void check(enum selector_kind kind, const struct match_case *c, size_t n)
{
	size_t len;

	for (; n; n--, c++)
		if (match(kind, c->value, c->path, &len) != c->is)
			fail_msg("%s at %s", c->value, c->path);
}

static void a_cgroup_is_meant_by_its_path(void **state)
{
	static const struct match_case cases[] = {
		{"/a/b", "/", SELECTED_BELOW},	    {"/a/b", "/a", SELECTED_BELOW},
		{"/a/b", "/a/b", SELECTED_HERE},    {"/a/b", "/a/b/c", SELECTED_NONE},
		{"/a/b", "/b", SELECTED_NONE},	    {"/a/r*.service", "/a/redis.service", SELECTED_HERE},
		{"/a/*", "/a/b/c", SELECTED_NONE},  {"/*/b", "/x", SELECTED_BELOW},
		{"/a/[xy]", "/a/y", SELECTED_HERE}, {"/a/b?", "/a/b", SELECTED_NONE},
		{"//a//b/", "/a/b", SELECTED_HERE}, {"/", "/", SELECTED_HERE},
	};

	(void)state;
	check(SELECT_CGROUP, cases, ARRAY_SIZE(cases));
}

static void a_unit_is_meant_by_its_name_in_any_slice(void **state)
{
	static const struct match_case cases[] = {
		{"redis.service", "/", SELECTED_BELOW},
		{"redis.service", "/system.slice", SELECTED_BELOW},
		{"redis.service", "/system.slice/redis.service", SELECTED_HERE},
		{"redis", "/system.slice/redis.service", SELECTED_HERE},
		{"redis", "/data.slice/data-cache.slice/redis.service", SELECTED_HERE},
		{"redis", "/system.slice/redis2.service", SELECTED_NONE},
		{"redis", "/system.slice/redis.service/redis.service", SELECTED_NONE},
		{"redis@*", "/system.slice/system-redis.slice/redis@6379.service", SELECTED_HERE},
		{"data.slice", "/data.slice", SELECTED_HERE},
		{"user@1000", "/user.slice/user-1000.slice/user@1000.service", SELECTED_HERE},
		/* what a user calls redis.service is not the system's */
		{"redis", "/user.slice/user-1000.slice/user@1000.service/app.slice/redis.service",
		 SELECTED_NONE},
		{"user@1000/redis", "/user.slice/user-1000.slice/user@1000.service", SELECTED_BELOW},
		{"user@1000/redis", "/user.slice/user-1000.slice/user@1000.service/app.slice/redis.service",
		 SELECTED_HERE},
		{"user@1000/redis", "/user.slice/user-1001.slice/user@1001.service", SELECTED_NONE},
		{"user@1000/redis", "/system.slice/redis.service", SELECTED_NONE},
		{"user@*/redis", "/user.slice/user-1001.slice/user@1001.service/app.slice/redis.service",
		 SELECTED_HERE},
	};

	(void)state;
	check(SELECT_UNIT, cases, ARRAY_SIZE(cases));
}

static void a_container_is_meant_by_id_or_name(void **state)
{
	static const struct match_case cases[] = {
		{"3f4e5d6c7b8a", "/system.slice/docker-" ID ".scope", SELECTED_HERE},
		{"docker:3f4e5d6c7b8a", "/system.slice/docker-" ID ".scope", SELECTED_HERE},
		{"podman:3f4e5d6c7b8a", "/system.slice/docker-" ID ".scope", SELECTED_BELOW},
		{"3f4e5d6c7b8b", "/system.slice/docker-" ID ".scope", SELECTED_BELOW},
		{ID, "/docker/" ID, SELECTED_HERE},
		{"web-1", "/docker/" ID, SELECTED_HERE},
		{"web-*", "/docker/" ID, SELECTED_HERE},
		{"web-2", "/docker/" ID, SELECTED_BELOW},
		{"web-1", "/machine.slice/libpod-" ID ".scope", SELECTED_BELOW},
		{"web-1", "/", SELECTED_BELOW},
	};
	size_t len;

	(void)state;
	check(SELECT_CONTAINER, cases, ARRAY_SIZE(cases));
	assert_int_equal(match(SELECT_CONTAINER, ID, "/machine.slice/libpod-" ID ".scope/container", &len),
			 SELECTED_HERE);
	assert_int_equal(len, strlen("/machine.slice/libpod-" ID ".scope"));
}

static void a_pod_is_meant_as_a_whole(void **state)
{
	static const struct match_case cases[] = {
		{"shop/cart-7d9f", "/kubepods.slice", SELECTED_BELOW},
		{"shop/cart-7d9f", POD, SELECTED_HERE},
		{"shop/cart-*", POD, SELECTED_HERE},
		{"*/cart-*", POD, SELECTED_HERE},
		{"shop/web-*", POD, SELECTED_BELOW},
		{UID, POD, SELECTED_HERE},
	};
	size_t len;

	(void)state;
	check(SELECT_POD, cases, ARRAY_SIZE(cases));
	/* its name may be known only when its first container is there */
	assert_int_equal(match(SELECT_POD, "shop/cart-*", POD "/cri-containerd-" ID ".scope", &len),
			 SELECTED_HERE);
	assert_int_equal(len, strlen(POD));
}

/* ---- what runtimes keep ---- */

#define TASKS "/run/containerd/io.containerd.runtime.v2.task"

static void put(const char *root, const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *s = strchr(full + strlen(root) + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		mkdir(full, 0700);
		*s = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void names_come_from_the_files_of_the_runtimes(void **state)
{
	char root[] = "/tmp/test_config.XXXXXX", name[256], clean[64];
	struct who who;

	(void)state;
	assert_non_null(mkdtemp(root));
	put(root, "/var/lib/docker/containers/" ID "/config.v2.json",
	    "{\"ID\":\"" ID "\",\"Name\":\"/web-1\"}");
	put(root, "/var/lib/containers/storage/overlay-containers/containers.json",
	    "[{\"id\":\"0\",\"names\":[\"x\"]},{\"id\":\"" ID "\",\"names\":[\"db\"],\"layer\":\"1\"}]");
	put(root, "/var/log/pods/shop_cart-7d9f_" UID "/cart/0.log", "");
	who_parse("/docker/" ID, &who);
	runtime_container(&who, name, sizeof(name), root);
	assert_string_equal(name, "web-1");
	who_parse("/machine.slice/libpod-" ID ".scope", &who);
	runtime_container(&who, name, sizeof(name), root);
	assert_string_equal(name, "db");
	who_parse("/lxc.payload.mail", &who);
	runtime_container(&who, name, sizeof(name), root);
	assert_string_equal(name, "mail");
	runtime_pod(UID, name, sizeof(name), root);
	assert_string_equal(name, "shop/cart-7d9f");
	put(root, TASKS "/default/" ID "/config.json",
	    "{\"ociVersion\":\"1.1.0\",\"annotations\":{\"nerdctl/namespace\":\"default\",\"nerdctl/"
	    "name\":\"cache\"}}");
	who_parse("/system.slice/nerdctl-" ID ".scope", &who);
	runtime_container(&who, name, sizeof(name), root);
	assert_string_equal(name, "cache");
	/* of the kubelet, with driver cgroupfs */
	put(root, TASKS "/default/" ID "/config.json", "{\"annotations\":[\"nerdctl/name\"]}");
	put(root, TASKS "/k8s.io/" ID "/config.json",
	    "{\"annotations\":{\"nerdctl/name\":1,\"io.kubernetes.cri.container-name\":\"cart\"}}");
	who_parse("/kubepods/besteffort/pod" UID "/" ID, &who);
	runtime_container(&who, name, sizeof(name), root);
	assert_string_equal(name, "cart");
	put(root, "/var/lib/docker/containers/" ID "/config.v2.json", "[{");
	who_parse("/docker/" ID, &who);
	runtime_container(&who, name, sizeof(name), root);
	assert_string_equal(name, "");
	snprintf(clean, sizeof(clean), "rm -r %s", root);
	assert_int_equal(system(clean), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_says_what_is_attached_and_how),
		cmocka_unit_test(an_empty_file_says_nothing),
		cmocka_unit_test(a_mistake_has_line_and_column),
		cmocka_unit_test(a_line_that_the_library_would_cut_is_refused),
		cmocka_unit_test(what_was_in_force_is_read_without_its_policy_file),
		cmocka_unit_test(a_name_stands_for_a_file_in_etc),
		cmocka_unit_test(a_cgroup_is_meant_by_its_path),
		cmocka_unit_test(a_unit_is_meant_by_its_name_in_any_slice),
		cmocka_unit_test(a_container_is_meant_by_id_or_name),
		cmocka_unit_test(a_pod_is_meant_as_a_whole),
		cmocka_unit_test(names_come_from_the_files_of_the_runtimes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
