# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of the full screen share: exitstat in a terminal, and what is on its screen. After client.bash.

terminal_setup() {
	# A client whose terminal goes away while it looks for leaks spins for ever in LeakSanitizer.
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	terminals=()
}

terminal_teardown() {
	local name
	for name in "${terminals[@]}"; do
		tmux -L "$name" kill-server 2>/dev/null || true
	done
}

# exitstat_in COLUMNS ROWS [ENVIRONMENT]… -- VERB [OPTION]…: in a terminal of that size; its exit status follows on the screen
exitstat_in() {
	local columns=$1 rows=$2 environment=()
	shift 2
	while [ "$1" != -- ]; do
		environment+=("$1")
		shift
	done
	shift
	# A server of its own for each: one that is just ending takes no sessions.
	terminals+=("exitstat-test-$$-$BATS_TEST_NUMBER-${#terminals[@]}")
	tmux="tmux -L ${terminals[-1]} -f /dev/null"
	$tmux new-session -d -x "$columns" -y "$rows" \
		"env ${environment[*]} '$exitstat' $*; echo \"status \$?\"; exec sleep 1000" 3>&-
}

# top COLUMNS ROWS [ENVIRONMENT]… -- [OPTION]…
top() {
	local before=()
	while [ "$1" != -- ]; do
		before+=("$1")
		shift
	done
	shift
	exitstat_in "${before[@]}" -- top -i 0.2 "$@"
}

screen() {
	$tmux capture-pane -p
}

# What is on the screen, and has been for a moment: captures may fall between two writes of one picture.
shows() {
	await "$1" screen
}

line() {
	screen | sed -n "$1p"
}

# not_shown REGEX: until it is gone
not_shown() {
	local i
	for ((i = 0; i < 200; i++)); do
		screen | grep -qE -- "$1" || return 0
		sleep 0.1
	done
	screen
	return 1
}

keys() {
	$tmux send-keys "$@"
}

# fits COLUMNS: no line is wider than that
fits() {
	[ "$(screen | wc -L)" -le "$1" ]
}
