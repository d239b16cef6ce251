#!/usr/bin/env bash
# Mutation testing: changes the library's code in thousands of places, one at a time, and says which changes no unit test notices.
# Usage: tests/mutation.sh [room or file ...]; without any, the rooms that must reach 90 %. Reports go to tests/M3.Client.Auth.Tests/StrykerOutput.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet tool restore >/dev/null
[ $# -gt 0 ] || set -- Validation Jwt Keys Tokens Budget Sharing Origins M3AuthHandler.cs Admission.cs

status=0
cd tests/M3.Client.Auth.Tests
for room in "$@"; do
    case $room in
        *.cs) pattern="$room" ;;
        *) pattern="$room/**/*.cs" ;;
    esac
    echo "== $room"
    # Words are not mutated (each message that matters is asserted whole elsewhere), and neither is what only a thread pool could notice.
    dotnet stryker --project M3.Client.Auth.csproj --mutate "$pattern" --config-file stryker-config.json || status=1
done
exit $status
