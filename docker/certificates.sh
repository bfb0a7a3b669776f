#!/usr/bin/env bash
# Certificates for development: a CA, and of it one certificate for servers and one for clients, for a week.
#   docker/certificates.sh docker/certificates model-server gateway localhost
#
# Writes FOLDER/{ca,server,client}.{pem,key} and FOLDER/ssl.config, which TensorFlow Serving takes (--ssl_config_file):
# it wants the PEM texts themselves, not paths, and demands a client's certificate. For anything but development use the
# certificates of your own CA, in the same files.
set -euo pipefail

folder=${1:?"usage: $0 FOLDER NAME..., such as: $0 docker/certificates model-server localhost"}
shift
[ $# -gt 0 ] || { echo "error: name the hosts that the server certificate is for, such as localhost" >&2; exit 2; }
days=7
umask 077
mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

new_key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

new_key "$folder/ca.key"
openssl req -x509 -new -key "$folder/ca.key" -sha256 -days "$days" -subj "/CN=deepfake-tf development CA" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -out "$folder/ca.pem"

# What is signed for servers does not pass for a client's, and the other way round.
sign() { # NAME EXTENDED_USAGE SUBJECT_ALTERNATIVE_NAMES
    new_key "$folder/$1.key"
    openssl req -new -key "$folder/$1.key" -subj "/CN=deepfake-tf $1" -out "$scratch/$1.csr"
    printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\n%s\n' "$2" "$3" > "$scratch/$1.ext"
    openssl x509 -req -in "$scratch/$1.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -sha256 -days "$days" \
        -set_serial "0x$(openssl rand -hex 8)" -extfile "$scratch/$1.ext" -out "$folder/$1.pem" 2> /dev/null
}
names=$(printf ',DNS:%s' "$@")
sign server serverAuth "subjectAltName=${names:1},IP:127.0.0.1"
sign client clientAuth ""

inline() { awk '{ printf "%s\\n", $0 }' "$1"; }
{
    printf 'server_key: "%s"\n' "$(inline "$folder/server.key")"
    printf 'server_cert: "%s"\n' "$(inline "$folder/server.pem")"
    printf 'custom_ca: "%s"\n' "$(inline "$folder/ca.pem")"
    printf 'client_verify: true\n'
} > "$folder/ssl.config"

# The CA's key stays with its owner; the others are read by the containers' users, who are nobody on this machine.
chmod 755 "$folder"
chmod 644 "$folder"/*.pem "$folder"/{server,client}.key "$folder/ssl.config"
echo "Certificates for $* for $days days, and ssl.config for TensorFlow Serving, are in $folder"
