# SPDX-License-Identifier: GPL-2.0-only
# bash completion for sockhop; tests/cli/cli.bats checks that it knows every command and option of `sockhop help`.

_sockhop_cgroups() {
	local root
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	[ -n "$root" ] && compgen -o dirnames -- "${cur:-$root/}"
}

_sockhop_instances() {
	compgen -W "$(ls /sys/fs/bpf/sockhop 2>/dev/null)" -- "$cur"
}

# The last of the words between commas.
_sockhop_columns() {
	local before=${cur%"${cur##*,}"} all
	all=$(sockhop help list 2>/dev/null | tr '\n' ' ' | sed 's/.*Columns: //;s/[.,]/ /g')
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$all" -- "${cur##*,}")
}

# The options of a command, as `sockhop help COMMAND` shows them.
_sockhop_options() {
	local common="--instance --verbose --help"
	case $1 in
	attach) echo "--policy --max-connections --idle-timeout --heartbeat --no-agent $common" ;;
	detach) echo "--all --timeout $common" ;;
	run) echo "--policy --max-connections --idle-timeout --heartbeat $common" ;;
	status | check) echo "--json $common" ;;
	list) echo "--json --all --columns --watch $common" ;;
	relay)
		echo "--listen --once --to --source --proxy-protocol --workers --max-connections --connect-timeout" \
			"--idle-timeout --drain-timeout --path --collapse --instance --verbose --help"
		;;
	top) echo "--view --sort --filter --delay --batch --count $common" ;;
	metrics) echo "--listen --openmetrics $common" ;;
	policy) echo "--json --at $common" ;;
	agent) echo "$common" ;;
	version) echo "--json --verbose --help" ;;
	help) echo "--verbose --help" ;;
	esac
}

_sockhop() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd=${COMP_WORDS[1]} words=
	local commands="attach detach run agent status list top metrics check policy relay help version"
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="$commands --help --version"
	else
		case $prev in
		--policy | set)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		--instance)
			mapfile -t COMPREPLY < <(_sockhop_instances)
			return
			;;
		--path)
			mapfile -t COMPREPLY < <(compgen -W "auto kernel splice copy" -- "$cur")
			return
			;;
		--view)
			mapfile -t COMPREPLY < <(compgen -W "pairs programs services why" -- "$cur")
			return
			;;
		--sort)
			mapfile -t COMPREPLY < <(compgen -W "messages bytes share saved connections name" -- "$cur")
			return
			;;
		--columns)
			_sockhop_columns
			return
			;;
		--max-connections | --heartbeat | --delay | --count | --filter | --workers | --*timeout | --at | --listen | --to | --source) return ;;
		esac
		words=$(_sockhop_options "$cmd")
		case $cmd in
		help) words="$words $commands" ;;
		policy) [ "$COMP_CWORD" -eq 2 ] && words="$words show set add del" ;;
		relay) [ "$COMP_CWORD" -eq 2 ] && words="$words pair forward" ;;
		esac
		case $cmd:$cur in
		attach:[!-]* | attach: | detach:[!-]* | detach:)
			mapfile -t COMPREPLY < <(_sockhop_cgroups)
			return
			;;
		run:[!-]*)
			mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			return
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _sockhop sockhop
