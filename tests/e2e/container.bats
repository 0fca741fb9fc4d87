#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# sockhop's image in a container that a real OCI runtime runs, as the DaemonSet says, for containers that other calls of
# the runtime have started. crun refuses hybrid hosts, so it sees a host that has cgroup v2 only, as most nodes have. It manages
# no cgroups: a container is started in its cgroup, which has the path that containerd would give it.
# timeout: 300

setup_file() {
	load ../lib
	export IMAGE=$BATS_FILE_TMPDIR/oci YAML=$lib_root/docs/packages/kubernetes.yaml VERSION
	VERSION=$(cat "$lib_root/VERSION")
	"$lib_root/docs/packages/oci.sh" "$BUILD/static/sockhop" "$IMAGE"
}

setup() {
	load ../lib
	load e2e
	INSTANCE=node HOST=$BATS_TEST_TMPDIR/host
	STREAMS=$BUILD/static/stream_check
	containers=()
	# shellcheck disable=SC2016
	crun=(unshare --mount --propagation private sh -c '
		[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
		exec "$@"' sh crun --cgroup-manager=disabled --root "$BATS_TEST_TMPDIR/run")
}

teardown() {
	local id
	for id in "${containers[@]}"; do "${crun[@]}" delete --force "$id" || true; done
	lib_teardown
}

# ---- containers ----

# start NAME CGROUP [WRAPPER...]: runs the bundle NAME in that cgroup
start() {
	containers+=("$1")
	spawn -c "$2" -o "$BATS_TEST_TMPDIR/$1.log" "${@:3}" "${crun[@]}" run --bundle "$BATS_TEST_TMPDIR/$1" "$1"
}

# pod NAMESPACE NAME NUMBER: a cgroup as containerd makes for its container, and its name as the kubelet has it; sets POD
pod() {
	local uid id
	uid=$(printf '0d7c3f0e-51a8-4d0c-9d5c-%012x' "$3")
	id=$(printf '%064x' "$3")
	mkdir -p "$HOST/var/log/pods/$1_$2_$uid"
	POD=$CG/kubepods.slice/kubepods-pod${uid//-/_}.slice/cri-containerd-$id.scope
	mkdir -p "$POD"
}

# app NAME NETNS CMD...: the bundle of an application
app() {
	local bundle=$BATS_TEST_TMPDIR/$1 netns=$2
	shift 2
	mkdir -p "$bundle/rootfs"/{proc,dev,sys}
	cp "$STREAMS" "$bundle/rootfs/"
	"$BATS_TEST_DIRNAME/bundle.py" app "$bundle" "$netns" "$@"
}

# The bundle of the DaemonSet's container; its pod is in the cgroup AGENT_CG
agent_bundle() {
	local profile=/usr/share/containers/seccomp.json
	umoci unpack --image "$IMAGE/image:$VERSION" "$BATS_TEST_TMPDIR/agent"
	"$BATS_TEST_DIRNAME/bundle.py" agent "$YAML" "$BATS_TEST_TMPDIR/agent" "$HOST" "$profile"
	pod sockhop sockhop-x 9
	AGENT_CG=$POD
}

start_agent() {
	_lib_note instance "$INSTANCE"
	start agent "$AGENT_CG"
	agent=$SPAWN_PID
	is_ready() { ready 2>/dev/null; }
	wait_for 30 is_ready || { cat "$BATS_TEST_TMPDIR/agent.log"; return 1; }
}

# in_agent ARGUMENT...: as `kubectl exec` does
in_agent() { in_cgroup "$AGENT_CG" "${crun[@]}" exec agent sockhop "$@"; }
# The probe of the DaemonSet, word by word.
probe_of() {
	"$BATS_TEST_DIRNAME/bundle.py" documents "$YAML" |
		jq -r --arg p "$1" '.DaemonSet.spec.template.spec.containers[0][$p].exec.command | join(" ")'
}
# shellcheck disable=SC2046
ready() { "${crun[@]}" exec agent $(probe_of readinessProbe); }

# Two containers, each with a network namespace of its own on a bridge, and a connection that lasts SECONDS
two_apps() {
	new_netns_bridge 2
	app server "${NS_N[0]}" /stream_check server -a "${ADDR_N[0]}" -p 7000 -n 4 -c -s "$1"
	app client "${NS_N[1]}" /stream_check client -a "${ADDR_N[0]}" -p 7000 -n 4 -c -s "$1"
	pod default db-0 1
	start server "$POD"
	server=$SPAWN_PID
	wait_listen 7000 "${NS_N[0]}"
	pod default app-0 2
	start client "$POD"
	client=$SPAWN_PID
}

apps_are_well() {
	wait "$client" || { cat "$BATS_TEST_TMPDIR"/{client,server}.log; return 1; }
	wait "$server" || { cat "$BATS_TEST_TMPDIR"/{client,server}.log; return 1; }
	cat "$BATS_TEST_TMPDIR"/{client,server}.log
}

hopped() { "$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages; }
made() { stat -c %i "/sys/fs/bpf/sockhop/$INSTANCE"; }
hops() { in_agent list --json --instance "$INSTANCE" | jq -e 'any(.[]; .state == "hopping")' >/dev/null; }

# ---- tests ----

blob() { echo "$IMAGE/image/blobs/${1/://}"; }

# is_blob JQ FILE: what that descriptor names is there, with its size and digest
is_blob() {
	local digest size
	read -r digest size < <(jq -r "$1 | .digest + \" \" + (.size | tostring)" "$2")
	[ "$(stat -c %s "$(blob "$digest")")" = "$size" ]
	[ "sha256:$(sha256sum <"$(blob "$digest")" | cut -d' ' -f1)" = "$digest" ]
	BLOB=$(blob "$digest")
}

@test "the image is what the OCI image specification asks for" {
	local index=$IMAGE/image/index.json manifest conf layer
	jq -e '.imageLayoutVersion == "1.0.0"' "$IMAGE/image/oci-layout"
	jq -e '.schemaVersion == 2 and (.manifests | length == 1)' "$index"
	jq -e '.manifests[0] | .mediaType == "application/vnd.oci.image.manifest.v1+json" and
		.annotations["org.opencontainers.image.ref.name"] == $v' --arg v "$VERSION" "$index"
	is_blob '.manifests[0]' "$index"
	manifest=$BLOB
	jq -e '.schemaVersion == 2 and .config.mediaType == "application/vnd.oci.image.config.v1+json" and
		[.layers[].mediaType] == ["application/vnd.oci.image.layer.v1.tar+gzip"]' "$manifest"
	is_blob .config "$manifest"
	conf=$BLOB
	is_blob '.layers[0]' "$manifest"
	layer=$BLOB
	jq -e '.os == "linux" and (.architecture | test("^[a-z0-9]+$")) and .rootfs.type == "layers" and
		.rootfs.diff_ids == [$id] and .config.Entrypoint == ["/usr/sbin/sockhop"]' "$conf" \
		--arg id "sha256:$(zcat "$layer" | sha256sum | cut -d' ' -f1)"
	# and the archive holds the same
	mkdir "$BATS_TEST_TMPDIR/archive"
	tar -C "$BATS_TEST_TMPDIR/archive" -xf "$IMAGE/sockhop.tar"
	diff -r "$BATS_TEST_TMPDIR/archive" "$IMAGE/image"
}

@test "one program, no shell, no library; the same sources make the same bytes" {
	local epoch=1700000000 a=$BATS_TEST_TMPDIR/a b=$BATS_TEST_TMPDIR/b
	umoci unpack --image "$IMAGE/image:$VERSION" "$BATS_TEST_TMPDIR/bundle"
	cd "$BATS_TEST_TMPDIR/bundle/rootfs"
	[ "$(find . -type f -perm /111)" = ./usr/sbin/sockhop ]
	[ -z "$(find . -name '*.so*')" ]
	run -0 readelf -lW usr/sbin/sockhop
	[[ $output != *INTERP* ]]
	[ "$(./usr/sbin/sockhop version | head -n1)" = "$("$BUILD/static/sockhop" version | head -n1)" ]
	SOURCE_DATE_EPOCH=$epoch "$lib_root/docs/packages/oci.sh" "$BUILD/static/sockhop" "$a"
	touch "$BUILD/static/sockhop"
	(umask 077 && TZ=Asia/Tokyo SOURCE_DATE_EPOCH=$epoch "$lib_root/docs/packages/oci.sh" "$BUILD/static/sockhop" "$b")
	cmp "$a/sockhop.tar" "$b/sockhop.tar"
	run "$lib_root/docs/packages/oci.sh" "$BUILD/sockhop" "$a"
	[ "$status" -eq 1 ]
	[[ $output == *"needs shared libraries"* ]]
}

# What the agent keeps and cannot do without, and what attaching has beyond that.
documented() {
	sed -n '/privileges\[\] = {/,/^};/p' "$lib_root/agent/daemon/privileges.c" | tr '\n' ' ' |
		grep -oE '\{CAP\([A-Z_]+\)[^}]*\}' | grep -E 'needed|without' | sed 's/{CAP(\([A-Z_]*\)).*/\1/'
	echo SYSLOG
	echo SYS_NICE
}

@test "the DaemonSet: no privileged container, the capabilities that the program documents, limits, probes" {
	local set=$BATS_TEST_TMPDIR/set.json
	"$BATS_TEST_DIRNAME/bundle.py" documents "$YAML" >"$set"
	jq -e 'keys == ["ConfigMap", "DaemonSet", "Namespace"] and ([.ConfigMap, .DaemonSet] | all(.metadata.namespace == "sockhop")) and
		.DaemonSet.apiVersion == "apps/v1"' "$set"
	jq '.DaemonSet.spec | .template.spec + {spec: .}' "$set" >"$set.pod"
	jq -e '.hostPID and (.hostNetwork | not) and (.spec.selector.matchLabels | inside($l))' "$set.pod" \
		--argjson l "$(jq .spec.template.metadata.labels "$set.pod")"
	jq -e '.spec.updateStrategy | .type == "RollingUpdate" and .rollingUpdate.maxSurge == 0' "$set.pod"
	jq -e '.containers | length == 1 and all(.[]; has("command") | not)' "$set.pod"
	jq -e '.containers[0] | .resources | (.limits, .requests) | has("cpu") and has("memory")' "$set.pod"
	jq -e '.containers[0].securityContext | (.privileged | not) and .readOnlyRootFilesystem and .capabilities.drop == ["ALL"] and
		.seccompProfile.type == "RuntimeDefault"' "$set.pod"
	jq -e '.containers[0] | (.startupProbe, .readinessProbe, .livenessProbe) | .exec.command[0] == "sockhop"' "$set.pod"
	# each volume is mounted, and the file that the agent reads is in the ConfigMap
	jq -e '([.volumes[].name] | sort) == ([.containers[0].volumeMounts[].name] | sort)' "$set.pod"
	jq -e '.ConfigMap.data | keys == ["node.conf"]' "$set"
	jq -er '.ConfigMap.data["node.conf"]' "$set" >"$BATS_TEST_TMPDIR/node.conf"
	"$SOCKHOP" config check "$BATS_TEST_TMPDIR/node.conf"
	# it is not killed while members leave
	jq -e '.terminationGracePeriodSeconds > (.containers[0].args | .[index("--detach") + 1] | rtrimstr("s") | tonumber) + 5' "$set.pod"
	diff <(jq -r '.containers[0].securityContext.capabilities.add[]' "$set.pod" | sort) <(documented | sort)
	[[ $(jq -r '.containers[0].image' "$set.pod") == *":$VERSION" ]]
	# and what the other tests here run has the same
	new_cgroup
	agent_bundle
	diff <(jq -r '.process.capabilities.bounding[]' "$BATS_TEST_TMPDIR/agent/config.json" | sort) <(documented | sed 's/^/CAP_/' | sort)
}

@test "what the agent needs is in its container" {
	new_cgroup
	agent_bundle
	start_agent
	in_agent check --json >"$BATS_TEST_TMPDIR/check" || true # the self test may be late on a busy machine
	jq -c '.checks[] | select(.state != "ok")' "$BATS_TEST_TMPDIR/check"
	jq -e '[.checks[] | select(.check | test("^CAP_|kallsyms|cgroup2|pid namespace"))] | length >= 10 and all(.[]; .state == "ok")' \
		"$BATS_TEST_TMPDIR/check"
}

@test "containers over a bridge hop, and are named; an agent that dies is replaced; one that is stopped leaves nothing, and no byte is lost" {
	local before since
	new_cgroup
	agent_bundle
	start_agent
	two_apps 15
	wait_for "$JOIN_WAIT" hops
	in_agent list --json --instance "$INSTANCE" >"$BATS_TEST_TMPDIR/list"
	jq -c '.[0] | .state, (.a, .b | .program, .service)' "$BATS_TEST_TMPDIR/list"
	jq -e '.[0] | [.a.service, .b.service] | sort == ["pod:default/app-0", "pod:default/db-0"]' "$BATS_TEST_TMPDIR/list"
	"${crun[@]}" kill agent KILL
	wait "$agent" || true
	"${crun[@]}" delete --force agent || true
	run -1 "$SOCKHOP" status --probe --instance "$INSTANCE"
	[[ $output == *"has no agent"* ]]
	before=$(hopped)
	more() { [ "$(hopped)" -gt "$before" ]; }
	wait_for 10 more
	# the next one goes on with the same instance
	since=$(made)
	start_agent
	[ "$(made)" = "$since" ]
	"${crun[@]}" kill agent TERM
	wait "$agent" || { cat "$BATS_TEST_TMPDIR/agent.log"; return 1; }
	run -3 "$SOCKHOP" status --probe --instance "$INSTANCE"
	[ ! -e "/sys/fs/bpf/sockhop/$INSTANCE" ]
	[ -z "$(ls "$HOST/run/sockhop")" ]
	apps_are_well
	[ "$(grep -o 'hop_percent=[0-9]*' "$BATS_TEST_TMPDIR/client.log" | cut -d= -f2)" -ge 1 ]
}

@test "where the node has no bpffs nothing is attached: one of the container would end with it" {
	new_cgroup
	agent_bundle
	mkdir "$HOST/none"
	jq '(.mounts[] | select(.destination == "/sys/fs/bpf")).source = $none' --arg none "$HOST/none" \
		"$BATS_TEST_TMPDIR/agent/config.json" >"$BATS_TEST_TMPDIR/new"
	mv "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/agent/config.json"
	start agent "$AGENT_CG" timeout 20
	wait "$SPAWN_PID" || status=$?
	[ "${status:-0}" -eq 1 ]
	grep 'mount -t bpf bpf /sys/fs/bpf' "$BATS_TEST_TMPDIR/agent.log"
}
