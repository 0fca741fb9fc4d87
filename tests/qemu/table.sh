#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# table.sh [SERIES]...: one table in Markdown, behaviour x kernel, of what the last runs of run.sh and host.sh found (all suites but
# -i), in the order of versions. Cells are pass, skip or FAIL; notes only where they say how kernels differ. Below it: what ran when.
set -euo pipefail

out=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}/kernels
files=()
if [ $# -eq 0 ]; then
	mapfile -t all < <(cd "$out" && for log in *-*.log; do echo "$(sed -n 's/^RELEASE //p' "$log") ${log%-*}"; done |
		sort -uV | awk '{ print $NF }')
	set -- "${all[@]}"
fi
for series in "$@"; do
	for suite in full quick catalogue check real real_nginx real_proxies real_echoes real_databases; do
		# the quick suite is a part of the full one, and later ones overwrite earlier ones
		[ $suite != quick ] || [ ! -s "$out/$series-full.log" ] || continue
		[ ! -s "$out/$series-$suite.log" ] || files+=("$out/$series-$suite.log")
	done
done
[ ${#files[@]} -gt 0 ] || { echo "table.sh: nothing was run" >&2; exit 1; }

awk -F '|' '
# what a kernel is: the version that Debian made it from, else its name
/^RELEASE / { sub(/\r/, ""); name = substr($0, 9); sub(/-.*/, "", name) }
/^VERSION / {
	if (match($0, /Debian [0-9.]+/)) name = substr($0, RSTART + 7, RLENGTH - 7)
	if (!(name in known)) { known[name] = ++kernels; release[kernels] = name }
}
/^RAN / {
	suite = FILENAME; sub(/.*-/, "", suite); sub(/\.log/, "", suite)
	ran[name] = ran[name] (ran[name] == "" ? "" : ", ") suite " on " $1
	sub(/RAN /, "", ran[name])
}
/^ROW / {
	sub(/\r$/, ""); row = substr($1, 5)
	if (!(row in seen)) { seen[row] = ++rows; order[rows] = row }
	worst = (row, name) in cell && cell[row, name] ~ /^FAIL/
	if (!worst) cell[row, name] = brief(row, $2, $3)
}
# of a check what it found, of a test what it counts
function brief(row, result, note) {
	if (row == "check: self test") return result
	if (row ~ /^check: /) { sub(/^[a-z]+: /, "", note); sub(/:.*/, "", note); return note }
	if (row == "profile") return note
	if (row == "behaviour catalogue" || row == "sockhop check" || result != "pass") return result ": " note
	return note ~ /edge-triggered readers stay out/ ? "pass: stays out" : result
}
END {
	printf "| behaviour |"
	for (k = 1; k <= kernels; k++) printf " %s |", release[k]
	printf "\n|---|"
	for (k = 1; k <= kernels; k++) printf "---|"
	print ""
	for (r = 1; r <= rows; r++) {
		printf "| %s |", order[r]
		for (k = 1; k <= kernels; k++)
			printf " %s |", (order[r], release[k]) in cell ? cell[order[r], release[k]] : "-"
		print ""
	}
	print ""
	for (k = 1; k <= kernels; k++) print "- " release[k] ": " ran[release[k]]
}' "${files[@]}"
