#!/usr/bin/env bash
# Cold start of a program whose user is signed in, beside one with M3_OAUTH2_TOKEN, in turns, under JIT: process start to M3's first answer.
# Prints the medians in milliseconds, and how many methods each compiles before the answer. Usage: signed-in.sh [pairs, default 15]
set -euo pipefail
cd "$(dirname "$0")/../.."
pairs=${1:-15}
out=$(mktemp -d)
project=tests/M3.Client.Auth.AotSmoke

dotnet publish $project -c Release -p:PublishAot=false -o "$out/jit" >/dev/null
dotnet build src/M3.Client.Auth.Tool -c Release >/dev/null
. $project/local-m3.sh
unset M3_OAUTH2_CLIENT_ID M3_OAUTH2_CLIENT_SECRET
export M3_SIGN_IN_DIRECTORY=$out/sign-ins

# The person's part, by LocalM3's own form.
dotnet src/M3.Client.Auth.Tool/bin/Release/net10.0/m3-token.dll login --device --client-id local-m3-cli 2>"$out/shown" >/dev/null &
login=$!
until grep -q 'the code' "$out/shown"; do sleep 0.1; done
origin=${M3_URL%/sse}
curl -s -o /dev/null "$origin/connect/device" -H "Origin: $origin" -d decision=allow -d person=ada \
    -d "user_code=$(sed -n 's/.*the code *//p' "$out/shown")"
wait $login

signed_in() { M3_OAUTH2_TOKEN='' measure jit; }

measure jit >/dev/null
signed_in >/dev/null
for _ in $(seq "$pairs"); do
    echo "$(measure jit) $(signed_in)" >>"$out/jit.pairs"
done

echo "| with M3_OAUTH2_TOKEN | signed in | over it, median of the pairs | methods compiled |"
echo "|---|---|---|---|"
echo "| $(column jit '$1') ms | $(column jit '$3') ms | $(column jit '$3 - $1') ms | $(column jit '$2'), $(column jit '$4') |"
