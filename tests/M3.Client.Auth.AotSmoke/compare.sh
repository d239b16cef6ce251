#!/usr/bin/env bash
# Cold start: process start to M3's first answer, with this library and with a header set by hand, in turns, under JIT, ReadyToRun and
# NativeAOT. Prints the medians in milliseconds, and how many methods each compiles before the answer. Usage: compare.sh [pairs, default 15]
set -euo pipefail
cd "$(dirname "$0")/../.."
pairs=${1:-15}
out=$(mktemp -d)
project=tests/M3.Client.Auth.AotSmoke

dotnet publish $project -c Release -p:PublishAot=false -o "$out/jit" >/dev/null
dotnet publish $project -c Release -p:PublishAot=false -p:PublishReadyToRun=true -r linux-x64 --self-contained false -o "$out/r2r" >/dev/null
dotnet publish $project -c Release -r linux-x64 -o "$out/aot" >/dev/null
dotnet build examples/LocalM3 -c Release >/dev/null
dotnet run --no-build -c Release --project examples/LocalM3 >"$out/exports" &
m3=$!
trap 'kill $m3; rm -rf "$out"' EXIT
until grep -q M3_OAUTH2_TOKEN "$out/exports"; do sleep 0.1; done
. "$out/exports"

# Milliseconds and methods from the program's own line: "M3 answered 406 after 20 ms, with 0 methods compiled".
measure() { "$out/$1/M3.Client.Auth.AotSmoke" ${2:-} | awk '{ print $5, $8 }'; }
median() { sort -n -k "$2,$2" "$1" | awk -v column="$2" '{ v[NR] = $column } END { print v[int((NR + 1) / 2)] }'; }

echo "| | header set by hand | M3.Client.Auth | over it | methods compiled |"
echo "|---|---|---|---|---|"
for kind in jit r2r aot; do
    measure $kind >/dev/null
    measure $kind --static >/dev/null
    for _ in $(seq "$pairs"); do
        measure $kind --static >>"$out/$kind.static"
        measure $kind >>"$out/$kind.checked"
    done
    static=$(median "$out/$kind.static" 1)
    checked=$(median "$out/$kind.checked" 1)
    methods="$(median "$out/$kind.static" 2), $(median "$out/$kind.checked" 2)"
    echo "| $kind | $static ms | $checked ms | $((checked - static)) ms | $methods |"
done
