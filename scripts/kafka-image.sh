#!/bin/bash
# Makes a container image of Kafka without a registry: this machine's Java, its libraries, and
# the Kafka that `ackproof stack fetch` has put into the cache. For tests of --compose.
#
#   scripts/kafka-image.sh TAG JAR...
#
# The image takes its settings from the environment as apache/kafka does
# (KAFKA_ADVERTISED_LISTENERS is advertised.listeners). DOCKER_HOST says which engine it is for.
set -euo pipefail
tag=$1
shift
java=$(readlink -f "$(command -v java)")
home=${java%/bin/java}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{bin,tmp,data,opt/kafka,etc,proc,sys,dev,lib64} "$root/opt/java"
for program in sh sed env cat mkdir tr sleep; do
    cp -L "$(command -v "$program")" "$root/bin/$program"
done
tar -C "$home" -ch --exclude=src.zip --exclude=ct.sym --exclude='*.jsa' bin lib conf |
    tar -C "$root/opt/java" -x
cp "$@" "$root/opt/kafka/"
# What the dynamic linker finds for all of these.
find "$root/bin" "$root/opt/java" -type f \( -name '*.so' -o -perm -u+x \) -print0 |
    xargs -0 -n1 ldd 2>/dev/null |
    grep -o '/[^ ]*\.so[^ ]*' | grep -v "^$root\|^$home" | sort -u |
    while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
# Names are looked up by these, which nothing is linked to.
for library in /lib/x86_64-linux-gnu/libnss_{dns,files}.so.2 /lib/x86_64-linux-gnu/libresolv.so.2; do
    [ -e "$library" ] && cp -L "$library" "$root$library"
done
cat > "$root/etc/passwd" <<< 'root:x:0:0:root:/:/bin/sh'
cat > "$root/etc/nsswitch.conf" <<< 'hosts: files dns'
cat > "$root/run.sh" <<'RUN'
#!/bin/sh
set -e
settings=/tmp/server.properties
env | sed -n 's/^KAFKA_\([A-Z_]*\)=/\1=/p' | while IFS='=' read -r key value; do
    echo "$(echo "$key" | tr A-Z_ a-z.)=$value"
done > $settings
echo log.dirs=/data/logs >> $settings
if [ ! -e /data/logs/meta.properties ]; then
    mkdir -p /data/logs
    cat > /data/logs/meta.properties <<META
version=1
cluster.id=$CLUSTER_ID
node.id=$KAFKA_NODE_ID
directory.id=ackproof$((KAFKA_NODE_ID + 10))AAAAAAAAAAAA
META
fi
exec /opt/java/bin/java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/*' \
    kafka.Kafka $settings
RUN
chmod +x "$root/run.sh"
tar -C "$root" -c . | docker import --change 'CMD ["/run.sh"]' --change 'EXPOSE 9092/tcp' - "$tag"
