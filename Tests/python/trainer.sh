#!/bin/sh
# Trains one parameter with curl, printf and awk: stochastic gradient descent on (w - 3)^2 / 2.
#
#     trainer.sh http://127.0.0.1:8080 shell-session
#
# Each line of output is an uploaded weight; the last is the average, read back as raw bytes.
# Weights are multiples of 1/1024 below 8, so that the few lines of awk that write a float's
# bytes need no rounding.
set -eu
base=$1/v1/sessions/$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

call() { curl --silent --show-error --fail-with-body "$@"; }

# The bytes of a positive float32, little-endian, as printf's octal escapes.
float_bytes() {
    awk -v x="$1" 'BEGIN {
        e = 127
        while (x >= 2) { x /= 2; e++ }
        while (x < 1) { x *= 2; e-- }
        m = (x - 1) * 8388608
        printf "\\%03o\\%03o\\%03o\\%03o", m % 256, int(m / 256) % 256,
            int(m / 65536) % 128 + (e % 2) * 128, int(e / 2)
    }'
}

# 8 bytes of header length (64), the header padded with spaces to 64 bytes, one float32.
write_model() {
    header='{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    printf '\100\000\000\000\000\000\000\000%-64s' "$header"
    # shellcheck disable=SC2059
    printf "$(float_bytes "$1")"
}

call -X PUT "$base" -H 'Content-Type: application/json' \
    -d '{"strategy":"alpha_suffix","epochs":8,"alpha":0.75}' >/dev/null
w=6.5
step=0
for epoch in 1 2 3 4 5 6 7 8; do
    for noise in 1.25 -0.75 0.5 -1; do
        step=$((step + 1))
        w=$(awk -v w="$w" -v noise="$noise" \
            'BEGIN { printf "%.10f", int((w - 0.3 * (w - 3 + noise)) * 1024) / 1024 }')
        write_model "$w" >"$folder/model"
        call -X POST "$base/parameters?step=$step" --data-binary "@$folder/model" \
            -H 'Content-Type: application/vnd.safetensors' >/dev/null
        echo "$w"
    done
    loss=$(awk -v w="$w" 'BEGIN { print (w - 3) ^ 2 / 2 }')
    call -X POST "$base/epochs" -H 'Content-Type: application/json' \
        -d "{\"epoch\":$epoch,\"loss\":$loss}" >/dev/null
done
call -H 'Accept: application/octet-stream' "$base/averages/main/tensors/w" |
    od -An -t fF | awk '{ print "average", $1 }'
