#!/usr/bin/env bash
# Builds the subject into the jar that it is given: clients/java/build.sh OUT.jar
# With JDK 17 the bytes are always the same. Needs a JDK, and Maven for the client.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The oldest client that it runs with.
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact=org.apache.kafka:kafka-clients:2.8.0 -DoutputDirectory="$work"
javac --release 8 -Xlint:all,-options -Werror -cp "$work/kafka-clients-2.8.0.jar" \
    -d "$work/classes" "$here"/src/ackproof/subject/*.java
cd "$work/classes"
rm -f "$out"
find . -name '*.class' | LC_ALL=C sort | sed 's,^\./,,' |
    xargs jar --create --file "$out" --no-manifest --no-compress --date=2000-01-01T00:00:00Z
