# SPDX-License-Identifier: GPL-2.0-only
# bash completion for sockhop. Between "generated" and "end" stands what `make docs` writes from the tables of the commands.

# generated: completion

_sockhop_commands="attach detach reload config run agent status list advise top metrics check policy pause resume report relay help version"

# COMMAND or COMMAND:VERB: its options
_sockhop_options() {
	case $1 in
	attach) echo "--config --dry-run --json --policy --max-connections --idle-timeout --heartbeat --observe --no-agent --instance --verbose --help" ;;
	detach) echo "--all --timeout --instance --verbose --help" ;;
	reload) echo "--instance --verbose --help" ;;
	config:check) echo "--verbose --help" ;;
	config) echo "--verbose --help" ;;
	run) echo "--policy --max-connections --idle-timeout --heartbeat --observe --instance --verbose --help" ;;
	agent) echo "--config --detach --instance --verbose --help" ;;
	status) echo "--json --probe --instance --verbose --help" ;;
	list) echo "--json --all --columns --watch --instance --verbose --help" ;;
	advise) echo "--json --instance --verbose --help" ;;
	top) echo "--view --sort --filter --delay --batch --count --instance --verbose --help" ;;
	metrics) echo "--listen --openmetrics --config --instance --verbose --help" ;;
	check) echo "--json --instance --verbose --help" ;;
	policy:show) echo "--json --instance --verbose --help" ;;
	policy:set) echo "--instance --verbose --help" ;;
	policy:add) echo "--at --instance --verbose --help" ;;
	policy:del) echo "--instance --verbose --help" ;;
	policy) echo "--json --at --instance --verbose --help" ;;
	pause) echo "--for --instance --verbose --help" ;;
	resume) echo "--instance --verbose --help" ;;
	report) echo "--force --instance --verbose --help" ;;
	relay:pair) echo "--listen --once --max-connections --connect-timeout --idle-timeout --drain-timeout --path --collapse --instance --verbose --help" ;;
	relay:forward) echo "--listen --to --source --proxy-protocol --workers --max-connections --connect-timeout --idle-timeout --drain-timeout --path --collapse --instance --verbose --help" ;;
	relay) echo "--listen --once --to --source --proxy-protocol --workers --max-connections --connect-timeout --idle-timeout --drain-timeout --path --collapse --instance --verbose --help" ;;
	help) echo "--verbose --help" ;;
	version) echo "--json --verbose --help" ;;
	esac
}

# COMMAND: its verbs
_sockhop_verbs() {
	case $1 in
	config) echo "check" ;;
	policy) echo "show set add del" ;;
	relay) echo "pair forward" ;;
	esac
}

# COMMAND:OPTION: what its value is; false where it has none
_sockhop_value() {
	case $1 in
	attach:--config) echo "files" ;;
	attach:--policy) echo "files" ;;
	attach:--max-connections) echo "nothing" ;;
	attach:--idle-timeout) echo "nothing" ;;
	attach:--heartbeat) echo "nothing" ;;
	attach:--instance) echo "instances" ;;
	detach:--timeout) echo "nothing" ;;
	detach:--instance) echo "instances" ;;
	reload:--instance) echo "instances" ;;
	run:--policy) echo "files" ;;
	run:--max-connections) echo "nothing" ;;
	run:--idle-timeout) echo "nothing" ;;
	run:--heartbeat) echo "nothing" ;;
	run:--instance) echo "instances" ;;
	agent:--config) echo "files" ;;
	agent:--detach) echo "nothing" ;;
	agent:--instance) echo "instances" ;;
	status:--instance) echo "instances" ;;
	list:--columns) echo "nothing" ;;
	list:--watch) echo "nothing" ;;
	list:--instance) echo "instances" ;;
	advise:--instance) echo "instances" ;;
	top:--view) echo "words pairs programs services why" ;;
	top:--sort) echo "words messages bytes share saved connections name" ;;
	top:--filter) echo "nothing" ;;
	top:--delay) echo "nothing" ;;
	top:--count) echo "nothing" ;;
	top:--instance) echo "instances" ;;
	metrics:--listen) echo "nothing" ;;
	metrics:--config) echo "files" ;;
	metrics:--instance) echo "instances" ;;
	check:--instance) echo "instances" ;;
	policy:--at) echo "nothing" ;;
	policy:--instance) echo "instances" ;;
	pause:--for) echo "nothing" ;;
	pause:--instance) echo "instances" ;;
	resume:--instance) echo "instances" ;;
	report:--instance) echo "instances" ;;
	relay:--listen) echo "nothing" ;;
	relay:--to) echo "nothing" ;;
	relay:--source) echo "nothing" ;;
	relay:--proxy-protocol) echo "words v2" ;;
	relay:--workers) echo "nothing" ;;
	relay:--max-connections) echo "nothing" ;;
	relay:--connect-timeout) echo "nothing" ;;
	relay:--idle-timeout) echo "nothing" ;;
	relay:--drain-timeout) echo "nothing" ;;
	relay:--path) echo "words auto kernel splice copy" ;;
	relay:--instance) echo "instances" ;;
	*) return 1 ;;
	esac
}

# COMMAND or COMMAND:VERB: what its operands are
_sockhop_operands() {
	case $1 in
	attach) echo cgroups ;;
	detach) echo cgroups ;;
	config:check) echo files ;;
	run) echo programs ;;
	policy:set) echo files ;;
	report) echo files ;;
	help) echo commands ;;
	*) echo nothing ;;
	esac
}

# end

# words KIND [WORD...]: what can stand here
_sockhop_words() {
	local root cur=${COMP_WORDS[COMP_CWORD]}
	case $1 in
	words) compgen -W "${*:2}" -- "$cur" ;;
	files) compgen -f -- "$cur" ;;
	programs) compgen -c -- "$cur" ;;
	commands) compgen -W "$_sockhop_commands" -- "$cur" ;;
	instances) compgen -W "$(ls /sys/fs/bpf/sockhop 2>/dev/null)" -- "$cur" ;;
	cgroups)
		root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
		[ -n "$root" ] && compgen -o dirnames -- "${cur:-$root/}"
		;;
	esac
}

_sockhop() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd=${COMP_WORDS[1]} verbs what
	local -a kind=(words)
	if [ "$COMP_CWORD" -eq 1 ]; then
		kind+=("$_sockhop_commands --help --version")
	elif what=$(_sockhop_value "$cmd:$prev"); then
		read -ra kind <<<"$what"
	else
		verbs=$(_sockhop_verbs "$cmd")
		[[ " $verbs " != *" ${COMP_WORDS[2]} "* || $COMP_CWORD -eq 2 ]] || cmd=$cmd:${COMP_WORDS[2]}
		if [[ $cur == -* ]]; then
			kind+=("$(_sockhop_options "$cmd")")
		elif [ -n "$verbs" ] && [ "$COMP_CWORD" -eq 2 ]; then
			kind+=("$verbs")
		else
			kind=("$(_sockhop_operands "$cmd")")
		fi
	fi
	mapfile -t COMPREPLY < <(_sockhop_words "${kind[@]}")
}
complete -F _sockhop sockhop
