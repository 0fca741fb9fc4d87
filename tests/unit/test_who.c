// SPDX-License-Identifier: GPL-2.0-only
/* Which unit, container or pod a cgroup's path names. The paths are as the runtimes of the time make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "agent/view/who.h"

#define ID   "3f4e5d6c7b8a90123f4e5d6c7b8a90123f4e5d6c7b8a90123f4e5d6c7b8a9012"
#define ID2  "aaaabbbbccccddddaaaabbbbccccddddaaaabbbbccccddddaaaabbbbccccdddd"
#define UID  "0d7c3f0e-51a8-4d0c-9d5c-6f1f8a3e2b11"
#define UID_ "0d7c3f0e_51a8_4d0c_9d5c_6f1f8a3e2b11"
#define HASH "8c1a2b3d4e5f60718c1a2b3d4e5f6071"

static void assert_label(const char *path, enum who_kind kind, const char *label)
{
	char got[WHO_LABEL];
	struct who who;

	who_parse(path, &who);
	who_label(&who, got);
	if (strcmp(got, label) || who.kind != kind)
		fail_msg("%s: %s %s, not %s %s", path, who_kind_name(who.kind), got, who_kind_name(kind),
			 label);
}

static void units_are_those_of_systemctl(void **state)
{
	(void)state;
	assert_label("/system.slice/redis-server.service", WHO_UNIT, "redis-server.service");
	assert_label("/system.slice/system-postgresql.slice/postgresql@15-main.service", WHO_UNIT,
		     "postgresql@15-main.service");
	/* what a unit makes below its own cgroup belongs to it */
	assert_label("/system.slice/app.service/workers/3", WHO_UNIT, "app.service");
	assert_label("/system.slice/app.service/inner.service", WHO_UNIT, "app.service");
	assert_label("/init.scope", WHO_UNIT, "init.scope");
	assert_label("/user.slice/user-1000.slice/session-2.scope", WHO_UNIT, "session-2.scope");
	assert_label("/system.slice/_notify.service", WHO_UNIT, "notify.service");
	/* nothing but slices */
	assert_label("/system.slice", WHO_UNIT, "system.slice");
	assert_label("/a.slice/a-b.slice/x", WHO_UNIT, "a-b.slice");
}

static void units_of_a_user_manager_name_the_user(void **state)
{
	struct who who;

	(void)state;
	assert_label("/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.service", WHO_UNIT,
		     "user@1000/firefox.service");
	assert_label("/user.slice/user-1000.slice/user@1000.service/init.scope", WHO_UNIT,
		     "user@1000/init.scope");
	assert_label("/user.slice/user-1000.slice/user@1000.service", WHO_UNIT, "user@1000.service");
	who_parse("/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.service", &who);
	assert_string_equal(who.user, "1000");
	assert_string_equal(who.unit, "firefox.service");
}

static void containers_of_docker_podman_and_others(void **state)
{
	(void)state;
	assert_label("/system.slice/docker-" ID ".scope", WHO_CONTAINER, "docker:3f4e5d6c7b8a");
	assert_label("/docker/" ID, WHO_CONTAINER, "docker:3f4e5d6c7b8a");
	assert_label("/docker/" ID "/system.slice/nginx.service", WHO_CONTAINER, "docker:3f4e5d6c7b8a");
	assert_label("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" ID ".scope",
		     WHO_CONTAINER, "docker:3f4e5d6c7b8a");
	assert_label("/machine.slice/libpod-" ID ".scope", WHO_CONTAINER, "podman:3f4e5d6c7b8a");
	assert_label("/machine.slice/libpod-" ID ".scope/container", WHO_CONTAINER, "podman:3f4e5d6c7b8a");
	assert_label("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container",
		     WHO_CONTAINER, "podman:3f4e5d6c7b8a");
	assert_label("/machine.slice/machine-libpod_pod_" ID2 ".slice/libpod-" ID ".scope", WHO_CONTAINER,
		     "podman:3f4e5d6c7b8a");
	assert_label("/libpod_parent/libpod-" ID, WHO_CONTAINER, "podman:3f4e5d6c7b8a");
	assert_label("/system.slice/nerdctl-" ID ".scope", WHO_CONTAINER, "containerd:3f4e5d6c7b8a");
	/* ctr and nerdctl without systemd: the namespace of containerd, then the id */
	assert_label("/default/" ID, WHO_CONTAINER, "container:3f4e5d6c7b8a");
	assert_label("/lxc.payload.web", WHO_CONTAINER, "lxc:web");
	assert_label("/lxc.payload.web/system.slice/nginx.service", WHO_CONTAINER, "lxc:web");
	assert_label("/lxc/web", WHO_CONTAINER, "lxc:web");
	/* docker in docker: the inner one */
	assert_label("/docker/" ID2 "/docker/" ID, WHO_CONTAINER, "docker:3f4e5d6c7b8a");
}

