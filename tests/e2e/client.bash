# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
# What cli.bats and tui.bats share: the programs under test, a daemon that replays, and waiting for things.

# Processes in pids end with the test.
client_setup() {
	build=$(realpath "${BUILD:-build}")
	exitstat=$(realpath "${EXITSTAT:-$build/exitstat}")
	exitstatd=$build/exitstatd
	dir=$BATS_TEST_TMPDIR
	daemon=
	pids=()
	export EXITSTAT_SOCKET=$dir/s TZ=UTC
	unset NO_COLOR TMUX NOTIFY_SOCKET JOURNAL_STREAM
	recording=$BATS_FILE_TMPDIR/r
}

client_teardown() {
	local pid
	for pid in "${pids[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill "$pid" 2>/dev/null && wait "$pid" || true
	done
}

# record FILE LOOKS [ENDS [MORE]]: see recording.jq
record() {
	jq -n -c --argjson n "$2" --argjson ends "${3:-100000}" --argjson more "${4:-0}" \
		--argjson uid "$(id -u)" -f tests/e2e/recording.jq >"$1"
}

# serve FILE [OPTION]…: the daemon, ready; a look every 100 ms, so FILE runs ten times as fast as it was "recorded"
serve() {
	local file=$1
	shift
	: >"$dir/log"
	"$exitstatd" --config /dev/null --replay "$file" --interval 100ms "$@" --socket "$EXITSTAT_SOCKET" 2>"$dir/log" 3>&- &
	daemon=$!
	pids+=("$daemon")
	await 'ready:' cat "$dir/log"
}

stop_daemon() {
	kill "$daemon"
	wait "$daemon" || true
	daemon=
}

# await REGEX COMMAND…: runs the command until what it prints has a line like that; 20 s at most
await() {
	local regex=$1 i
	shift
	for ((i = 0; i < 200; i++)); do
		seen=$("$@" 2>&1) || true
		grep -qE -- "$regex" <<<"$seen" && return 0
		[ -z "${daemon:-}" ] || kill -0 "$daemon" 2>/dev/null || break # it will not come any more
		sleep 0.1
	done
	printf 'no /%s/ in:\n%s\n' "$regex" "$seen"
	return 1
}

# fake_daemon REPLY…: answers the n-th line with the n-th reply, the last one again from then on; lines that match $silent, never. What it was asked
# is in $dir/asked.
fake_daemon() {
	perl -MIO::Socket::UNIX -e '
		my $path = shift;
		my $l = IO::Socket::UNIX->new(Local => $path, Listen => 8) or die "$path: $!";
		while (my $c = $l->accept) {
			my @r = @ARGV;
			while (<$c>) { print STDOUT $_; STDOUT->flush; next if defined $ENV{silent} && /$ENV{silent}/; print $c $r[0], "\n"; $c->flush; shift @r if @r > 1; }
		}' "$EXITSTAT_SOCKET" "$@" >"$dir/asked" 2>"$dir/fake.log" 3>&- &
	pids+=("$!")
	await "^$EXITSTAT_SOCKET\$" ls "$EXITSTAT_SOCKET"
}
