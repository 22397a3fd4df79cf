# The document of cost.jq as the README's table: what could be measured, in the loops of nested paging.
def commas: tostring | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",");
def missed: if .saw and .saw.exits < .saw.at_least then " (saw \(100 * .saw.exits / .saw.at_least | floor)% of the exits)" else "" end;
def added: if . == null then "–" else "+\(round | commas)" end;

. as $doc |
"Instructions added to one exit and entry, Linux \(.taken.kernel), \(.taken.date) (the exits themselves: " +
	([.loops[] | select(.paging == "npt=1").instructions | round | commas] | join(", ")) + "):",
"",
"| | a CPUID instruction | a fresh page | a port write |",
"|---|---|---|---|",
(.tools[] | select(.failed | not) | "| \(.name)\(missed) | \(.added.cpuid | added) | \(.added.touch | added) | \(.added.io | added) |")
