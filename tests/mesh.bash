# SPDX-License-Identifier: GPL-2.0-only
# mesh.bash: pieces of a service mesh: a proxy beside an application, and rules that lead connections to it. For tests and
# benchmarks that have loaded lib.bash.

# mesh_redirect NETNS CHAIN PORT TO: in that namespace connections to PORT that come by CHAIN (output, prerouting) go to the
# local port TO
mesh_redirect() {
	in_netns "$1" nft -f - <<-NFT
		table inet mesh {
			chain $2 {
				type nat hook $2 priority -100;
				tcp dport $3 redirect to :$4
			}
		}
	NFT
}

mesh_has_nginx() { [ -e /usr/lib/nginx/modules/ngx_stream_module.so ]; }

# mesh_proxy haproxy|nginx NETNS PORT ADDRESS:PORT FOLDER: one in that namespace and in the cgroup CG; its files are in FOLDER
mesh_proxy() {
	local dir=$5/$1-$2-$3
	mkdir -p "$dir"
	"_mesh_$1" "$dir" "$3" "$4" >"$dir/conf"
	if [ "$1" = haproxy ]; then
		spawn -c "$CG" -n "$2" -o "$dir/out" haproxy -db -q -f "$dir/conf"
	else
		spawn -c "$CG" -n "$2" -o "$dir/out" nginx -p "$dir" -e "$dir/error.log" -c "$dir/conf"
	fi
	wait_listen "$3" "$2"
}

_mesh_haproxy() { # FOLDER PORT TARGET
	cat <<-END
		global
			nbthread 1
		defaults
			mode tcp
			timeout connect 5s
			timeout client 60s
			timeout server 60s
		listen sidecar
			bind :$2
			bind [::]:$2 v6only
			server up $3
	END
}

_mesh_nginx() { # FOLDER PORT TARGET
	cat <<-END
		load_module /usr/lib/nginx/modules/ngx_stream_module.so;
		daemon off;
		user root;
		worker_processes 1;
		pid $1/pid;
		error_log $1/error.log warn;
		events { worker_connections 512; }
		stream {
			server {
				listen $2;
				listen [::]:$2;
				proxy_pass $3;
				proxy_half_close on;
			}
		}
	END
}
