#!/usr/bin/env bash
# Brings a bare Debian or Ubuntu to where the Makefile can go on.
# Steps: venv, install, judges, convert, engines, load_generator.
set -euo pipefail
cd "$(dirname "$0")/.."

# The PyTorch that `argosy convert` and the engines around it are tested with.
TORCH=2.13.0

say() { printf 'argosy: %s\n' "$*" >&2; }

# apt_install PACKAGE...: installs as root, otherwise says what to run.
apt_install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $* with apt-get"
        apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 || {
            apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends "$@" >/dev/null
        }
    else
        say "this machine lacks $*. Run: sudo apt-get install $*"
        exit 1
    fi
}

venv() {
    local python=$1 directory=$2 minor
    command -v "$python" >/dev/null || { say "no $python found. Install Python 3.11 or newer, or: make serve PYTHON=/path/to/python3"; exit 1; }
    "$python" - <<'PY' || { say "Python 3.11 to 3.13 is needed, $("$python" --version) was found. Try: make serve PYTHON=python3.11"; exit 1; }
import sys
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PY
    minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip' 2>/dev/null || apt_install "python$minor-venv"
    # Triton's python stub loads the shared libpython, which Debian's python3 keeps in a package of its own.
    has_libpython "$python" || apt_install "libpython$minor"
    say "creating $directory"
    "$python" -m venv "$directory"
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
}

has_libpython() {
    "$1" - <<'PY'
import ctypes, pathlib, sys, sysconfig
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
if (pathlib.Path(sysconfig.get_config_var("LIBDIR") or "/nowhere") / name).exists():
    sys.exit(0)
try:
    ctypes.CDLL(name)
except OSError:
    sys.exit(1)
PY
}

install() {
    local directory=$1 requirements=$2
    say "installing $requirements into $directory"
    VIRTUAL_ENV="$PWD/$directory" "$directory/bin/uv" pip install --quiet --require-hashes -r "$requirements"
    VIRTUAL_ENV="$PWD/$directory" "$directory/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable .
}

# judges VENV REQUIREMENTS DIRECTORY: an environment that holds these requirements and nothing else, Argosy included.
judges() {
    local directory=$1 requirements=$2 judge=$3
    say "installing $requirements into $judge"
    "$directory/bin/uv" venv --quiet --clear --python "$directory/bin/python" "$judge"
    "$directory/bin/uv" pip install --quiet --python "$judge/bin/python" --require-hashes -r "$requirements"
}

# convert VENV REQUIREMENTS DIRECTORY: the environment of `argosy convert`; Argosy itself is lent to it by each step.
convert() {
    local directory=$1 requirements=$2 target=$3
    say "installing $requirements and PyTorch for the processor into $target"
    "$directory/bin/uv" venv --quiet --clear --python "$directory/bin/python" "$target"
    "$directory/bin/uv" pip install --quiet --python "$target/bin/python" --require-hashes -r "$requirements"
    cpu_torch "$directory" "$target"
}

# engines VENV REQUIREMENTS DIRECTORY: Argosy itself with the engines that need PyTorch, to serve from and to test.
engines() {
    local directory=$1 requirements=$2 target=$3
    say "installing $requirements, PyTorch for the processor and Argosy into $target"
    "$directory/bin/uv" venv --quiet --clear --python "$directory/bin/python" "$target"
    # All that is needed stands in the file; what vLLM asks for beside it is not to be had, or not to be lived with. Each of
    # its three processes imports thousands of modules, so they are compiled now.
    export UV_COMPILE_BYTECODE=1
    "$directory/bin/uv" pip install --quiet --python "$target/bin/python" --no-deps --require-hashes -r "$requirements"
    cpu_torch "$directory" "$target"
    "$directory/bin/uv" pip install --quiet --python "$target/bin/python" --no-deps --no-build-isolation --editable .
}

# cpu_torch VENV DIRECTORY: the index's own build of PyTorch brings gigabytes for GPUs. uv knows where the CPU build is; a
# folder of wheels (UV_FIND_LINKS or PIP_FIND_LINKS) is looked into first.
cpu_torch() {
    local directory=$1 target=$2
    local wheels=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}
    if [ -n "$wheels" ] && UV_FIND_LINKS=$wheels "$directory/bin/uv" pip install --quiet --python "$target/bin/python" "torch==$TORCH+cpu" 2>/dev/null; then
        return
    fi
    "$directory/bin/uv" pip install --quiet --python "$target/bin/python" --torch-backend cpu "torch==$TORCH"
}

load_generator() {
    type -P wrk >/dev/null || apt_install wrk
}

step=$1
shift
"$step" "$@"
