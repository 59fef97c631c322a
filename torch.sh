#!/bin/sh
# Installs the torch that fits this machine: the CPU build where there is no NVIDIA GPU, so that no CUDA is downloaded.
set -eu
if [ "$(uname -s)" = Darwin ] || nvidia-smi >/dev/null 2>&1; then
    exec "$PIP" install --quiet "torch==$TORCH"
fi
"$PIP" install --quiet "torch==$TORCH+cpu" 2>/dev/null ||
    "$PIP" install --quiet --extra-index-url https://download.pytorch.org/whl/cpu "torch==$TORCH+cpu"
