# The lines that tests/bench/exit_cost and operations wrote (jq -s), as one document: docs/cost.md says what is in it.
# $tools and $loops are the tables of tools.sh and lib.sh, $versions an object.
def table($columns): split("\n") | map(select(. != "") | split("\t")) |
	map([., $columns] | transpose | map({ key: .[1], value: .[0] }) | from_entries);

. as $lines |
($loops | table(["id", "paging", "option", "short", "long", "factor", "what"])) as $loops |
{
	schema: "exitstat-cost/1",
	taken: $versions,
	loops: [$loops[] | .id as $l | { id, paging, what,
		instructions: ([$lines[] | select(.id == "none" and .loop == $l).instructions] | first) }],
	tools: [$tools | table(["id", "group", "stream", "start", "argument", "name"])[] | select(.id != "none") | .id as $id |
		{ id, group, name,
		  added: ([$lines[] | select(.id == $id and .loop) | { key: .loop, value: .added }] | from_entries),
		  samples: ([$lines[] | select(.id == $id and .loop) | { key: .loop, value: .samples }] | from_entries),
		  saw: ([$lines[] | select(.id == $id and .saw) | [.saw, .exits]] |
			if . == [] then null else { exits: (map(.[0]) | add), at_least: (map(.[1]) | add) } end),
		  failed: ([$lines[] | select(.id == $id and .failed).failed] | first) }],
	programs: [$lines[] | select(.program) | { tool, loop, program, runs, instructions }],
	operations: [$lines[] | select(.operation) | { id: .operation, what, instructions }]
}
