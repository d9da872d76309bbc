#!/bin/sh
# Fetch ONNX Runtime's C headers from Debian, without installing anything and without root.
#
#   tools/fetch_ort_headers.sh FOLDER
#
# FOLDER then serves as -DORT_ROOT. The package libonnxruntime-dev is in Debian 13 and later; on an older Debian its
# newer suite is asked, through the same mirror that this machine's own apt uses. Only headers are kept: the library
# of a newer suite would not run here, and the C interface works with any version of the library.
#
# Exit code 6: Debian cannot be reached, or this is no Debian machine; the reason is on stderr.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
target=$1
package=libonnxruntime-dev
suite=${RAN_DEPLOY_DEBIAN_SUITE:-trixie}

missing() {
    echo "$0: $1" >&2
    exit 6
}

command -v apt-get >/dev/null && command -v dpkg >/dev/null || missing "this machine has no apt-get and dpkg"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/cache" "$work/parts"

# The machine's own Debian sources, with their suites replaced; what is not Debian's main archive is left out.
sources=$(python3 - "$suite" <<'PYTHON'
import glob, re, sys

suite, entries = sys.argv[1], []
own = r"(stable|testing|sid|unstable|buster|bullseye|bookworm|trixie|forky|duke)"
for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
    try:
        lines = open(path).read().splitlines()
    except OSError:
        continue
    for line in lines:
        match = re.match(r"deb\s+(\[[^]]*\]\s+)?(\S+)\s+" + own + r"\s", line)
        if match:
            entries.append(f"deb {match[1] or ''}{match[2]} {suite} main")
for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
    for block in open(path).read().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", block, re.M))
        if "deb" not in fields.get("Types", "").split() or fields.get("Enabled", "yes").strip() == "no":
            continue
        if not any(re.fullmatch(own, name) for name in fields.get("Suites", "").split()):
            continue
        signed = fields.get("Signed-By", "").strip()
        option = f"[signed-by={signed}] " if signed.startswith("/") else ""
        entries += [f"deb {option}{uri} {suite} main" for uri in fields.get("URIs", "").split()]
print("\n".join(dict.fromkeys(entries)))
PYTHON
) || missing "the machine's apt sources cannot be read"
[ -n "$sources" ] || missing "no Debian source was found in /etc/apt"
printf '%s\n' "$sources" >"$work/sources.list"

apt() {
    apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o Dir::Cache::Archives="$work/archives" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o APT::Update::Error-Mode=any "$@"
}

apt update >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; missing "Debian's $suite cannot be reached"; }
(cd "$work/archives" && apt download "$package" >"$work/log" 2>&1) ||
    { tail -n 3 "$work/log" >&2; missing "$package cannot be downloaded from Debian's $suite"; }
dpkg -x "$work"/archives/"$package"_*.deb "$work/tree"
header=$(find "$work/tree" -name onnxruntime_c_api.h | head -n 1)
[ -n "$header" ] || missing "$package of Debian's $suite has no onnxruntime_c_api.h"
mkdir -p "$target/include"
cp -R "$(dirname "$header")"/. "$target/include/"
echo "$target/include"
