#!/usr/bin/env bash
# Mutation testing: changes the library's code in many places, one at a time, and says which changes no unit test notices.
# Usage: tests/mutation.sh [room ...]; without any, the rooms that must reach 90 %. What it needs and finds is in artifacts/mutation.
# Stryker makes the changes, all in one assembly with a switch; tests/M3.Client.Auth.Mutation turns on one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- Validation Jwt Keys Tokens Budget Origins Handler
rooms=("$@")
folder=$PWD/artifacts/mutation
rm -rf "$folder"
mkdir -p "$folder"
dotnet tool restore >/dev/null

# Stryker puts its assembly in the place of ours while it runs, and ours back. The tests that it is given
# reach none of the library's code: to meet the mutants is the other program's part.
echo "Stryker changes the code (artifacts/mutation/stryker.log)"
tests=tests/M3.Client.Auth.Tests
(cd "$tests" && dotnet stryker --project M3.Client.Auth.csproj --config-file stryker-config.json --output "$folder/stryker" \
    --test-case-filter "FullyQualifiedName~SecurityPolicyTests" >"$folder/stryker.log" 2>&1) &
stryker=$!
ours=$tests/bin/Debug/net10.0/M3.Client.Auth.dll
while kill -0 "$stryker" 2>/dev/null; do
    if grep -q MutantControl "$ours" 2>/dev/null; then
        cp "$ours" "$folder/copy.dll"
        grep -q MutantControl "$folder/copy.dll" && mv "$folder/copy.dll" "$folder/M3.Client.Auth.dll"
    fi
    sleep 0.2
done
wait "$stryker" || { tail -20 "$folder/stryker.log"; exit 1; }

dotnet build tests/M3.Client.Auth.Mutation --output "$folder/bin" >"$folder/build.log" || { cat "$folder/build.log"; exit 1; }
mv "$folder/M3.Client.Auth.dll" "$folder/bin/"
dotnet exec "$folder/bin/M3.Client.Auth.Mutation.dll" "$folder"/stryker/reports/mutation-report.json "$folder" "${rooms[@]}"
