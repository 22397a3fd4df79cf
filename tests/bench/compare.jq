# Lines of exit_cost (jq -s) against the numbers kept ($kept, docs/cost.json): "VERDICT<tab>TEXT" for each of exitstatd's
# modes and loops. VERDICT is ok, grown (more than 10 %), cheaper (as much), or missing.
def row($old; $new): if $new == null then "missing\tnot measured, \($old) is kept"
	elif $old == null then "missing\t+\($new), no number is kept"
	elif $new > $old * 1.1 then "grown\t+\($old) -> +\($new)"
	elif $new < $old * 0.9 then "cheaper\t+\($old) -> +\($new)"
	else "ok\t+\($old) -> +\($new)" end;

. as $lines | ($lines | map(select(.loop and .added).loop) | unique) as $loops |
$kept[0].tools[] | select(.group == "exitstatd") | . as $tool | $loops[] | . as $loop |
([$lines[] | select(.id == $tool.id and .loop == $loop).added] | first) as $new |
row($tool.added[$loop]; $new) | split("\t") | "\(.[0])\t\($tool.name), \($loop): \(.[1])"
