#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# `sockhop top`: typed into in tmux, on several terminals; and its plain text.

bats_require_minimum_version 1.5.0

setup() {
	load ../lib
	K=$BUILD/tests/prog
	mux=
}
teardown() {
	stop
	lib_teardown
}

stop() { [ ! -S "$mux" ] || tmux -S "$mux" kill-server || true; }

# traffic: three pairs of a unit and a client hop; one that is blocking does not
traffic() {
	new_cgroup
	mkdir "$CG/redis.service" "$CG/app.service"
	attach "$CG"
	port=$(free_port)
	spawn -c "$CG/redis.service" "$K/rr" rr server -p "$port" -s 100
	wait_listen "$port"
	spawn -c "$CG/app.service" "$K/rr" rr client -c 3 -p "$port" -s 100
	spawn -c "$CG/app.service" "$K/rr" rr -b -s 100
	wait_list 20 'map(.state) | sort == ["candidate", "hopping", "hopping", "hopping"]' "$INSTANCE"
}

# start [ENV...] [-- OPTION...]: `sockhop top` in a tmux of 80x24
start() {
	local vars=()
	stop
	lib_count=$((lib_count + 1))
	mux=$BATS_TEST_TMPDIR/tmux.$lib_count
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		vars+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	# bats waits until its fd 3 is closed
	tmux -S "$mux" -f /dev/null new-session -d -x 80 -y 24 \
		"env ${vars[*]} '$SOCKHOP' top --delay 1 --instance $INSTANCE $* 2>'$BATS_TEST_TMPDIR/err'; echo \"ended: \$?\"; cat '$BATS_TEST_TMPDIR/err'; exec sleep 60" 3>&-
}

screen() { tmux -S "$mux" capture-pane -p "$@"; }
type_() { tmux -S "$mux" send-keys "$@"; }
on_screen() { screen | grep -qE -- "$1"; }
not_on_screen() { ! screen | grep -qE -- "$1"; }

# shows PATTERN: within 5 s
shows() { wait_for 5 on_screen "$1" || { screen; return 1; }; }
hides() { wait_for 5 not_on_screen "$1" || { screen; return 1; }; }

# row N: of the table
row() { screen | sed -n "$(($1 + 3))p"; }
first_row_is() { [[ $(row 1) =~ $1 ]]; }

@test "views, orders, filter and help, as they are typed" {
	traffic
	start
	shows '^sockhop .*  6 members  [0-9]+k? msg/s .* hop (100|99)%'
	shows '^4 pairs by messages, every 1 s'
	shows '^rr/[0-9]+:[0-9]+ > .* (100|99)% .*  -$'
	shows ' 0% +0%  blocking$'
	shows '^q quit 1 pairs'

	type_ 2
	shows '^PROGRAM +MSG/S'
	shows '^rr +[0-9]+k? .* 4 +3$'

	type_ 3
	shows '^2 services by messages'
	shows '^redis\.service +[0-9]+k? .* (100|99)% +[0-9.]+% +3 +3$'
	shows '^app\.service .* 4 +3$'

	type_ n
	shows '^2 services by name, '
	wait_for 5 first_row_is '^app'
	type_ r
	shows 'by name \(reversed\)'
	wait_for 5 first_row_is '^redis'

	type_ / R e d i
	shows 'filter: Redi_$'
	shows '^1 services'
	hides '^app\.service'
	type_ Enter
	shows 'filter: Redi$'
	type_ Escape
	shows '^app\.service'

	type_ w
	shows '^WHY +OF +TIMES/S'
	shows '^blocking +ends +[0-9.]+ +2 +[0-9]+ '
	type_ w
	shows '^CONNECTION'

	type_ '?'
	shows 'sort by CPU saved'
	type_ x
	shows '^CONNECTION'

	type_ p
	shows ', held'
	local held
	held=$(screen)
	sleep 1.5
	[ "$(screen)" = "$held" ]
	type_ p
	hides ', held'

	type_ q
	shows '^ended: 0'
}

@test "it follows the size of the terminal" {
	traffic
	start
	shows '^CONNECTION +MSG/S +BYTES/S +HOP +SAVED  WHY$'
	tmux -S "$mux" resize-window -x 120 -y 8
	# the help has moved to the last line, and names have room
	shows '^CONNECTION {50}'
	[ "$(screen | wc -l)" -eq 8 ]
	wait_for 5 eval '[[ $(screen | tail -n 1) == q\ quit* ]]'
	tmux -S "$mux" resize-window -x 30 -y 8
	shows '^too small'
	tmux -S "$mux" resize-window -x 80 -y 24
	shows '^4 pairs'
	type_ q
	shows '^ended: 0'
}

# coloured: the screen has colours (SGR 30 to 37)
coloured() { screen -e | grep -qE $'\033\\[([0-9;]*;)?3[0-7]m'; }

