#!/usr/bin/env bash
# Mutation testing: changes the library's code in many places, one at a time, and says which changes no unit test notices.
# Usage: tests/mutation.sh [room ...]; without any, the rooms that must reach 90 %. Reports: tests/M3.Client.Auth.Tests/StrykerOutput.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet tool restore >/dev/null
[ $# -gt 0 ] || set -- Validation Jwt Keys Tokens Budget Sharing Origins Handler

# Each room's mutants meet the tests that are about it, and of those not the ones of many rounds: else a run takes a day. The hostile inputs
# come as the one test that sends all of them, since their names, full of quotation marks, break Stryker's first run.
status=0
cd tests/M3.Client.Auth.Tests
for room in "$@"; do
    pattern="$room/**/*.cs"
    case $room in
        Validation) tests="Validation Keys" ;;
        Jwt) tests="Validation Secrecy Errors.ErrorContract PublicContract" ;;
        Keys) tests="Keys Issuer Tokens.ClockJump" ;;
        Tokens) tests="Tokens Sources Handler.Renewal" ;;
        Budget | Sharing) tests="Budget Sharing" ;;
        Origins) tests="Origins" ;;
        Handler) tests="Handler Origins Budget.AnswerEnd Budget.OwnLimiter Answers" pattern="{M3AuthHandler,Admission,AdmittedRequest,M3AuthRegistration,SynchronousWait}.cs" ;;
        *) tests="$room" ;;
    esac
    filter=$(printf '|FullyQualifiedName~Tests.%s' $tests)
    filter="(${filter#|})&TestCategory!=ManyRounds&FullyQualifiedName!~HostileInput"
    case $room in Validation | Jwt) filter="$filter|FullyQualifiedName~All_hostile_inputs_together" ;; esac
    echo "== $room"
    dotnet stryker --project M3.Client.Auth.csproj --mutate "$pattern" --config-file stryker-config.json --test-case-filter "$filter" || status=1
done
exit $status
