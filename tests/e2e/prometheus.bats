#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# exitstatd --metrics, read by curl, by promtool and by a real Prometheus, which also runs our rules and the dashboard's queries.

bats_require_minimum_version 1.5.0

setup_file() {
	export dir=$BATS_FILE_TMPDIR
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || true
	port=$(free_port) && export port
	prometheus_port=$(free_port) && export prometheus_port
	export at=127.0.0.1:$port
	start_daemon || return 1
	sed "s/@AT@/$at/; s|@RULES@|$PWD/prometheus|" >"$dir/prometheus.yml" <<-'EOF'
		global: { scrape_interval: 1s, evaluation_interval: 1s }
		rule_files: ["@RULES@/rules.yml", "@RULES@/alerts.yml"]
		scrape_configs:
		  - job_name: exitstat
		    static_configs: [{ targets: ["@AT@"] }]
	EOF
	prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" --log.level=warn \
		--web.listen-address="127.0.0.1:$prometheus_port" 2>"$dir/prometheus.log" 3>&- &
	echo $! >"$dir/prometheus.pid"
	until_ok 30 eval '[ "$(value "exitstat_attached")" = 1 ]'
}

teardown_file() {
	kill "$(cat "$dir/prometheus.pid")" "$(cat "$dir/daemon.pid")" 2>/dev/null || true
}

# One that nobody listens on, and that is not given to clients.
free_port() {
	local port
	for port in $(shuf -i 10000-30000 -n 50); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
	done
	return 1
}

start_daemon() {
	"${BUILD:-build}/exitstatd" --config /dev/null --socket "$dir/s" --replay tests/fixtures/replay/three.jsonl --interval 2s \
		--metrics "$at" --metrics-histograms 2>>"$dir/log" 3>&- &
	echo $! >"$dir/daemon.pid"
	until_ok 10 curl -sf -o "$dir/first" "http://$at/metrics"
}

# until_ok SECONDS COMMAND…
until_ok() {
	local i
	for ((i = 0; i < $1 * 5; i++)); do
		"${@:2}" >/dev/null 2>&1 && return
		sleep 0.2
	done
	"${@:2}"
}

api() { curl -sf --data-urlencode "$2" "http://127.0.0.1:$prometheus_port/api/v1/$1" -G; }
query() { api query "query=$1" | jq -ce '.data.result'; }
value() { query "$1" | jq -er '.[0].value[1]'; }

@test "the page is what promtool expects, in both formats, gzipped or not" {
	curl -sf "http://$at/metrics" >"$dir/page"
	promtool check metrics <"$dir/page"
	[ "$(tail -n 1 "$dir/page")" != "# EOF" ]
	curl -sfD "$dir/head" -H 'Accept-Encoding: gzip' "http://$at/metrics" | gunzip | promtool check metrics
	grep -qi '^content-encoding: gzip' "$dir/head"
	grep -qi '^content-type: text/plain; version=0.0.4' "$dir/head"
	curl -sfD "$dir/head" -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' "http://$at/metrics" >"$dir/open"
	grep -qi '^content-type: application/openmetrics-text; version=1.0.0' "$dir/head"
	[ "$(tail -n 1 "$dir/open")" = "# EOF" ]
}

@test "its numbers are those of the socket" {
	curl -sf "http://$at/metrics" >"$dir/page"
	"${BUILD:-build}/exitstat" snapshot --socket "$dir/s" --format json >"$dir/snapshot"
	jq -r '.vms[] | select(.state != "ended") | .name as $vm | .exits.reasons[] |
		"exitstat_vm_exits_total{vm=\"\($vm)\",reason=\"\(.name)\"} \(.count)"' "$dir/snapshot" >"$dir/want"
	[ -s "$dir/want" ]
	while read -r line; do grep -qxF "$line" "$dir/page"; done <"$dir/want"
}

