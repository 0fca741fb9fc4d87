#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The rules of docs/design.md, checked by spin in all interleavings of small models, and taken away one by one to show
# that the models see what each prevents.
# timeout: 600

# verify OPTIMISATION MODEL FLAG...: builds and runs the verifier of MODEL.pml with these flags; its report is $output
verify() {
	cd "$BATS_TEST_TMPDIR" || return
	spin -a "${@:3}" "$BATS_TEST_DIRNAME/$2.pml" >/dev/null || return
	# no more memory than this; a search that was cut short counts as failed
	gcc "$1" -w -DSAFETY -DMEMLIM=4000 -DVECTORSZ=512 -o pan pan.c || return
	run timeout 300 ./pan -m100000
	echo "$* $(grep -E 'pan:1|errors:|states, stored|elapsed' <<<"$output" | tr '\n' ' ')"
}

holds() {
	verify -O2 "$@" && grep -q 'errors: 0$' <<<"$output" && ! grep -qE 'max search depth|out of memory|limit|aborting' <<<"$output"
}

# The error must be one of the model's assertions, not a defect of the model. Unoptimised: it is found sooner than
# compiled otherwise.
fails() {
	verify -O0 "$@" && grep -q '^pan:1: assertion violated' <<<"$output" && grep -q 'errors: 1$' <<<"$output"
}

# A model says of itself what it cannot show to be right, and docs/limits.md says the same to users.
remains() { fails "$@"; }

@test "two threads send, two read: no message is lost, doubled or reordered, and members that are asked to leave get out" {
	holds pair
}

@test "the same with the stream verdict program on the receiver" { holds pair -DVERDICT -DONE_READER; }

@test "the same beyond a relay (hop collapse)" { holds pair -DRELAY -DONE_READER; }

@test "end of file comes after everything that send() took" { holds pair -DSHUT -DONE_READER; }

@test "without the order rule bytes are reordered" {
	fails pair -DNO_ORDER && fails pair -DNO_ORDER -DVERDICT && fails pair -DNO_ORDER -DRELAY
}

@test "without the ready rule an old call reads past a hop" {
	fails pair -DNO_READ -DONE_READER && fails pair -DNO_SHARED
}

@test "without the shutdown rule a message hops after the end of file" { fails pair -DSHUT -DNO_SHUTDOWN; }

@test "members that leave without the quiet latch, before their peer or with a full queue lose messages" {
	fails pair -DNO_QUIET && fails pair -DNO_PEER && fails pair -DNO_EMPTY
}

@test "a socket that connects again reads nothing of its old connection, and all of the new one, and joins again" {
	holds reconnect
}

@test "unread hop bytes are the next connection's if the socket stays in the sockhash" { fails reconnect -DNO_FORGET; }

@test "without the state rule the old peer reaches a socket that is disconnected" { fails reconnect -DNO_STATE; }

@test "a redirect in flight lands in another connection if the socket joins again too early" {
	fails reconnect -DNO_OLD_QUIET
}

@test "a reader that turns blocking gets everything, never EAGAIN, and does not sleep for ever" { holds sleeper; }

@test "a blocking reader that joins sleeps for ever" { fails sleeper -DNO_NONBLOCK && fails sleeper -DNO_RECHECK; }

@test "a blocking reader whose end leaves says EAGAIN" { fails sleeper -DNO_ASLEEP; }

@test "a blocking file joins while no call waits: the first that does gets everything, never EAGAIN, and wakes up" {
	holds nowait
}

@test "without the mark, the watch or the second look of a join a call that waits sleeps for ever" {
	fails nowait -DNO_MARK && fails nowait -DNO_LATER && fails nowait -DNO_AGAIN
}

@test "a call that waits says EAGAIN if its end leaves meanwhile" { fails nowait -DNO_ASLEEP; }

@test "what remains: a call that waits and enters in the very moment of leaving" { remains nowait -DAPART; }

@test "what remains: send() in one thread overtaken by shutdown() in another" {
	remains pair -DSHUT -DONE_READER -DOVERTAKEN
}

@test "what remains: a socket that connects again while a call holds its old membership" { remains reconnect -DLINGERS; }

@test "what remains: a reader that turns blocking in the very moment, or while another thread is in a call" {
	remains sleeper -DAPART && remains sleeper -DTWO
}
