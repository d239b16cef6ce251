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
. $project/local-m3.sh

echo "| | header set by hand | M3.Client.Auth | over it, median of the pairs | methods compiled |"
echo "|---|---|---|---|---|"
for kind in jit r2r aot; do
    measure $kind >/dev/null
    measure $kind --static >/dev/null
    for _ in $(seq "$pairs"); do
        # The two of a pair run one after the other, so that the machine's moods fall on both alike.
        echo "$(measure $kind --static) $(measure $kind)" >>"$out/$kind.pairs"
    done
    echo "| $kind | $(column $kind '$1') ms | $(column $kind '$3') ms | $(column $kind '$3 - $1') ms | $(column $kind '$2'), $(column $kind '$4') |"
done

echo
echo "Where the first one goes, step by step:"
echo
"$out/jit/M3.Client.Auth.AotSmoke" --trace
