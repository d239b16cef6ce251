# For the scripts beside it: a LocalM3 that runs until they end, with its settings in the environment, and what they compute. "out" is their folder.
dotnet build examples/LocalM3 -c Release >/dev/null
dotnet run --no-build -c Release --project examples/LocalM3 >"$out/exports" &
m3=$!
trap 'kill $m3; rm -rf "$out"' EXIT
until grep -q M3_OAUTH2_TOKEN "$out/exports"; do sleep 0.1; done
. "$out/exports"

# Milliseconds and methods from the program's own line: "M3 answered 406 after 20 ms, with 0 methods compiled".
measure() { "$out/$1/M3.Client.Auth.AotSmoke" ${2:-} | awk '{ print $5, $8 }'; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# Of a file of pairs.
column() { awk "{ print $2 }" "$out/$1.pairs" | median; }
