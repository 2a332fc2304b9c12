"""Examples run and print what they claim."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def run_example(name, *arguments, folder):
    """Return what an example prints, run in `folder` with warnings as errors."""
    result = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / name, *arguments],
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def assert_picture(name, folder, printed):
    """Assert that an example has saved a picture under its name, and says so."""
    assert f"Saved {name}.png in this folder." in printed
    assert (folder / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["or_gate", "gradients", "xor", "majority"])
def test_example_agrees_with_what_it_reproduces(name, tmp_path):
    printed = run_example(f"{name}.py", folder=tmp_path)
    assert len(printed.splitlines()) > 5
    assert "DIFFERS" not in printed
    assert "DIFFERENT" not in printed
    assert_picture(name, tmp_path, printed)


@pytest.mark.parametrize("name", ["or_gate", "majority"])
def test_published_numbers_name_their_source(name, tmp_path):
    printed = run_example(f"{name}.py", folder=tmp_path)
    assert re.search(r"published: by a tutorial .*in \w+", printed)


def test_regularisation_path_has_the_zeros_of_saga(tmp_path):
    printed = run_example("regularisation_path.py", folder=tmp_path)
    assert "as saga's" in printed
    warm, cold = map(int, re.search(r"steps: (\d+) .* (\d+) from zero", printed).groups())
    assert warm < cold
    assert_picture("regularisation_path", tmp_path, printed)


def test_search_finds_a_better_network_than_the_default(tmp_path):
    printed = run_example("search_sizes_and_rates.py", folder=tmp_path)
    found, default = (
        float(re.search(rf"^{name} +(\S+)", printed, flags=re.M)[1])
        for name in ("the best candidate", "default parameters")
    )
    assert found < default
    assert_picture("search_sizes_and_rates", tmp_path, printed)


def test_stream_without_a_rate_is_nearest_to_the_truth(tmp_path):
    printed = run_example("stream.py", folder=tmp_path)
    assert "lowest over the whole stream: SGDLogisticClassifier" in printed
    assert_picture("stream", tmp_path, printed)


def test_text_is_told_apart_by_few_words(tmp_path):
    printed = run_example("text.py", folder=tmp_path)
    n_words, n_all = re.search(r"(\d+) of ([\d,]+) are not zero", printed).groups()
    assert int(n_words) < int(n_all.replace(",", "")) / 20
    assert float(re.search(r"accuracy +(\S+)", printed)[1]) > 0.8
    assert_picture("text", tmp_path, printed)


def test_out_of_core_trains_on_data_larger_than_memory(tmp_path):
    pytest.importorskip("resource", reason="the system has no limits on memory")
    printed = run_example("out_of_core.py", folder=tmp_path)
    assert "does not fit" in printed
    gaps = re.search(r"one pass (\S+), mapped (\S+)", printed).groups()
    assert all(abs(float(gap)) < 1e-3 for gap in gaps)
    assert_picture("out_of_core", tmp_path, printed)


def test_watch_it_learn_saves_a_film_and_learns_the_data(tmp_path):
    printed = run_example("watch_it_learn.py", "--save", "moons.gif", folder=tmp_path)
    *_, last, saved = printed.splitlines()
    loss, accuracy = map(float, re.search(r"loss (\S+) +accuracy +(\S+)", last).groups())
    assert loss < 0.05
    assert accuracy > 98
    assert "Saved moons.gif in this folder" in saved
    assert 100_000 < (tmp_path / "moons.gif").stat().st_size < 2_000_000


def test_deploy_with_onnx_gives_the_same_predictions(tmp_path):
    printed = run_example("deploy_with_onnx.py", "--file", folder=tmp_path)
    assert "X -> label, probabilities" in printed
    assert "the same labels" in printed
    difference = float(re.search(r"difference of probabilities: (\S+)", printed)[1])
    assert difference < 1e-6
    assert (tmp_path / "digits.onnx").stat().st_size > 1000
    assert_picture("deploy_with_onnx", tmp_path, printed)


def test_deploy_with_onnx_says_what_to_install():
    code = (
        "import runpy, sys; sys.modules['onnxruntime'] = None\n"
        f"runpy.run_path({str(ROOT / 'examples/deploy_with_onnx.py')!r}, {{}}, '__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'sklearn_nn[onnx]' onnxruntime" in result.stdout


def test_table_without_tuning_knows_what_to_expect(tmp_path):
    printed = run_example("table_without_tuning.py", "--rows", "1000", folder=tmp_path)
    network, _, itself, bound = (
        float(re.search(rf"^ *{name} +(\S+)", printed, flags=re.M)[1])
        for name in ("network", "trees", "expected of itself", "true probabilities")
    )
    assert bound < network < itself + 0.02
    assert itself < bound + 0.12
    assert_picture("table_without_tuning", tmp_path, printed)


def test_train_on_torch_gives_the_same_model(tmp_path):
    pytest.importorskip("torch")
    printed = run_example("train_on_torch.py", folder=tmp_path)
    assert "The same model" in printed
    assert "Tensor on" in printed
    assert float(re.search(r"accuracy: ([\d.]+)", printed)[1]) > 96


def test_train_on_torch_says_what_to_install():
    script = (
        "import runpy, sys\n"
        "class WithoutTorch:\n"
        "    def find_spec(name, *rest):\n"
        "        if name == 'torch':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, WithoutTorch)\n"
        f"runpy.run_path({str(ROOT / 'examples/train_on_torch.py')!r}, {{}}, '__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "pip install 'sklearn_nn[array-api]' torch" in result.stdout


def test_exam_scores_without_data_names_its_option(tmp_path):
    assert "--data" in run_example("exam_scores.py", folder=tmp_path)


def test_mnist_learns_from_a_local_file(tmp_path):
    rng = np.random.RandomState(0)
    arrays = {}
    for part, n in (("train", 300), ("test", 100)):
        arrays[f"y_{part}"] = y = np.arange(n) % 10
        X = rng.randint(0, 30, size=(n, 784))
        X[np.arange(n), y] = 255  # one pixel identifies the digit
        arrays[f"X_{part}"] = X.astype(np.uint8)
    np.savez(tmp_path / "digits.npz", **arrays)
    printed = run_example(
        "mnist.py", "--data", "digits.npz", "--epochs", "40", folder=tmp_path
    )
    accuracy = float(re.search(r"test data: +([\d.]+) %", printed)[1])
    assert accuracy > 60
    assert_picture("mnist", tmp_path, printed)


def test_package_and_metadata_have_the_same_version():
    import sklearn_nn

    build = (ROOT / "meson.build").read_text(encoding="utf-8")
    assert re.search(r"version: '([^']+)'", build)[1] == sklearn_nn.__version__
