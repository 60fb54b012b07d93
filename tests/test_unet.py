import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mini_ddpm.unet import (
    Attention,
    Dropout,
    ResidualBlock,
    UNet,
    UNetConfig,
    downsample,
    timestep_embedding,
    upsample,
)

SMALL = UNetConfig(
    image_size=28, in_channels=1, base_channels=8, channel_mults=(1, 2), blocks=1, attention=(14,), groups=4
)


def woken(config):
    """A network whose zero-initialised layers are not zero."""
    torch.manual_seed(0)
    net = UNet(config).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net


def test_the_papers_cifar10_network_has_35_7_million_parameters():
    with torch.device("meta"):
        assert sum(p.numel() for p in UNet(UNetConfig()).parameters()) == 35_746_307


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"patch_size": 2, "attention": (7,)},
        {"image_size": 20, "channel_mults": (1, 2, 2), "attention": (5,)},
        {"image_size": 30, "channel_mults": (1, 1), "attention": ()},
        {"in_channels": 3, "image_size": 32, "blocks": 2, "attention": (32, 16)},
        {"channel_mults": (1,), "image_size": 7, "attention": (7,)},
        {"fourier": (3, 5), "patch_size": 2, "attention": ()},
        {"heads": 4, "attention": (28, 14)},
        {"head_channels": 8},
        {"block_resample": True, "image_size": 20, "channel_mults": (1, 2, 2), "attention": (5,)},
        {"adaptive_norm": True, "rescale": True},
    ],
)
def test_output_has_the_inputs_shape_and_starts_at_zero(changes):
    config = replace(SMALL, **changes)
    x = torch.randn(2, config.in_channels, config.image_size, config.image_size)
    t = torch.tensor([1, 1000])
    for learned in (False, True):
        out = UNet(replace(config, learned_variance=learned))(x, t)
        assert out.shape == (2, config.in_channels * (1 + learned), config.image_size, config.image_size)
        assert (out == 0).all()