@test "colours where there are some; none with NO_COLOR nor on a VT100" {
	traffic
	start
	shows '^4 pairs'
	wait_for 5 coloured
	type_ q
	shows '^ended: 0'

	start NO_COLOR=1
	shows '^4 pairs'
	shows '^rr/.* (100|99)% '
	run ! coloured
	# reverse video is no colour
	screen -e | grep -q $'\033\\[7m'

	start TERM=vt100
	shows '^4 pairs'
	shows '^rr/.* (100|99)% '
	run ! coloured
	type_ 3
	shows '^SERVICE'
	type_ Down
	type_ q
	shows '^ended: 0'
}

@test "a terminal that there is not, and none at all" {
	traffic
	start TERM=no-such-terminal
	shows '^ended: 1'
	shows "cannot use a terminal of type 'no-such-terminal'"
	run -2 "$SOCKHOP" top --instance "$INSTANCE" </dev/null
	[[ $output == *"this is not a terminal: use --batch"* ]]
}

@test "it outlives the instance, and gives the terminal back when it is interrupted" {
	traffic
	start -- --view services
	shows '^redis\.service'
	"$SOCKHOP" detach --all --instance "$INSTANCE" 3>&-
	shows 'not attached'
	hides '^redis\.service'
	"$SOCKHOP" attach "$CG" --instance "$INSTANCE" 3>&-
	shows '^redis\.service'
	type_ C-c
	shows '^ended: [0-9]'
	hides '^q quit'
}

@test "it costs little" {
	traffic
	start
	shows '^4 pairs'
	local pid before after
	pid=$(pgrep -P "$(tmux -S "$mux" list-panes -F '#{pane_pid}')" | head -n 1)
	before=$(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }')
	sleep 4
	after=$(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }')
	# ticks of 10 ms
	[ "$((after - before))" -lt 20 ]
	type_ q
	shows '^ended: 0'
}

# ---- plain text ----

top_() { timeout 30 "$SOCKHOP" top --instance "$INSTANCE" "$@"; }

@test "--batch prints so many times, without anything that is for a terminal" {
	traffic
	run -0 top_ -b -n 2 -d 1
	[ "$(grep -c '^sockhop ' <<<"$output")" -eq 2 ]
	[ "$(grep -c '^CONNECTION' <<<"$output")" -eq 2 ]
	[ "$(grep -cE '^rr/.* (100|99)% .*  - *$' <<<"$output")" -eq 6 ]
	[[ $output != *"q quit"* ]]
	[ "$(tr -d '\n -~' <<<"$output" | wc -c)" -eq 0 ]
	# what it says agrees with the counters
	local before after said
	before=$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages)
	said=$(top_ --batch --count 1 --delay 2 --view services --filter redis | sed -n 's/.*members  \([0-9]*\)\(k\?\) msg.*/\1 \2/p')
	after=$("$SOCKHOP" status --json --instance "$INSTANCE" | jq .hopped.messages)
	[[ $said != *k ]] || said=$((${said% k} * 1000))
	[ "$((said * 2))" -le "$((after - before + after / 100))" ]
	[ "$((said * 2))" -ge "$(((after - before) / 2))" ]
}

@test "--batch chooses view, order and filter" {
	traffic
	run -0 top_ -b -n 1 -d 1 --view services --sort name --filter SERVICE
	[ "${lines[1]}" = "2 services by name, every 1 s, filter: SERVICE" ]
	[[ ${lines[3]} == app.service* && ${lines[4]} == redis.service* ]]
	run -0 top_ -b -n 1 -d 1 --view why
	grep -qE '^blocking +ends' <<<"$output"
}

@test "--batch ends when the instance is detached, and when nobody reads" {
	traffic
	local status=0
	top_ -b -d 1 3>&- | head -n 1
	spawn "$SOCKHOP" top -b -d 1 --instance "$INSTANCE"
	wait_for 10 grep -q '^CONNECTION' "$SPAWN_LOG"
	"$SOCKHOP" detach --all --instance "$INSTANCE" 3>&-
	wait "$SPAWN_PID" || status=$?
	[ "$status" -eq 3 ]
	grep -q 'the instance was detached' "$SPAWN_LOG"
}

@test "wrong usage, and what is not attached" {
	run -2 "$SOCKHOP" top -b --view nothing
	[[ $output == *"--view nothing: it is one of pairs, programs, services, why"* ]]
	run -2 "$SOCKHOP" top -b --sort nothing
	[[ $output == *"--sort nothing: it is one of messages,"* ]]
	run -2 "$SOCKHOP" top -b -d 0
	run -2 "$SOCKHOP" top -b -n
	run -2 "$SOCKHOP" top -b --filter "$(printf 'x%.0s' {1..60})"
	run -3 "$SOCKHOP" top -b --instance none-such
	[[ $output == *"is not attached: run"* ]]
}
