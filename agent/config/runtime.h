/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * runtime.h: names of containers and pods, from files that their runtimes keep. Read only: no runtime is
 * asked, none need be running.
 *
 * docker: /var/lib/docker/containers/ID/config.v2.json, "Name".
 *
 * podman and cri-o, those of root: "id" and "names" in /var/lib/containers/storage, in
 * {overlay,vfs}-containers/containers.json.
 *
 * lxc: the name of the cgroup. Pods: the kubelet's /var/log/pods/NAMESPACE_NAME_UID.
 *
 * containerd: the annotations "nerdctl/name" or "io.kubernetes.cri.container-name" of the OCI bundle, in
 * /run/containerd/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json. Of containers that neither nerdctl
 * nor the kubelet has made, names are in no file that can be read.
 */
#ifndef SOCKHOP_CONFIG_RUNTIME_H
#define SOCKHOP_CONFIG_RUNTIME_H

#include <stddef.h>

#include "selector.h"

struct who;

/* The functions of struct selector_names; arg is what stands for "/", NULL or "" for itself. */
void runtime_container(const struct who *who, char *buf, size_t size, void *root);
void runtime_pod(const char *uid, char *buf, size_t size, void *root);

/* Those of this host. */
extern const struct selector_names runtime_names;

#endif
