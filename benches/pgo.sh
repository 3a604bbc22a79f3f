#!/usr/bin/env bash
# Profile-guided optimisation: builds sidegate so that it counts what its code does, has it do most of
# what `benches/peers` measures, two seconds each, and builds it once more by those counts.
#
# benches/pgo.sh [FILE]     where the binary goes, `target/pgo/sidegate` unless said
#
# Needs nginx, wrk, h2load, taskset, two cores, and `rustup component add llvm-tools`. The profile stays
# in `target/pgo/sidegate.profdata`. RUSTFLAGS and CARGO_PROFILE_RELEASE_… hold for both builds.
set -euo pipefail
cd "$(dirname "$0")/.."

# Not the keys: a million are written first, and what looks one up is in each of these.
workloads=get-64,post-1k,denied-401,denied-403,down-1m,up-1m,tls,tls-handshake,tls-down-1m,h2
workloads+=,websocket,unix-upstream,routes

triple=$(rustc -vV | sed -n 's/^host: //p')
profdata=$(rustc --print sysroot)/lib/rustlib/$triple/bin/llvm-profdata
missing=()
for program in nginx:nginx wrk:wrk h2load:nghttp2-client taskset:util-linux; do
    PATH=$PATH:/usr/sbin command -v "${program%%:*}" > /dev/null || missing+=("${program##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "pgo: not all programs are there — apt-get install ${missing[*]}" >&2
    exit 1
fi
if [ ! -x "$profdata" ]; then
    echo 'pgo: no llvm-profdata — rustup component add llvm-tools' >&2
    exit 1
fi

folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/pgo
binary=$(realpath -m "${1:-$folder/sidegate}")
profile=$folder/sidegate.profdata
mkdir -p "$folder"
# Of the last time. Cargo does not see that a dependency's profile is another one now.
rm -rf "$folder/counts" "$folder/used"

# With a target named, build scripts and macros run without the flags.
build() {
    RUSTFLAGS="${RUSTFLAGS:-} $2" cargo build --release --locked --target "$triple" --target-dir "$folder/$1"
}

build seen "-Cprofile-generate=$folder/counts"
cargo test --locked --bench peers -- --bench --rounds 1 --seconds 2 --peers sidegate \
    --only "$workloads" --sidegate "$folder/seen/$triple/release/sidegate"
"$profdata" merge --output "$profile" "$folder/counts"

build used "-Cprofile-use=$profile -Cllvm-args=-pgo-warn-missing-function" 2>&1 | tee "$folder/log"
# Functions are found by names that depend on cargo's profile: with other names all would be built,
# and nothing be faster.
if grep -Eq 'no profile data available|control flow change detected' "$folder/log"; then
    echo "pgo: the counts are not of this code, says $folder/log" >&2
    exit 1
fi
install -D "$folder/used/$triple/release/sidegate" "$binary"
echo "$binary"
