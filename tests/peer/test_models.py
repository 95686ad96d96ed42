"""Networks beside torchvision's: names and shapes of all parameters, and with copied weights outputs and gradients."""

import numpy as np
import pytest

import nncore as nc
from nncore import models, nn
from nncore.models.resnet import BasicBlock, Bottleneck, SqueezeExcitation
from nncore.models.vgg import make_layers
from test_models import PARAMETERS

torch = pytest.importorskip("torch")


def torchvision():
    """torchvision with the CPU build of PyTorch, where its own operators are missing: declared, they are not called."""
    declared = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torchvision.library = declared  # which withdraws them when it goes
    return pytest.importorskip("torchvision")


tv = torchvision().models
SHARED = [name for name in PARAMETERS if hasattr(tv, name)]


@pytest.mark.parametrize("name", SHARED)
def test_names_and_shapes(name):
    with torch.device("meta"), torch.no_grad():
        theirs = getattr(tv, name)(**({"init_weights": False} if name == "googlenet" else {})).state_dict()
    with nn.init.skipped():
        ours = getattr(models, name)().state_dict()
    assert list(ours) == list(theirs)
    assert [tuple(t.shape) for t in ours.values()] == [tuple(t.shape) for t in theirs.values()]
    assert [str(t.dtype).split(".")[1] for t in ours.values()] == [str(t.dtype).split(".")[1] for t in theirs.values()]


def test_that_many_networks_are_shared():
    assert len(SHARED) == 23


def without_large_layers(library, model):
    """Smaller linear layers in place of the large ones of AlexNet and VGG."""
    features = next(m.in_features for m in model.classifier if isinstance(m, library.nn.Linear))
    for place, module in enumerate(model.classifier):
        if isinstance(module, library.nn.Linear):
            model.classifier[place] = library.nn.Linear(features, 8)
            features = 8
    return model


def vgg(library, batch_norm):
    stages = [[8, 8], [8], [16], [16], [512]]
    if library is nc:
        features = make_layers(stages, batch_norm)
    else:
        plan = [v for stage in stages for v in (*stage, "M")]
        features = tv.vgg.make_layers(plan, batch_norm)
    with nn.init.skipped():
        of = models.VGG if library is nc else tv.VGG
        return without_large_layers(library, of(features, 7, init_weights=False, dropout=0.0))


def alexnet(library):
    with nn.init.skipped():
        return without_large_layers(library, (models if library is nc else tv).AlexNet(7, dropout=0.0))


def resnet(block, layers, **settings):
    def make(library):
        if library is nc:
            return models.ResNet({"basic": BasicBlock, "bottleneck": Bottleneck}[block], layers, 7, **settings)
        blocks = {"basic": tv.resnet.BasicBlock, "bottleneck": tv.resnet.Bottleneck}
        return tv.ResNet(blocks[block], layers, 7, **settings)

    return make


def of(name, *args, **settings):
    return lambda library: getattr(models if library is nc else tv, name)(*args, **settings)


DILATED = {"replace_stride_with_dilation": (False, True, True)}
SMALL = {
    "alexnet": (alexnet, 64),
    "vgg": (lambda library: vgg(library, False), 32),
    "vgg_bn": (lambda library: vgg(library, True), 32),
    "googlenet": (of("GoogLeNet", 7, init_weights=False, dropout=0.0, dropout_aux=0.0), 48),
    "googlenet transformed": (
        of("GoogLeNet", 7, aux_logits=False, transform_input=True, init_weights=False, dropout=0.0),
        32,
    ),
    "resnet": (resnet("basic", [2, 1, 1, 1]), 64),
    "resnet bottleneck": (resnet("bottleneck", [1, 2, 1, 1]), 48),
    "resnext": (resnet("bottleneck", [1, 1, 1, 1], groups=32, width_per_group=4), 48),
    "wide_resnet": (resnet("bottleneck", [1, 1, 1, 1], width_per_group=128), 48),
    "dilated": (resnet("bottleneck", [1, 1, 2, 1], **DILATED), 48),
    "densenet": (of("DenseNet", 8, (2, 3, 2), 16, num_classes=7), 64),
    "mobilenet_v2": (of("MobileNetV2", 7, width_mult=0.35, dropout=0.0), 64),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_outputs_and_gradients(name):
    make, size = SMALL[name]
    torch.manual_seed(0)
    theirs = make(torch)
    with nn.init.skipped():
        ours = make(nc)
    random = np.random.default_rng(0)
    for key, buffer in theirs.named_buffers():  # statistics that are not 0 and 1
        if buffer.is_floating_point():
            buffer.copy_(torch.from_numpy(random.uniform(0.5, 1.5, tuple(buffer.shape)) - ("mean" in key)))
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = random.standard_normal((4, 3, size, size))

    single = x.astype("float32")
    with torch.no_grad(), nc.no_grad():
        a, b = theirs.eval()(torch.from_numpy(single)).numpy(), ours.eval()(nc.tensor(single)).numpy()
    np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4 * np.abs(a).max())

    # In float64, because a normalisation by the batch magnifies roundings.
    theirs.train().double(), ours.train().double()
    labels = np.array([0, 3, 6, 3])
    losses = []
    for library, model, tensor in ((torch, theirs, torch.from_numpy), (nc, ours, nc.tensor)):
        outputs = model(tensor(x))
        heads = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = sum(library.nn.functional.cross_entropy(y, tensor(labels)) for y in heads)
        loss.backward()
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-9)
    # A bias before a normalisation has a gradient of rounding errors only: what is small is so beside the others.
    small = 1e-9 * max(p.grad.abs().max().item() for p in theirs.parameters())
    for (key, p), q in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        np.testing.assert_allclose(q.grad.numpy(), p.grad.numpy(), rtol=1e-6, atol=small, err_msg=key)
    for (key, p), q in zip(theirs.named_buffers(), ours.buffers(), strict=True):
        np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


def test_squeeze_excitation():
    theirs, ours = pytest.importorskip("torchvision.ops").SqueezeExcitation(32, 4), SqueezeExcitation(32, 4)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((2, 32, 5, 6)).astype("float32")
    with torch.no_grad(), nc.no_grad():
        np.testing.assert_allclose(
            ours(nc.tensor(x)).numpy(), theirs(torch.from_numpy(x)).numpy(), rtol=1e-5, atol=1e-6
        )
