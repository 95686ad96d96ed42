"""python -m nncore: info, training runs and what they leave, same bits, Ctrl-C, errors."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import nncore as nc
from nncore import models
from nncore.cli import main
from nncore.data import DataLoader, datasets
from nncore.data.idx import write_idx

for module in ("matplotlib", "safetensors", "tqdm"):
    pytest.importorskip(module)

RESULTS = ["best.safetensors", "last.safetensors", "learning_curve.png", "metrics.json", "predictions.png"]


@pytest.fixture(autouse=True)
def settings_of_the_process():
    threads = nc.get_num_threads()
    yield
    nc.set_num_threads(threads)


@pytest.fixture
def tiny(tmp_path):
    """Fashion-MNIST's files with 60 images: stripes, the wider the higher the class."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 30)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.zeros((n, 28, 28), np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, : 2 + 2 * label] = 200
        images += rng.integers(0, 40, images.shape, dtype=np.uint8)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    return tmp_path


def train(out, *options):
    return main(["train", "--out", str(out), *map(str, options)])


def metrics(out):
    return json.loads((out / "metrics.json").read_text())


def test_info(capsys):
    assert main(["info"]) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.strip().splitlines())
    assert nc.__version__ in lines["nncore"]
    assert np.__version__ in lines["NumPy"]
    assert f"in use: {nc.current_isa()}" in lines["instruction sets"]
    assert lines["threads"].split()[0] == str(nc.get_num_threads())
    assert lines["devices"].strip().startswith("cpu")
    assert {"Python", "system", "compiler", "build options", "memory", "extra demo"} <= lines.keys()


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "nncore", "info"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nncore:")


def test_digits_run_leaves_everything(tmp_path, capsys):
    out = tmp_path / "run"
    assert train(out, "--epochs", 3) == 0
    assert sorted(path.name for path in out.iterdir()) == RESULTS
    for name in ("learning_curve.png", "predictions.png"):
        assert (out / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    record = metrics(out)
    assert record["settings"]["model"] == "cnn"
    assert [row["epoch"] for row in record["history"]] == [1, 2, 3]
    assert not record["interrupted"]
    last = record["history"][-1]
    assert last["test_accuracy"] > 0.8
    assert last["train_loss"] < record["history"][0]["train_loss"]
    printed = capsys.readouterr().out
    assert printed.count("test loss") == 3
    assert f"{100 * last['test_accuracy']:.2f} %" in printed

    # The weights alone give the accuracy again.
    model = models.SmallCNN(image_size=8)
    model.load_state_dict(nc.load(out / "last.safetensors"))
    model.eval()
    pixels = datasets.digits().data / 16
    hits = 0
    with nc.no_grad():
        for x, y in DataLoader(datasets.digits(train=False), batch_size=100):
            normal = (x.numpy() - np.float32(pixels.mean())) / np.float32(pixels.std())
            hits += int((model(nc.from_numpy(normal)).numpy().argmax(1) == y.numpy()).sum())
    assert hits / 360 == last["test_accuracy"]


def test_same_bits(tmp_path):
    def run(name, *options):
        assert train(tmp_path / name, "--epochs", 1, *options) == 0
        return (tmp_path / name / "last.safetensors").read_bytes(), metrics(tmp_path / name)["history"][0]

    weights, row = run("one", "--threads", 1)
    for name, options in {
        "again": ("--threads", 1),
        "two threads": ("--threads", 2),
        "workers": ("--threads", 1, "--workers", 2),
    }.items():
        other, other_row = run(name, *options)
        assert other == weights, name
        assert {**other_row, "seconds": 0} == {**row, "seconds": 0}, name
    assert run("seed", "--threads", 1, "--seed", 1)[0] != weights


@pytest.mark.parametrize("model", ["cnn", "lenet", "mlp"])
def test_models_on_idx_files(tiny, model):
    assert train(tiny / "out", "--data", "fashion-mnist", "--data-dir", tiny, "--model", model, "--epochs", 2) == 0
    assert len(metrics(tiny / "out")["history"]) == 2


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
def test_optimizers(tmp_path, optimizer):
    assert train(tmp_path, "--model", "mlp", "--optimizer", optimizer, "--epochs", 4) == 0
    assert metrics(tmp_path)["history"][-1]["test_accuracy"] > 0.7


def test_lenet_on_digits(tmp_path):
    assert train(tmp_path, "--model", "lenet", "--epochs", 1, "--lr", "0.002", "--batch-size", 32) == 0
    assert metrics(tmp_path)["settings"]["lr"] == 0.002


def test_runs_do_not_overwrite_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["train", "--epochs", "1", "--model", "mlp", "--seed", "3"]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits-mlp-seed3", "digits-mlp-seed3-2"]


def heed_sigint():
    """In a child: SIGINT interrupts, also where these tests run in the background of a shell that ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_saves(tmp_path, workers):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "nncore",
        "train",
        "--epochs",
        "100000",
        "--out",
        str(out),
        "--workers",
        str(workers),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_sigint,
    )
    while not (line := process.stdout.readline()).startswith("epoch      2/"):
        assert line, process.stderr.read()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Interrupted in epoch " in rest
    assert f"saved in {out}: {', '.join(RESULTS)}" in rest
    assert metrics(out)["interrupted"]
    assert len(metrics(out)["history"]) >= 2
    assert nc.load(out / "last.safetensors").keys() == models.SmallCNN(image_size=8).state_dict().keys()


def test_data_that_is_not_there(tmp_path, capsys):
    assert train(tmp_path / "out", "--data", "mnist", "--data-dir", tmp_path) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: mnist: the data set was not found.")
    assert "--data-dir DIR" in message
    assert not (tmp_path / "out").exists()


def test_damaged_data(tiny, capsys):
    path = tiny / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])
    assert train(tiny / "out", "--data", "mnist", "--data-dir", tiny) == 1
    assert "the file is cut off" in capsys.readouterr().err


def test_device_that_is_not_there(tmp_path, capsys):
    assert train(tmp_path / "out", "--device", "abacus") == 1
    assert capsys.readouterr().err.startswith("error: --device abacus: ")


def test_missing_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert train(tmp_path / "out") == 1
    assert "pip install 'nncore[demo]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--epochs", "0"],
        ["--lr", "-1"],
        ["--lr", "nan"],
        ["--seed", "x"],
        ["--data", "cifar"],
        ["--model", "vit"],
    ],
)
def test_usage(options, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", *options])
    assert caught.value.code == 2
    assert options[0] in capsys.readouterr().err