@test "methods, paths and requests that are none" {
	status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
	[ "$(status "http://$at/")" = 200 ]
	[ "$(status "http://$at/x")" = 404 ]
	[ "$(status -X POST -d x "http://$at/metrics")" = 405 ]
	[ "$(status -X DELETE "http://$at/metrics")" = 405 ]
	[ "$(status -I "http://$at/metrics")" = 200 ]
	[ "$(curl -sI "http://$at/metrics" | grep -ci '^content-length: [1-9]')" = 1 ]
	[ "$({ printf 'X-Long: ' && head -c 100000 /dev/zero | tr '\0' a; } | status -H @- "http://$at/metrics" || true)" != 200 ]
	head -c 5000 /dev/urandom | timeout 5 curl -s -m 2 "telnet://$at" >/dev/null || true
	[ "$(status "http://$at/metrics")" = 200 ]
}

@test "200 silent connections keep nobody out for long" {
	(
		for _ in $(seq 200); do
			exec {fd}<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /metr' >&"$fd"
		done
		sleep 12
	) 2>/dev/null 3>&- &
	local flood=$!
	sleep 1
	# They are cut off after 10 seconds; the local socket answers all the time.
	"${BUILD:-build}/exitstat" list --socket "$dir/s" >/dev/null
	until_ok 20 curl -sf -m 1 -o /dev/null "http://$at/metrics"
	wait $flood || true
	curl -sf -o /dev/null "http://$at/metrics"
}

@test "Prometheus has the series, with their types" {
	[ "$(query 'exitstat_vm_exits_total{vm="guest1",reason="CPUID"}' | jq length)" = 1 ]
	[ "$(api targets state=active | jq -r '.data.activeTargets[0].lastError')" = "" ]
	api metadata metric= | jq -r '.data | to_entries[] | "\(.key) \(.value[0].type)"' | sort >"$dir/types"
	grep '^# TYPE' "$dir/first" | while read -r _ _ name type; do
		grep -qx "${name%_total} $type\|$name $type" "$dir/types" || { echo "$name $type" && return 1; }
	done
}

@test "counters go on over a restart of the daemon" {
	local before
	before=$(value 'exitstat_vm_exits_total{vm="guest1",reason="CPUID"}')
	kill "$(cat "$dir/daemon.pid")"
	until_ok 10 eval '! kill -0 "$(cat "$dir/daemon.pid")"'
	until_ok 10 eval '[ "$(value up)" = 0 ]'
	start_daemon
	until_ok 10 eval '[ "$(value up)" = 1 ]'
	until_ok 20 eval "[ \"\$(value 'exitstat_vm_exits_total{vm=\"guest1\",reason=\"CPUID\"}')\" -ge $before ]"
	# No step down but the restart's own.
	[ "$(value 'resets(exitstat_samples_total[1m])')" = 1 ]
}

@test "the rules give results, and no alert fires by mistake" {
	until_ok 70 query 'instance_vm:exitstat_vm_exits:rate1m{vm="guest1"} >= 0'
	[ "$(api rules type=record | jq '[.data.groups[].rules[] | select(.health != "ok")] | length')" = 0 ]
	[ "$(api rules type=record | jq '[.data.groups[].rules[]] | length')" = 5 ]
	[ "$(query 'ALERTS{alertstate="firing"}' 2>/dev/null | jq length)" = 0 ]
}

@test "every query of the dashboard is answered" {
	local expr n=0
	jq -r '.panels[] | .targets // [] | .[].expr' grafana/exitstat.json >"$dir/queries"
	while read -r expr; do
		expr=${expr//\$__rate_interval/1m} expr=${expr//\$__range/1m}
		expr=${expr//\$instance/.*} expr=${expr//\$vm/.*}
		# Some have nothing to show over a recording that stands still: they must be valid all the same.
		api query "query=$expr" >"$dir/answer" || { echo "refused: $expr" && return 1; }
		jq -e '.status == "success"' "$dir/answer"
		[ "$(jq '.data.result | length' "$dir/answer")" -gt 0 ] && n=$((n + 1))
	done <"$dir/queries"
	echo "$n of $(wc -l <"$dir/queries") have results"
	[ "$(wc -l <"$dir/queries")" -ge 15 ]
	[ "$n" -ge $(($(wc -l <"$dir/queries") - 4)) ]
	# The variables' queries name what is there.
	[ "$(api 'label/vm/values' 'match[]=exitstat_vm_info' | jq -c .data)" = '["guest1","guest2","old"]' ]
	jq -e '[.templating.list[].name] == ["datasource", "instance", "vm"]' grafana/exitstat.json
}

@test "rules and alerts are valid, and do what their tests say" {
	promtool check rules prometheus/rules.yml prometheus/alerts.yml
	promtool test rules prometheus/tests.yml
}

@test "an address that is none, or in use, is told" {
	local a
	for a in 9942 127.0.0.1 127.0.0.1: :9942 '[::1]' ::1:9942 localhost:9942 127.0.0.1:x; do
		run -1 "${BUILD:-build}/exitstatd" --config /dev/null --socket "$dir/other" --replay tests/fixtures/replay/three.jsonl --metrics "$a"
		[ "$output" = "exitstatd: metrics: '$a' is no address and port such as 127.0.0.1:9942 or [::1]:9942" ]
	done
	run -1 "${BUILD:-build}/exitstatd" --config /dev/null --socket "$dir/other" --replay tests/fixtures/replay/three.jsonl --metrics "$at"
	[ "$output" = "exitstatd: metrics: cannot listen on $at: Address already in use; choose another --metrics" ]
}
