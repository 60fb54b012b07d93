"""What the live pages load: the network, the runtimes and the exercises, all from files of this site.

build(folder)   # writes folder/live/
"""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import torch
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from torch import Tensor, nn

from mini_ddpm import runs
from mini_ddpm.unet import UNet

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "mini_ddpm"
VENDORED = {
    "ort": "onnxruntime-web/dist: ort.wasm.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm",
    "pyodide": "pyodide: pyodide.mjs pyodide.asm.mjs pyodide.asm.wasm python_stdlib.zip pyodide-lock.json",
}
TITLES = {
    "00": "00, start here",
    "01": "01, forward process",
    "02": "02, the bound",
    "03": "03, divergence of Gaussians",
    "04": "04, posterior",
    "05": "05, simplified loss",
}


class Exported(nn.Module):
    """The network, with whole numbers of 32 bits, which a browser handles more easily."""

    def __init__(self, model: UNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.model(x_t, t, y)


def export(run: str, path: Path) -> None:
    """A shipped model as ONNX, its weights in half precision, as they are shipped; beside it, what sampling needs."""
    trained = runs.open_run(run, "cpu")
    config = trained.config
    if (config.schedule, config.parameterization) != ("cosine", "v"):
        raise ValueError("sampler.js knows the cosine schedule and the velocity")
    example = torch.zeros(2, 1, 28, 28), torch.ones(2, dtype=torch.int32), torch.zeros(2, dtype=torch.int32)
    torch.onnx.export(
        Exported(trained.model).eval(),
        example,
        path,
        input_names=["x_t", "t", "y"],
        output_names=["v"],
        dynamic_shapes=[{0: torch.export.Dim.DYNAMIC}] * 3,
        verbose=False,
        external_data=False,
    )
    onnx.save(halved(onnx.load(path)), path)
    path.with_suffix(".json").write_text(json.dumps({"T": config.T, "no_label": config.unet.classes}))


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights in half precision, each cast back where it enters."""
    graph, casts = model.graph, []
    for weight in graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or onnx.numpy_helper.to_array(weight).size < 64:
            continue
        values, name = onnx.numpy_helper.to_array(weight).astype(np.float16), weight.name
        weight.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def vendor(folder: Path) -> None:
    """Runtimes from node_modules, which `npm ci` has checked, and wheels, which pip checks."""
    for name, what in VENDORED.items():
        source, files = what.split(": ")
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file in files.split():
            shutil.copy(HERE / "node_modules" / source / file, folder / name / file)
    target = folder / "python"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        command = ["-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        subprocess.run([sys.executable, *command, "-r", HERE / "wheels.txt", "-d", cache], check=True)
        for wheel in Path(cache).glob("*.whl"):
            shutil.copy(wheel, target / f"{wheel.name.split('-')[0]}.whl")
    with zipfile.ZipFile(target / "mini_ddpm.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        paths = [PACKAGE / "__init__.py", PACKAGE / "course/__init__.py", *PACKAGE.glob("symbolic/*.py")]
        for path in sorted([*paths, *PACKAGE.glob("course/exercises/*.py")]):
            packed.write(path, path.relative_to(PACKAGE.parent))


def exercises() -> list[dict]:
    """Those of Part I, with their statements as HTML."""
    markdown = MarkdownIt().use(dollarmath_plugin, renderer=lambda text, how: text)
    markdown.add_render_rule("math_inline", lambda self, tokens, k, *_: f"\\({tokens[k].content}\\)")
    markdown.add_render_rule("math_block", lambda self, tokens, k, *_: f"\\[{tokens[k].content}\\]")
    groups = []
    for notebook, title in TITLES.items():
        found = import_module(f"mini_ddpm.course.exercises.n{notebook}").EXERCISES
        some = [
            {"number": f"{notebook}.{k}", "kind": one.kind, "html": markdown.render(one.statement)}
            for k, one in enumerate(found, 1)
        ]
        groups.append({"notebook": title, "exercises": some})
    return groups


def build(folder: Path) -> Path:
    """Write folder/live/."""
    live = folder / "live"
    shutil.copytree(HERE / "live", live, ignore=shutil.ignore_patterns("*.html", "__pycache__"), dirs_exist_ok=True)
    vendor(live / "vendor")
    export("mnist", live / "model.onnx")
    (live / "exercises.json").write_text(json.dumps(exercises()), encoding="utf-8")
    return live


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