static void the_unit_of_a_container_is_that_of_this_host(void **state)
{
	struct who who;

	(void)state;
	who_parse("/system.slice/docker-" ID ".scope/system.slice/nginx.service", &who);
	assert_string_equal(who.unit, "docker-" ID ".scope");
	assert_string_equal(who.container, ID);
	assert_string_equal(who.runtime, "docker");
}

static void monitors_of_containers_are_none(void **state)
{
	(void)state;
	assert_label("/machine.slice/libpod-conmon-" ID ".scope", WHO_UNIT, "libpod-conmon-" ID ".scope");
	assert_label("/system.slice/docker.service", WHO_UNIT, "docker.service");
	assert_label("/system.slice/docker-" ID "0.scope", WHO_UNIT, "docker-" ID "0.scope");
}

static void pods_of_both_cgroup_drivers(void **state)
{
	(void)state;
	assert_label("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
		     ".slice/cri-containerd-" ID ".scope",
		     WHO_POD, "pod:" UID);
	assert_label("/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", WHO_POD,
		     "pod:" UID);
	assert_label("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
		     ".slice/docker-" ID ".scope",
		     WHO_POD, "pod:" UID);
	assert_label("/kubepods/burstable/pod" UID "/" ID, WHO_POD, "pod:" UID);
	assert_label("/kubepods/pod" UID "/crio-" ID, WHO_POD, "pod:" UID);
	/* static pods */
	assert_label("/kubepods/burstable/pod" HASH "/" ID, WHO_POD, "pod:" HASH);
	/* kind, k3s, minikube: a node that is a container, a prefix of the kubelet's */
	assert_label("/docker/" ID2 "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
		     "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
		     WHO_POD, "pod:" UID);
	assert_label("/docker/" ID2 "/kubelet/kubepods/besteffort/pod" UID "/" ID, WHO_POD, "pod:" UID);
	assert_label("/system.slice/containerd.service/kubepods-besteffort-pod" UID_
		     ".slice:cri-containerd:" ID,
		     WHO_POD, "pod:" UID);
	/* its pause container's monitor is of the pod as well */
	assert_label("/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", WHO_POD,
		     "pod:" UID);
}

static void a_pod_has_its_container_and_runtime(void **state)
{
	struct who who;

	(void)state;
	who_parse("/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", &who);
	assert_string_equal(who.pod, UID);
	assert_string_equal(who.container, ID);
	assert_string_equal(who.runtime, "cri-o");
	/* the node's container is not the pod's */
	who_parse("/docker/" ID2 "/kubepods/pod" UID, &who);
	assert_string_equal(who.container, "");
	who_parse("/system.slice/containerd.service/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" ID,
		  &who);
	assert_string_equal(who.container, ID);
}

static void what_only_looks_like_it_stays_a_path(void **state)
{
	(void)state;
	assert_label("/", WHO_CGROUP, "/");
	assert_label("", WHO_CGROUP, "/");
	assert_label("/shop", WHO_CGROUP, "/shop");
	assert_label("shop/web", WHO_CGROUP, "/shop/web");
	assert_label("/pod" UID, WHO_CGROUP, "/pod" UID);
	assert_label("/kubepods/podracer", WHO_CGROUP, "/kubepods/podracer");
	assert_label("/docker/short", WHO_CGROUP, "/docker/short");
	assert_label("//shop//web/", WHO_CGROUP, "//shop//web/");
	assert_label("/.service", WHO_CGROUP, "/.service");
}

static void long_paths_are_cut(void **state)
{
	char path[2000], label[WHO_LABEL];
	struct who who;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	who_parse(path, &who);
	who_label(&who, label);
	assert_int_equal(strlen(label), WHO_LABEL - 1);
	memcpy(path + sizeof(path) - 9, ".service", 8);
	who_parse(path, &who);
	assert_int_equal(who.kind, WHO_UNIT);
}

static void the_kubelets_logs_name_a_pod(void **state)
{
	char dir[] = "/tmp/test_who.XXXXXX", path[256], name[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/shop_redis-0_" UID, dir);
	assert_int_equal(mkdir(path, 0700), 0);
	who_pod_name(dir, UID, name, sizeof(name));
	assert_int_equal(rmdir(path), 0);
	assert_string_equal(name, "shop/redis-0");
	who_pod_name(dir, UID, name, sizeof(name));
	assert_string_equal(name, "");
	assert_int_equal(rmdir(dir), 0);
	who_pod_name(dir, UID, name, sizeof(name));
	assert_string_equal(name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_those_of_systemctl),
		cmocka_unit_test(units_of_a_user_manager_name_the_user),
		cmocka_unit_test(containers_of_docker_podman_and_others),
		cmocka_unit_test(the_unit_of_a_container_is_that_of_this_host),
		cmocka_unit_test(monitors_of_containers_are_none),
		cmocka_unit_test(pods_of_both_cgroup_drivers),
		cmocka_unit_test(a_pod_has_its_container_and_runtime),
		cmocka_unit_test(what_only_looks_like_it_stays_a_path),
		cmocka_unit_test(long_paths_are_cut),
		cmocka_unit_test(the_kubelets_logs_name_a_pod),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