def test_every_parameter_learns():
    net = woken(replace(SMALL, classes=10))
    net(torch.randn(2, 1, 28, 28), torch.tensor([3, 700]), torch.tensor([1, 10])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_time_and_class_matter_and_null_is_no_label():
    net = woken(replace(SMALL, classes=10))
    x, t = torch.randn(1, 1, 28, 28), torch.tensor([10])
    with torch.no_grad():
        base = net(x, t, torch.tensor([10]))
        torch.testing.assert_close(net(x, t), base)
        assert not torch.allclose(net(x, t, torch.tensor([3])), base)
        assert not torch.allclose(net(x, t + 1, torch.tensor([10])), base)


def test_images_of_a_batch_do_not_mix():
    net = woken(SMALL)
    x, t = torch.randn(3, 1, 28, 28), torch.tensor([1, 50, 900])
    with torch.no_grad():
        torch.testing.assert_close(net(x, t)[1:2], net(x[1:2], t[1:2]), rtol=1e-4, atol=1e-4)


def test_attention_reaches_across_the_image():
    far = woken(replace(SMALL, channel_mults=(1,), attention=(28,)))
    x = torch.zeros(1, 1, 28, 28, requires_grad=True)
    far(x, torch.tensor([5]))[0, 0, 0, 0].backward()
    assert x.grad[0, 0, 27, 27] != 0


def test_waves_tell_neighbouring_grey_levels_apart():
    """What enters the first convolution: x, and then sin and cos of 2^7 pi x; a grey level is half a period."""
    net, seen = woken(replace(SMALL, fourier=(7,))), []
    net.conv_in.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.full((1, 1, 28, 28), -1.0)
    x[..., 1] += 2 / 255
    net(x, torch.tensor([5]))
    plain, sine, cosine = seen[0][0, :, 0, :2]
    torch.testing.assert_close(plain, x[0, 0, 0, :2])
    assert sine.tolist() == pytest.approx([0, math.sin(256 * math.pi / 255)], abs=1e-4)
    assert cosine.tolist() == pytest.approx([1, math.cos(256 * math.pi / 255)], abs=1e-4)


def test_heads_work_each_on_their_own_channels():
    """softmax(q k^T / sqrt(C / heads)) v, head by head, on consecutive channels."""
    torch.manual_seed(0)
    attention, x = Attention(8, replace(SMALL, heads=2)), torch.randn(2, 8, 3, 3)
    attention.out.weight.data = torch.eye(8)[:, :, None, None]
    q, k, v = attention.qkv(attention.norm(x)).flatten(2).chunk(3, dim=1)  # (2, 8, 9) each
    heads = []
    for own in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(q[:, own].transpose(1, 2) @ k[:, own] / math.sqrt(4), dim=-1)
        heads.append(v[:, own] @ weights.transpose(1, 2))
    torch.testing.assert_close(attention(x), x + torch.cat(heads, dim=1).reshape(x.shape))


def test_heads_by_their_channels():
    config = replace(SMALL, head_channels=8, attention=(28, 14))
    assert [config.heads_of(c) for c in (8, 16, 64)] == [1, 2, 8]
    assert UNet(config).down[1].stages[0].attention.heads == 2


def test_adaptive_norm_scales_and_shifts_the_normalised_map():
    torch.manual_seed(0)
    block = ResidualBlock(8, 8, replace(SMALL, adaptive_norm=True))
    block.conv_2.weight.data.normal_()
    x, emb = torch.randn(2, 8, 4, 4), torch.randn(2, 32)
    scale, shift = block.embed(emb).chunk(2, dim=1)
    h = block.norm_2(block.conv_1(F.silu(block.norm_1(x))))
    h = h + h * scale[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(block(x, emb), x + block.conv_2(F.silu(h)))


def test_a_silent_block_resamples_or_rescales_its_input():
    x, emb = torch.arange(16.0).reshape(1, 1, 4, 4).expand(1, 8, 4, 4), torch.randn(1, 32)
    torch.testing.assert_close(ResidualBlock(8, 8, replace(SMALL, rescale=True))(x, emb), x / math.sqrt(2))
    halved = downsample(8, replace(SMALL, block_resample=True))(x, emb)
    torch.testing.assert_close(halved[0, 0], torch.tensor([[2.5, 4.5], [10.5, 12.5]]))
    doubled = upsample(8, replace(SMALL, block_resample=True))(halved, emb)
    torch.testing.assert_close(doubled[0, 0, 0], torch.tensor([2.5, 2.5, 4.5, 4.5]))


def test_dropout_only_in_training():
    net = woken(replace(SMALL, dropout=0.5))
    x, t = torch.randn(1, 1, 28, 28), torch.tensor([5])
    with torch.no_grad():
        assert torch.equal(net(x, t), net(x, t))
        net.train()
        assert not torch.equal(net(x, t), net(x, t))


def test_dropout_drops_its_share_and_keeps_the_mean():
    dropout, ones = Dropout(0.1), torch.ones(100_000)
    out = dropout(ones)
    assert 0.095 < (out == 0).double().mean() < 0.105  # 5 standard errors of a share of 0.1
    torch.testing.assert_close(out.unique(), torch.tensor([0, 1 / 0.9]))
    assert dropout(ones.bfloat16()).dtype is torch.bfloat16
    assert torch.equal(dropout.eval()(ones), ones)


def test_embedding_is_the_papers():
    e = timestep_embedding(torch.tensor([0, 7]), 8)
    assert torch.equal(e[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    frequencies = torch.tensor([1, 10000 ** (-1 / 3), 10000 ** (-2 / 3), 1e-4])
    torch.testing.assert_close(e[1], torch.cat([(7 * frequencies).sin(), (7 * frequencies).cos()]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 28, "channel_mults": (1, 2, 2, 2)}, "image_size 28 cannot be halved 3 times"),
        ({"image_size": 30, "patch_size": 2}, "multiple of 4"),
        ({"base_channels": 10}, "multiple of groups"),
        ({"attention": (8,)}, "attention at 8"),
        ({"groups": 8}, "one channel each would normalise the added time away"),
        ({"heads": 3}, "8 channels can't be shared out among 3 heads"),
    ],
)
def test_impossible_shapes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)
